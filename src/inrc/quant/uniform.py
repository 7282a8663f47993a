"""Uniform quantisation with steps on a logarithmic ladder."""

import math

import numpy as np

STEPS_PER_OCTAVE = 8
_MIN_EXPONENT = -24
N_STEPS = 256
_FRACTIONS = tuple(2.0 ** (i / STEPS_PER_OCTAVE) for i in range(STEPS_PER_OCTAVE))


def step_of_index(index: int) -> float:
    """Step size 2 ** (index / 8 - 24) for 0 <= index < 256: from 6e-8 to 235 in ratios of 1.09."""
    octave, fraction = divmod(index, STEPS_PER_OCTAVE)
    return float(np.float32(math.ldexp(_FRACTIONS[fraction], octave + _MIN_EXPONENT)))


def index_of_step(step: float) -> int:
    """Index of the step nearest to `step` on a log axis."""
    index = round((math.log2(max(step, 1e-30)) - _MIN_EXPONENT) * STEPS_PER_OCTAVE)
    return min(max(index, 0), N_STEPS - 1)


def quantise(weights: np.ndarray, step: float) -> np.ndarray:
    """Nearest integers int32 of weights / step."""
    return np.rint(np.asarray(weights, np.float64) / step).astype(np.int32)


def dequantise(integers: np.ndarray, step: float) -> np.ndarray:
    """integers * step, float32."""
    return (integers.astype(np.float32) * np.float32(step)).astype(np.float32)
