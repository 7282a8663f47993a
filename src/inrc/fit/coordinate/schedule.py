"""What happens when in the fit of a coordinate network: learning rates, noise, rounding, the order of minibatches."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from inrc.errors import ConfigError
from inrc.training import RateCurve, RateStage

_SHARE_TOLERANCE = 1e-6
"""By how much the shares of a schedule may miss 1: they are quotients."""
_BORDER_TOLERANCE = 1e-9
"""Fractions of a fit are sums of quotients: a border between stages is where they come as near as this."""


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
      learning_rate: to which the rates of all stages are relative. 3e-3 is best for SOAP on networks of up to 64 units
        a layer (experiments/NOTES.md, row 3.2); wider and deeper ones need less (rows 3.4 and 3.5).
      stages: of the learning rate; their shares add up to 1. In one cosine, an end at 0.1 of the peak is 0.08 dB worse
        than one at 0.01 (row 3.2).
      noise_from: fraction from which noise and the rate term act: from the first step, because weights become cheap
        only if training makes them cheap. From 0.4 on, a fit ends 0.7 dB worse (row 5.1).
      hard_from: fraction from which weights are rounded and quantisation steps stay as they are. It is early enough for
        the other weights to compensate for the rounding of one, at learning rates that still move them (row 5.2).
      measured_from: fraction from which states are measured as a file would hold them, and the best one is kept; that
        of `hard_from` if not given.
    """

    learning_rate: float = 3e-3
    stages: tuple[RateStage, ...] = (RateStage(warm_up=0.03),)
    noise_from: float = 0.0
    hard_from: float = 0.4
    measured_from: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate is {self.learning_rate}; it must lie between 0 and 1")
        if not 0 <= self.noise_from <= self.hard_from <= 1:
            raise ConfigError(f"stages begin at {self.noise_from} and {self.hard_from}; they must ascend within 0..1")

        if self.measured_from is not None and not 0 <= self.measured_from <= 1:
            raise ConfigError(f"measured_from is {self.measured_from}; it must lie in 0..1, or be None")
        total = sum(stage.share for stage in self.stages)
        if abs(total - 1) > _SHARE_TOLERANCE:
            raise ConfigError(
                f"the shares of {len(self.stages)} stages add up to {total:g}; they must add up to 1 (`in_shares`)"
            )

    @property
    def begins(self) -> tuple[float, ...]:
        """The fraction of the fit at which every stage begins."""
        return tuple(itertools.accumulate((stage.share for stage in self.stages[:-1]), initial=0.0))

    def stage_at(self, fraction: float) -> int:
        """The number of the stage that a fraction of the fit lies in."""
        return int(self._stages_at(np.array([fraction]))[0])

    def restart_between(self, start: float, stop: float) -> int | None:
        """The number of the stage that begins with a restart at the end of a chunk; None if none does.

        Args:
          start: fraction of the fit done before the chunk.
          stop: fraction done after it.

        A stage begins at the first end of a chunk within it. One that has none is passed over, and nothing begins at
        the end of the fit.
        """
        stage = self.stage_at(stop)
        begins = stop < 1 and stage != self.stage_at(start) and self.stages[stage].restart is not None
        return stage if begins else None

    def shape(self, fraction: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Learning rate at `fraction`, relative to `learning_rate`."""
        numbers = self._stages_at(fraction)
        result = np.empty(len(fraction))
        for number, (stage, begin) in enumerate(zip(self.stages, self.begins, strict=True)):
            own = numbers == number
            result[own] = _shape_within(stage, (fraction[own] - begin) / stage.share)
        return result

    def _stages_at(self, fraction: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        return np.searchsorted(self.begins, fraction + _BORDER_TOLERANCE, side="right") - 1


def _shape_within(stage: RateStage, fraction: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Learning rate at a fraction of a stage, relative to that of the schedule."""
    rise = np.minimum(1.0, (fraction + 1e-3) / max(stage.warm_up, 1e-3))
    decay = np.clip((fraction - stage.warm_up) / (1 - stage.warm_up), 0, 1)
    left = 1 - decay if stage.curve is RateCurve.LINEAR else 0.5 * (1 + np.cos(np.pi * decay))
    return rise * (stage.last + (stage.first - stage.last) * left)


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
