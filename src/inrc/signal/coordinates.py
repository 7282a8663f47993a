"""Coordinates of pixel centres: of a whole axis, of a part of it, or at another density.

Sample i of n sits at (i + 0.5) / n * 2 - 1 on every axis, so that any size or region samples the same function.
"""

import numpy as np


def pixel_centres(n: int, *, start: float = 0.0, stop: float | None = None, count: int | None = None) -> np.ndarray:
    """Returns the coordinates of samples that evenly divide the part start..stop of an axis of n native samples.

    Args:
      n: number of native samples of the axis.
      start: left edge of the part, in native samples.
      stop: right edge of the part, in native samples; n if not given.
      count: number of samples to place; one per native sample if not given.

    Returns:
      float32 [count]; -1 and 1 are the outer edges of the native axis.
    """
    stop = float(n) if stop is None else float(stop)
    count = round(stop - start) if count is None else count
    positions = start + (np.arange(count, dtype=np.float64) + 0.5) * ((stop - start) / count)
    return (positions / n * 2.0 - 1.0).astype(np.float32)


def polyphase_indices(n: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the sample indices of the `factor` interleaved phases of an axis of n samples.

    Returns:
      (indices [factor, ceil(n / factor)], int32; valid, bool of the same shape). Where n is no multiple of the factor,
      the shorter phases end with the last sample once more, marked as not valid.
    """
    length = -(-n // factor)
    indices = np.arange(factor)[:, None] + factor * np.arange(length)[None, :]
    valid = indices < n
    return np.minimum(indices, n - 1).astype(np.int32), valid
