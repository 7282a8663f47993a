"""Mean squared error and PSNR of integer pixels, from an exact sum of squares."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt


def mse(reference: npt.NDArray[Any], decoded: npt.NDArray[Any], *, bit_depth: int = 8) -> float:
    """Returns the mean squared error over all pixels and channels, as a fraction of the squared full range.

    Args:
      reference: integer pixels [H, W, C] in 0..2^bit_depth - 1.
      decoded: the same shape and range.
      bit_depth: bits per sample, 1..16; the full range is 2^bit_depth - 1.

    Returns:
      A number in [0, 1]: 0 for identical pictures, 1 for black against white, on one scale for all bit depths.
      Multiply it by (2^bit_depth - 1)^2 for squared levels.

    Raises:
      ValueError: if the arrays are not two integer pictures of one shape within the range.
    """
    check_pair(reference, decoded, bit_depth)
    difference = reference.astype(np.int64) - decoded.astype(np.int64)
    squared_levels = int(np.sum(difference * difference))
    return squared_levels / (difference.size * (2**bit_depth - 1) ** 2)


def psnr_db(reference: npt.NDArray[Any], decoded: npt.NDArray[Any], *, bit_depth: int = 8) -> float:
    """Returns the peak signal-to-noise ratio, 10 log10(peak^2 / mse) with peak = 2^bit_depth - 1.

    Args:
      reference: integer pixels [H, W, C] in 0..2^bit_depth - 1.
      decoded: the same shape and range.
      bit_depth: bits per sample, 1..16.

    Returns:
      Decibels; infinity for identical pictures, 0 for black against white.

    Raises:
      ValueError: if the arrays are not two integer pictures of one shape within the range.
    """
    fraction = mse(reference, decoded, bit_depth=bit_depth)
    return math.inf if fraction == 0 else -10 * math.log10(fraction)


def check_pair(reference: npt.NDArray[Any], decoded: npt.NDArray[Any], bit_depth: int) -> None:
    """Checks that two arrays are integer pictures [H, W, C] of one shape, with samples of `bit_depth` bits.

    Raises:
      ValueError: if they are not.
    """
    if not 1 <= bit_depth <= 16:
        raise ValueError(f"bit_depth is {bit_depth}; it must lie in 1..16")
    if reference.shape != decoded.shape:
        raise ValueError(f"the pictures have shapes {reference.shape} and {decoded.shape}; they must be equal")
    if reference.ndim != 3 or reference.size == 0:
        raise ValueError(f"the pictures have shape {reference.shape}; a picture is [H, W, C] with no side of 0")
    for pixels in (reference, decoded):
        if not np.issubdtype(pixels.dtype, np.integer):
            raise ValueError(f"the pixels are {pixels.dtype}; round them to integers first")
        if pixels.min() < 0 or pixels.max() >= 2**bit_depth:
            raise ValueError(
                f"the pixels span {pixels.min()}..{pixels.max()}; {bit_depth} bits hold 0..{2**bit_depth - 1}"
            )
