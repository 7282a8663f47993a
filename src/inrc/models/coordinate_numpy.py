"""Values of coordinate networks in NumPy: the renderer of single pictures on a CPU, which imports no JAX.

It computes what the Flax modules of `siren`, `fourier` and `hash_grid` do, up to the order of sums. Products go through
BLAS; sines are NumPy's own.
"""

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, ModelConfig, ModelFamily
from inrc.layout import MODULATOR_ENCODING, HashLevel, axis_frequencies, hash_levels
from inrc.models.constants import HASH_PRIMES, MODULATION, box_response, gaussian_frequencies, sampled_phases
from inrc.parallel import on_cores, product
from inrc.shapes import Float, Int

Params = Mapping[str, Float[np.ndarray, "_ _"]]
_TILE = 1 << 12
"""Samples that go through a network at a time: 128 units of so many take 2 MB."""
Groups = list[Float[np.ndarray, "_ _ _"]]
"""Features whose numbers of rows and columns broadcast to those of the samples."""


@np.errstate(all="ignore")  # weights of damaged files may lead to values that are no numbers
def means(
    model: ModelConfig,
    shape: tuple[int, int],
    params: Params,
    matrix: Float[np.ndarray, "C C"],
    offset: Float[np.ndarray, " C"],
    attenuation: tuple[float, ...],
    repeats: tuple[int, int],
    rows: Float[np.ndarray, " _rows"],
    columns: Float[np.ndarray, " _columns"],
) -> Float[np.ndarray, "C h w"]:
    """Unit values of a tile of pixels, each the mean of `repeats` rows and columns of samples.

    Args:
      model: the network.
      shape: native (height, width).
      params: {name: matrix}.
      matrix: of the output transform; unit values = matrix @ outputs + offset.
      offset: of the output transform.
      attenuation: as for `build.apply`.
      repeats: samples per pixel along each axis.
      rows: coordinates of all rows of samples.
      columns: coordinates of all columns of samples.
    """
    height, width = len(rows) // repeats[0], len(columns) // repeats[1]
    total = np.zeros((len(offset), height, width), np.float32)
    phases = np.asarray(rows, np.float32).reshape(-1, repeats[0]).T
    n_rows = max(1, _TILE // len(columns))

    def compute(top: int) -> None:
        for phase in phases:
            outputs = values(model, shape, params, phase[top : top + n_rows], columns, attenuation)
            unit = product(matrix, outputs.reshape(len(outputs), -1)).reshape(outputs.shape) + offset[:, None, None]
            total[:, top : top + n_rows] += unit.reshape(*unit.shape[:2], -1, repeats[1]).mean(axis=3)

    on_cores(compute, range(0, height, n_rows))
    return total / np.float32(repeats[0])


def values(
    model: ModelConfig,
    shape: tuple[int, int],
    params: Params,
    rows: Float[np.ndarray, " h"],
    columns: Float[np.ndarray, " w"],
    attenuation: Sequence[float],
) -> Float[np.ndarray, "outputs h w"]:
    """Outputs at rows x columns of coordinates in [-1, 1]; other arguments are those of `build.apply`."""
    coordinates = [np.asarray(rows, np.float32)[:, None], np.asarray(columns, np.float32)[None]]
    grid = len(rows), len(columns)
    if isinstance(model.encoding, HashGridEncoding):
        features = _hash_features(model.encoding, params, coordinates, shape)
        return _relu_network(model, params, [features], grid)
    groups = _encoded(model.encoding, coordinates, shape, attenuation)
    if model.family is ModelFamily.FOURIER:
        return _relu_network(model, params, groups, grid)
    omega: float | np.ndarray = float(model.omega_0)
    if model.modulator:
        inputs = _encoded(MODULATOR_ENCODING, coordinates, shape, attenuation)
        widths = (*model.modulator, 1)
        moved = _sines(params, "modulator", widths, inputs, grid, omega, bias=True, phases=False)
        omega = np.float32(omega) + np.float32(MODULATION) * moved
    widths = (*model.widths, len(params[f"layer_{len(model.widths)}"]))
    sampled = model.sampled_phases
    return _sines(params, "layer", widths, groups, grid, omega, bias=model.bias, phases=sampled).reshape(-1, *grid)


def _sines(
    params: Params,
    name: str,
    widths: Sequence[int],
    groups: Groups,
    grid: tuple[int, int],
    omega: float | Float[np.ndarray, "1 n"],
    *,
    bias: bool,
    phases: bool,
) -> Float[np.ndarray, "outputs n"]:
    """Layers of sines and a last linear one; see `siren.Siren`."""
    x = np.zeros((0, 0), np.float32)
    for i, width in enumerate(widths[:-1]):
        matrix = params[f"{name}_{i}"]
        z = _affine(matrix, x, bias) if i else _first_layer(matrix, groups, grid, bias)
        if phases:
            periods, offsets = sampled_phases(width)
            z *= periods
            z *= omega
            z += offsets
        else:
            z *= omega
        x = np.sin(z, out=z)
    return _affine(params[f"{name}_{len(widths) - 1}"], x, bias)


def _relu_network(
    model: ModelConfig, params: Params, groups: Groups, grid: tuple[int, int]
) -> Float[np.ndarray, "outputs h w"]:
    """Layers of ReLUs and a last linear one; see `fourier.relu_network`."""
    x = np.maximum(_first_layer(params["layer_0"], groups, grid, model.bias), 0)
    for i in range(1, len(model.widths) + 1):
        z = _affine(params[f"layer_{i}"], x, model.bias)
        x = z if i == len(model.widths) else np.maximum(z, 0)
    return x.reshape(-1, *grid)


def _affine(matrix: Float[np.ndarray, "out columns"], x: Float[np.ndarray, "in n"], bias: bool) -> np.ndarray:
    if not bias:
        return product(matrix, x)
    sums = product(matrix[:, :-1], x)
    sums += matrix[:, -1:]
    return sums


def _first_layer(
    matrix: Float[np.ndarray, "out columns"], groups: Groups, grid: tuple[int, int], bias: bool
) -> Float[np.ndarray, "out n"]:
    """The first layer of features, flat over the samples; each group is multiplied before it is broadcast."""
    total, start = np.zeros((len(matrix), *grid), np.float32), 0
    for group in groups:
        weights = matrix[:, start : start + len(group)]
        total += product(weights, group.reshape(len(group), -1)).reshape(len(matrix), *group.shape[1:])
        start += len(group)
    if bias:
        total += matrix[:, -1:, None]
    return total.reshape(len(matrix), -1)


def _encoded(
    config: EncodingConfig,
    coordinates: Sequence[Float[np.ndarray, "_ _"]],
    shape: Sequence[int],
    attenuation: Sequence[float],
) -> Groups:
    """Encoded coordinates; see `encoding.encode`."""
    if config.kind is EncodingKind.NONE:
        return [c[None] for c in coordinates]
    if config.kind is EncodingKind.GAUSSIAN:
        frequencies = gaussian_frequencies(config, shape)
        responses = [
            box_response(frequencies[:, a], n, w) for a, (n, w) in enumerate(zip(shape, attenuation, strict=True))
        ]
        gain = np.prod(responses, 0).astype(np.float32)[:, None, None]
        angles = np.asarray(
            sum((np.pi * frequencies[:, a])[:, None, None] * c[None] for a, c in enumerate(coordinates)), np.float32
        )
        return [np.concatenate([gain * np.sin(angles), gain * np.cos(angles)])]
    groups = []
    for coordinate, n_samples, width in zip(coordinates, shape, attenuation, strict=True):
        frequencies = np.asarray(axis_frequencies(config, n_samples), np.float32)
        angles = (np.float32(math.pi) * frequencies)[:, None, None] * coordinate[None]
        gain = box_response(frequencies, n_samples, width).astype(np.float32)[:, None, None]
        groups.append(np.concatenate([coordinate[None], gain * np.sin(angles), gain * np.cos(angles)]))
    return groups


def _hash_features(
    config: HashGridEncoding, params: Params, coordinates: Sequence[Float[np.ndarray, "_ _"]], shape: Sequence[int]
) -> Float[np.ndarray, "features h w"]:
    """Features of all levels, interpolated between four nodes; see `hash_grid.hash_features`."""
    features = []
    for number, level in enumerate(hash_levels(config, shape)):
        lower, weights = [], []
        for c, m, n_nodes in zip(coordinates, shape, level.nodes, strict=True):
            u = np.clip((c + np.float32(1)) * np.float32(level.cells * m / (2 * max(shape))), 0.0, n_nodes - 1.0)
            below = np.minimum(np.floor(u), max(n_nodes - 2, 0))
            lower.append(below.astype(np.int64))
            weights.append((u - below).astype(np.float32))
        table = params[f"table_{number}"]
        rows = []
        for down in (0, 1):
            left, right = (
                table[:, _entries(level, (lower[0] + down, np.minimum(lower[1] + across, level.nodes[1] - 1)))]
                for across in (0, 1)
            )
            rows.append(left + weights[1] * (right - left))
        features.append(rows[0] + weights[0] * (rows[1] - rows[0]))
    return np.concatenate(features)


def _entries(level: HashLevel, nodes: tuple[Int[np.ndarray, "h 1"], Int[np.ndarray, "1 w"]]) -> Int[np.ndarray, "h w"]:
    """The entries of nodes; see `hash_grid.entry_indices`."""
    down = np.minimum(nodes[0], level.nodes[0] - 1)
    if not level.is_hashed:
        return down * level.nodes[1] + nodes[1]
    factors = HASH_PRIMES[1::-1]
    terms = [i.astype(np.uint32) * np.uint32(p) for i, p in zip((down, nodes[1]), factors, strict=True)]
    return (functools.reduce(np.bitwise_xor, terms) % np.uint32(level.n_entries)).astype(np.int64)
