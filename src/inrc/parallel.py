"""Work of NumPy on the cores of one machine.

OpenBLAS, NumPy's usual library of products, spreads every larger product over threads of its own, which wait for each
other by spinning. On the products of small networks they take several times the processor's time, and where other work
shares the cores they take longer, too. So products are taken in pieces that OpenBLAS computes in the thread that asks,
and threads are started here, each for a large share of the work.
"""

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from inrc.shapes import Float

_Item = TypeVar("_Item")

_SMALL_PRODUCT = 1 << 18
"""Multiplications of the largest product that OpenBLAS computes on one thread (65,536 times 4, in interface/gemm.c)."""
_LEAST_COLUMNS = 16
"""Products of larger matrices are worth the threads of BLAS; narrower pieces would be slow."""


def product(matrix: Float[np.ndarray, "m k"], x: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "m n"]:
    """Returns `matrix @ x`, computed on the calling thread unless the matrix is large."""
    n, columns = x.shape[1], _SMALL_PRODUCT // max(1, matrix.size)
    if n <= columns or columns < _LEAST_COLUMNS:
        return matrix @ x
    result = np.empty((len(matrix), n), np.result_type(matrix, x))
    for first in range(0, n, columns):
        np.matmul(matrix, x[:, first : first + columns], out=result[:, first : first + columns])
    return result


def n_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_cores(function: Callable[[_Item], Any], items: Iterable[_Item]) -> None:
    """Calls a function with every item, on all cores where nothing else is parallel already.

    Threads that are not the main one and processes that another one started do all of it by themselves: whoever started
    them has a picture for each.

    Args:
      function: what to do; it may not depend on the order of the items.
      items: large shares of the work, at least a millisecond each.

    Raises:
      Exception: what the function raised first.
    """
    items = list(items)
    if len(items) < 2 or _is_share() or n_cores() < 2:
        for item in items:
            function(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    # NumPy's handling of floating-point errors is part of the context, which threads do not inherit.
    contexts = [contextvars.copy_context() for _ in items]
    with ThreadPoolExecutor(min(len(items), n_cores())) as pool:
        for _ in pool.map(lambda context, item: context.run(function, item), contexts, items):
            pass


def _is_share() -> bool:
    if threading.current_thread() is not threading.main_thread():
        return True
    # A process that multiprocessing started has imported it; others would wait for the import.
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.parent_process() is not None
