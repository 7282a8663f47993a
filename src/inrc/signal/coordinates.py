"""Pixel-centre grids, whole, in part or at another density.

Sample i of n sits at (i + 0.5) / n * 2 - 1 on every axis, so that any size or region samples the same function.
"""

import numpy as np


def pixel_centres(n: int, *, start: float = 0.0, stop: float | None = None, count: int | None = None) -> np.ndarray:
    """Coordinates [count] of samples that divide native samples start..stop of an axis of n evenly.

    Args:
      n: native samples of the axis.
      start: left edge of the region, in native samples.
      stop: right edge; n if not given.
      count: samples to place; one per native sample if not given.

    Returns:
      float32 coordinates; -1 and 1 are the outer edges of the native axis.
    """
    stop = float(n) if stop is None else float(stop)
    count = round(stop - start) if count is None else count
    positions = start + (np.arange(count, dtype=np.float64) + 0.5) * ((stop - start) / count)
    return (positions / n * 2.0 - 1.0).astype(np.float32)


def polyphase_indices(n: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Sample indices of the `factor` interleaved sub-axes of an axis of n samples.

    Returns:
      (indices [factor, ceil(n / factor)] int32, valid, of the same shape, bool). Where n is no multiple of the
      factor, short phases end in a repeated last sample that is not valid.
    """
    length = -(-n // factor)
    indices = np.arange(factor)[:, None] + factor * np.arange(length)[None, :]
    valid = indices < n
    return np.minimum(indices, n - 1).astype(np.int32), valid
