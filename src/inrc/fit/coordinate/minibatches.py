"""A signal as polyphase minibatches, cut into tiles that keep activations in cache."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from inrc.signal.coordinates import pixel_centres, polyphase_indices

_DIGITS = 5


class Phases(NamedTuple):
    """P interleaved sub-signals, each cut along its first axis into T tiles of R samples.

    Attributes:
      targets: [P, T, C, R, ...] float32, in [0, 1].
      axes: coordinates; the first axis [P, T, R], the others [P, n].
      valid: 1 for real samples and 0 for padding, shaped like `axes`.
    """

    targets: jax.Array | np.ndarray
    axes: tuple[jax.Array | np.ndarray, ...]
    valid: tuple[jax.Array | np.ndarray, ...]


def phase_grid(shape: Sequence[int], factor: int, *, padded: bool = False) -> tuple[int, ...]:
    """Samples per axis of the phases of a signal; padded, signals of nearly the same shape have the same."""
    grid = (-(-n // factor) for n in shape)
    return tuple(_round_up(n) if padded else n for n in grid)


def _round_up(n: int) -> int:
    """The next number with at most five binary digits before its zeros: up to a sixteenth more."""
    unit = 1 << max(0, n.bit_length() - _DIGITS)
    return -(-n // unit) * unit


def polyphase(target: np.ndarray, factor: int, tile_samples: int, grid: Sequence[int] | None = None) -> Phases:
    """Splits a signal [C, n_0, n_1, ...] into factor ** n_axes interleaved sub-signals, in NumPy.

    Each phase is a regular grid, so that structural losses may look at it and separable encodings stay separable.

    Args:
      target: the signal.
      factor: phases keep every so many-th sample of every axis.
      tile_samples: that a tile should hold at most.
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
    """(tiles of a phase, rows of a tile)."""
    rows = grid[0]
    n_tiles = -(-rows // max(1, tile_samples // math.prod(grid[1:])))
    tile_rows = -(-rows // n_tiles)
    return -(-rows // tile_rows), tile_rows


def _padded(indices: np.ndarray, valid: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and validity [factor, length]: the last sample again, not valid."""
    extra = ((0, 0), (0, length - indices.shape[1]))
    return np.pad(indices, extra, mode="edge"), np.pad(valid, extra)


def open_grid(axes: Sequence[jax.Array]) -> list[jax.Array]:
    """Reshapes 1-D axes so that they broadcast against each other: [n_0, 1, ...], [1, n_1, ...], ..."""
    rank = len(axes)
    return [axis.reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, axis in enumerate(axes)]
