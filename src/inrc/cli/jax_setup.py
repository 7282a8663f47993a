"""How the commands set JAX up: compiled programs are kept on disk, and accelerators are shared with other programs.

With programs kept, a second run of a command compiles nothing anew. The choice of a device stays JAX's own.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from inrc.cli.jax_platforms import check_platforms
from inrc.parallel import n_cores

_MAX_BYTES = 1 << 28
"""Limit of the kept programs: 256 MiB. The programs of one picture size and network take about 1 MiB."""

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_FATAL_ONLY = "3"


def cache_folder() -> Path:
    """Returns the folder of compiled programs: `jax` in INRC_CACHE_DIR, XDG_CACHE_HOME/inrc or ~/.cache/inrc.

    Raises:
      RuntimeError: The user has no home folder.
    """
    own, shared = os.environ.get("INRC_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    base = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "inrc"
    return base.absolute() / "jax"


def silence_compiler_log() -> None:
    """Keeps messages of XLA's C++ log off stderr. It works only before the first import of JAX in a process.

    XLA logs an alarm of several lines, as an error, when a program takes over two minutes to compile, although nothing
    is wrong. What does go wrong is raised as an exception too, which this does not touch. A level that the user has set
    in TF_CPP_MIN_LOG_LEVEL stays as it is.
    """
    os.environ.setdefault(_LOG_LEVEL, _FATAL_ONLY)


def wants_library_log() -> bool:
    """Whether the user has asked for XLA's log. Then nothing that libraries write to stderr is held back."""
    return os.environ.get(_LOG_LEVEL, _FATAL_ONLY) != _FATAL_ONLY


@contextlib.contextmanager
def jax_set_up(*, starts_devices: bool = True) -> Iterator[None]:
    """Sets JAX up for as long as the context lasts.

    Where programs cannot be kept, all of them are compiled anew. What the user has set in JAX's own environment
    variables stays as it is.

    Args:
      starts_devices: whether JAX's devices are started, which shows that the platform of the user's choice is there.
        Where processes are joined first, call `check_platforms` after that instead.

    Raises:
      ConfigError: The platform is not there.
    """
    silence_compiler_log()
    import jax

    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else one encode takes three quarters of a GPU
    warnings.filterwarnings("ignore", message=".*persistent compilation cache")
    # Ray forks to start programs, which is harmless; in a fork that would use JAX, `inrc.forks` refuses it.
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called")
    folder = None
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        with contextlib.suppress(OSError, RuntimeError):
            folder = cache_folder()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds programs: nobody else may add any
            jax.config.update("jax_compilation_cache_dir", str(folder))
            # A fit compiles dozens of small programs besides the large one; they take half of the time in all.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if starts_devices:
        check_platforms()
    try:
        yield
    finally:
        if folder is not None:
            with contextlib.suppress(OSError):
                _prune(folder)


def use_all_cores() -> None:
    """Makes a device of every core, so that batches are spread over them. Call it before anything uses JAX's devices.

    The choice of accelerators stays JAX's own, and a number of devices that the user has set stays as it is.
    """
    silence_compiler_log()
    import jax

    is_set = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if is_set or os.environ.get("JAX_NUM_CPU_DEVICES"):
        return
    with contextlib.suppress(RuntimeError):  # JAX has made its devices already
        jax.config.update("jax_num_cpu_devices", n_cores())


def _prune(folder: Path) -> None:
    """Once the files exceed the limit, removes those used longest ago until half of the limit is left."""
    files = [(Path(entry), entry.stat()) for entry in os.scandir(folder) if entry.is_file()]
    n_bytes = sum(stat.st_size for _, stat in files)
    if n_bytes <= _MAX_BYTES:
        return
    for path, stat in sorted(files, key=lambda pair: max(pair[1].st_atime, pair[1].st_mtime)):
        if n_bytes <= _MAX_BYTES // 2:
            break
        path.unlink(missing_ok=True)
        n_bytes -= stat.st_size
