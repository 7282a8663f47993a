"""What a meta-learning run does: a frozen value in a Python file."""

import dataclasses
import enum
import os
from pathlib import Path
from typing import Any

from inrc.config import LatentGridConfig, ModelConfig
from inrc.errors import ConfigError, MissingDataError
from inrc.fit.config import FitConfig
from inrc.fit.latent_config import LatentFitConfig
from inrc.fit.latent_stages import LatentSchedule
from inrc.fit.optimiser import OptimiserConfig
from inrc.python_file import load_value


class Method(enum.Enum):
    """How the start is learned.

    MAML differentiates through the inner steps (Finn et al., 2017), FOMAML takes the gradient at their end instead,
    META_SGD is MAML that learns the inner rates of every weight and step besides (Li et al., 2017; per step as in
    Strümpler et al., 2022), and REPTILE moves towards where the inner steps end (Nichol et al., 2018).
    """

    MAML = "maml"
    FOMAML = "fomaml"
    META_SGD = "meta-sgd"
    REPTILE = "reptile"


class InnerOptimiser(enum.Enum):
    """What takes the inner steps; ADAM for Reptile only, which needs no derivative of them."""

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
    """What becomes of the learned start in the prior stage: it stays, or gives way to the mean or median of fits.

    Around ZERO, fits begin at random weights and the init is a prior and no start.
    """

    START = "start"
    ZERO = "zero"
    MEAN = "mean"
    MEDIAN = "median"


class Scales(enum.Enum):
    """What the prior's scales tell apart: weights, matrices, or nothing."""

    WEIGHT = "weight"
    MATRIX = "matrix"
    NONE = "none"


def _check(name: str, value: object, holds: bool, range_: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value}; it must be {range_}")


@dataclasses.dataclass(frozen=True)
class Learning:
    """How the start is learned from tasks. A task is one picture, seen in k inner steps and judged on other pixels.

    Attributes:
      method: see `Method`.
      n_steps: outer steps; 0 leaves the random start.
      time_budget: seconds of outer steps, compilation included, after which the last one has been taken.
      inner_steps: k.
      inner_rate: of the inner steps; where rates are learned, the one that they begin at.
      inner_optimiser: see `InnerOptimiser`.
      inner_objective: what the inner steps lower.
      outer_objective: what the outer steps lower after k inner ones; Reptile has none.
      outer_rate: first rate of Adam, cosine to 1 % of it; for Reptile, the fraction of the way that it moves. Second
        order at 8e-4 diverged after a thousand steps.
      rates_rate: how many times faster the logarithms of inner rates are learned than weights.
      clip_norm: largest norm of the outer gradient.
      n_tasks: of an outer step.
      tasks_at_once: how many of them are mapped over side by side, on all devices together; the others follow. By
        default one per device on CPUs, where more leave the cache, and all on accelerators.
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
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("inner_rate", "outer_rate", "clip_norm"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        _check("n_steps", self.n_steps, self.n_steps >= 0, "0 or more")
        _check("rates_rate", self.rates_rate, self.rates_rate >= 0, "0 or more")
        _check("seed", self.seed, 0 <= self.seed < 1 << 32, "within 0..2^32 - 1")
        _check("time_budget", self.time_budget, self.time_budget is None or self.time_budget > 0, "above 0")
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
      batch: crops in the pool, all of which take a step of their latents for every step of the networks.
      horizon: steps after which a crop gives way to another.
      schedule: of a crop's latents over its horizon; what it says of the networks is of no account here.
      network_rate: of the networks, first and last, by a cosine.
      ripe: fractions of the horizon between which a crop's say in the networks' steps grows from none to all, for
        latents near 0 teach networks what they should not learn.
      begin: name of a finished run beside this one, of the same networks, that this one begins with; random networks,
        and one horizon in which all crops have their say from the first step, if not given.
      begin_scale: what the latents of those networks are multiplied by. Where quantisation is fine the best step is
        proportional to the root of lambda, so that latents are to its inverse.
      optimiser: constants of the networks' optimiser.
      clip_norm: largest norm of the networks' gradient.
      steps_per_group: steps between refreshes of the optimiser's bases.
      seed: of the first networks, of the order of crops and of noise.
    """

    n_steps: int = 2700
    lambda_rd: float = 1e-3
    batch: int = 8
    horizon: int = 300
    schedule: LatentSchedule = LatentSchedule()
    network_rate: tuple[float, float] = (1e-2, 1e-4)
    ripe: tuple[float, float] = (0.1, 0.5)
    begin: str | None = None
    begin_scale: float = 1.0
    optimiser: OptimiserConfig = OptimiserConfig()
    clip_norm: float = 0.1
    steps_per_group: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch", "horizon", "steps_per_group"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("lambda_rd", "clip_norm", "begin_scale"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        _check("network_rate", self.network_rate, min(self.network_rate) > 0, "above 0")
        _check("ripe", self.ripe, 0 <= self.ripe[0] < self.ripe[1] <= 1, "two ascending numbers within 0..1")
        _check("seed", self.seed, 0 <= self.seed < 1 << 32, "within 0..2^32 - 1")


@dataclasses.dataclass(frozen=True)
class PriorStage:
    """How the prior is learned from fits of training pictures that begin at the start.

    Attributes:
      fit: the codec's own fit, rate term included.
      n_pictures: how many of the training pictures are fitted; all of them if there are fewer.
      n_rounds: how often; each round's fits begin at what the last one's came to, and 0 leaves a flat prior.
      time_budget: seconds of fits after which no further one is begun; a round has two at least.
      centre: see `Centre`.
      scales: see `Scales`.
      shrinkage: pictures that the rank-one product of row and column means weighs against the fits.
    """

    fit: FitConfig | LatentFitConfig = FitConfig(n_passes=30)
    n_pictures: int = 48
    n_rounds: int = 2
    time_budget: float | None = None
    centre: Centre = Centre.MEAN
    scales: Scales = Scales.WEIGHT
    shrinkage: float = 8.0

    def __post_init__(self) -> None:
        _check("n_pictures", self.n_pictures, self.n_pictures >= 2, "2 or more")
        _check("n_rounds", self.n_rounds, self.n_rounds >= 0, "0 or more")
        _check("shrinkage", self.shrinkage, self.shrinkage >= 0, "0 or more")
        _check("time_budget", self.time_budget, self.time_budget is None or self.time_budget > 0, "above 0")
        if self.fit.time_budget is not None or (isinstance(self.fit, FitConfig) and self.fit.target_bits is not None):
            raise ConfigError("the prior's fits have a time_budget or target_bits; give them passes and a lambda")
        _check("lambda_rd of the prior's fits", self.fit.lambda_rd, self.fit.lambda_rd > 0, "above 0")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A meta-learning run.

    Attributes:
      name: in a word, fit for a folder.
      model: the network.
      shape: (height, width) of the canvas, landscape; pictures of other sizes are cropped to it or left out.
      learning: first stage.
      prior: second stage.
      n_crops: of the canvas' size that are cut from every picture: the middle, and others at random.
      data: folder of pictures, where it travels with the recipe.
    """

    name: str
    model: ModelConfig
    shape: tuple[int, int] = (512, 768)
    learning: Learning = Learning()
    prior: PriorStage = PriorStage()
    n_crops: int = 1
    data: Path | None = None

    def __post_init__(self) -> None:
        _check_pictures(self)
        height, width = self.shape
        factor = self.learning.phase_factor
        if height % factor or width % factor:
            raise ConfigError(f"the canvas is {width}x{height}; phase_factor {factor} must divide both sides")
        if not isinstance(self.prior.fit, FitConfig):
            raise ConfigError("the prior's fits are of latent grids, the network is of coordinates; give a FitConfig")


@dataclasses.dataclass(frozen=True)
class LatentRecipe:
    """A run that learns the networks of latent grids.

    Attributes:
      name: in a word, fit for a folder.
      model: the networks.
      shape: (height, width) of the crops; the networks are for pictures of any.
      learning: first stage.
      prior: second stage; its fit is a `LatentFitConfig`.
      n_crops: that are cut from every picture: the middle, and others at random.
      data: folder of pictures, where it travels with the recipe.
    """

    name: str
    model: LatentGridConfig = LatentGridConfig()
    shape: tuple[int, int] = (256, 256)
    learning: PoolLearning = PoolLearning()
    prior: PriorStage = PriorStage(LatentFitConfig())
    n_crops: int = 1
    data: Path | None = None

    def __post_init__(self) -> None:
        _check_pictures(self)
        if not isinstance(self.prior.fit, LatentFitConfig):
            raise ConfigError("the prior's fits are of coordinate networks; give a LatentFitConfig")


AnyRecipe = Recipe | LatentRecipe


def _check_pictures(recipe: AnyRecipe) -> None:
    _check("n_crops", recipe.n_crops, recipe.n_crops >= 1, "1 or more")
    height, width = recipe.shape
    if not 0 < height <= width:
        raise ConfigError(f"the canvas is {width}x{height}; it must be a landscape or a square")
    if Path(recipe.name).name != recipe.name or recipe.name in ("", ".."):
        raise ConfigError(f"the recipe's name is {recipe.name!r}; it must be fit for a folder")


def load_recipe(path: Path) -> AnyRecipe:
    """The value RECIPE of a Python file, which is run as a module.

    Raises:
      ConfigError: There is no such file or no such value in it.
    """
    return load_value(path, "RECIPE", (Recipe, LatentRecipe), error=ConfigError, example="meta_init/siren_015.py")


def training_folder(given: Path | None) -> Path:
    """Where the pictures are: the folder `given`, or the one that INRC_TRAIN names.

    Raises:
      MissingDataError: Neither is a folder.
    """
    folder = given or os.environ.get("INRC_TRAIN")
    if not folder or not Path(folder).is_dir():
        what = f"{folder} is no folder" if folder else "no folder of training pictures is given"
        raise MissingDataError(f"{what}: set INRC_TRAIN or --data to one that holds photographs")
    return Path(folder)


def as_json(recipe: AnyRecipe) -> dict[str, Any]:
    """A recipe as JSON values: configurations become objects, members of enumerations their names."""

    def plain(value: Any) -> Any:
        match value:
            case enum.Enum():
                return value.name.lower()
            case OptimiserConfig():
                return value._asdict()
            case Path():
                return str(value)
        return value

    return dataclasses.asdict(recipe, dict_factory=lambda items: {name: plain(value) for name, value in items})
