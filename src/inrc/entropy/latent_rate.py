"""Code lengths of latents under the tables that they are coded with, and how they change with a single latent."""

from collections.abc import Sequence

import numpy as np

from inrc.entropy import context
from inrc.entropy import latent_tables as tables
from inrc.entropy.context import ContextNetwork, GridPlan
from inrc.shapes import Float32, Float64, Int, Integer


def latent_bits(
    network: ContextNetwork, plans: Sequence[GridPlan], latents: Sequence[Integer[np.ndarray, "_height _width"]]
) -> list[Float32[np.ndarray, "_height _width"]]:
    """Bits of every latent, float32 [H, W] for each grid.

    The sum is that of a file, except for the flags of the grids: an empty grid costs its flag alone, and the flags of
    the others cost a tenth of a bit each.

    Args:
      network: the context network.
      plans: of all grids, in coding order.
      latents: integer arrays [H, W], in the same order.
    """
    result = []
    for i, grid in enumerate(latents):
        if np.any(grid):
            rows, bases = context.table_rows(network, plans, latents, i)
            result.append(symbol_bits(rows, grid - bases))
        else:
            result.append(np.zeros(grid.shape, np.float32))
    return result


def total_bits(
    network: ContextNetwork, plans: Sequence[GridPlan], latents: Sequence[Integer[np.ndarray, "_height _width"]]
) -> float:
    """Bits of all latents and flags; arguments as those of `latent_bits`."""
    flags = sum(float(tables.bits()[tables.FLAG, int(not np.any(grid))]) for grid in latents)
    return flags + sum(float(bits.sum(dtype=np.float64)) for bits in latent_bits(network, plans, latents))


def symbol_bits(rows: Int[np.ndarray, "*shape"], symbols: Int[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Bits of latents.

    Args:
      rows: row of the table that codes each latent.
      symbols: each latent less the integer that symbol 0 of its table stands for; it may lie outside of the table.
    """
    bits = tables.bits()
    result = bits[rows, np.clip(symbols, 0, tables.BELOW - 1)]
    outside = (symbols < 0) | (symbols >= tables.BELOW)
    if outside.any():
        row, symbol = rows[outside], symbols[outside]
        scale = row >> tables.FRACTION_BITS
        excess = np.abs(symbol - tables.LARGEST) - (tables.LARGEST + 1)
        high = np.minimum(excess // tables.BASE, tables.N_SYMBOLS - 1)
        result[outside] = (
            bits[row, np.where(symbol < 0, tables.BELOW, tables.ABOVE)]
            + bits[tables.FIRST_HIGH + scale, high]
            + bits[tables.FIRST_LOW + scale, excess % tables.BASE]
            + (high == tables.N_SYMBOLS - 1) * bits[tables.DIGIT, 0] * tables.N_OVERFLOW_DIGITS
        )
    return result


def change_bits(
    network: ContextNetwork,
    plans: Sequence[GridPlan],
    latents: Sequence[Integer[np.ndarray, "_height _width"]],
    index: int,
    changed: Integer[np.ndarray, "height width"],
) -> Float64[np.ndarray, "height width"]:
    """For each latent of a grid, the bits that all latents together would cost more if it alone were changed.

    These are the bits of the latent itself, of those that have it as a neighbour, and of those of finer grids that have
    features of it. Flags of grids that would become empty, or would no longer be, are left out. The result is exact for
    each change alone.

    Args:
      network: the context network.
      plans: of all grids, in coding order.
      latents: integer arrays [H, W], in the same order.
      index: index of the grid.
      changed: the integer [H, W] that each of its latents would be changed to. Nothing is evaluated where it is the
        latent itself.

    Returns:
      float64 [H, W], zero where nothing changes.
    """
    grid = latents[index]
    rows, bases = context.table_rows(network, plans, latents, index)
    bits = symbol_bits(rows, grid - bases)
    result = np.zeros(grid.shape)
    where = np.nonzero(changed != grid)
    result[where] = symbol_bits(rows[where], (changed - bases)[where]) - bits[where]
    inputs = [np.clip(x, -context.LARGEST_INPUT, context.LARGEST_INPUT) for x in (grid, changed)]
    ys, xs = np.nonzero(inputs[0] != inputs[1])
    contexts = context.ContextsAt(network, plans, latents, index)
    for neighbour, (dy, dx) in enumerate(network.offsets):
        inside = (ys - dy < grid.shape[0]) & (xs - dx >= 0) & (xs - dx < grid.shape[1])
        for first in range(0, len(ys), context.CHUNK):
            part = slice(first, first + context.CHUNK)
            y, x = (a[part][inside[part]] for a in (ys, xs))
            new_rows, new_bases = contexts.table_rows(y - dy, x - dx, neighbour, inputs[1][y, x])
            affected = y - dy, x - dx
            result[y, x] += symbol_bits(new_rows, grid[affected] - new_bases) - bits[affected]
    changed_latents = [*latents[:index], changed, *latents[index + 1 :]]
    for finer, plan in enumerate(plans):
        if index in plan.references and np.any(latents[finer]):
            # Features of a latent come from one place of each coarser grid, so at most one change affects it.
            old, new = (
                symbol_bits(rows, latents[finer] - bases)
                for rows, bases in (context.table_rows(network, plans, x, finer) for x in (latents, changed_latents))
            )
            shift = plans[index].level - plan.level
            y, x = (np.arange(side) >> shift for side in plan.shape)
            sums = np.bincount((y[:, None] * grid.shape[1] + x).ravel(), (new - old).ravel(), grid.size)
            result += sums.reshape(grid.shape)
    return result
