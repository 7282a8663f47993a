"""Integer probability tables of discretised Laplace distributions, one per scale index.

A decoder must rebuild every table bit for bit. Tables are therefore computed in decimal arithmetic, which is correctly
rounded by definition (IEEE 754-2008, Python's `decimal`), and never with a platform's exp(). Weights are coded with
these tables; latents have tables of their own, `latent_tables`.
"""

import bisect
import decimal
import functools

import numpy as np

from inrc.shapes import Float64, Int64, Shaped

PRECISION_BITS = 24
N_SCALES = 64
FRACTION_BITS = 16
"""Binary places of a fixed-point mean absolute value."""

_CONTEXT = decimal.Context(prec=40, rounding=decimal.ROUND_HALF_EVEN)
_MIN_SCALE_EXPONENT = decimal.Decimal(-4)
_SCALES_PER_OCTAVE = 4
_MAX_MAGNITUDE = 1023


def scale_of_index(index: int) -> decimal.Decimal:
    """Scale b (mean absolute value, in steps) of Laplace table `index`: 2 ** (index / 4 - 4), for 0 <= index < 64."""
    return _CONTEXT.power(2, _MIN_SCALE_EXPONENT + decimal.Decimal(index) / _SCALES_PER_OCTAVE)


@functools.cache
def _thresholds() -> list[int]:
    """Fixed-point geometric midpoints between neighbouring scales."""
    midpoints = (
        _CONTEXT.power(2, _MIN_SCALE_EXPONENT + (decimal.Decimal(i) + decimal.Decimal("0.5")) / _SCALES_PER_OCTAVE)
        for i in range(N_SCALES - 1)
    )
    return [int(_CONTEXT.multiply(m, 1 << FRACTION_BITS)) for m in midpoints]


def index_of_scale(mean_magnitude: int) -> int:
    """Index of the table whose scale is nearest, on a log axis, to a fixed-point mean absolute value."""
    return bisect.bisect_left(_thresholds(), mean_magnitude)


def indices_of_scales(mean_magnitudes: Shaped[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """`index_of_scale` of every element of an array of integers, which may be Python's (dtype object)."""
    return np.searchsorted(np.array(_thresholds()), np.minimum(mean_magnitudes, _thresholds()[-1] + 1).astype(np.int64))


@functools.cache
def max_magnitude(index: int) -> int:
    """The largest magnitude that table `index` has a symbol for; larger ones are coded as an escape."""
    return min(_MAX_MAGNITUDE, 4 + int(_CONTEXT.multiply(scale_of_index(index), 14)))


@functools.cache
def frequencies(index: int) -> Int64[np.ndarray, " symbols"]:
    """Integer frequencies of the symbols -m, ..., m and of the escape, for m = `max_magnitude(index)`.

    They sum to 2 ** 24 and none is zero. P(0) = 1 - t^(1/2), P(+-k) = t^(k - 1/2) (1 - t) / 2 with t = exp(-1 / b);
    the escape takes what lies beyond m.

    Returns:
      int64 array [2 m + 2].
    """
    largest = max_magnitude(index)
    one = decimal.Decimal(1)
    with decimal.localcontext(_CONTEXT):
        ratio = (-one / scale_of_index(index)).exp()
        root = ratio.sqrt()
        available = decimal.Decimal((1 << PRECISION_BITS) - (2 * largest + 2))
        positive = []
        mass = root * (one - ratio) / 2
        for _ in range(largest):
            positive.append(1 + int(mass * available))
            mass *= ratio
        escape = 1 + int(root * ratio**largest * available)
    zero = (1 << PRECISION_BITS) - 2 * sum(positive) - escape
    return np.array([*reversed(positive), zero, *positive, escape], np.int64)


@functools.cache
def mean_magnitude(index: int) -> int:
    """Mean absolute value of the symbols of table `index`, escapes left out, in fixed point and rounded down."""
    largest = max_magnitude(index)
    magnitudes = np.abs(np.arange(-largest, largest + 1))
    return int(magnitudes @ frequencies(index)[:-1]) >> PRECISION_BITS - FRACTION_BITS


@functools.cache
def coder_weights(index: int) -> Float64[np.ndarray, " symbols"]:
    """Weights with which constriction's `Categorical(..., perfect=False)` uses exactly `frequencies`.

    It gives every symbol 1 of 2 ** 24 and shares out the rest in proportion to these weights. They add up to that
    rest, so that each symbol gets its own weight and nothing is rounded.
    """
    return (frequencies(index) - 1).astype(np.float64)


def flag_weights(n_ones: int, n: int) -> Float64[np.ndarray, " symbols"]:
    """Weights, as `coder_weights` has them, of a flag that is 1 in `n_ones` of `n` cases; 0 < n_ones < n.

    The flag 1 has the frequency floor(2 ** 24 n_ones / n), the flag 0 the rest.
    """
    ones = (n_ones << PRECISION_BITS) // n
    return np.array([(1 << PRECISION_BITS) - ones - 1, ones - 1], np.float64)
