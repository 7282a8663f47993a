"""What goes into a fit and what comes out of it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np

from inrc.errors import ConfigError
from inrc.fit.lanes import Lanes, stacked
from inrc.fit.loss import LossConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.program import Problem, Signal, distortion
from inrc.fit.stages import Schedule

MAX_SEEDS = 64


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How to fit; none of it is written to a file.

    Attributes:
      n_passes: times that every pixel is seen.
      lambda_rd: loss per bit and pixel: the fit minimises distortion + lambda_rd * bpp.
      phase_factor: minibatches are the interleaved sub-pictures that keep every n-th row and column.
      n_seeds: random starts that race for the first `race_fraction` of the fit.
      race_fraction: see `n_seeds`.
      loss: distortion.
      optimiser: its constants.
      schedule: rates and stages.
      steps_per_group: steps between refreshes of the optimiser's bases.
      groups_per_chunk: groups per compiled call: progress, interruption and checkpoints happen between calls.
      relative_step: first quantisation step over the standard deviation of a matrix.
      weight_bits: levels of every matrix as bits, 1..16; None learns steps instead, which is better (published systems
        fix them: Dupont 2021, Strümpler 2022).
      tile_samples: pixels per tile; None chooses by the device.
      time_budget: seconds, compilation included, after which the fit must have ended.
      target_bits: bits of all weights; lambda then follows the rate.
      seed: of everything random.
    """

    n_passes: float = 100.0
    lambda_rd: float = 3e-3
    phase_factor: int = 4
    n_seeds: int = 1
    race_fraction: float = 0.03
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: Schedule = Schedule()
    steps_per_group: int = 10
    groups_per_chunk: int = 8
    relative_step: float = 0.25
    weight_bits: int | None = None
    tile_samples: int | None = None
    time_budget: float | None = None
    target_bits: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.n_passes > 0:
            raise ConfigError(f"n_passes is {self.n_passes}; it must be above 0")
        if not self.lambda_rd >= 0:
            raise ConfigError(f"lambda_rd is {self.lambda_rd}; it must be 0 or more")
        if not 1 <= self.phase_factor <= 64:
            raise ConfigError(f"phase_factor is {self.phase_factor}; it must lie in 1..64")
        if not 0 <= self.seed < (1 << 32) // MAX_SEEDS:
            raise ConfigError(f"seed is {self.seed}; it must lie in 0..{(1 << 32) // MAX_SEEDS - 1}")
        if not 1 <= self.n_seeds <= MAX_SEEDS:
            raise ConfigError(f"n_seeds is {self.n_seeds}; it must lie in 1..{MAX_SEEDS}")
        if self.weight_bits is not None and not 1 <= self.weight_bits <= 16:
            raise ConfigError(f"weight_bits is {self.weight_bits}; it must lie in 1..16")
        if self.steps_per_group < 1 or self.groups_per_chunk < 1:
            raise ConfigError("steps_per_group and groups_per_chunk must be 1 or more")
        if self.time_budget is not None and not self.time_budget > 0:
            raise ConfigError(f"time_budget is {self.time_budget} s; it must be above 0")


@dataclasses.dataclass(frozen=True)
class Target:
    """A signal to fit.

    Attributes:
      values: [C, n_0, ...] float32 in [0, 1].
      matrix: [C, C] and
      offset: [C]; values = matrix @ network outputs + offset.
    """

    values: np.ndarray
    matrix: np.ndarray
    offset: np.ndarray

    @property
    def mean_outputs(self) -> np.ndarray:
        """Network outputs [C] float32 that show the signal's mean."""
        mean = self.values.reshape(len(self.values), -1).mean(1)
        return np.linalg.solve(self.matrix, mean - self.offset).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a fit begins, and what its weights are coded against.

    A fit begins at the means, but for the last bias, which shows the signal's mean. Where all means are 0 it begins at
    random weights, for a network of zeros cannot learn.

    Attributes:
      mean: {name: matrix}: centre of the prior.
      scale: {name: matrix of the same shape}: expected absolute difference from the mean, positive.
      steps: {name: first quantisation step}; `FitConfig.relative_step` of the mean scale if not given.
    """

    mean: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]
    steps: Mapping[str, float] | None = None

    @property
    def is_random(self) -> bool:
        """Whether a fit begins at random weights."""
        return not any(matrix.any() for matrix in self.mean.values())

    def arrays(self) -> Iterator[np.ndarray]:
        """Everything that a fit's course depends on."""
        for tree in (self.mean, self.scale):
            yield from tree.values()
        yield np.array([*(self.steps or {}).values()], np.float64)


@dataclasses.dataclass(frozen=True)
class Task:
    """One fit: a signal, how to fit it, and where to begin (`inrc.fit.loop.fit`)."""

    target: Target
    config: FitConfig
    start: Start | None = None


@dataclasses.dataclass(frozen=True)
class Progress:
    """State of a fit, or of the fits of a batch, between two chunks.

    Attributes:
      fraction: of the fit that is done, 0..1.
      step: optimiser steps taken.
      loss: mean distortion of the last chunk's steps, over all fits.
      bpp: estimated bits per sample position of the last step, mean over all fits.
      seconds: since the fit began.
      seconds_left: estimate; NaN during a race.
    """

    fraction: float
    step: int
    loss: float
    bpp: float
    seconds: float
    seconds_left: float


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """What was fitted: the signals of a batch, for measuring other weights by the loss that the fits had.

    Attributes:
      problem: static.
      lanes: how the fits are spread.
      signals: arrays [fits, ...].
    """

    problem: Problem
    lanes: Lanes
    signals: Signal

    def distortions(self, params: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """Loss without rate of weights for each of the fits, in their order; float64 [fits]."""
        placed = self.lanes.put(stacked([dict(p) for p in params], self.lanes.n))
        found = self.lanes.each(distortion, self.problem, placed, self.signals)
        return np.asarray(found, np.float64)[: len(params)]


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The best weights found.

    Attributes:
      params: {name: matrix}, not rounded, in the order of the network's layout.
      steps: {name: quantisation step}.
      fitted: what was fitted, and beside which others.
      lane: its place among these.
      n_steps: optimiser steps taken.
      seconds: wall-clock time of the whole batch, compilation included.
      compile_seconds: of which compiling the program of the steps took.
      lambda_rd: the one that the fit ended with.
      interrupted: whether the fit was cut short by the user.
    """

    params: dict[str, np.ndarray]
    steps: dict[str, float]
    fitted: Fitted
    lane: int
    n_steps: int
    seconds: float
    compile_seconds: float
    lambda_rd: float
    interrupted: bool

    @property
    def problem(self) -> Problem:
        """What is static about the fit."""
        return self.fitted.problem

    @property
    def signal(self) -> Signal:
        """What was fitted."""
        return jax.tree.map(lambda leaf: leaf[self.lane], self.fitted.signals)
