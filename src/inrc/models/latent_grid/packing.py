"""All grids of a picture in one vector, in coding order, with margins of zeros for what lies outside of a grid.

A grid's rows follow each other with `MARGIN` zeros after each, and `MARGIN` rows of zeros before the first. So the
neighbour (dy, dx) of a latent is dy * stride + dx away in the vector, also at the edges, and the neighbours of all
latents of a grid are a slice.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import LatentGridConfig
from inrc.latent_layout import MARGIN, Grid, grids_of


class Slot(NamedTuple):
    """Where a grid is.

    Attributes:
      grid: which one.
      start: of its first row.
      stride: from row to row.
      size: of its rows, margins beside them included.
    """

    grid: Grid
    start: int
    stride: int
    size: int


class Packing(NamedTuple):
    """Slots in coding order and the length of the vector."""

    slots: tuple[Slot, ...]
    size: int


def packing_of(config: LatentGridConfig, shape: tuple[int, int]) -> Packing:
    """Where the grids of a picture of (height, width) are."""
    slots, position = [], 0
    for grid in grids_of(config, shape):
        height, width = grid.shape
        stride = width + MARGIN
        start = position + MARGIN * stride + MARGIN
        slots.append(Slot(grid, start, stride, height * stride))
        position = start + height * stride
    return Packing(tuple(slots), position)


def pack(packing: Packing, grids: Sequence[np.ndarray]) -> np.ndarray:
    """The vector of `grids`, given in coding order."""
    flat = np.zeros(packing.size, np.result_type(*grids))
    for slot, grid in zip(packing.slots, grids, strict=True):
        rows = flat[slot.start : slot.start + slot.size].reshape(-1, slot.stride)
        rows[:, : grid.shape[1]] = grid
    return flat


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def unpack(packing: Packing, flat: jax.Array) -> tuple[jax.Array, ...]:
    """The grids [height, width] of the vector, in coding order."""
    return tuple(
        flat[slot.start : slot.start + slot.size].reshape(-1, slot.stride)[:, : slot.grid.shape[1]]
        for slot in packing.slots
    )


def _unpack_pull(packing: Packing, saved: None, gradients: tuple[jax.Array, ...]) -> tuple[jax.Array]:
    rows = [jnp.pad(g, ((0, 0), (0, MARGIN))).ravel() for g in gradients]
    return (_with_gaps(packing, rows),)


unpack.defvjp(lambda packing, flat: (unpack(packing, flat), None), _unpack_pull)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def positions(packing: Packing, length: int, flat: jax.Array) -> jax.Array:
    """The slots of the vector one after the other, without the rows above them; zeros up to `length`."""
    parts = [flat[slot.start : slot.start + slot.size] for slot in packing.slots]
    n = sum(slot.size for slot in packing.slots)
    return jnp.concatenate([*parts, jnp.zeros(length - n, flat.dtype)])


def _positions_pull(packing: Packing, length: int, saved: None, g: jax.Array) -> tuple[jax.Array]:
    parts, first = [], 0
    for slot in packing.slots:
        parts.append(g[first : first + slot.size])
        first += slot.size
    return (_with_gaps(packing, parts),)


positions.defvjp(lambda packing, length, flat: (positions(packing, length, flat), None), _positions_pull)


def _with_gaps(packing: Packing, parts: Sequence[jax.Array]) -> jax.Array:
    pieces, end = [], 0
    for slot, part in zip(packing.slots, parts, strict=True):
        pieces += [jnp.zeros(slot.start - end, part.dtype), part]
        end = slot.start + slot.size
    return jnp.concatenate(pieces)


def mask_of(packing: Packing) -> np.ndarray:
    """1 where the vector has a latent, 0 in margins; float32."""
    return pack(packing, [np.ones(slot.grid.shape, np.float32) for slot in packing.slots])
