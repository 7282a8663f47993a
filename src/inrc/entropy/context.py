"""The context network in integer arithmetic: it selects the table of each latent, the same on every machine.

    neighbours of the same grid --+--> [W + I, floor, clip] * n --> W --+--> mean, logarithm of the scale
    features of coarser grids ----+----------------------------> W ----+

All values are integers carried in float32: weights in units of 2^-8, activations in units of 2^-5, both rounded. Every
sum stays below 2^24 in its units of 2^-13. No product and no sum is therefore ever rounded, in whatever order they are
taken, and a vectorised product on any processor gives the same integers as a loop.

The network is COOL-CHIC's (Ladune et al., 2023); the features of coarser grids and the linear skip connection are those
of its fifth version. FORMAT.md, section 14, is normative.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inrc.entropy import latent_tables as tables
from inrc.errors import CorruptFileError
from inrc.latent_layout import LOG_SCALE_LIMIT, SCALE_OFFSET
from inrc.parallel import product
from inrc.shapes import Float, Float32, Int, Int64, Integer

WEIGHT_BITS = 8
ACTIVATION_BITS = tables.FRACTION_BITS
LARGEST_INPUT = 63
"""Inputs of the network are latents clipped to -LARGEST_INPUT..LARGEST_INPUT."""
LARGEST_ACTIVATION = 2047
"""Activations and features of coarser grids, in units of 2^-ACTIVATION_BITS, are clipped to this."""
ACCUMULATOR_LIMIT = 1 << 24
"""float32 holds all integers up to this."""
ROW_LIMIT = 28.0
"""A sum of magnitudes of a row's weights that cannot overflow; see `limited`."""

CHUNK = 1 << 14
"""Contexts that are evaluated at once where there are many."""

Offsets = Sequence[tuple[int, int]]

# A decoder evaluates the network on thousands of short wavefronts. Arrays as limits, and methods in place of functions,
# halve what each call takes beyond the arithmetic.
_ZERO, _LARGEST, _LAST_SCALE = (np.array(x, np.float32) for x in (0, LARGEST_ACTIVATION, tables.N_SCALES - 1))


class GridPlan(NamedTuple):
    """One grid of latents, as the entropy model sees it.

    Attributes:
      shape: (height, width).
      level: the sides of the grid are those of the picture divided by 2^level and rounded up.
      references: indices, in coding order, of the coarser grids whose values are features of this one; empty where it
        has none. They are coded before it.
    """

    shape: tuple[int, int]
    level: int
    references: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class ContextNetwork:
    """A context network in fixed point, for inputs and activations in units of 2^-ACTIVATION_BITS.

    Attributes:
      offsets: (dy, dx) of the neighbours.
      layers: float32 [n, n + 1] each. The n inputs are the neighbours and then the features of coarser grids. The
        identity is added to the weights, and half a unit, for rounding, to the biases in the last column.
      out: float32 [2, n + 1]. The first output is 32 times the mean, counted from half a step below the integer of
        symbol 0; the second is the scale index.
      skip: float32 [2, n]: the linear terms of the inputs in both outputs.
      cross: by level, float32 [n_cross, references + 1]: features from latents, half a unit added to the biases.
    """

    offsets: tuple[tuple[int, int], ...]
    layers: tuple[Float32[np.ndarray, "inputs inputs_and_bias"], ...]
    out: Float32[np.ndarray, "2 inputs_and_bias"]
    skip: Float32[np.ndarray, "2 inputs"]
    cross: Mapping[int, Float32[np.ndarray, "_features _references_and_bias"]]

    @property
    def n_inputs(self) -> int:
        """Number of neighbours and features."""
        return self.skip.shape[1]


def from_matrices(matrices: Mapping[str, Float[np.ndarray, "_rows _columns"]], offsets: Offsets) -> ContextNetwork:
    """Rounds the weights of a context network to fixed point.

    Args:
      matrices: float32 by name: `context_0`, `context_1`, ... [n, n + 1], `context_out` [2, n + 1], `context_skip`
        [2, n], `cross_k` [n_cross, references + 1] for levels k that have features. The last column is a bias,
        except in the skip. Matrices of other names are ignored.
      offsets: (dy, dx) of the neighbours.

    Raises:
      CorruptFileError: A sum could reach 2^24.
    """
    hidden = []
    while (name := f"context_{len(hidden)}") in matrices:
        hidden.append(_fixed(matrices[name]) + np.eye(*matrices[name].shape))
        hidden[-1][:, -1] += 0.5
    out, skip = _fixed(matrices["context_out"]), _fixed(matrices["context_skip"], bias=False)
    # A unit of the mean is one of its fractions. A step of the scale index is several units of the logarithm.
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
    """Weights, and biases times 2^ACTIVATION_BITS, rounded to multiples of 2^-WEIGHT_BITS; float64."""
    scaled = np.array(matrix, np.float64)
    if bias:
        scaled[:, -1] *= 1 << ACTIVATION_BITS
    return np.floor(scaled * (1 << WEIGHT_BITS) + 0.5) / (1 << WEIGHT_BITS)


def largest_accumulator(network: ContextNetwork) -> float:
    """An upper bound of all sums, and of partial sums in any order, in units of their last binary place."""

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


def limited(
    matrices: Mapping[str, Float[np.ndarray, "_rows _columns"]],
) -> dict[str, Float[np.ndarray, "_rows _columns"]]:
    """The matrices, with rows scaled down where `from_matrices` might refuse them; smaller rows stay as they are.

    With 1 from the identity and ROW_LIMIT from all other weights of a row, sums stay below 2^24 even if quantisation
    then moves each weight by 1/9, for up to 18 inputs.
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
    """Evaluates a network on many contexts at once, in buffers that are allocated once.

    Attributes:
      inputs: float32 [columns, capacity]; the caller writes the contexts here.
    """

    def __init__(self, network: ContextNetwork, columns: Sequence[int], capacity: int) -> None:
        """Prepares an evaluation.

        Args:
          network: the network.
          columns: the input of the network that each row of `inputs` is; n_inputs stands for the constant 1, and -1
            for a row that is ignored. Inputs of the network that are not listed are 0. Neighbours are given in units
            of 1, features in units of 2^-ACTIVATION_BITS.
          capacity: the largest number of contexts.
        """
        n = network.n_inputs
        # Neighbours are given in units of 1.
        units = np.ones(n + 2, np.float32)
        units[: len(network.offsets)] = 1 << ACTIVATION_BITS
        units[-1] = 0.0
        skip = np.pad(network.skip, ((0, 0), (0, 1)))
        constant = np.zeros((1, n + 1), np.float32)
        constant[0, -1] = 1.0
        # Every layer passes the constant on; the first one also computes the skip.
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

    def run(self, n: int) -> tuple[Int64[np.ndarray, " contexts"], Int64[np.ndarray, " contexts"]]:
        """Evaluates the first n contexts.

        Returns:
          The row of each latent's table, int64 [n], and the integer that symbol 0 stands for there, int64 [n].
        """
        outputs = sums = np.matmul(self._first, self.inputs[:, :n], out=self._sums[:, :n])
        if self._out is not None:
            hidden = _activated(sums[:-2])
            for i, matrix in enumerate(self._others):
                hidden = _activated(np.matmul(matrix, hidden, out=self._hidden[i % 2][:, :n]))
            outputs = np.matmul(self._out, hidden, out=self._outputs[:, :n])
            outputs += sums[-2:]
        np.floor(outputs, out=outputs)
        outputs[1].clip(_ZERO, _LAST_SCALE, out=outputs[1])
        means, scales = outputs.astype(np.int64)
        scales <<= tables.FRACTION_BITS
        scales += means & tables.N_FRACTIONS - 1
        means >>= tables.FRACTION_BITS
        return scales, means


def _activated(sums: np.ndarray) -> np.ndarray:
    np.floor(sums, out=sums)
    return sums.clip(_ZERO, _LARGEST, out=sums)


def cross_features(
    network: ContextNetwork,
    plans: Sequence[GridPlan],
    latents: Sequence[Integer[np.ndarray, "_height _width"]],
    index: int,
) -> Float32[np.ndarray, "n_cross half_height half_width"]:
    """Features of grid `index` from the grids before it.

    Features are the same for each 2x2 block of latents: all references are coarser.

    Args:
      network: the network.
      plans: all grids, in coding order.
      latents: integer arrays [H, W], at least of the grids before `index`.
      index: index of a grid with references.

    Returns:
      Features at half the grid's resolution, float32 [n_cross, ceil(H / 2), ceil(W / 2)].
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
        sums = product(matrix, part.reshape(len(part), -1))
        np.floor(sums, out=sums)
        np.clip(sums, -float(LARGEST_ACTIVATION), float(LARGEST_ACTIVATION), out=sums)
        features[:, rows] = sums.reshape(-1, len(rows), width)
    return features


def table_rows(
    network: ContextNetwork,
    plans: Sequence[GridPlan],
    latents: Sequence[Integer[np.ndarray, "_height _width"]],
    index: int,
) -> tuple[Int64[np.ndarray, "height width"], Int64[np.ndarray, "height width"]]:
    """The tables of all latents of a grid at once, which a decoder computes one wavefront after another.

    Args:
      network: the network.
      plans: all grids, in coding order.
      latents: integer arrays [H, W], at least of the grids up to `index`.
      index: index of the grid.

    Returns:
      The row of each latent's table, and the integer that symbol 0 stands for there, int64 [H, W] each.
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
    """(the grid, clipped, as float32 in zeros as far as neighbours reach; its first row; its first column)."""
    height, width = grid.shape
    up = max((-dy for dy, _ in offsets), default=0)
    left, right = (max((0, *(sign * dx for _, dx in offsets))) for sign in (-1, 1))
    padded = np.zeros((up + height, left + width + right), np.float32)
    np.clip(grid, -LARGEST_INPUT, LARGEST_INPUT, out=padded[up:, left : left + width])
    return padded, up, left


class ContextsAt:
    """Contexts of chosen latents of a grid, with one neighbour changed."""

    def __init__(
        self,
        network: ContextNetwork,
        plans: Sequence[GridPlan],
        latents: Sequence[Integer[np.ndarray, "_height _width"]],
        index: int,
    ) -> None:
        """Prepares the contexts of grid `index`; arguments as those of `table_rows`."""
        self._network = network
        self._padded, self._up, self._left = _padded(network.offsets, latents[index])
        self._features = cross_features(network, plans, latents, index) if plans[index].references else None
        self._evaluation = Evaluation(network, range(network.n_inputs + 1), CHUNK)

    def table_rows(
        self, y: Int[np.ndarray, " n"], x: Int[np.ndarray, " n"], changed: int, values: Int[np.ndarray, " n"]
    ) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """The tables that latents would be coded with if one of their neighbours had another value.

        Args:
          y: rows [n] of the latents, n at most `CHUNK`.
          x: columns [n] of the latents.
          changed: index of the neighbour in the offsets of the network.
          values: the other values [n] of the neighbour, within -LARGEST_INPUT..LARGEST_INPUT.

        Returns:
          As the function `table_rows`, [n].
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
    """(rows, columns) by which latents must be apart to be in no common context and not in each other's.

    Where the changed latents are on a lattice of this spacing, their costs by `latent_rate.change_bits` add up.
    """
    columns = [0, *(dx for _, dx in offsets)]
    return 1 + max((-dy for dy, _ in offsets), default=0), 1 + max(columns) - min(columns)
