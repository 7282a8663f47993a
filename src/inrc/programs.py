"""Drops compiled programs before they are too many for the process.

JAX keeps every program that it compiles, one for each shape of picture and size of network. On a CPU a program lies in
dozens of memory mappings, of which Linux grants a process some 65,000 (`vm.max_map_count`): a process that encodes or
decodes pictures of hundreds of shapes would be aborted in the midst of a compilation. Whatever compiles programs for
pictures therefore calls `drop_if_many` first. A program that is needed again is compiled again.
"""

import time
from pathlib import Path

import jax

_MAPPINGS = Path("/proc/self/maps")
_MOST_MAPPINGS = Path("/proc/sys/vm/max_map_count")
_SHARE = 0.5
"""Of the granted mappings, from which programs are dropped. A search for a PSNR took some 1,800 of them on average."""
_EVERY_SECONDS = 1.0
"""Counting takes up to a hundredth of a second."""
_counted = -_EVERY_SECONDS


def drop_if_many() -> None:
    """Drops all compiled programs if the process is halfway to the limit; does nothing outside of Linux."""
    global _counted
    now = time.monotonic()
    if now - _counted < _EVERY_SECONDS:
        return
    _counted = now
    try:
        are_many = n_mappings() > _SHARE * int(_MOST_MAPPINGS.read_text())
    except OSError:  # not on Linux
        return
    if are_many:
        jax.clear_caches()


def n_mappings() -> int:
    """Memory mappings of this process.

    Raises:
      OSError: The system does not tell.
    """
    with _MAPPINGS.open("rb") as mappings:
        return sum(1 for _ in mappings)
