"""Weights as IEEE 754 binary16 numbers, without loss, in a form that an entropy coder can shorten.

Networks with few weights of the same size have few exponents, so that a weight takes about 13 bits instead of 16: an
*exponent offset*, which is small, and the ten bits of its significand, which are as good as random. The offset is how
far the exponent lies below the largest one of its matrix; it carries the weight's sign, except where it is 0.
"""

import numpy as np

SIGNIFICAND_BITS = 10
MAX_EXPONENT = 30
LARGEST = 65504.0
"""The largest finite number."""


def split(weights: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """(largest exponent 0..30, signed exponent offsets int32, tails int32) of the numbers nearest to weights.

    A tail holds the significand's bits and, where the offset is 0, the sign as the bit above them. Numbers beyond the
    range of binary16 become its largest ones.
    """
    halves = np.clip(np.asarray(weights, np.float32), -LARGEST, LARGEST).astype(np.float16)
    bits = halves.view(np.uint16).astype(np.int32)
    exponents, negative = bits >> SIGNIFICAND_BITS & 31, bits >> 15
    largest = int(exponents.max())
    offsets = (largest - exponents) * (1 - 2 * negative)
    tails = (bits & (1 << SIGNIFICAND_BITS) - 1) | np.where(offsets == 0, negative << SIGNIFICAND_BITS, 0)
    return largest, offsets, tails.astype(np.int32)


def joined(largest: int, offsets: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """The weights, float32: inverse of `split`."""
    exponents = largest - np.abs(offsets)
    negative = np.where(offsets == 0, tails >> SIGNIFICAND_BITS, offsets < 0)
    bits = negative << 15 | exponents << SIGNIFICAND_BITS | tails & (1 << SIGNIFICAND_BITS) - 1
    return bits.astype(np.uint16).view(np.float16).astype(np.float32)


def tail_bits(offsets: np.ndarray) -> np.ndarray:
    """Bits of every tail."""
    return SIGNIFICAND_BITS + (offsets == 0).astype(np.int32)
