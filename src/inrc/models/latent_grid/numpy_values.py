"""From windows of latents to values of a part of a picture in NumPy: the renderer of single pictures on a CPU.

It computes what `jax_values` does, up to the order of sums, and imports no JAX: a first picture is there before JAX
would have been imported. Products go through BLAS, in tiles that stay in cache; several tiles are computed at once.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.config import LatentGridConfig
from inrc.latent_layout import UPSAMPLING_KERNEL
from inrc.parallel import on_cores, product
from inrc.shapes import Float, Int

Params = Mapping[str, Float[np.ndarray, "_ _"]]

_TILE = 1 << 14
"""Samples that go through a layer at a time: 48 hidden units of so many take 3 MB."""


@np.errstate(all="ignore")  # weights of damaged files may lead to values that are no numbers
def values(
    model: LatentGridConfig,
    params: Params,
    shifts: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    size: tuple[int, int],
    windows: Sequence[Float[np.ndarray, "_ _"]],
    places: Int[np.ndarray, "2"],
) -> Float[np.ndarray, "C h w"]:
    """Values [C, n * h, m * w] of a part of `size` (h, w) that begins at `places` in all windows.

    Args:
      model: the networks.
      params: {name: matrix}.
      shifts: kernels that move the features by the n and m fractions of a sample of a finer raster, along each axis.
      size: of the part.
      windows: latents of all grids around the part, finest first.
      places: (row, column) at which the part begins.
    """
    (top, left), (height, width) = places, size
    features = _upsampled(model, params, windows)[:, top : top + height, left : left + width]
    down, across = len(shifts[0]), len(shifts[1])
    if (down, across) == (1, 1):
        return _synthesised(model, params, features)
    result = np.empty((len(params["synthesis_1"]), down * height, across * width), np.float32)
    for (i, rows), (j, columns) in itertools.product(enumerate(shifts[0]), enumerate(shifts[1])):
        moved = _filtered(_filtered(features, rows, 1), columns, 2)
        result[:, i::down, j::across] = _synthesised(model, params, moved)
    return result


def _upsampled(
    model: LatentGridConfig, params: Params, windows: Sequence[Float[np.ndarray, "_ _"]]
) -> Float[np.ndarray, "grids h w"]:
    """Features of latent grids; see `upsampling.upsample`."""
    features = np.asarray(windows[-1], np.float32)[None]
    for level in reversed(range(model.n_grids - 1)):
        kernel = np.asarray(UPSAMPLING_KERNEL, np.float32) + params["upsampling"][level]
        latents = np.asarray(windows[level], np.float32)
        height, width = latents.shape
        joined = np.empty((len(features) + 1, height, width), np.float32)

        half = params["refinement"][level] + np.array([1, 0, 0, 0], np.float32) if model.refinement else None

        def fill(i: int, features=features, joined=joined, kernel=kernel, latents=latents, half=half) -> None:
            if i > 0:
                across = _twice(features[i - 1 : i], kernel, 2)[..., : latents.shape[1]]
                joined[i : i + 1] = _twice(across, kernel, 1)[:, : latents.shape[0]]
            else:
                joined[0] = latents if half is None else _symmetric(_symmetric(latents, half, 0), half, 1)

        on_cores(fill, range(len(joined)))
        features = joined
    return features


def _synthesised(
    model: LatentGridConfig, params: Params, features: Float[np.ndarray, "grids h w"]
) -> Float[np.ndarray, "C h w"]:
    """Values of features, clipped to [0, 1]; see `synthesis.synthesise`."""
    n, height, width = features.shape
    pixels = np.ascontiguousarray(features).reshape(n, -1)
    first, second, skip = (params[f"synthesis_{name}"] for name in ("0", "1", "skip"))
    values = np.empty((len(second), height * width), np.float32)
    linear = np.empty_like(values)

    def compute(start: int) -> None:
        part = pixels[:, start : start + _TILE]
        hidden = product(first[:, :-1], part)
        hidden += first[:, -1:]
        np.maximum(hidden, 0, out=hidden)
        values[:, start : start + _TILE] = product(second[:, :-1], hidden) + second[:, -1:]
        linear[:, start : start + _TILE] = product(skip, part)

    on_cores(compute, range(0, height * width, _TILE))
    values = values.reshape(-1, height, width)
    for i in range(model.n_residual):
        values = values + _convolved(values, params[f"residual_{i}"])
        if i < model.n_residual - 1:
            values = np.maximum(values, 0)
    return np.clip(values + linear.reshape(values.shape), 0.0, 1.0)


def _convolved(x: Float[np.ndarray, "n h w"], matrix: Float[np.ndarray, "m 9*n+1"]) -> Float[np.ndarray, "m h w"]:
    """A 3x3 layer with edges repeated; see `filters.convolve_3x3`."""
    n, height, width = x.shape
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    result = np.empty((len(matrix), height, width), np.float32)
    rows = max(1, _TILE // width)

    def compute(top: int) -> None:
        bottom = min(top + rows, height)
        taps = [wide[:, top + dy : bottom + dy, dx : dx + width] for dy in range(3) for dx in range(3)]
        columns = np.concatenate(taps).reshape(9 * n, -1)
        sums = product(matrix[:, :-1], columns) + matrix[:, -1:]
        result[:, top:bottom] = sums.reshape(len(matrix), -1, width)

    on_cores(compute, range(0, height, rows))
    return result


def _twice(x: Float[np.ndarray, "n h w"], kernel: Float[np.ndarray, "4"], axis: int) -> Float[np.ndarray, "n _ _"]:
    """Twice the resolution along an axis, edges repeated; see `filters.twice`."""
    size = x.shape[axis]
    wide = _padded(x, 2, axis, mode="edge")
    taps = [_part(wide, i, size, axis) for i in range(5)]
    shape = list(x.shape)
    shape[axis] *= 2
    result = np.empty(shape, np.float32)
    phases = np.moveaxis(result, axis, 0)
    phases[0::2] = np.moveaxis(np.asarray(sum(kernel[i] * taps[i] for i in range(4))), axis, 0)
    phases[1::2] = np.moveaxis(np.asarray(sum(kernel[3 - i] * taps[i + 1] for i in range(4))), axis, 0)
    return result


def _symmetric(x: Float[np.ndarray, "h w"], half: Float[np.ndarray, " taps"], axis: int) -> Float[np.ndarray, "h w"]:
    """Filtered along an axis, zeros outside; see `filters.symmetric_filter`."""
    reach, size = len(half) - 1, x.shape[axis]
    wide = _padded(x, reach, axis, mode="constant")
    result = half[0] * x
    for i in range(1, reach + 1):
        result += half[i] * (_part(wide, reach - i, size, axis) + _part(wide, reach + i, size, axis))
    return result


def _filtered(x: Float[np.ndarray, "n h w"], kernel: np.ndarray, axis: int) -> Float[np.ndarray, "n h w"]:
    """Filtered along an axis by a kernel of odd length, edges repeated."""
    reach, weights = len(kernel) // 2, kernel.astype(np.float32)
    wide = _padded(x, reach, axis, mode="edge")
    return np.asarray(sum(weight * _part(wide, i, x.shape[axis], axis) for i, weight in enumerate(weights)))


def _padded(x: np.ndarray, reach: int, axis: int, *, mode: str) -> np.ndarray:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (reach, reach)
    return np.pad(x, widths, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _part(x: np.ndarray, start: int, size: int, axis: int) -> np.ndarray:
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, start + size)
    return x[tuple(index)]
