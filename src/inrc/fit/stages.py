"""What happens when in a fit: learning rates, noise, hard rounding and the order of minibatches."""

import dataclasses
from typing import Any

import numpy as np

from inrc.errors import ConfigError
from inrc.fit.program import StepPlan


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A fit's course as a function of the fraction of it that is done.

    Attributes:
      learning_rate: peak of warm-up and cosine.
      final_rate: end of the cosine, as a fraction of the peak.
      warm_up: fraction of the fit over which the rate rises.
      noise_from: fraction from which noise and the rate term act: from the first step, because weights become cheap
        only where training makes them cheap (experiments/NOTES.md).
      hard_from: fraction from which weights are rounded instead and steps stay as they are; early enough to leave
        learning rates at which the other weights can make good what rounding one of them has done.
    """

    learning_rate: float = 3e-3
    final_rate: float = 0.01
    warm_up: float = 0.03
    noise_from: float = 0.0
    hard_from: float = 0.4

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate is {self.learning_rate}; it must lie between 0 and 1")
        if not 0 <= self.noise_from <= self.hard_from <= 1:
            raise ConfigError(f"stages begin at {self.noise_from} and {self.hard_from}; they must ascend within 0..1")

    def shape(self, fraction: np.ndarray) -> np.ndarray:
        """Learning rate at `fraction`, relative to its peak."""
        rise = np.minimum(1.0, (fraction + 1e-3) / max(self.warm_up, 1e-3))
        decay = np.clip((fraction - self.warm_up) / (1 - self.warm_up), 0, 1)
        return rise * (self.final_rate + (1 - self.final_rate) * 0.5 * (1 + np.cos(np.pi * decay)))


def plan_chunk(schedule: Schedule, *, start: float, stop: float, phases: np.ndarray, steps_per_group: int) -> StepPlan:
    """The steps of one chunk.

    Args:
      schedule: the fit's course.
      start: fraction of the fit done before the chunk.
      stop: fraction done after it.
      phases: index of the minibatch of each step; their number is a multiple of `steps_per_group`.
      steps_per_group: steps between two refreshes of the optimiser's bases.
    """
    n_steps = len(phases)
    fraction = start + (stop - start) * np.arange(n_steps) / n_steps
    shape = schedule.shape(fraction)
    hard = fraction >= schedule.hard_from
    noise = (fraction >= schedule.noise_from) & ~hard

    def grouped(values: np.ndarray, dtype: type) -> Any:  # of NumPy: it goes to each device that runs the plan
        return values.reshape(-1, steps_per_group).astype(dtype)

    return StepPlan(
        phase=grouped(phases, np.int32),
        learning_rate=grouped(schedule.learning_rate * shape, np.float32),
        step_rate=grouped(shape * noise, np.float32),
        noise=grouped(noise, np.float32),
        hard=grouped(hard, np.float32),
    )


def minibatch_order(n_phases: int, n_steps: int, *, seed: int, chunk: int) -> np.ndarray:
    """Phase indices of a chunk: permutations of all phases, a pure function of (seed, chunk)."""
    generator = np.random.default_rng((seed, chunk))
    rounds = -(-n_steps // n_phases)
    return np.concatenate([generator.permutation(n_phases) for _ in range(rounds)])[:n_steps]
