"""A signal as polyphase minibatches, cut into tiles that keep activations in cache."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inrc.signal.coordinates import pixel_centres, polyphase_indices


class Phases(NamedTuple):
    """P interleaved sub-signals, each cut along its first axis into T tiles of R samples.

    Attributes:
      targets: [P, T, C, R, ...] float32, in [0, 1].
      axes: coordinates; the first axis [P, T, R], the others [P, n].
      valid: 1 for real samples and 0 for padding, shaped like `axes`.
    """

    targets: jax.Array
    axes: tuple[jax.Array, ...]
    valid: tuple[jax.Array, ...]


def polyphase(target: np.ndarray, factor: int, tile_samples: int) -> Phases:
    """Splits a signal [C, n_0, n_1, ...] into factor ** n_axes interleaved sub-signals.

    Each phase is a regular grid, so that structural losses may look at it and separable encodings stay separable.
    `tile_samples` is the number of samples that a tile should hold at most.
    """
    shape = target.shape[1:]
    n_axes = len(shape)
    split = [polyphase_indices(n, factor) for n in shape]
    rest = int(np.prod([indices.shape[1] for indices, _ in split[1:]], initial=1))
    rows = split[0][0].shape[1]
    n_tiles = -(-rows // max(1, tile_samples // rest))
    tile_rows = -(-rows // n_tiles)
    n_tiles = -(-rows // tile_rows)
    padding = n_tiles * tile_rows - rows
    split[0] = (np.pad(split[0][0], ((0, 0), (0, padding)), mode="edge"), np.pad(split[0][1], ((0, 0), (0, padding))))

    targets, axes, valid = [], [], []
    for phase in np.ndindex(*(factor,) * n_axes):
        indices = [split[a][0][p] for a, p in enumerate(phase)]
        part = target[(slice(None), *np.ix_(*indices))]
        targets.append(np.moveaxis(part.reshape(part.shape[0], n_tiles, tile_rows, *part.shape[2:]), 1, 0))
        axes.append([pixel_centres(n)[i] for n, i in zip(shape, indices, strict=True)])
        valid.append([split[a][1][p].astype(np.float32) for a, p in enumerate(phase)])

    def stack(rows_of_axes: list[list[np.ndarray]]) -> tuple[jax.Array, ...]:
        columns = [np.stack(column) for column in zip(*rows_of_axes, strict=True)]
        columns[0] = columns[0].reshape(-1, n_tiles, tile_rows)
        return tuple(jnp.asarray(column) for column in columns)

    return Phases(jnp.asarray(np.stack(targets)), stack(axes), stack(valid))


def open_grid(axes: Sequence[jax.Array]) -> list[jax.Array]:
    """Reshapes 1-D axes so that they broadcast against each other: [n_0, 1, ...], [1, n_1, ...], ..."""
    rank = len(axes)
    return [axis.reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, axis in enumerate(axes)]
