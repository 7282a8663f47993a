"""From a coordinate network's weights to pixels of any size and any region, in tiles, so that memory stays bounded.

A render samples a range of each axis. `Antialias.SUPERSAMPLE` downscales by evaluating the network at the native
density or above and averaging, which is exact up to the box filter for any network. `Antialias.DAMP` instead damps the
encoding's frequencies by the box's response and evaluates the network once per output pixel. That is cheaper, and exact
only for the linear part of the network. Features of a hash grid have no frequencies: `DAMP` supersamples them, too.
"""

import functools
import math
from collections.abc import Callable, Mapping

import numpy as np

from inrc.config import HashGridEncoding, ModelConfig
from inrc.layout import feature_counts
from inrc.models import coordinate_numpy, renderers
from inrc.models.view import Antialias, View, pixel_dtype, pixels_of
from inrc.shapes import Float, UInt
from inrc.signal.coordinates import pixel_centres

_TILE_VALUES = 1 << 22
"""Activations of one layer of one tile, 16 MiB of float32. Memory grows with it; smaller tiles need more calls."""
_MAX_REPEATS = 1024
"""Largest number of evaluations per output pixel and axis: the mean of a million evenly spread samples is close enough
to that of all."""


def render(
    model: ModelConfig,
    shape: tuple[int, int],
    params: Mapping[str, Float[np.ndarray, "_ _"]],
    matrix: Float[np.ndarray, "C C"],
    offset: Float[np.ndarray, " C"],
    view: View,
    *,
    max_value: int,
    antialias: Antialias = Antialias.SUPERSAMPLE,
) -> UInt[np.ndarray, "{view.height} {view.width} C"]:
    """Pixels of a view, uint8 or uint16; values beyond the range are clipped, and NaN counts as 0.

    Args:
      model: the network.
      shape: native (height, width).
      params: {name: matrix}.
      matrix: of the output transform; unit values = matrix @ outputs + offset.
      offset: of the output transform.
      view: what to render.
      max_value: 255 (uint8) or 65535 (uint16).
      antialias: for views below native density.
    """
    means_of = _means_of(model, shape, params, matrix.astype(np.float32), offset.astype(np.float32))
    if antialias is Antialias.DAMP and isinstance(model.encoding, HashGridEncoding):
        antialias = Antialias.SUPERSAMPLE
    density = ((view.bottom - view.top) / view.height, (view.right - view.left) / view.width)
    repeats = (_repeats(density[0], antialias), _repeats(density[1], antialias))
    attenuation = tuple(d if antialias is Antialias.DAMP and d > 1 else 0.0 for d in density)
    rows = pixel_centres(shape[0], start=view.top, stop=view.bottom, count=view.height * repeats[0])
    columns = pixel_centres(shape[1], start=view.left, stop=view.right, count=view.width * repeats[1])

    tile_height, tile_width = _tile_size(model, shape, view, repeats)
    pixels = np.empty((view.height, view.width, len(offset)), pixel_dtype(max_value))
    for top in range(0, view.height, tile_height):
        for left in range(0, view.width, tile_width):
            means = means_of(
                attenuation, repeats,
                _padded(rows, top * repeats[0], tile_height * repeats[0]),
                _padded(columns, left * repeats[1], tile_width * repeats[1]),
            )  # fmt: skip
            target = pixels[top : top + tile_height, left : left + tile_width]
            target[...] = pixels_of(means, max_value)[: target.shape[0], : target.shape[1]]
    return pixels


def _means_of(
    model: ModelConfig,
    shape: tuple[int, int],
    params: Mapping[str, Float[np.ndarray, "_ _"]],
    matrix: Float[np.ndarray, "C C"],
    offset: Float[np.ndarray, " C"],
) -> Callable[..., Float[np.ndarray, "C h w"]]:
    """`coordinate_numpy.means` of a network, or what computes the same by JAX."""
    if not renderers.on_accelerator():
        return functools.partial(coordinate_numpy.means, model, shape, params, matrix, offset)
    from inrc.models import coordinate_jax

    return coordinate_jax.prepared(model, shape, params, matrix, offset)


def _repeats(density: float, antialias: Antialias) -> int:
    """Evaluations per output pixel along an axis that has `density` native pixels per pixel of the render."""
    return min(max(1, math.ceil(density - 1e-6)), _MAX_REPEATS) if antialias is Antialias.SUPERSAMPLE else 1


def _tile_size(model: ModelConfig, shape: tuple[int, int], view: View, repeats: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of tiles in output pixels; all tiles of a render have one shape and share one program.

    A tile is evaluated one sample row per output row at a time, so that only repeats along x take memory.
    """
    widest = max(*model.widths, *feature_counts(model.encoding, shape))
    budget = max(1, _TILE_VALUES // (widest * repeats[1]))
    width = min(view.width, budget)
    height = min(view.height, max(1, budget // width))
    # Tiles of equal height waste the least on the last one.
    return math.ceil(view.height / math.ceil(view.height / height)), width


def _padded(axis: np.ndarray, start: int, count: int) -> np.ndarray:
    part = axis[start : start + count]
    return np.pad(part, (0, count - len(part)), mode="edge")
