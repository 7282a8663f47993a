"""All grids of a picture in one vector, in coding order, with margins of zeros for neighbours outside a grid.

The rows of a grid follow each other with at least `MARGIN` zeros after each row and `MARGIN` rows of zeros before the
first. The neighbour (dy, dx) of a latent is therefore dy * stride + dx away in the vector, also at the edges, and one
slice holds the neighbour (dy, dx) of all latents of a grid. The coarse grids share one stride and form one block, which
saves hundreds of tiny operations for a few more zeros.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from inrc.config import LatentGridConfig
from inrc.latent_layout import MARGIN, Grid, grids_of, halved

_SINGLE_LEVELS = 3
"""Number of finest levels whose grids are blocks of their own. With more, the program has more operations on small
arrays; with fewer, the block of the coarse grids, whose stride is that of its widest, has more zeros."""


class Slot(NamedTuple):
    """Where a grid lies in the vector.

    Attributes:
      grid: the grid.
      start: position of its first latent.
      stride: distance between two rows.
    """

    grid: Grid
    start: int
    stride: int

    @property
    def size(self) -> int:
        """Entries of its rows, with the margins beside them."""
        return self.grid.shape[0] * self.stride


class Block(NamedTuple):
    """Slots of one stride, from the first row of the first to the last row of the last."""

    slots: tuple[Slot, ...]
    start: int
    stride: int
    size: int


class Packing(NamedTuple):
    """Blocks in coding order and the length of the vector."""

    blocks: tuple[Block, ...]
    size: int

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All slots in coding order."""
        return tuple(slot for block in self.blocks for slot in block.slots)

    @property
    def n_positions(self) -> int:
        """Entries of all blocks."""
        return sum(block.size for block in self.blocks)


def packing_of(config: LatentGridConfig, shape: tuple[int, int]) -> Packing:
    """Where the grids of a picture of (height, width) lie in the vector."""
    grids = grids_of(config, shape)
    coarse = [grid for grid in grids if grid.level >= _SINGLE_LEVELS]
    blocks, position = [], 0
    for members in ([coarse] if coarse else []) + [[grid] for grid in grids if grid.level < _SINGLE_LEVELS]:
        stride = max(grid.shape[1] for grid in members) + MARGIN
        slots = []
        for grid in members:
            position += MARGIN * stride + (0 if slots else MARGIN)
            slots.append(Slot(grid, position, stride))
            position += slots[-1].size
        start = slots[0].start
        blocks.append(Block(tuple(slots), start, stride, position - start))
    return Packing(tuple(blocks), position)


def pack(packing: Packing, grids: Sequence[Shaped[np.ndarray, "_ _"]]) -> Shaped[np.ndarray, " size"]:
    """The vector of `grids`, given in coding order: those of the packing's shape, or of a smaller picture on it."""
    flat = np.zeros(packing.size, np.result_type(*grids))
    for slot, grid in zip(packing.slots, grids, strict=True):
        height, width = grid.shape
        rows = flat[slot.start : slot.start + slot.size].reshape(-1, slot.stride)
        rows[:height, :width] = grid
    return flat


def cut_from_canvas(
    packing: Packing, grids: Sequence[Shaped[np.ndarray, "_ _"]], shape: tuple[int, int]
) -> list[Shaped[np.ndarray, "_ _"]]:
    """The grids of a picture of (height, width), in coding order, out of those of its canvas, which `packing` packs."""
    shapes = [halved(shape, slot.grid.level) for slot in packing.slots]
    return [grid[:height, :width] for grid, (height, width) in zip(grids, shapes, strict=True)]


def put_on_canvas(packing: Packing, grids: Sequence[Shaped[np.ndarray, "_ _"]]) -> list[Shaped[np.ndarray, "_ _"]]:
    """The grids of a canvas, which `packing` packs, that hold those of a smaller picture, and zeros beyond."""
    return [
        np.pad(grid, [(0, whole - part) for whole, part in zip(slot.grid.shape, grid.shape, strict=True)])
        for slot, grid in zip(packing.slots, grids, strict=True)
    ]


def unpack(packing: Packing, flat: Float[Array | np.ndarray, " size"]) -> tuple[Float[Array, "_ _"], ...]:
    """The grids [height, width] of the vector, in coding order."""
    return cast(tuple[jax.Array, ...], _unpack(packing, jnp.asarray(flat)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unpack(packing: Packing, flat: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(
        flat[slot.start : slot.start + slot.size].reshape(-1, slot.stride)[:, : slot.grid.shape[1]]
        for slot in packing.slots
    )


def _unpack_pull(packing: Packing, saved: None, gradients: tuple[jax.Array, ...]) -> tuple[jax.Array]:
    pieces, end = [], 0
    for slot, g in zip(packing.slots, gradients, strict=True):
        pieces += [jnp.zeros(slot.start - end, g.dtype), jnp.pad(g, ((0, 0), (0, slot.stride - g.shape[1]))).ravel()]
        end = slot.start + slot.size
    return (jnp.concatenate(pieces),)


_unpack.defvjp(lambda packing, flat: (_unpack(packing, flat), None), _unpack_pull)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def positions(packing: Packing, length: int, flat: Float[Array, " size"]) -> Float[Array, " {length}"]:
    """The blocks of the vector one after the other, without the rows of zeros above them; zeros up to `length`."""
    parts = [flat[block.start : block.start + block.size] for block in packing.blocks]
    return jnp.concatenate([*parts, jnp.zeros(length - packing.n_positions, flat.dtype)])


def _positions_pull(packing: Packing, length: int, saved: None, g: jax.Array) -> tuple[jax.Array]:
    pieces, first, end = [], 0, 0
    for block in packing.blocks:
        pieces += [jnp.zeros(block.start - end, g.dtype), g[first : first + block.size]]
        first, end = first + block.size, block.start + block.size
    return (jnp.concatenate(pieces),)


positions.defvjp(lambda packing, length, flat: (positions(packing, length, flat), None), _positions_pull)


def mask_of(packing: Packing, shape: tuple[int, int] | None = None) -> Float[np.ndarray, " size"]:
    """1 where the vector has a latent, 0 elsewhere; float32.

    Args:
      packing: of a picture or of its canvas.
      shape: (height, width) of a picture on the canvas; all of the canvas if not given.
    """
    shapes = (slot.grid.shape if shape is None else halved(shape, slot.grid.level) for slot in packing.slots)
    return pack(packing, [np.ones(grid, np.float32) for grid in shapes])
