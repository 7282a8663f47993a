"""Polyphase minibatches of a signal, cut into tiles whose activations stay in the cache.

Phase (i, j) of a picture consists of every n-th row from row i on and every n-th column from column j on, where n is
the phase factor. A minibatch is one phase. Section 4 of experiments/NOTES.md compares phase factors.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from inrc.signal.coordinates import pixel_centres, polyphase_indices

_DIGITS = 5
"""Binary digits of padded lengths: with fewer, more shapes share a compiled program and more samples are padding."""


class Phases(NamedTuple):
    """The P interleaved sub-signals of a signal, each cut along its first axis into T tiles of R rows.

    Attributes:
      targets: [P, T, C, R, ...] float32, in [0, 1].
      axes: coordinates; the first axis [P, T, R], the others [P, n].
      valid: 1 for real samples and 0 for padding, shaped like `axes`.
    """

    targets: jax.Array | np.ndarray
    axes: tuple[jax.Array | np.ndarray, ...]
    valid: tuple[jax.Array | np.ndarray, ...]


def phase_grid(shape: Sequence[int], factor: int, *, padded: bool = False) -> tuple[int, ...]:
    """Samples per axis of a phase. With padding, signals of nearly the same shape have the same."""
    grid = (-(-n // factor) for n in shape)
    return tuple(_round_up(n) if padded else n for n in grid)


def _round_up(n: int) -> int:
    """The next number whose binary digits after the first `_DIGITS` are zeros: at most a sixteenth more."""
    unit = 1 << max(0, n.bit_length() - _DIGITS)
    return -(-n // unit) * unit


def polyphase(
    target: Float[np.ndarray, "channels ..."], factor: int, tile_samples: int, grid: Sequence[int] | None = None
) -> Phases:
    """Splits a signal [C, n_0, n_1, ...] into factor ** n_axes interleaved sub-signals, in NumPy.

    Each phase is a regular grid: structural losses can compare windows of it, and separable encodings stay separable.

    Args:
      target: the signal.
      factor: a phase keeps every `factor`-th sample of every axis.
      tile_samples: most samples of a tile that has more than one row.
      grid: samples per axis of a phase, padding included (`phase_grid`, which is the default).
    """
    shape = target.shape[1:]
    n_axes = len(shape)
    grid = phase_grid(shape, factor) if grid is None else grid
    n_tiles, tile_rows = tiling(grid, tile_samples)
    lengths = [n_tiles * tile_rows, *grid[1:]]
    split = [_padded(*polyphase_indices(n, factor), length) for n, length in zip(shape, lengths, strict=True)]

    targets, axes, valid = [], [], []
    for phase in np.ndindex(*(factor,) * n_axes):
        indices = [split[a][0][p] for a, p in enumerate(phase)]
        part = target[(slice(None), *np.ix_(*indices))]
        targets.append(np.moveaxis(part.reshape(part.shape[0], n_tiles, tile_rows, *part.shape[2:]), 1, 0))
        axes.append([pixel_centres(n)[i] for n, i in zip(shape, indices, strict=True)])
        valid.append([split[a][1][p].astype(np.float32) for a, p in enumerate(phase)])

    def stack(rows_of_axes: list[list[np.ndarray]]) -> tuple[np.ndarray, ...]:
        columns = [np.stack(column) for column in zip(*rows_of_axes, strict=True)]
        columns[0] = columns[0].reshape(-1, n_tiles, tile_rows)
        return tuple(columns)

    return Phases(np.stack(targets), stack(axes), stack(valid))


def tiling(grid: Sequence[int], tile_samples: int) -> tuple[int, int]:
    """(tiles of a phase, rows of a tile), for tiles of at most `tile_samples` samples or of one row."""
    rows = grid[0]
    n_tiles = -(-rows // max(1, tile_samples // math.prod(grid[1:])))
    tile_rows = -(-rows // n_tiles)
    return -(-rows // tile_rows), tile_rows


def _padded(indices: np.ndarray, valid: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Pads indices and validity to [factor, length]: the last sample is repeated and is not valid."""
    extra = ((0, 0), (0, length - indices.shape[1]))
    return np.pad(indices, extra, mode="edge"), np.pad(valid, extra)


def open_grid(axes: Sequence[Float[Array, " _"]]) -> list[Float[Array, "..."]]:
    """Reshapes 1-D axes so that they broadcast against each other: [n_0, 1, ...], [1, n_1, ...], ..."""
    rank = len(axes)
    return [axis.reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, axis in enumerate(axes)]
