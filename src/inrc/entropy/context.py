"""The context network on integers: which table each latent is coded with, the same on every machine.

    neighbours of the same grid --+--> [W + I, floor, clip] * n --> W --+--> mean, logarithm of the scale
    features of coarser grids ----+----------------------------> W ----+

All values are integers carried in float32: weights in units of 2^-8, activations in units of 2^-5, both rounded. Every
sum stays below 2^24 in its own units of 2^-13, so no product and no sum is ever rounded, in whatever order they are
taken: a vectorised product on any processor gives the same integers as a loop.

The network is COOL-CHIC's (Ladune et al., 2023), the features of coarser grids and the linear skip are those of its
fifth version; see `FORMAT.md`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inrc.entropy import latent_tables as tables
from inrc.errors import CorruptFileError
from inrc.latent_layout import LOG_SCALE_LIMIT, SCALE_OFFSET

WEIGHT_BITS = 8
ACTIVATION_BITS = tables.FRACTION_BITS
LARGEST_INPUT = 63
"""Latents are clipped to +- this as inputs."""
LARGEST_ACTIVATION = 2047
"""Activations and features of coarser grids, in units of 2^-ACTIVATION_BITS, are clipped to this."""
ACCUMULATOR_LIMIT = 1 << 24
"""float32 holds all integers up to here."""
ROW_LIMIT = 28.0
"""Sum of the magnitudes of the weights of a row that is safe, see `limited`."""

CHUNK = 1 << 14
"""Contexts that are evaluated together where there are many."""

Offsets = Sequence[tuple[int, int]]


class GridPlan(NamedTuple):
    """One grid of latents, as the entropy model sees it.

    Attributes:
      shape: (height, width).
      level: its resolution is the picture's over 2^level, rounded up.
      references: indices, in coding order, of the coarser grids whose values are features of this one; empty where it
        has none. They come before it.
    """

    shape: tuple[int, int]
    level: int
    references: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class ContextNetwork:
    """A context network in fixed point, for inputs and activations in units of 2^-ACTIVATION_BITS.

    Attributes:
      offsets: (dy, dx) of the neighbours.
      layers: float32 [n, n + 1] each, n inputs being neighbours, then features of coarser grids. The identity is
        added, and half a unit, for rounding, to the biases in the last column.
      out: float32 [2, n + 1]: 32 times the mean, from half a step below symbol 0 of a table on, and the scale index.
      skip: float32 [2, n]: what the inputs themselves add to that.
      cross: by level, float32 [n_cross, references + 1]: features from latents, half a unit added to the biases.
    """

    offsets: tuple[tuple[int, int], ...]
    layers: tuple[np.ndarray, ...]
    out: np.ndarray
    skip: np.ndarray
    cross: Mapping[int, np.ndarray]

    @property
    def n_inputs(self) -> int:
        """Neighbours and features."""
        return self.skip.shape[1]


def from_matrices(matrices: Mapping[str, np.ndarray], offsets: Offsets) -> ContextNetwork:
    """The network in fixed point.

    Args:
      matrices: float32 by name: `context_0`, `context_1`, ... [n, n + 1], `context_out` [2, n + 1], `context_skip`
        [2, n], `cross_k` [n_cross, references + 1] for levels k that have features. The last column is a bias, but
        not of the skip. Others are left alone.
      offsets: (dy, dx) of the neighbours.

    Raises:
      CorruptFileError: A sum could reach 2^24.
    """
    hidden = []
    while (name := f"context_{len(hidden)}") in matrices:
        hidden.append(_fixed(matrices[name]) + np.eye(*matrices[name].shape))
        hidden[-1][:, -1] += 0.5
    out, skip = _fixed(matrices["context_out"]), _fixed(matrices["context_skip"], bias=False)
    # A unit of the mean is one of its fractions; of the logarithm of the scale there are fewer steps than units.
    ratio = tables.SCALES_PER_UNIT / (1 << ACTIVATION_BITS)
    out[1] *= ratio
    skip[1] *= ratio
    out[:, -1] += 0.5
    out[0, -1] += tables.N_FRACTIONS // 2 - tables.N_FRACTIONS * tables.LARGEST
    out[1, -1] += tables.SCALES_PER_UNIT * (LOG_SCALE_LIMIT - SCALE_OFFSET)
    cross = {}
    for name, matrix in matrices.items():
        if name.startswith("cross_"):
            fixed = _fixed(matrix)
            fixed[:, :-1] *= 1 << ACTIVATION_BITS
            fixed[:, -1] += 0.5
            cross[int(name.removeprefix("cross_"))] = fixed.astype(np.float32)
    network = ContextNetwork(
        tuple(offsets),
        tuple(matrix.astype(np.float32) for matrix in hidden),
        out.astype(np.float32),
        skip.astype(np.float32),
        cross,
    )
    if largest_accumulator(network) >= ACCUMULATOR_LIMIT:
        raise CorruptFileError(
            f"the context network can reach {largest_accumulator(network):.0f}; the limit is {ACCUMULATOR_LIMIT - 1}:"
            " use smaller weights"
        )
    return network


def _fixed(matrix: np.ndarray, *, bias: bool = True) -> np.ndarray:
    """Weights, rounded to units of 2^-WEIGHT_BITS, and biases times 2^ACTIVATION_BITS, rounded to the same; float64."""
    scaled = np.array(matrix, np.float64)
    if bias:
        scaled[:, -1] *= 1 << ACTIVATION_BITS
    return np.floor(scaled * (1 << WEIGHT_BITS) + 0.5) / (1 << WEIGHT_BITS)


def largest_accumulator(network: ContextNetwork) -> float:
    """An upper bound of all sums, and partial sums in any order, in units of their last binary place."""

    def bound(matrix: np.ndarray, largest_input: int) -> np.ndarray:
        magnitudes = np.abs(matrix.astype(np.float64))
        return magnitudes[:, :-1].sum(1) * largest_input + magnitudes[:, -1]

    unit = 1 << WEIGHT_BITS
    inputs = np.pad(network.skip, ((0, 0), (0, 1)))
    outputs = bound(network.out, LARGEST_ACTIVATION) + bound(inputs, LARGEST_ACTIVATION)
    bounds = [bound(matrix, LARGEST_ACTIVATION) * unit for matrix in network.layers]
    bounds.append(outputs * unit * [1, (1 << ACTIVATION_BITS) // tables.SCALES_PER_UNIT])
    bounds += [bound(matrix, LARGEST_INPUT) * unit for matrix in network.cross.values()]
    return max(float(b.max(initial=0.0)) for b in bounds)


def limited(matrices: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The matrices with rows made smaller where `from_matrices` might refuse them; all but the largest stay.

    With one unit of the identity and ROW_LIMIT for the rest, sums stay below 2^24 also after weights have been moved
    by 1/9 each, for up to 18 inputs, in quantisation.
    """
    result = dict(matrices)
    for name, matrix in matrices.items():
        if name.startswith(("context_", "cross_")):
            n = matrix.shape[1] - (name != "context_skip")
            limit = ROW_LIMIT / 2 if name in ("context_out", "context_skip") else ROW_LIMIT
            norms = np.abs(matrix[:, :n]).sum(1, keepdims=True)
            result[name] = np.concatenate(
                [
                    matrix[:, :n] * (limit / np.maximum(norms, limit)).astype(matrix.dtype),
                    np.clip(matrix[:, n:], -ROW_LIMIT / 2, ROW_LIMIT / 2),
                ],
                axis=1,
            )
    return result


class Evaluation:
    """Evaluates a network on many contexts at once, in buffers that are made once.

    Attributes:
      inputs: float32 [columns, capacity]; what is evaluated is written here.
    """

    def __init__(self, network: ContextNetwork, columns: Sequence[int], capacity: int) -> None:
        """Prepares an evaluation.

        Args:
          network: the network.
          columns: which input of the network each row of `inputs` is; n_inputs is the constant 1, -1 is none. Inputs
            of the network that are not there are 0. Latents come in their own unit, features in theirs.
          capacity: contexts at most.
        """
        n = network.n_inputs
        # Neighbours are latents, in units of 1.
        units = np.ones(n + 2, np.float32)
        units[: len(network.offsets)] = 1 << ACTIVATION_BITS
        units[-1] = 0.0
        skip = np.pad(network.skip, ((0, 0), (0, 1)))
        constant = np.zeros((1, n + 1), np.float32)
        constant[0, -1] = 1.0
        # Every layer hands on the constant, and the first one the skip too.
        if network.layers:
            first, *others = (np.concatenate([matrix, constant]) for matrix in network.layers)
            first = np.concatenate([first, skip])
            self._out = network.out
        else:
            first, others = network.out + skip, []
            self._out = None
        self._first = np.ascontiguousarray((np.pad(first, ((0, 0), (0, 1))) * units)[:, list(columns)])
        self._others = others
        self.inputs = np.zeros((len(columns), capacity), np.float32)
        for row, column in enumerate(columns):
            self.inputs[row] = column == n
        self._sums = np.empty((len(first), capacity), np.float32)
        self._hidden = [np.empty((n + 1, capacity), np.float32) for _ in range(2)]
        self._outputs = np.empty((2, capacity), np.float32)

    def run(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Evaluates the first n contexts.

        Returns:
          Rows of the tables int64 [n], and the integers int64 [n] that symbol 0 stands for.
        """
        outputs = sums = np.matmul(self._first, self.inputs[:, :n], out=self._sums[:, :n])
        if self._out is not None:
            hidden = _activated(sums[:-2])
            for i, matrix in enumerate(self._others):
                hidden = _activated(np.matmul(matrix, hidden, out=self._hidden[i % 2][:, :n]))
            outputs = np.matmul(self._out, hidden, out=self._outputs[:, :n])
            outputs += sums[-2:]
        np.floor(outputs, out=outputs)
        np.clip(outputs[1], 0.0, tables.N_SCALES - 1.0, out=outputs[1])
        means, scales = outputs.astype(np.int64)
        scales <<= tables.FRACTION_BITS
        scales += means & tables.N_FRACTIONS - 1
        means >>= tables.FRACTION_BITS
        return scales, means


def _activated(sums: np.ndarray) -> np.ndarray:
    np.floor(sums, out=sums)
    return np.clip(sums, 0.0, float(LARGEST_ACTIVATION), out=sums)


def cross_features(
    network: ContextNetwork, plans: Sequence[GridPlan], latents: Sequence[np.ndarray], index: int
) -> np.ndarray:
    """Features of grid `index` from grids before it, at half its resolution: float32 [n_cross, h, w], h = ceil(H / 2).

    Args:
      network: the network.
      plans: of all grids, in coding order.
      latents: integer arrays [H, W] of at least the grids before `index`.
      index: a grid with references.
    """
    plan = plans[index]
    height, width = (-(-side // 2) for side in plan.shape)
    matrix = network.cross[plan.level]
    n_rows = max(1, CHUNK // width)
    features = np.empty((len(matrix), height, width), np.float32)
    inputs = np.ones((matrix.shape[1], min(n_rows, height), width), np.float32)
    columns = np.arange(width)
    for first in range(0, height, n_rows):
        rows = np.arange(first, min(first + n_rows, height))
        for row, reference in zip(inputs, plan.references, strict=False):
            shift = plans[reference].level - plan.level - 1
            row[: len(rows)] = latents[reference][rows[:, None] >> shift, columns >> shift]
        part = inputs[:, : len(rows)]
        np.clip(part, -float(LARGEST_INPUT), float(LARGEST_INPUT), out=part)
        sums = matrix @ part.reshape(len(part), -1)
        np.floor(sums, out=sums)
        np.clip(sums, -float(LARGEST_ACTIVATION), float(LARGEST_ACTIVATION), out=sums)
        features[:, rows] = sums.reshape(-1, len(rows), width)
    return features


def table_rows(
    network: ContextNetwork, plans: Sequence[GridPlan], latents: Sequence[np.ndarray], index: int
) -> tuple[np.ndarray, np.ndarray]:
    """What every latent of a grid is coded with, all at once: what a decoder finds out one wavefront after another.

    Returns:
      Rows of the tables and the integers that symbol 0 stands for, int64 [H, W] each.
    """
    height, width = plans[index].shape
    n_offsets, n_inputs = len(network.offsets), network.n_inputs
    padded, up, left = _padded(network.offsets, latents[index])
    features = cross_features(network, plans, latents, index) if plans[index].references else None
    n_rows = max(1, CHUNK // width)
    evaluation = Evaluation(network, range(n_inputs + 1), min(n_rows, height) * width)
    results = np.empty((2, height, width), np.int64)
    for first in range(0, height, n_rows):
        last = min(first + n_rows, height)
        inputs = evaluation.inputs[:, : (last - first) * width].reshape(n_inputs + 1, last - first, width)
        for row, (dy, dx) in zip(inputs, network.offsets, strict=False):
            row[:] = padded[up + first + dy : up + last + dy, left + dx : left + dx + width]
        if features is not None:
            doubled = features[:, np.arange(first, last) // 2].repeat(2, axis=2)
            inputs[n_offsets:n_inputs] = doubled[:, :, :width]
        rows, bases = evaluation.run((last - first) * width)
        results[0, first:last], results[1, first:last] = (a.reshape(-1, width) for a in (rows, bases))
    return results[0], results[1]


def _padded(offsets: Offsets, grid: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The grid as inputs, float32, in zeros as far as neighbours reach; its first row and column therein."""
    height, width = grid.shape
    up = max((-dy for dy, _ in offsets), default=0)
    left, right = (max((0, *(sign * dx for _, dx in offsets))) for sign in (-1, 1))
    padded = np.zeros((up + height, left + width + right), np.float32)
    np.clip(grid, -LARGEST_INPUT, LARGEST_INPUT, out=padded[up:, left : left + width])
    return padded, up, left


class ContextsAt:
    """Single contexts of a grid, with one neighbour changed."""

    def __init__(
        self, network: ContextNetwork, plans: Sequence[GridPlan], latents: Sequence[np.ndarray], index: int
    ) -> None:
        """Prepares the contexts of grid `index`; arguments as those of `table_rows`."""
        self._network = network
        self._padded, self._up, self._left = _padded(network.offsets, latents[index])
        self._features = cross_features(network, plans, latents, index) if plans[index].references else None
        self._evaluation = Evaluation(network, range(network.n_inputs + 1), CHUNK)

    def table_rows(
        self, y: np.ndarray, x: np.ndarray, changed: int, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What latents would be coded with if one of their neighbours had another value.

        Args:
          y: rows [n] of the latents, n at most `CHUNK`.
          x: columns [n].
          changed: which neighbour it is.
          values: its values [n], within the limits of inputs.

        Returns:
          As `table_rows` of the module, [n].
        """
        n = len(y)
        inputs = self._evaluation.inputs[:, :n]
        stride = self._padded.shape[1]
        places = (y + self._up) * stride + x + self._left
        for i, (dy, dx) in enumerate(self._network.offsets):
            inputs[i] = values if i == changed else self._padded.take(places + (dy * stride + dx))
        if self._features is not None:
            inputs[len(self._network.offsets) : -1] = self._features[:, y >> 1, x >> 1]
        return self._evaluation.run(n)


def spacing(offsets: Offsets) -> tuple[int, int]:
    """Rows and columns between latents that are in no context together, and in none of each other's.

    Changes of latents that lie on a lattice this wide cost what `latent_rate.change_bits` says of each alone.
    """
    columns = [0, *(dx for _, dx in offsets)]
    return 1 + max((-dy for dy, _ in offsets), default=0), 1 + max(columns) - min(columns)
