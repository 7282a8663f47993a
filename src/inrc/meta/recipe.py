"""What a meta-learning run does: a frozen value in a Python file, of one class per family of networks."""

import abc
import dataclasses
import enum
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from inrc.config import LatentGridConfig, Model, ModelConfig
from inrc.errors import ConfigError, MissingDataError
from inrc.fit.batch import Batch
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import CoordinateBatch
from inrc.fit.lanes import Lanes
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.fitting import LatentBatch
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import FitConfig, Start, Target, Task
from inrc.meta.data import Collection, output_transform
from inrc.meta.stages import Centre, Learning, Method, Objective, PoolLearning, PriorStage, check
from inrc.meta.starts import flat_start, sparse_start
from inrc.meta.train import TrainProgress, train
from inrc.meta.train_pool import PoolProgress, train_pool
from inrc.python_file import load_value
from inrc.signal.image import to_unit

Matrices = dict[str, np.ndarray]
LearningProgress = TrainProgress | PoolProgress

_CARD_ROWS = 10


class LearnedStart(NamedTuple):
    """The result of a recipe's first stage.

    Attributes:
      params: {name: matrix}, the learned start.
      card: JSON values of the stage, for the card.
      rates: {name: [k, *shape of the matrix]}: learned rates of the inner steps, if the recipe keeps them.
    """

    params: Matrices
    card: dict[str, Any]
    rates: Matrices | None = None


@dataclasses.dataclass(frozen=True)
class Recipe(abc.ABC):
    """A meta-learning run. Each family of networks has a subclass, which knows how its starts are learned and fitted.

    Attributes:
      name: a word that can name a folder.
      model: the network.
      shape: (height, width) of the canvas, a landscape or a square. Larger pictures are cropped to it, smaller ones are
        left out.
      learning: first stage, which learns the start.
      prior: second stage, which learns the prior. Its fit must be one of `fit_kind`.
      n_crops: parts of the canvas' size that are cut from every picture: the middle, and others at random.
      data: folder of pictures, for recipes that come with their own.
      codec: name of the only codec that takes the shared init by itself; every codec with such networks may if empty.
    """

    fit_kind: ClassVar[type[FitConfig]]

    name: str
    model: Model
    shape: tuple[int, int]
    learning: Learning | PoolLearning
    prior: PriorStage
    n_crops: int = 1
    data: Path | None = None
    codec: str = ""

    def __post_init__(self) -> None:
        check("n_crops", self.n_crops, self.n_crops >= 1, "1 or more")
        height, width = self.shape
        if not 0 < height <= width:
            raise ConfigError(f"the canvas is {width}x{height}; it must be a landscape or a square")
        if Path(self.name).name != self.name or self.name in ("", ".."):
            raise ConfigError(f"the recipe's name is {self.name!r}; it must be fit for a folder")
        if not isinstance(self.prior.fit, self.fit_kind):
            raise ConfigError(
                f"the prior's fit is a {type(self.prior.fit).__name__}; a {type(self).__name__} needs a "
                f"{self.fit_kind.__name__}"
            )

    @abc.abstractmethod
    def learn_start(
        self, pictures: Collection, folder: Path, progress: Callable[[LearningProgress], None] | None = None
    ) -> LearnedStart:
        """Runs the first stage.

        Args:
          pictures: of the recipe's canvas.
          folder: of the run; a stage whose checkpoint is found there continues from it.
          progress: called after every step or every few; may raise KeyboardInterrupt.

        Raises:
          InrcError: The checkpoint belongs to another run, or the stage diverged.
          KeyboardInterrupt: On Ctrl-C, once the state is saved.
        """

    @abc.abstractmethod
    def first_start(self, params: Matrices) -> Start:
        """Where the first fits of the prior stage start, from the learned start {name: matrix}."""

    @abc.abstractmethod
    def fit_of(self, pixels: np.ndarray, start: Start) -> Batch:
        """The codec's own fit of one picture [3, H, W] uint8, to be run by `inrc.fit.loop.run_fits`."""


@dataclasses.dataclass(frozen=True)
class CoordinateRecipe(Recipe):
    """A run that learns a start and a prior for a coordinate network.

    Attributes, beside those of every `Recipe`:
      keep_rates: whether the shared init keeps the learned rates, so that fits take the inner steps first. They must be
        Meta-SGD's on the mean squared error, and the prior must be centred on the start, where they hold.
    """

    fit_kind = CoordinateFitConfig

    model: ModelConfig
    shape: tuple[int, int] = (512, 768)
    learning: Learning = Learning()
    prior: PriorStage = PriorStage()
    keep_rates: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_rates:
            learning = self.learning
            needed = (learning.method, learning.inner_objective, self.prior.centre)
            if needed != (Method.META_SGD, Objective.MSE, Centre.START):
                raise ConfigError(
                    f"keep_rates is for Meta-SGD, an inner objective of MSE and a prior around the start; these are "
                    f"{', '.join(value.name for value in needed)}"
                )
        height, width = self.shape
        factor = self.learning.phase_factor
        if height % factor or width % factor:
            raise ConfigError(f"the canvas is {width}x{height}; phase_factor {factor} must divide both sides")

    def learn_start(
        self, pictures: Collection, folder: Path, progress: Callable[[LearningProgress], None] | None = None
    ) -> LearnedStart:
        """Learns a start from tasks, by `inrc.meta.train`."""
        trained = train(
            self.learning, self.model, self.shape, pictures, folder=folder / "checkpoints", progress=progress
        )
        names = ("step", "seconds", "psnr_before_db", "psnr_after_db")
        card = {
            "outer_steps": trained.n_steps,
            "outer_steps_skipped": trained.n_skipped,
            "outer_seconds": round(trained.seconds, 1),
            "validation": [dict(zip(names, row, strict=True)) for row in trained.history],
        }
        params = {name: np.asarray(matrix) for name, matrix in trained.learned.params.items()}
        rates = {name: np.exp(np.asarray(logarithms)) for name, logarithms in trained.learned.log_rates.items()}
        return LearnedStart(params, card, rates if self.keep_rates else None)

    def first_start(self, params: Matrices) -> Start:
        """A start from which weights may move anywhere."""
        return flat_start(params, cast(CoordinateFitConfig, self.prior.fit).relative_step)

    def fit_of(self, pixels: np.ndarray, start: Start) -> Batch:
        """The fit of the network, whose outputs are in the colour space of shared inits."""
        target = Target(to_unit(pixels), *output_transform(self.model, self.shape))
        return CoordinateBatch([Task(target, self.prior.fit, start)], self.model, Lanes(), padded=False)


@dataclasses.dataclass(frozen=True)
class LatentRecipe(Recipe):
    """A run that learns the networks of latent grids, on crops: the networks are the same for pictures of any size."""

    fit_kind = LatentFitConfig

    model: LatentGridConfig = LatentGridConfig()
    shape: tuple[int, int] = (256, 256)
    learning: PoolLearning = PoolLearning()
    prior: PriorStage = PriorStage(LatentFitConfig())

    def learn_start(
        self, pictures: Collection, folder: Path, progress: Callable[[LearningProgress], None] | None = None
    ) -> LearnedStart:
        """Learns networks on a pool of crops, by `inrc.meta.train_pool`."""
        pool = train_pool(self.learning, self.model, pictures.training.pixels, folder, progress=progress)
        rows = (*pool.history[:: max(1, len(pool.history) // _CARD_ROWS)], pool.history[-1])
        names = ("step", "seconds", "loss", "mse", "bpp")
        card = {
            "outer_steps": pool.n_steps,
            "outer_seconds": round(pool.seconds, 1),
            "history": [dict(zip(names, row, strict=True)) for row in rows],
        }
        return LearnedStart(pool.params, card)

    def first_start(self, params: Matrices) -> Start:
        """A start from which few weights are expected to move."""
        return sparse_start(params, cast(LatentFitConfig, self.prior.fit).first_step)

    def fit_of(self, pixels: np.ndarray, start: Start) -> Batch:
        """The fit of latents and networks."""
        return LatentBatch([Task(Target(to_unit(pixels)), self.prior.fit, start)], self.model, Lanes())


def load_recipe(path: Path) -> Recipe:
    """The value RECIPE of a Python file, which is run as a module.

    Raises:
      ConfigError: There is no such file or no such value in it.
    """
    return load_value(path, "RECIPE", Recipe, error=ConfigError, example="meta_init/siren_015.py")


def training_folder(given: Path | None) -> Path:
    """The folder of training pictures: `given`, or the one that INRC_TRAIN names.

    Raises:
      MissingDataError: It is no folder, or none is given.
    """
    folder = given or os.environ.get("INRC_TRAIN")
    if not folder or not Path(folder).is_dir():
        what = f"{folder} is no folder" if folder else "no folder of training pictures is given"
        raise MissingDataError(f"{what}: set INRC_TRAIN or --data to one that holds photographs")
    return Path(folder)


def as_json(recipe: Recipe) -> dict[str, Any]:
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
