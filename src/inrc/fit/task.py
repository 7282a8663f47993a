"""What goes into a fit of any family, and what comes out of it."""

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from inrc.config import LossConfig
from inrc.errors import ConfigError

MAX_SEEDS = 64
"""Random starts that may race in one fit; every fit owns so many seeds of random numbers."""

MAX_SEED = (1 << 32) // MAX_SEEDS - 1
"""The largest seed of a fit."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """The state of a fit, or of the fits of a batch, between two chunks.

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


@dataclasses.dataclass(frozen=True)
class Target:
    """A signal to fit.

    Attributes:
      values: [C, n_0, ...] float32 in [0, 1].
      matrix: [C, C] and
      offset: [C]; values = matrix @ outputs + offset of a network whose outputs are in another space than the signal;
        the identity if not given.
    """

    values: Float[np.ndarray, "channels ..."]
    matrix: Float[np.ndarray, "channels channels"] | None = None
    offset: Float[np.ndarray, " channels"] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples per axis."""
        return self.values.shape[1:]

    @property
    def n_channels(self) -> int:
        """Values of a sample."""
        return len(self.values)

    @property
    def n_samples(self) -> int:
        """Sample positions."""
        return math.prod(self.shape)

    @property
    def mean_outputs(self) -> Float[np.ndarray, " channels"]:
        """Network outputs float32 that show the signal's mean."""
        mean = self.values.reshape(len(self.values), -1).mean(1)
        if self.matrix is not None:
            mean = np.linalg.solve(self.matrix, mean - self.offset)
        return mean.astype(np.float32)

    def arrays(self) -> Iterator[np.ndarray]:
        """Everything that a fit depends on."""
        yield self.values
        if self.matrix is not None and self.offset is not None:
            yield from (self.matrix, self.offset)


@dataclasses.dataclass(frozen=True)
class Start:
    """Where the weights of a fit start, and what they are coded against.

    Weights start at the means, or after inner steps from there. Where all means are 0 they start at random instead, for
    a network of zeros cannot learn.

    Attributes:
      mean: {name: matrix}: centre of the prior.
      scale: {name: matrix of the same shape}: expected absolute difference from the mean, positive.
      steps: {name: first quantisation step}; the fit's configuration decides if not given.
      inner_rates: {name: [k, *shape of the matrix]}: learning rates of k inner steps that are taken before the fit:
        plain gradient descent on the mean squared error of the whole signal. For coordinate networks alone.
    """

    mean: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]
    steps: Mapping[str, float] | None = None
    inner_rates: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def is_random(self) -> bool:
        """Whether weights start at random."""
        return not any(matrix.any() for matrix in self.mean.values())

    def arrays(self) -> Iterator[np.ndarray]:
        """Everything that a fit depends on."""
        for tree in (self.mean, self.scale, self.inner_rates):
            yield from tree.values()
        yield np.array([*(self.steps or {}).values()], np.float64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitResult:
    """What a fit came to; every family adds what is its own.

    Attributes:
      params: {name: matrix}, not rounded, in the order of the layout.
      steps: {name: quantisation step}, in the same order.
      n_steps: optimiser steps taken.
      seconds: wall-clock time of the whole batch, compilation included.
      compile_seconds: the part of it that compiling the program of the steps took.
      lambda_rd: the lambda that the fit ended with.
      interrupted: whether the user cut the fit short.
    """

    params: dict[str, np.ndarray]
    steps: dict[str, float]
    n_steps: int
    seconds: float
    compile_seconds: float
    lambda_rd: float
    interrupted: bool

    def arrays(self) -> Iterator[np.ndarray]:
        """Everything that a fit depends on which starts from this result."""
        yield from self.params.values()
        yield np.array([*self.steps.values()], np.float64)


class FitConfig:
    """What the configurations of all families have in common; none of it is written to a file.

    A family's configuration is a frozen dataclass that derives from this class and has these fields, with defaults of
    its own.

    Attributes:
      lambda_rd: loss per bit and sample: a fit minimises distortion + lambda_rd * bits per sample.
      target_bits: bits of everything that is coded, by the differentiable rate model; lambda then follows the rate.
      least_lambda: below which lambda does not follow the rate: fewer bits than the target are spent rather.
      n_seeds: random starts that race for the first `race_fraction` of the fit.
      race_fraction: see `n_seeds`.
      loss: distortion.
      steps_per_group: steps between two refreshes of the optimiser's bases.
      groups_per_chunk: groups per compiled call: progress, interruption and checkpoints happen between calls.
      time_budget: seconds, compilation included, after which the fit must have ended.
      seed: of everything random.
    """

    lambda_rd: float
    target_bits: float | None
    least_lambda: float
    n_seeds: int
    race_fraction: float
    loss: LossConfig
    steps_per_group: int
    groups_per_chunk: int
    time_budget: float | None
    seed: int

    @property
    def squared_error_lambda(self) -> float:
        """The lambda that leads to about the same rate where the loss is the squared error."""
        return self.lambda_rd / self.loss.slope

    def check(self) -> None:
        """Validates the common fields.

        Raises:
          ConfigError: One of them is out of range.
        """
        if not 0 <= self.lambda_rd < math.inf:
            raise ConfigError(f"lambda_rd is {self.lambda_rd}; it must be a number of 0 or more")
        if self.target_bits is not None and not 0 < self.target_bits < math.inf:
            raise ConfigError(f"target_bits is {self.target_bits}; it must be a number above 0")
        if not 0 <= self.least_lambda < math.inf:
            raise ConfigError(f"least_lambda is {self.least_lambda}; it must be a number of 0 or more")
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed is {self.seed}; it must lie in 0..{MAX_SEED}")
        if not 1 <= self.n_seeds <= MAX_SEEDS:
            raise ConfigError(f"n_seeds is {self.n_seeds}; it must lie in 1..{MAX_SEEDS}")
        if self.steps_per_group < 1 or self.groups_per_chunk < 1:
            raise ConfigError("steps_per_group and groups_per_chunk must be 1 or more")
        if self.time_budget is not None and not 0 < self.time_budget < math.inf:
            raise ConfigError(f"time_budget is {self.time_budget} s; it must be a number above 0")


@dataclasses.dataclass(frozen=True)
class Task:
    """One fit.

    Attributes:
      target: the signal.
      config: how to fit it.
      start: where weights start and what they are coded against; random weights and a flat prior if not given.
      warm_start: an earlier fit of the same signal, usually at another lambda, whose result this one starts from.
      start_fraction: fraction of the schedule that counts as done, for warm starts: the configuration describes the
        whole schedule, of which only the rest is run.
    """

    target: Target
    config: FitConfig
    start: Start | None = None
    warm_start: FitResult | None = None
    start_fraction: float = 0.0

    def arrays(self) -> Iterator[np.ndarray]:
        """Everything but the configuration that the fit depends on."""
        yield from self.target.arrays()
        yield np.array(self.start_fraction)
        for part in (self.start, self.warm_start):
            if part is not None:
                yield from part.arrays()
