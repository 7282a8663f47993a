"""The matrices of a coordinate network: names, shapes and order, and the features that enter the first one.

Needs no JAX. `latent_layout` is the same for the `latent_grid` family.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, ModelConfig

Layout = tuple[tuple[str, tuple[int, int]], ...]

TABLE = "table_"
"""What the names of tables, and of stacks of tables, begin with."""

_BASE = {EncodingKind.NERF: 2.0, EncodingKind.LOG_SPACED: 1.4}
"""Ratio of each frequency to the previous one, by kind of encoding."""


MODULATOR_ENCODING = EncodingConfig(EncodingKind.LOG_SPACED, 4)
"""How coordinates enter a modulator."""


class HashLevel(NamedTuple):
    """One grid of a `HashGridEncoding`.

    Attributes:
      cells: along the signal's longest axis; the cells of all axes are equally long.
      nodes: per axis.
      n_entries: of the level's table.
    """

    cells: int
    nodes: tuple[int, ...]
    n_entries: int

    @property
    def is_hashed(self) -> bool:
        """Whether nodes share entries."""
        return self.n_entries < math.prod(self.nodes)


def hash_levels(config: HashGridEncoding, shape: Sequence[int]) -> tuple[HashLevel, ...]:
    """The levels for a signal of `shape` samples per axis; at least one.

    Level l has N_l = floor(coarsest * 2^(growth l / 8)) cells along the longest of n samples, none of them shorter than
    two samples, and ceil(N_l m / n) + 1 nodes along an axis of m. All numbers are exact.
    """
    longest = max(shape)
    levels = []
    for i in range(config.n_levels):
        cells = _eighth_root(config.coarsest**8 << config.growth * i)
        if levels and 2 * cells > longest:
            break
        nodes = tuple(-(-cells * n // longest) + 1 for n in shape)
        levels.append(HashLevel(cells, nodes, min(math.prod(nodes), 1 << config.log2_entries)))
    return tuple(levels)


def _eighth_root(x: int) -> int:
    """The floored eighth root of a whole number."""
    return math.isqrt(math.isqrt(math.isqrt(x)))


def axis_frequencies(config: EncodingConfig, n_samples: int) -> tuple[float, ...]:
    """Frequencies along an axis of `n_samples` samples, in cycles across it, all at most its Nyquist rate n/2."""
    base = _BASE[config.kind]
    return tuple(base**i for i in range(config.n_frequencies) if base**i <= n_samples / 2)


def feature_counts(config: EncodingConfig | HashGridEncoding, shape: Sequence[int]) -> tuple[int, ...]:
    """Number of features of each group for a signal of `shape` samples per axis."""
    if isinstance(config, HashGridEncoding):
        return (config.n_features * len(hash_levels(config, shape)),)
    if config.kind is EncodingKind.NONE:
        return (1,) * len(shape)
    if config.kind is EncodingKind.GAUSSIAN:
        return (2 * config.n_frequencies,)
    return tuple(1 + 2 * len(axis_frequencies(config, n)) for n in shape)


def band_shape(config: EncodingConfig | HashGridEncoding, shape: Sequence[int]) -> tuple[int, ...]:
    """The smallest shape that has the same features as `shape`.

    Bare coordinates have the same features for every shape. Gaussian features and hash grids depend on the whole shape.
    """
    if isinstance(config, HashGridEncoding) or config.kind is EncodingKind.GAUSSIAN:
        return tuple(shape)
    if config.kind is EncodingKind.NONE:
        return (1,) * len(shape)
    counts = (len(axis_frequencies(config, n)) for n in shape)
    return tuple(math.ceil(2 * _BASE[config.kind] ** (count - 1)) if count else 1 for count in counts)


def kept_features(config: EncodingConfig, shape: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """The features of a signal of `shape` that a signal of shape `other` has too, as indices over all groups, in order.

    Frequencies above a signal's Nyquist rate are left out, so that a smaller signal has only the lower ones. Gaussian
    features are folded instead, and bare coordinates have no frequency: all of them are kept.
    """
    kept: list[int] = []
    start = 0
    for n, m in zip(feature_counts(config, shape), feature_counts(config, other), strict=True):
        if config.kind in _BASE:  # a group is the coordinate, all sines and all cosines
            n_pairs, n_common = n // 2, min(n, m) // 2
            kept += [start, *(start + 1 + first + i for first in (0, n_pairs) for i in range(n_common))]
        else:
            kept += range(start, start + n)
        start += n
    return tuple(kept)


def n_in_tables(config: EncodingConfig | HashGridEncoding, shape: Sequence[int]) -> int:
    """Numbers of all tables for a signal of `shape` samples per axis; 0 where the encoding has none."""
    if not isinstance(config, HashGridEncoding):
        return 0
    return config.n_features * sum(level.n_entries for level in hash_levels(config, shape))


def is_table(name: str) -> bool:
    """Whether the matrix or stack of this name is of tables of a hash grid: features in rows, entries in columns."""
    return name.startswith(TABLE)


def layout(config: ModelConfig, shape: Sequence[int], n_outputs: int) -> Layout:
    """(name, (out, in (+ 1))) of every matrix, in the order of a file: tables, layers, layers of the modulator."""
    encoding = config.encoding
    rows: list[tuple[str, tuple[int, int]]] = []
    if isinstance(encoding, HashGridEncoding):
        levels = hash_levels(encoding, shape)
        rows += [(f"{TABLE}{i}", (encoding.n_features, level.n_entries)) for i, level in enumerate(levels)]
    rows += _dense("layer", sum(feature_counts(encoding, shape)), (*config.widths, n_outputs), config.bias)
    if config.modulator:
        n_inputs = sum(feature_counts(MODULATOR_ENCODING, shape))
        rows += _dense("modulator", n_inputs, (*config.modulator, 1), bias=True)
    return tuple(rows)


def _dense(name: str, fan_in: int, widths: Sequence[int], bias: bool) -> list[tuple[str, tuple[int, int]]]:
    fans = (fan_in, *widths)
    return [(f"{name}_{i}", (width, fans[i] + int(bias))) for i, width in enumerate(widths)]
