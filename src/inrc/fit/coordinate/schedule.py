"""What happens when in the fit of a coordinate network: learning rates, noise, rounding, the order of minibatches."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from inrc.errors import ConfigError


class CoordinateSteps(NamedTuple):
    """What each step of a chunk does; arrays [groups, steps per group].

    Attributes:
      phase: index of the minibatch.
      learning_rate: of the weights.
      step_rate: of the quantisation steps, relative to the fit's `step_learning_rate`.
      noise: 1 where uniform noise stands for the rounding of weights.
      hard: 1 where weights are rounded.
    """

    phase: jax.Array
    learning_rate: jax.Array
    step_rate: jax.Array
    noise: jax.Array
    hard: jax.Array


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What happens at which fraction of the fit.

    Attributes:
      learning_rate: peak of the warm-up and of the cosine that follows. 3e-3 is best for SOAP on networks of up to 64
        units a layer (experiments/NOTES.md, row 3.2); wider and deeper ones need less (rows 3.4 and 3.5).
      final_rate: end of the cosine, as a fraction of the peak; 0.1 is 0.08 dB worse than 0.01 (row 3.2).
      warm_up: fraction of the fit over which the rate rises.
      noise_from: fraction from which noise and the rate term act: from the first step, because weights become cheap
        only if training makes them cheap. From 0.4 on, a fit ends 0.7 dB worse (row 5.1).
      hard_from: fraction from which weights are rounded and quantisation steps stay as they are. It is early enough for
        the other weights to compensate for the rounding of one, at learning rates that still move them (row 5.2).
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

    def shape(self, fraction: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Learning rate at `fraction`, relative to its peak."""
        rise = np.minimum(1.0, (fraction + 1e-3) / max(self.warm_up, 1e-3))
        decay = np.clip((fraction - self.warm_up) / (1 - self.warm_up), 0, 1)
        return rise * (self.final_rate + (1 - self.final_rate) * 0.5 * (1 + np.cos(np.pi * decay)))


def steps_of_chunk(
    schedule: Schedule, *, start: float, stop: float, phases: Int[np.ndarray, " steps"], steps_per_group: int
) -> CoordinateSteps:
    """The steps of one chunk.

    Args:
      schedule: of the fit.
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

    def grouped(values: np.ndarray, dtype: type) -> Any:  # NumPy arrays: they go to each device that runs the chunk
        return values.reshape(-1, steps_per_group).astype(dtype)

    return CoordinateSteps(
        phase=grouped(phases, np.int32),
        learning_rate=grouped(schedule.learning_rate * shape, np.float32),
        step_rate=grouped(shape * noise, np.float32),
        noise=grouped(noise, np.float32),
        hard=grouped(hard, np.float32),
    )


def minibatch_order(n_phases: int, n_steps: int, *, seed: int, chunk: int) -> Int[np.ndarray, " steps"]:
    """Phase indices of a chunk: one permutation of all phases after another, a pure function of (seed, chunk)."""
    generator = np.random.default_rng((seed, chunk))
    rounds = -(-n_steps // n_phases)
    return np.concatenate([generator.permutation(n_phases) for _ in range(rounds)])[:n_steps]
