"""Refuses JAX in processes that were forked from one that had started it.

A fork copies the memory of a process but only one of its threads. JAX, whose computations run in threads of its own,
then waits for ever for threads that are not there. A fork before JAX has started them is harmless, and so are the start
methods "spawn" and "forkserver" of multiprocessing.

Whatever runs JAX asks `check` first: fits and metrics. Work that needs no JAX does not, as reading headers, weights and
latents; renders take NumPy where JAX does not work.
"""

import os
import sys
from pathlib import Path

from inrc.errors import ForkedProcessError


def _has_started() -> bool:
    """Whether JAX has started its threads. Importing it does not, only its first use does."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    # Not `backends_are_initialized`, which waits for a lock that may be held while the process forks.
    return bool(getattr(bridge, "_backends", None))


def _has_one_thread() -> bool:
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:  # there is no /proc outside of Linux
        return False


_is_forked = _has_started() and _has_one_thread()
"""Whether JAX's threads were lost in a fork. If this module is imported after the fork, they are already missing."""
_had_started = False


def _before_fork() -> None:
    global _had_started
    _had_started = _has_started()


def _after_fork() -> None:
    global _is_forked
    _is_forked = _is_forked or _had_started


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def jax_works() -> bool:
    """Whether JAX has been started in this process and has its threads."""
    return _has_started() and not _is_forked


def check() -> None:
    """Refuses to run JAX where it would wait for ever.

    Raises:
      ForkedProcessError: The process was forked from one that had started JAX.
    """
    if _is_forked:
        raise ForkedProcessError(
            "this process was forked from one that had used JAX, and would wait for ever; start it by spawn: "
            'multiprocessing.get_context("spawn"), or DataLoader(..., multiprocessing_context="spawn")'
        )
