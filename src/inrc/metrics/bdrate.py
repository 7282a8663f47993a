"""Bjøntegaard deltas: the average distance between two rate-quality curves, as a rate or as a quality.

The source is Bjøntegaard, "Calculation of average PSNR differences between RD-curves", ITU-T document VCEG-M33 (2001).
The logarithm of the rate is used as there. A piecewise cubic that keeps the order of the points (PCHIP: Fritsch and
Butland, 1984) replaces the single cubic polynomial, and is integrated exactly.

A curve is an array [N, 2] or a sequence of (rate, quality) pairs in any order, N >= 2. Two points make a straight
line; use at least four, as VCEG-M33 does. Rates are positive, in any unit that both curves share. Quality is any number
that rises with the rate: PSNR in dB, -10 log10(1 - MS-SSIM), the negative of LPIPS.

This module imports scipy.interpolate, which is slow to load; therefore `inrc.metrics` does not import this module.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from inrc.errors import ConfigError, OverlapError

Column = npt.NDArray[np.float64]


def bd_rate(anchor: npt.ArrayLike, test: npt.ArrayLike, *, min_overlap: float = 0.5) -> float:
    """Returns the rate of the test curve relative to the anchor at equal quality, averaged over the common qualities.

    The average is that of the logarithm of the ratio of the rates, hence a geometric mean.

    Args:
      anchor: (rate, quality) points [N, 2] of the curve to compare with.
      test: (rate, quality) points [M, 2].
      min_overlap: least length of the common quality interval, as a fraction (0..1) of the shorter of the two
        intervals. A short curve inside a long one has an overlap of 1.

    Returns:
      Percent; negative where the test curve is better.

    Raises:
      ConfigError: A curve has under 2 points, a rate that is not positive or not finite, two points of one rate, or a
        quality that does not rise with the rate; or `min_overlap` is outside 0..1.
      OverlapError: The curves have too few qualities in common, or none.
    """
    anchor_log_rate, anchor_quality = _sorted_columns(anchor, "anchor")
    test_log_rate, test_quality = _sorted_columns(test, "test")
    difference = _mean_difference(
        (anchor_quality, anchor_log_rate), (test_quality, test_log_rate), min_overlap, "qualities"
    )
    return 100 * math.expm1(difference)


def bd_psnr(anchor: npt.ArrayLike, test: npt.ArrayLike, *, min_overlap: float = 0.5) -> float:
    """Returns the quality of the test curve less that of the anchor at equal rate, averaged over the common log rates.

    Args:
      anchor: (rate, quality) points [N, 2] of the curve to compare with.
      test: (rate, quality) points [M, 2].
      min_overlap: least length of the common interval of the rate's logarithm, as a fraction of the shorter of the
        two intervals, 0..1.

    Returns:
      A difference in the unit of the quality (dB for PSNR); positive where the test curve is better.

    Raises:
      ConfigError: A curve is not valid, or `min_overlap` is outside 0..1; see `bd_rate`.
      OverlapError: The curves have too few rates in common, or none.
    """
    return _mean_difference(_sorted_columns(anchor, "anchor"), _sorted_columns(test, "test"), min_overlap, "log rates")


def _sorted_columns(points: npt.ArrayLike, name: str) -> tuple[Column, Column]:
    """Returns log rates and qualities, each [N] and strictly increasing.

    Raises:
      ConfigError: The points are not a curve.
    """
    try:
        curve = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the {name} curve is not an array of (rate, quality) pairs: {error}") from error
    if curve.ndim != 2 or curve.shape[1] != 2 or len(curve) < 2:
        raise ConfigError(f"the {name} curve has shape {curve.shape}; give at least 2 points as (rate, quality) pairs")
    if not np.all(np.isfinite(curve)) or np.any(curve[:, 0] <= 0):
        raise ConfigError(f"the {name} curve {curve.tolist()} must have positive rates and finite values only")
    curve = curve[np.argsort(curve[:, 0], kind="stable")]
    for low, high in zip(curve[:-1].tolist(), curve[1:].tolist(), strict=True):
        if low[0] == high[0] or low[1] >= high[1]:
            raise ConfigError(
                f"the {name} curve does not rise from (rate, quality) {tuple(low)} to {tuple(high)}; leave one out"
            )
    return np.log(curve[:, 0]), curve[:, 1]


def _mean_difference(
    anchor: tuple[Column, Column], test: tuple[Column, Column], min_overlap: float, what: str
) -> float:
    """Returns the mean of the test's y less the anchor's y over the common x, for curves (x, y) of increasing x.

    Raises:
      ConfigError: `min_overlap` is outside 0..1.
      OverlapError: The common interval is empty or too short.
    """
    if not 0 <= min_overlap <= 1:
        raise ConfigError(f"min_overlap is {min_overlap}; it is a fraction in 0..1")
    low, high = max(anchor[0][0], test[0][0]), min(anchor[0][-1], test[0][-1])
    shorter = min(anchor[0][-1] - anchor[0][0], test[0][-1] - test[0][0])
    if high <= low or high - low < min_overlap * shorter:
        raise OverlapError(
            f"the curves share {100 * max(high - low, 0.0) / shorter:.1f} % of the shorter one's {what}, less than "
            f"{100 * min_overlap:g} %; measure points that reach further"
        )
    areas = [float(PchipInterpolator(x, y).integrate(low, high)) for x, y in (anchor, test)]
    return (areas[1] - areas[0]) / float(high - low)
