"""Which library renders: NumPy, or JAX where it already works on an accelerator.

NumPy needs no start: it has rendered a picture on a CPU before JAX is imported and its program compiled. On an
accelerator that is in use anyway, as by batches and loaders, JAX is faster by far. Both are within a rounding of each
other; FORMAT.md, section 9, says by how much pixels may differ.
"""

import sys

from inrc import forks


def on_accelerator() -> bool:
    """Whether this process computes on an accelerator by JAX, which no fork has taken from it."""
    if not forks.jax_works():
        return False
    return sys.modules["jax"].default_backend() != "cpu"
