"""From latents to pixels of any size and any region, in strips, so that memory stays bounded.

A raster n times as fine as the native one consists of n^2 rasters of native density, each shifted by a fraction of a
pixel, which are interleaved. For each of them, a cubic kernel interpolates the features between pixels, and the same
synthesis, 3x3 layers included, turns them into values. A raster that is no multiple of the native one is resampled from
the next finer multiple.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inrc.config import LatentGridConfig
from inrc.latent_layout import grids_of, halved
from inrc.models import renderers
from inrc.models.latent_grid import numpy_values
from inrc.models.view import Antialias, View, pixel_dtype, pixels_of
from inrc.shapes import Float, Real, UInt

_STRIP_SAMPLES = 1 << 22
"""Samples of a strip, native or finer: 117 MB of features for seven grids. Larger strips take more memory; smaller ones
compute more samples twice, in the margins that strips share."""
_REACH = 4
"""Samples of the coarsest grid by which a window extends beyond its part on either side. An upsampling kernel reads two
samples beside its own on its level, so that all levels together read fewer than four samples of the coarsest grid."""
_CUBIC_REACH = 2
"""Samples on either side of its own that the cubic kernel between pixels reads."""
_REFINEMENT_REACH = 3
"""Latents on either side of its own that the refinement's filter reads."""
_MAX_FINER = 16
"""Largest number of samples per native pixel and axis. Values of a denser raster are interpolated linearly between
them, which keeps the number of passes through the synthesis at 256."""


class _Part(NamedTuple):
    """The part of an axis that is computed, in native samples.

    Attributes:
      start, size: first and number of the samples that go through the synthesis.
      window, window_size: first and number of the samples whose features are computed. The window extends so far beyond
        the part that the window's ends do not influence the part.
    """

    start: int
    size: int
    window: int
    window_size: int


class _Taps(NamedTuple):
    """A resampling of an axis: sample i is the sum of weights[t, i] * x[first[i] + t]."""

    first: np.ndarray
    weights: np.ndarray


def render(
    model: LatentGridConfig,
    shape: tuple[int, int],
    params: Mapping[str, Float[np.ndarray, "_ _"]],
    latents: Sequence[Real[np.ndarray, "_ _"]],
    view: View,
    *,
    max_value: int,
    antialias: Antialias = Antialias.SUPERSAMPLE,
) -> UInt[np.ndarray, "{view.height} {view.width} C"]:
    """Pixels of a view, uint8 or uint16.

    Args:
      model: the networks.
      shape: native (height, width).
      params: {name: matrix}.
      latents: integers of all grids, in coding order.
      view: what to render.
      max_value: 255 (uint8) or 65535 (uint16).
      antialias: NONE takes values at the centres of pixels; all others take means over pixels.
    """
    values_of = _values_of(model, params)
    visible = [array for grid, array in zip(grids_of(model, shape), latents, strict=True) if not grid.hyper][::-1]
    units = (view.bottom - view.top) / view.height, (view.right - view.left) / view.width
    finer = _finer(units[0]), _finer(units[1])
    shifts = _shift_kernels(finer[0]), _shift_kernels(finer[1])
    across, columns = _axis(model, shape[1], view.left, units[1], view.width, finer[1], antialias)
    samples_per_row = max(1.0, units[0] * finer[0]) * across.size * finer[1]
    n_strips = math.ceil(view.height / max(1, int(_STRIP_SAMPLES / samples_per_row)))
    # Strips of equal height share their programs.
    strip = math.ceil(view.height / n_strips)
    pixels = np.empty((view.height, view.width, len(params["synthesis_1"])), pixel_dtype(max_value))
    for first in range(0, view.height, strip):
        n = min(strip, view.height - first)
        top = view.top + units[0] * first
        down, rows = _axis(model, shape[0], top, units[0], n, finer[0], antialias, at_least=strip)
        windows = tuple(_window(grid, level, down, across) for level, grid in enumerate(visible))
        places = np.array([down.start - down.window, across.start - across.window], np.int32)
        values = values_of(shifts, (down.size, across.size), windows, places)
        values = _resampled(_resampled(values, rows, 1), columns, 2)
        pixels[first : first + n] = pixels_of(values, max_value)
    return pixels


def _values_of(
    model: LatentGridConfig, params: Mapping[str, Float[np.ndarray, "_ _"]]
) -> Callable[..., Float[np.ndarray, "C h w"]]:
    """`numpy_values.values` of the networks, or what computes the same by JAX."""
    if not renderers.on_accelerator():
        return functools.partial(numpy_values.values, model, params)
    from inrc.models.latent_grid import jax_values

    return jax_values.prepared(model, params)


def needed_latents(model: LatentGridConfig, shape: tuple[int, int], view: View) -> tuple[int, int]:
    """First (rows, columns) of the finest latents that a view depends on."""
    sides = zip(shape, (view.top, view.left), (view.bottom, view.right), strict=True)
    parts = (_part(model, length, first, math.ceil(last - first)) for length, first, last in sides)
    rows, columns = (part.start + part.size + _REFINEMENT_REACH for part in parts)
    return rows, columns


def _finer(unit: float) -> int:
    """Samples per native sample of the raster from which pixels of `unit` native samples are resampled."""
    return min(max(1, math.ceil(1 / unit - 1e-6)), _MAX_FINER)


def _axis(
    model: LatentGridConfig,
    length: int,
    first: float,
    unit: float,
    n: int,
    finer: int,
    antialias: Antialias,
    *,
    at_least: int = 0,
) -> tuple[_Part, _Taps]:
    """The part of an axis of `length` that n pixels from `first` on need, and the resampling that gives the pixels."""
    part = _part(model, length, first, math.ceil(unit * max(n, at_least)))
    edges = (first + unit * np.arange(n + 1) - part.start) * finer
    edges = np.where(np.abs(edges - np.rint(edges)) < 1e-4, np.rint(edges), edges)
    if antialias is Antialias.NONE or unit * finer < 1 - 1e-4:
        return part, _linear((edges[:-1] + edges[1:] - 1) / 2, part.size * finer)
    return part, _means(edges, part.size * finer)


def _part(model: LatentGridConfig, length: int, first: float, n: int) -> _Part:
    """The part for n native samples from `first` on.

    Its sizes depend on n alone, except where the picture ends, so that parts share compiled programs.
    """
    margin = _CUBIC_REACH + model.n_residual + 1
    size = min(length, n + 2 * margin + 1)
    start = min(max(0, math.floor(first) - margin), length - size)
    coarsest = 1 << model.n_grids - 1
    # A window begins at a sample of the coarsest grid. The last possible window ends at the end of the picture.
    spare = (length - size - (2 * _REACH + 1) * coarsest) // coarsest * coarsest
    if spare <= 0:
        return _Part(start, size, 0, length)
    window = min(max(0, start // coarsest - _REACH) * coarsest, spare)
    return _Part(start, size, window, length - spare)


def _window(grid: np.ndarray, level: int, down: _Part, across: _Part) -> np.ndarray:
    (top, left), (height, width) = (
        (down.window >> level, across.window >> level),
        halved((down.window_size, across.window_size), level),
    )
    return np.asarray(grid[top : top + height, left : left + width], np.float32)


def _shift_kernels(finer: int) -> list[np.ndarray]:
    """Keys' cubic kernel with a = -3/4 (Keys, 1981), as in `latent_layout`, for each shift of a finer raster."""
    kernels = []
    for i in range(finer):
        distance = np.abs((i + 0.5) / finer - 0.5 - np.arange(-_CUBIC_REACH, _CUBIC_REACH + 1))
        near = (1.25 * distance - 2.25) * distance**2 + 1
        far = -0.75 * (((distance - 5) * distance + 8) * distance - 4)
        kernels.append(np.where(distance < 1, near, np.where(distance < 2, far, 0.0)))
    return kernels


def _means(edges: np.ndarray, n: int) -> _Taps:
    """The mean of the samples between each edge and the next, weighted by overlap."""
    first = np.floor(edges[:-1]).astype(np.int64)
    n_taps = int((np.ceil(edges[1:]) - first).max())
    taps = first + np.arange(n_taps)[:, None]
    overlap = np.minimum(edges[1:], taps + 1) - np.maximum(edges[:-1], taps)
    return _Taps(first, np.maximum(overlap, 0.0) / (edges[1:] - edges[:-1]))


def _linear(centres: np.ndarray, n: int) -> _Taps:
    centres = np.clip(centres, 0, n - 1)
    first = np.minimum(np.floor(centres).astype(np.int64), max(n - 2, 0))
    return _Taps(first, np.stack([1 - (centres - first), centres - first]))


def _resampled(x: np.ndarray, taps: _Taps, axis: int) -> np.ndarray:
    n = x.shape[axis]
    shape = [1, 1, 1]
    shape[axis] = -1
    total = np.float32(0)
    for i, weight in enumerate(taps.weights.astype(np.float32)):
        part = x.take(np.minimum(taps.first + i, n - 1), axis)
        total = part if len(taps.weights) == 1 and np.all(weight == 1) else total + part * weight.reshape(shape)
    return np.asarray(total)
