"""Integer probability tables of latents: discretised Laplace distributions, by scale and by fraction of the mean.

A latent is coded as its difference from the integer nearest to its mean. A difference beyond the table's integers is
coded as an escape to one side, followed by the excess. The tail of a Laplace distribution is memoryless, so the excess
is geometrically distributed and its hexadecimal digits are independent.

All tables have the same number of symbols, so that one array holds them and one call codes any number of symbols. As in
`tables`, which are those of weights, counts are computed in decimal and integer arithmetic and are the same on every
machine.
"""

import decimal
import functools
import itertools
import operator
from collections.abc import Iterator

import numpy as np

from inrc.latent_layout import LOG_SCALE_LIMIT
from inrc.shapes import Float32, Int64

PRECISION_BITS = 24
LARGEST = 12
"""Differences from -LARGEST to LARGEST have a symbol each."""
BELOW, ABOVE = 2 * LARGEST + 1, 2 * LARGEST + 2
"""Symbols of the escapes to either side."""
N_SYMBOLS = 2 * LARGEST + 3

FRACTION_BITS = 5
N_FRACTIONS = 1 << FRACTION_BITS
SCALES_PER_UNIT = 16
"""Scales per unit of the natural logarithm."""
N_SCALES = 2 * LOG_SCALE_LIMIT * SCALES_PER_UNIT + 1

BASE = 16
"""Base of the digits of an excess."""
N_OVERFLOW_DIGITS = 3

FIRST_HIGH = N_SCALES << FRACTION_BITS
"""First row of the tables that code all digits of an excess but the last as one number.

Their last symbol means that the number is at least N_SYMBOLS - 1, and that N_OVERFLOW_DIGITS digits follow.
"""
FIRST_LOW = FIRST_HIGH + N_SCALES
"""First row of the tables that code the last digit of an excess."""
DIGIT = FIRST_LOW + N_SCALES
"""Row of the table of equally likely digits."""
FLAG = DIGIT + 1
"""Row of the table that says whether a grid is empty."""
N_ROWS = FLAG + 1

_LEAST = 4
_AVAILABLE = (1 << PRECISION_BITS) - _LEAST * N_SYMBOLS
_NEAR_BITS, _FAR_BITS = 6, 31
_CONTEXT = decimal.Context(prec=40, rounding=decimal.ROUND_HALF_EVEN)


@functools.cache
def counts() -> Int64[np.ndarray, "rows symbols"]:
    """Counts of the symbols of all tables, int64 [N_ROWS, N_SYMBOLS]; each row sums to 2^24 and none is below 4.

    Row (s << FRACTION_BITS) + f has scale index s and a mean of f/32 - 1/2 above symbol LARGEST; the other rows are
    those of the constants.
    """
    rows = [_exponentials(index) for index in range(N_SCALES)]
    near, far, high, low = (np.array(part, np.int64) for part in zip(*rows, strict=True))
    # Mass beyond k + 1/2 above the centre, and below it, for every fraction of the mean.
    fractions = np.arange(N_FRACTIONS)
    above = near[:, N_FRACTIONS - fractions, None] * far[:, None] >> _NEAR_BITS + _FAR_BITS + 1
    below = near[:, fractions, None] * far[:, None] >> _NEAR_BITS + _FAR_BITS + 1
    main = np.empty((N_SCALES, N_FRACTIONS, N_SYMBOLS), np.int64)
    main[..., LARGEST] = _AVAILABLE - above[..., 0] - below[..., 0]
    main[..., LARGEST + 1 : BELOW] = above[..., :-1] - above[..., 1:]
    main[..., :LARGEST] = (below[..., :-1] - below[..., 1:])[..., ::-1]
    main[..., BELOW], main[..., ABOVE] = below[..., -1], above[..., -1]
    digit = np.array([[_AVAILABLE * (BASE - i) // BASE for i in range(BASE + 1)]])
    flag = np.array([[_AVAILABLE, _AVAILABLE // 16, 0]])
    others = [_from_tails(tails) for tails in (high, low, digit, flag)]
    return np.concatenate([main.reshape(-1, N_SYMBOLS), *others]) + _LEAST


def _exponentials(index: int) -> tuple[list[int], ...]:
    """Powers of r = exp(-1 / (32 b)) in fixed point, rounded down.

    Returns:
      2^6 A r^j for j = 0..32; 2^31 r^(32 k) for k = 0..LARGEST; and the tails of the digits of an excess: A r^(512 k)
      for k < N_SYMBOLS and then 0; A (r^(32 i) - r^512) / (1 - r^512) for i = 0..16.
    """
    with decimal.localcontext(_CONTEXT):
        scale = (decimal.Decimal(index) / SCALES_PER_UNIT - LOG_SCALE_LIMIT).exp()
        step = (-1 / (N_FRACTIONS * scale)).exp()
        one = (-1 / scale).exp()
        last = one**BASE
        near = _powers(_AVAILABLE << _NEAR_BITS, step, N_FRACTIONS + 1)
        far = _powers(1 << _FAR_BITS, one, LARGEST + 1)
        high = [*_powers(_AVAILABLE, last, N_SYMBOLS), 0]
        factor = _AVAILABLE / (1 - last)
        low = [_AVAILABLE, *((x - last) * factor for x in _powers(one, one, BASE - 1)), 0]
        return [int(x) for x in near], [int(x) for x in far], [int(x) for x in high], [int(x) for x in low]


def _powers(first: decimal.Decimal | int, base: decimal.Decimal, n: int) -> Iterator[decimal.Decimal]:
    return itertools.accumulate(itertools.repeat(base, n - 1), operator.mul, initial=decimal.Decimal(first))


def _from_tails(tails: np.ndarray) -> np.ndarray:
    """Counts [n, N_SYMBOLS] from tails [n, symbols + 1]: the sum of the counts from each symbol on."""
    counts = tails[:, :-1] - tails[:, 1:]
    return np.pad(counts, ((0, 0), (0, N_SYMBOLS - counts.shape[1])))


@functools.cache
def coder_weights() -> Float32[np.ndarray, "rows symbols"]:
    """`counts` for constriction's `Categorical(perfect=False)`, float32 [N_ROWS, N_SYMBOLS].

    It gives every symbol 1 of 2 ** 24 and shares out the rest in proportion to these weights. Nothing is rounded: the
    weights add up to that rest, and they and all their partial sums are integers below 2 ** 24.
    """
    weights = (counts() - 1).astype(np.float32)
    weights.flags.writeable = False
    return weights


@functools.cache
def bits() -> Float32[np.ndarray, "rows symbols"]:
    """Code length of every symbol in bits, float32 [N_ROWS, N_SYMBOLS]."""
    return (PRECISION_BITS - np.log2(counts())).astype(np.float32)
