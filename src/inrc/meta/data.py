"""Pictures as tasks: interleaved sub-pictures, or random pixels, with their coordinates on the whole canvas."""

import collections
import dataclasses
import hashlib
import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inrc.codec.coordinate.format import INIT_COLOUR
from inrc.codec.coordinate.format import output_transform as colour_transform
from inrc.config import ModelConfig
from inrc.errors import MissingDataError
from inrc.meta.stages import Sampling
from inrc.signal.coordinates import pixel_centres
from inrc.signal.formats import READABLE_SUFFIXES
from inrc.signal.image import Image, read_image

N_CHANNELS = 3
_VALIDATION_SHARE = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Photographs:
    """Pictures of one canvas.

    Attributes:
      names: of the files.
      pixels: [N, 3, H, W] uint8, RGB.
    """

    names: tuple[str, ...]
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: list[int]) -> "Photographs":
        """Those at `indices`, in their order."""
        return Photographs(tuple(self.names[i] for i in indices), self.pixels[indices])


class Collection(NamedTuple):
    """A folder's pictures, by use.

    Attributes:
      training: seven in eight.
      validation: those whose `name_hash` is a multiple of 8.
      left_out: {reason: number of files that are not used for it}.
    """

    training: Photographs
    validation: Photographs
    left_out: dict[str, int]


class Samples(NamedTuple):
    """Some pixels of one picture. A task is a sequence of samples, stacked along a leading axis.

    Attributes:
      targets: [3, h, w] float32 in [0, 1]; [3, n] for scattered pixels.
      rows: coordinates on the whole canvas, [h, 1]; [n].
      columns: likewise, [1, w]; [n].
    """

    targets: jax.Array
    rows: jax.Array
    columns: jax.Array


def name_hash(name: str) -> int:
    """SHA-256 of a file's name as an integer: it decides a picture's use, wherever its folder is."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest())


def load_pictures(folder: Path, shape: tuple[int, int], n_crops: int = 1) -> Collection:
    """Reads a folder's pictures, as `read_pictures` does, and splits them into training and validation.

    Raises:
      MissingDataError: Fewer than two training pictures or no validation picture cover the canvas.
      ImageError: A picture cannot be read.
    """
    pictures, left_out = read_pictures(folder, shape, n_crops)
    training, validation = (
        [i for i, name in enumerate(pictures.names) if (name_hash(name) % _VALIDATION_SHARE == 0) is held_out]
        for held_out in (False, True)
    )
    if len(training) < 2 or not validation:
        raise MissingDataError(
            f"{folder} has {len(training)} training and {len(validation)} validation pictures of "
            f"{shape[1]}x{shape[0]} or more; give a folder with 2 and 1 at least"
        )
    return Collection(pictures.take(training), pictures.take(validation), left_out)


def read_pictures(folder: Path, shape: tuple[int, int], n_crops: int = 1) -> tuple[Photographs, dict[str, int]]:
    """Reads a folder's pictures; those larger than the canvas are cropped to its middle.

    Args:
      folder: of files; folders in it are not searched.
      shape: (height, width) of the canvas, landscape; pictures in portrait format are transposed.
      n_crops: parts that are cut from every picture, all with its name.

    Returns:
      (pictures in the order of their names, {reason: number of pictures that are left out for it}).

    Raises:
      MissingDataError: No picture covers the canvas.
      ImageError: A picture cannot be read.
    """
    names: list[str] = []
    crops: list[np.ndarray] = []
    left_out: collections.Counter[str] = collections.Counter()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in READABLE_SUFFIXES:
            continue
        image = read_image(path)
        reason = _unfit(image, shape)
        if reason:
            left_out[reason] += 1
        else:
            names += [path.name] * n_crops
            crops += _on_canvas(image.pixels, shape, n_crops, np.random.default_rng(name_hash(path.name)))
    if not names:
        raise MissingDataError(f"{folder} has no RGB picture of {shape[1]}x{shape[0]} or more; give a folder with some")
    return Photographs(tuple(names), np.stack(crops)), dict(left_out)


def interleaved(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Pictures [N, C, H, W] as their factor^2 sub-pictures [N, factor^2, C, H / factor, W / factor].

    Sub-picture p keeps the rows p // factor and the columns p % factor, and every factor-th after them.
    """
    n, channels, height, width = pixels.shape
    split = pixels.reshape(n, channels, height // factor, factor, width // factor, factor)
    return split.transpose(0, 3, 5, 1, 2, 4).reshape(n, factor**2, channels, height // factor, width // factor)


def pictures_of_step(key: jax.Array, step: jax.Array, n_tasks: int, n_pictures: int) -> jax.Array:
    """Pictures of an outer step's tasks: indices [n_tasks] int32, of which every epoch is a permutation."""

    def picture(task: jax.Array) -> jax.Array:
        epoch = jax.random.fold_in(key, task // n_pictures)
        return jax.random.permutation(epoch, n_pictures)[task % n_pictures]

    return jax.vmap(picture)(step * n_tasks + jnp.arange(n_tasks))


def draw_task(
    key: jax.Array, phases: jax.Array, picture: jax.Array, *, n_samples: int, sampling: Sampling = Sampling.PHASES
) -> Samples:
    """Draws a task of one picture.

    Args:
      key: of the task alone.
      phases: all pictures by `interleaved`, [N, factor^2, 3, h, w] uint8.
      picture: index of the picture.
      n_samples: samples of the task, which are different sub-pictures, or sets of h * w random pixels.
      sampling: which of the two.

    Returns:
      Samples with a leading axis [n_samples].
    """
    _, n_phases, _, height, width = phases.shape
    factor = math.isqrt(n_phases)
    rows, columns = (
        jnp.asarray(pixel_centres(factor * n).reshape(n, factor).T) for n in (height, width)
    )  # [factor, h] and [factor, w]
    if sampling is Sampling.PHASES:
        phase = jax.random.choice(key, n_phases, (n_samples,), replace=False)
        return Samples(
            _unit(phases[picture, phase]), rows[phase // factor][:, :, None], columns[phase % factor][:, None]
        )
    size = (n_samples, height * width)
    phase, row, column = (
        jax.random.randint(part, size, 0, n)
        for part, n in zip(jax.random.split(key, 3), (n_phases, height, width), strict=True)
    )
    targets = jnp.moveaxis(phases[picture, phase, :, row, column], -1, 1)
    return Samples(_unit(targets), rows[phase // factor, row], columns[phase % factor, column])


def output_transform(model: ModelConfig, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(matrix [3, 3], offset [3]) from the network's outputs to RGB in [0, 1], as in the codec's files by default."""
    return colour_transform(INIT_COLOUR, N_CHANNELS)


def _unit(pixels: jax.Array) -> jax.Array:
    return pixels.astype(jnp.float32) / 255.0


def _unfit(image: Image, shape: tuple[int, int]) -> str:
    """Why a picture cannot be used; empty if it can."""
    if image.bit_depth != 8 or image.channels != N_CHANNELS:
        return "not RGB of 8 bits"
    sides = sorted((image.height, image.width))
    return "" if sides[0] >= shape[0] and sides[1] >= shape[1] else "smaller than the canvas"


def _on_canvas(
    pixels: np.ndarray, shape: tuple[int, int], n_crops: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Parts [3, height, width] of a picture [H, W, 3] that covers the canvas, as landscapes; the middle is first."""
    planes = np.moveaxis(pixels, -1, 0)
    if planes.shape[1] > planes.shape[2]:
        planes = planes.transpose(0, 2, 1)
    spare = np.array(planes.shape[1:], np.int64) - np.array(shape, np.int64)
    corners = [spare // 2, *generator.integers(0, spare, (n_crops - 1, 2), endpoint=True)]
    return [np.ascontiguousarray(planes[:, y : y + shape[0], x : x + shape[1]]) for y, x in corners]
