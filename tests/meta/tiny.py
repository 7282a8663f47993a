"""Small pictures, a small network and a short recipe, which all tests of meta-learning share."""

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from PIL import Image

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import Start
from inrc.layout import layout
from inrc.meta.data import Collection, Photographs, Samples
from inrc.meta.inner import Learned
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import InnerOptimiser, Learning, Method, Objective, PriorStage
from inrc.meta.train import Trained, train
from tests.models.networks import random_params

SHAPE = (16, 24)
MODEL = ModelConfig(widths=(6,), encoding=EncodingConfig(EncodingKind.NERF, 2))
ADAM = OptimiserConfig(preconditioned=False)  # compiles in half the time
LEARNING = Learning(n_steps=8, inner_steps=2, n_tasks=2, phase_factor=2, outer_rate=1e-3)
FIT = CoordinateFitConfig(n_passes=4, phase_factor=2, steps_per_group=4, groups_per_chunk=2, optimiser=ADAM)
RECIPE = CoordinateRecipe("tiny", MODEL, SHAPE, LEARNING, PriorStage(fit=FIT, n_pictures=3, n_rounds=1))

TRAINING_NAMES, VALIDATION_NAMES = ("0.png", "1.png", "2.png", "3.png"), ("10.png", "11.png")
"""The hashes of the latter are multiples of 8."""


def learning(method: Method, **changes) -> Learning:
    """`LEARNING` with another method."""
    return dataclasses.replace(LEARNING, method=method, **changes)


def train_start(recipe: CoordinateRecipe, pictures: Collection, **options: Any) -> Trained:
    """Runs the first stage of a recipe."""
    return train(recipe.learning, recipe.model, recipe.shape, pictures, **options)


def pixels(n: int, shape: tuple[int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """Smooth pictures, [n, 3, height, width] uint8."""
    generator = np.random.default_rng(seed)
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    a, b, c = generator.uniform(-3, 3, (3, n, 3, 1, 1))
    return np.rint(127.5 + 120 * np.sin(a * rows + b * columns + 2 * c)).astype(np.uint8)


def collection(seed: int = 0) -> Collection:
    """Four training pictures and two for validation."""
    parts = (
        Photographs(names, pixels(len(names), seed=seed + i))
        for i, names in enumerate((TRAINING_NAMES, VALIDATION_NAMES))
    )
    return Collection(*parts, left_out={})


def write_pictures(folder: Path, seed: int = 0) -> None:
    """Writes the pictures of `collection` as files."""
    for part in collection(seed)[:2]:
        for name, planes in zip(part.names, part.pixels, strict=True):
            save_picture(folder / name, planes)


def save_picture(path: Path, planes: np.ndarray) -> None:
    """Writes a picture [3, height, width]."""
    Image.fromarray(np.moveaxis(planes, 0, -1)).save(path)


def start(seed: int = 0, scale: float = 0.01) -> Start:
    """A start of random weights that all have one scale."""
    mean = {name: np.asarray(matrix) for name, matrix in random_params(MODEL, SHAPE, 3, seed).items()}
    shapes = dict(layout(MODEL, SHAPE, 3))
    scales = {name: np.full(shape, scale, np.float32) for name, shape in shapes.items()}
    return Start(mean, scales, dict.fromkeys(shapes, 2.0**-8))


# A task with one weight, whose loss is curvature / 2 * (weight - target)^2 ----------------------------------------

CURVATURE = 3.0


def quadratic(params, samples: Samples) -> jnp.ndarray:
    """The loss."""
    return CURVATURE / 2 * jnp.sum((params["w"] - samples.targets) ** 2)


def quadratic_task(*targets: float) -> Samples:
    """A task with one target for each inner step, and the last one for the outer loss."""
    values = jnp.asarray(targets, jnp.float32)[:, None, None]
    return Samples(values, values, values)


def quadratic_learned(weight: float, rates: tuple[float, ...]) -> Learned:
    """A start with a rate for each inner step."""
    log_rates = jnp.log(jnp.asarray(rates, jnp.float32))[:, None, None]
    return Learned({"w": jnp.full((1, 1), weight, jnp.float32)}, {"w": log_rates})


def quadratic_learning(method: Method, n_steps: int, optimiser: InnerOptimiser = InnerOptimiser.SGD) -> Learning:
    """Learning whose inner and outer objective are the quadratic itself."""
    return Learning(
        method,
        inner_steps=n_steps,
        inner_rate=0.1,
        inner_optimiser=optimiser,
        inner_objective=Objective.MSE,
        outer_objective=Objective.MSE,
    )
