"""The stages of a recipe as frozen values: how a start is learned, and how a prior is learned from fits."""

import dataclasses
import enum

from inrc.errors import ConfigError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.latent.schedule import LatentSchedule
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import FitConfig


class Method(enum.Enum):
    """How the start is learned.

    MAML differentiates through the inner steps (Finn et al., 2017). FOMAML, its first-order variant, takes the gradient
    at the end of the inner steps instead. META_SGD is MAML that also learns the inner learning rate of every weight and
    step (Li et al., 2017; per step as in Strümpler et al., 2022). REPTILE moves the start towards the weights at the
    end of the inner steps (Nichol et al., 2018).
    """

    MAML = "maml"
    FOMAML = "fomaml"
    META_SGD = "meta-sgd"
    REPTILE = "reptile"


class InnerOptimiser(enum.Enum):
    """What takes the inner steps. ADAM is for Reptile only, which does not differentiate through them."""

    SGD = "sgd"
    ADAM = "adam"


class Sampling(enum.Enum):
    """What an inner step sees: a polyphase sub-picture, or as many random pixels."""

    PHASES = "phases"
    PIXELS = "pixels"


class Objective(enum.Enum):
    """A task's loss: mean squared error, or its logarithm, under which a decibel counts the same on every picture."""

    MSE = "mse"
    LOG_MSE = "log-mse"


class Centre(enum.Enum):
    """The mean of the prior: the learned start, zero, or the mean or median of the fits.

    With ZERO, fits start at random weights, so that the shared init is only a prior.
    """

    START = "start"
    ZERO = "zero"
    MEAN = "mean"
    MEDIAN = "median"


class Scales(enum.Enum):
    """What has a scale of its own in the prior: every weight, every matrix, or nothing (all scales are 1)."""

    WEIGHT = "weight"
    MATRIX = "matrix"
    NONE = "none"


def check(name: str, value: object, holds: bool, range_: str) -> None:
    """Refuses a value that is out of range.

    Args:
      name: of the field.
      value: of the field.
      holds: whether the value is in range.
      range_: what the value must be, in words.

    Raises:
      ConfigError: The value is out of range.
    """
    if not holds:
        raise ConfigError(f"{name} is {value}; it must be {range_}")


@dataclasses.dataclass(frozen=True)
class Learning:
    """How a start is learned from tasks. A task is one picture: k inner steps, and a loss on pixels they have not seen.

    Attributes:
      method: see `Method`.
      n_steps: outer steps; with 0 the start stays random.
      time_budget: seconds of outer steps, compilation included, after which no further step is taken.
      inner_steps: k.
      inner_rate: learning rate of the inner steps; its first value where rates are learned.
      inner_optimiser: see `InnerOptimiser`.
      inner_objective: loss of the inner steps.
      outer_objective: loss after k inner steps, which the outer steps lower; Reptile has none.
      outer_rate: first learning rate of Adam, which falls to 1 % of it by a cosine; for Reptile, the fraction of the
        way that the start moves. Second-order MAML at 8e-4 diverged after a thousand steps.
      rates_rate: learning rate of the logarithms of inner rates, relative to that of the weights.
      clip_norm: largest norm of the outer gradient.
      n_tasks: of an outer step.
      tasks_at_once: tasks that are mapped over side by side, on all devices together; the others follow. By default one
        per device on CPUs, where more would not fit the cache, and all on accelerators.
      phase_factor: a task's samples are sub-pictures that keep every n-th row and column.
      sampling: see `Sampling`.
      seed: of the first weights and of all tasks.
    """

    method: Method = Method.META_SGD
    n_steps: int = 10_000
    time_budget: float | None = None
    inner_steps: int = 10
    inner_rate: float = 1e-2
    inner_optimiser: InnerOptimiser = InnerOptimiser.SGD
    inner_objective: Objective = Objective.LOG_MSE
    outer_objective: Objective = Objective.LOG_MSE
    outer_rate: float = 3e-4
    rates_rate: float = 10.0
    clip_norm: float = 1.0
    n_tasks: int = 4
    tasks_at_once: int | None = None
    phase_factor: int = 8
    sampling: Sampling = Sampling.PHASES
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("inner_steps", "n_tasks", "phase_factor"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("inner_rate", "outer_rate", "clip_norm"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        check("n_steps", self.n_steps, self.n_steps >= 0, "0 or more")
        check("rates_rate", self.rates_rate, self.rates_rate >= 0, "0 or more")
        check("seed", self.seed, 0 <= self.seed < 1 << 32, "within 0..2^32 - 1")
        check("time_budget", self.time_budget, self.time_budget is None or self.time_budget > 0, "above 0")
        at_once = self.tasks_at_once
        if at_once is not None and (at_once < 1 or self.n_tasks % at_once):
            raise ConfigError(f"tasks_at_once is {at_once}; it must divide the {self.n_tasks} tasks of an outer step")
        if self.method is not Method.REPTILE and self.inner_optimiser is not InnerOptimiser.SGD:
            raise ConfigError(f"{self.method.value} differentiates inner steps of SGD; use Reptile for Adam's")
        if self.sampling is Sampling.PHASES and self.phase_factor**2 <= self.inner_steps:
            raise ConfigError(
                f"a phase_factor of {self.phase_factor} gives {self.phase_factor**2} sub-pictures, and "
                f"{self.inner_steps} inner steps need {self.inner_steps + 1}; raise it, or sample pixels"
            )


@dataclasses.dataclass(frozen=True)
class PoolLearning:
    """How networks of latent grids are learned on a pool of crops (`inrc.meta.latent_pool`).

    Attributes:
      n_steps: of the networks.
      lambda_rd: the loss is mse + lambda_rd * bpp of the latents.
      batch: crops in the pool. The latents of all of them take a step for every step of the networks.
      horizon: steps after which another crop takes a crop's place.
      schedule: of a crop's latents over its horizon; its fields for the networks are not used.
      network_rate: first and last learning rate of the networks, which follows a cosine between them.
      warm_up: fractions of the horizon between which a crop's weight in the networks' gradient grows from 0 to 1:
        networks should not adapt to latents that are still near 0.
      start_from: name of a finished run beside this one, of the same networks, whose networks this run starts from. If
        it is not given, networks start at random, and in the first horizon all crops have weight 1 from the first step.
      start_scale: factor by which the latents of those networks are multiplied. Where quantisation is fine, the best
        step is proportional to the square root of lambda, so that latents are proportional to its inverse.
      optimiser: constants of the networks' optimiser.
      clip_norm: largest norm of the networks' gradient.
      steps_per_group: steps between two refreshes of the optimiser's bases.
      seed: of the first networks, of the order of crops and of noise.
    """

    n_steps: int = 2700
    lambda_rd: float = 1e-3
    batch: int = 8
    horizon: int = 300
    schedule: LatentSchedule = LatentSchedule()
    network_rate: tuple[float, float] = (1e-2, 1e-4)
    warm_up: tuple[float, float] = (0.1, 0.5)
    start_from: str | None = None
    start_scale: float = 1.0
    optimiser: OptimiserConfig = OptimiserConfig()
    clip_norm: float = 0.1
    steps_per_group: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch", "horizon", "steps_per_group"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("lambda_rd", "clip_norm", "start_scale"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        check("network_rate", self.network_rate, min(self.network_rate) > 0, "above 0")
        ascends = 0 <= self.warm_up[0] < self.warm_up[1] <= 1
        check("warm_up", self.warm_up, ascends, "two ascending numbers within 0..1")
        check("seed", self.seed, 0 <= self.seed < 1 << 32, "within 0..2^32 - 1")


@dataclasses.dataclass(frozen=True)
class PriorStage:
    """How the prior is learned from fits of training pictures.

    Attributes:
      fit: the codec's own fit, rate term included, of the family of the recipe's network.
      n_pictures: training pictures that are fitted; all of them if there are fewer.
      n_rounds: how often they are fitted. The first round starts from the learned start, each later one from the prior
        of the round before; 0 leaves a flat prior.
      time_budget: seconds of fits after which no further one is started; a round has at least two.
      centre: see `Centre`.
      scales: see `Scales`.
      shrinkage: weight of the rank-one product of row and column means, as a number of pictures.
    """

    fit: FitConfig = CoordinateFitConfig(n_passes=30)
    n_pictures: int = 48
    n_rounds: int = 2
    time_budget: float | None = None
    centre: Centre = Centre.MEAN
    scales: Scales = Scales.WEIGHT
    shrinkage: float = 8.0

    def __post_init__(self) -> None:
        check("n_pictures", self.n_pictures, self.n_pictures >= 2, "2 or more")
        check("n_rounds", self.n_rounds, self.n_rounds >= 0, "0 or more")
        check("shrinkage", self.shrinkage, self.shrinkage >= 0, "0 or more")
        check("time_budget", self.time_budget, self.time_budget is None or self.time_budget > 0, "above 0")
        if self.fit.time_budget is not None or self.fit.target_bits is not None:
            raise ConfigError("the prior's fits have a time_budget or target_bits; give them passes and a lambda")
        check("lambda_rd of the prior's fits", self.fit.lambda_rd, self.fit.lambda_rd > 0, "above 0")
