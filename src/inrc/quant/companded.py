"""Companded quantisation: weights are powers of integers times a step (NIF25, Catania and Allegra, 2025).

A weight is step * sign(q) |q|^s with an integer q and s >= 1, so that values near zero are finer than large ones. For a
matrix W with the largest magnitude m, s = 1 + std(W / m) / sqrt(2), kept as the whole number of 64ths above 1, its
*power*.
"""

import math

import numpy as np

POWERS_PER_UNIT = 64
"""Powers by which an exponent grows by 1."""
MAX_POWER = 64
"""The standard deviation of numbers within -1..1 is at most 1, so that s is below 1 + 1 / sqrt(2)."""


def power_of(weights: np.ndarray) -> int:
    """The power of a matrix, 0..46."""
    largest = float(np.max(np.abs(weights)))
    if largest == 0:
        return 0
    return round(POWERS_PER_UNIT * float(np.std(np.asarray(weights, np.float64) / largest)) / math.sqrt(2))


def exponent_of(power: int) -> float:
    """The exponent s = 1 + power / 64."""
    return 1.0 + power / POWERS_PER_UNIT


def quantise(weights: np.ndarray, step: float, power: int) -> np.ndarray:
    """The integers, int32, whose roots of weights they are nearest to: sign(w) |w / step|^(1/s), rounded."""
    scaled = np.asarray(weights, np.float64) / step
    return np.rint(np.sign(scaled) * np.abs(scaled) ** (1 / exponent_of(power))).astype(np.int32)


def dequantise(integers: np.ndarray, step: float, power: int) -> np.ndarray:
    """The weights, float32; the power of an integer is rounded before its product with the step is."""
    powers = np.abs(integers.astype(np.float64)) ** exponent_of(power)
    return np.sign(integers).astype(np.float32) * powers.astype(np.float32) * np.float32(step)
