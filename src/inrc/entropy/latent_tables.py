"""Integer probability tables of latents: discretised Laplace distributions, by scale and by fraction of the mean.

A latent is coded as its difference from the integer nearest to its mean. What lies outside of the table's integers is
coded as an escape to one side and then by how much: as the tail of a Laplace distribution has no memory, the excess is
geometric, and its hexadecimal digits are independent.

All tables have the same number of symbols, so that one array holds them and any symbols can be coded in one call. As in
`tables`, counts come of decimal arithmetic and of integers, and are the same on every machine.
"""

import decimal
import functools

import numpy as np

PRECISION_BITS = 24
LARGEST = 12
"""Differences from -LARGEST to LARGEST have symbols of their own."""
BELOW, ABOVE = 2 * LARGEST + 1, 2 * LARGEST + 2
"""Symbols of the escapes."""
N_SYMBOLS = 2 * LARGEST + 3

FRACTION_BITS = 5
N_FRACTIONS = 1 << FRACTION_BITS
SCALES_PER_UNIT = 16
"""Scales per unit of the natural logarithm."""
LOG_SCALE_LIMIT = 5
N_SCALES = 2 * LOG_SCALE_LIMIT * SCALES_PER_UNIT + 1

BASE = 16
"""Of the digits of an excess."""
N_OVERFLOW_DIGITS = 3

FIRST_HIGH = N_SCALES << FRACTION_BITS
"""Row of the first table of an excess's digits from the second on, as one number; N_SYMBOLS - 1 says that it is more."""
FIRST_LOW = FIRST_HIGH + N_SCALES
"""Row of the first table of an excess's last digit."""
DIGIT = FIRST_LOW + N_SCALES
"""Row of the table of a digit that nothing is known of."""
FLAG = DIGIT + 1
"""Row of the table that says whether a grid is empty."""
N_ROWS = FLAG + 1

_LEAST = 4
_AVAILABLE = (1 << PRECISION_BITS) - _LEAST * N_SYMBOLS
_CONTEXT = decimal.Context(prec=40, rounding=decimal.ROUND_HALF_EVEN)


def log_scale_of_index(index: int) -> float:
    """Natural logarithm of the scale b (mean absolute difference from the mean) of scale index 0 <= index < 161."""
    return index / SCALES_PER_UNIT - LOG_SCALE_LIMIT


@functools.cache
def counts() -> np.ndarray:
    """Counts of the symbols of all tables, int64 [N_ROWS, N_SYMBOLS]; each row sums to 2^24 and none is below 4.

    Row (s << FRACTION_BITS) + f has scale index s and a mean of f/32 - 1/2 above symbol LARGEST; the other rows are
    those of the constants.
    """
    tail, near = np.array([_tails(s) for s in range(N_SCALES)], np.int64), np.array(_nears())
    # Mass beyond k + 1/2 above the centre, and below it, for every fraction.
    fractions = np.arange(N_FRACTIONS)
    whole = tail[:, None, : LARGEST + 1]
    above = near[:, N_FRACTIONS - fractions, None] * whole >> 38
    below = near[:, fractions, None] * whole >> 38
    main = np.empty((N_SCALES, N_FRACTIONS, N_SYMBOLS), np.int64)
    main[..., LARGEST] = _AVAILABLE - above[..., 0] - below[..., 0]
    main[..., LARGEST + 1 : BELOW] = above[..., :-1] - above[..., 1:]
    main[..., :LARGEST] = (below[..., :-1] - below[..., 1:])[..., ::-1]
    main[..., BELOW], main[..., ABOVE] = below[..., -1], above[..., -1]
    rest = np.array([_high(s) for s in range(N_SCALES)] + [_low(s) for s in range(N_SCALES)] + _flat(), np.int64)
    return np.concatenate([main.reshape(-1, N_SYMBOLS), rest]) + _LEAST
