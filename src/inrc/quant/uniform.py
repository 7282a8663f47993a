"""Uniform quantisation with steps on a logarithmic ladder."""

import math

import numpy as np

STEPS_PER_OCTAVE = 8
MIN_EXPONENT = -24
N_STEPS = 256
_FRACTIONS = tuple(2.0 ** (i / STEPS_PER_OCTAVE) for i in range(STEPS_PER_OCTAVE))


def step_of_index(index: int) -> float:
    """The step 2 ** (index / 8 - 24) for 0 <= index < 256: from 6e-8 to 235, in ratios of 1.09."""
    octave, fraction = divmod(index, STEPS_PER_OCTAVE)
    return float(np.float32(math.ldexp(_FRACTIONS[fraction], octave + MIN_EXPONENT)))


def index_of_step(step: float) -> int:
    """Index of the step nearest to `step` on a log axis."""
    return int(indices_of_steps(np.array(step)))


def indices_of_steps(steps: np.ndarray) -> np.ndarray:
    """Indices, int32, of the steps nearest to `steps` on a log axis."""
    octaves = np.log2(np.maximum(np.asarray(steps, np.float64), 1e-30)) - MIN_EXPONENT
    return np.clip(np.rint(octaves * STEPS_PER_OCTAVE), 0, N_STEPS - 1).astype(np.int32)


def steps_of_indices(indices: np.ndarray) -> np.ndarray:
    """Steps, float32, of an array of indices."""
    ladder = np.array([step_of_index(index) for index in range(N_STEPS)], np.float32)
    return ladder[indices]


def quantise(weights: np.ndarray, step: float, origin: np.ndarray | float = 0.0) -> np.ndarray:
    """(weights - origin) / step, rounded to the nearest integers, int32."""
    return np.rint((np.asarray(weights, np.float64) - origin) / step).astype(np.int32)


def dequantise(integers: np.ndarray, step: float, origin: np.ndarray | float = 0.0) -> np.ndarray:
    """The weights origin + integers * step, float32; the product is rounded before the sum is."""
    return np.asarray(origin, np.float32) + integers.astype(np.float32) * np.float32(step)
