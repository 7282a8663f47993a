"""How the commands set JAX up: compiled programs are kept on disk, and accelerators are shared with others.

With programs kept, a second run of a command compiles nothing anew. The choice of a device stays JAX's own.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

_MAX_BYTES = 1 << 28
"""Above 256 MiB the programs used longest ago are removed; a picture's size and network take about 1 MiB."""


def cache_folder() -> Path:
    """INRC_CACHE_DIR, or inrc in XDG_CACHE_HOME, or ~/.cache/inrc; therein jax.

    Raises:
      RuntimeError: There is no home.
    """
    own, shared = os.environ.get("INRC_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    base = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "inrc"
    return base.absolute() / "jax"


@contextlib.contextmanager
def jax_set_up() -> Iterator[None]:
    """Sets JAX up for what runs within. Never fails: where nothing can be kept, everything is compiled anew.

    What the user has set in JAX's own environment variables stays as it is.
    """
    import jax

    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or one encode takes three quarters of a GPU
    warnings.filterwarnings("ignore", message=".*persistent compilation cache")
    folder = None
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        with contextlib.suppress(OSError, RuntimeError):
            folder = cache_folder()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # programs: nobody else may put any here
            jax.config.update("jax_compilation_cache_dir", str(folder))
            # A fit compiles dozens of small programs besides the large one, half of the time in all.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        yield
    finally:
        if folder is not None:
            with contextlib.suppress(OSError):
                _prune(folder)


def use_all_cores() -> None:
    """Makes a device of every core, so that batches are spread over them. Call it before anything uses JAX's devices.

    Accelerators, where there are any, stay JAX's choice; a number of devices that the user has set stays too.
    """
    import jax

    is_set = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if is_set or os.environ.get("JAX_NUM_CPU_DEVICES"):
        return
    with contextlib.suppress(RuntimeError):  # it is too late: the devices are there
        jax.config.update("jax_num_cpu_devices", n_cores())


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prune(folder: Path) -> None:
    """Removes the oldest files until half of the allowed size is left, once it is exceeded."""
    files = [(Path(entry), entry.stat()) for entry in os.scandir(folder) if entry.is_file()]
    n_bytes = sum(stat.st_size for _, stat in files)
    if n_bytes <= _MAX_BYTES:
        return
    for path, stat in sorted(files, key=lambda pair: max(pair[1].st_atime, pair[1].st_mtime)):
        if n_bytes <= _MAX_BYTES // 2:
            break
        path.unlink(missing_ok=True)
        n_bytes -= stat.st_size
