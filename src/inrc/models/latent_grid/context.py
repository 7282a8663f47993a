"""The entropy model: mean and scale of every latent from its causal neighbours and from coarser grids.

    neighbours [n_spatial] --+--> residual ReLU layers --> linear --+--> mean, log scale
    coarser grids --linear---+-------------------------> linear ----+
        (pixel by pixel, nearest neighbour to twice the size)

The context network is COOL-CHIC's ARM (Ladune et al., 2023; Blard et al., 2024); the features of coarser grids (cross
features) and the linear skip are those of COOL-CHIC 5. Latents are on the last axis throughout. A row of ones among the
inputs carries the biases. `entropy.context` evaluates the same network in integers for the coder.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from inrc.config import LatentGridConfig
from inrc.latent_layout import CONTEXT_OFFSETS, LOG_SCALE_LIMIT, MARGIN, SCALE_OFFSET
from inrc.models.latent_grid.dense import dense
from inrc.models.latent_grid.laplace import laplace_bits
from inrc.models.latent_grid.packing import Packing, positions
from inrc.models.tiles import largest_tile, summed_over_tiles

Params = Mapping[str, Float[Array, "_ _"]]

_TILE = 4096
"""Positions per tile on a CPU. Measured flat from 1,024 to 16,384 (experiments/NOTES.md)."""
_TILE_ON_ACCELERATORS = 1 << 19
"""Positions per tile elsewhere: large, because every tile launches its operations anew."""


def positions_of(packing: Packing) -> tuple[int, int]:
    """(number of tiles, positions of all slots, rounded up to whole tiles of equal size)."""
    n = packing.n_positions
    n_tiles = -(-n // largest_tile(_TILE, _TILE_ON_ACCELERATORS))
    tile = -(-n // (16 * n_tiles)) * 16  # a larger multiple than 16 would add more zeros
    return n_tiles, n_tiles * tile


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def spatial_contexts(packing: Packing, n: int, flat: Float[Array, " size"]) -> Float[Array, "{n} positions"]:
    """The first `n` causal neighbours of all positions; zeros beyond the last slot."""
    columns = []
    for block in packing.blocks:
        offsets = [dy * block.stride + dx for dy, dx in CONTEXT_OFFSETS[:n]]
        columns.append(jnp.stack([flat[block.start + o : block.start + o + block.size] for o in offsets]))
    columns.append(jnp.zeros((n, positions_of(packing)[1] - packing.n_positions), flat.dtype))
    return jnp.concatenate(columns, axis=1)


def _spatial_contexts_pull(packing: Packing, n: int, saved: None, g: jax.Array) -> tuple[jax.Array]:
    parts, first, end = [], 0, 0
    for block in packing.blocks:
        back = MARGIN * block.stride + MARGIN
        wide = jnp.pad(g[:, first : first + block.size], ((0, 0), (0, back)))
        # Position p is neighbour j of position p - o_j.
        offsets = [dy * block.stride + dx for dy, dx in CONTEXT_OFFSETS[:n]]
        terms = [wide[j, -o : block.size - o] for j, o in enumerate(offsets)]
        parts += [jnp.zeros(block.start - end, g.dtype), sum(terms[1:], terms[0])]
        first, end = first + block.size, block.start + block.size
    return (jnp.concatenate(parts),)


spatial_contexts.defvjp(lambda packing, n, flat: (spatial_contexts(packing, n, flat), None), _spatial_contexts_pull)


def doubled(
    grids: Float[Array, "*channels h w"], shape: tuple[int, int]
) -> Float[Array, "*channels {shape[0]} {shape[1]}"]:
    """Nearest-neighbour upsampling to `shape` of grids of half that size, rounded up."""
    *n, h, w = grids.shape
    wide = jnp.broadcast_to(grids[..., :, None, :, None], (*n, h, 2, w, 2)).reshape(*n, 2 * h, 2 * w)
    return wide[..., : shape[0], : shape[1]]


def cross_features(
    config: LatentGridConfig, params: Params, packing: Packing, grids: Sequence[Float[Array, "_ _"]]
) -> Float[Array, "{config.n_cross} positions"]:
    """Features of coarser grids; zeros at positions of grids that have none."""
    by_level = {(slot.grid.level, slot.grid.hyper): grid for slot, grid in zip(packing.slots, grids, strict=True)}
    # For every level that has cross features, the coarser grids, upsampled to the next coarser level.
    coarser_grids: dict[int, jax.Array] = {}
    for level in reversed(range(1, config.n_grids)):
        here = jnp.stack([by_level[level, hyper] for hyper in (False, True) if (level, hyper) in by_level])
        coarser = [doubled(coarser_grids[level], (here.shape[1], here.shape[2]))] if level in coarser_grids else []
        coarser_grids[level - 1] = jnp.concatenate([here, *coarser])
    parts, first, filled = [], 0, 0
    for block in packing.blocks:
        for slot in block.slots:
            level, hyper, shape = slot.grid
            if hyper or level >= config.n_cross_levels:
                continue
            here = coarser_grids[level]
            matrix = params[f"cross_{level}"]
            features = dense(matrix[:, :-1], here.reshape(len(here), -1)) + matrix[:, -1:]
            features = doubled(features.reshape(-1, *here.shape[1:]), shape)
            position = first + slot.start - block.start
            parts.append(jnp.zeros((config.n_cross, position - filled), here.dtype))
            parts.append(jnp.pad(features, ((0, 0), (0, 0), (0, slot.stride - shape[1]))).reshape(len(features), -1))
            filled = position + slot.size
        first += block.size
    parts.append(jnp.zeros((config.n_cross, positions_of(packing)[1] - filled), grids[0].dtype))
    return jnp.concatenate(parts, axis=1)


def predict(
    config: LatentGridConfig, params: Params, contexts: Float[Array, "{config.n_context}+1 n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """(mean, natural logarithm of the scale) of latents with given contexts, whose last row is 1."""
    width = config.n_context
    hidden = contexts
    for i in range(config.context_layers):
        # The identity is the residual path; the last row keeps the ones.
        matrix = jnp.pad(params[f"context_{i}"], ((0, 1), (0, 0))) + jnp.eye(width + 1, dtype=contexts.dtype)
        hidden = jax.nn.relu(dense(matrix, hidden))
    skip = jnp.pad(params["context_skip"], ((0, 0), (0, 1)))
    out = dense(params["context_out"], hidden) + dense(skip, contexts)
    limit = float(LOG_SCALE_LIMIT)
    return out[0], jnp.clip(out[1] - SCALE_OFFSET, -limit, limit)


def latent_bits(
    config: LatentGridConfig,
    params: Params,
    packing: Packing,
    mask: Float[Array, " size"],
    flat: Float[Array, " size"],
    grids: Sequence[Float[Array, "_ _"]],
) -> Float[Array, ""]:
    """Bits of all latents.

    Args:
      config: of the networks.
      params: {name: matrix}.
      packing: where the latents of each grid are.
      mask: `packing.mask_of`.
      flat: the latents, zeros where the mask is 0.
      grids: the same latents, `packing.unpack(packing, flat)`.
    """
    n_tiles, length = positions_of(packing)

    def bits(params: Params, arrays: tuple[jax.Array, ...], constants: tuple[jax.Array, ...]) -> jax.Array:
        latents, *contexts = arrays
        inputs = jnp.concatenate([*contexts, jnp.ones((1, latents.shape[-1]), latents.dtype)])
        mean, log_scale = predict(config, params, inputs)
        return jnp.vdot(constants[0], laplace_bits(latents - mean, log_scale))

    arrays: list[Any] = [positions(packing, length, flat), spatial_contexts(packing, config.n_spatial, flat)]
    if config.n_cross:
        arrays.append(cross_features(config, params, packing, grids))
    networks = {name: matrix for name, matrix in params.items() if name.startswith("context")}
    return summed_over_tiles(bits, n_tiles)(networks, tuple(arrays), (positions(packing, length, mask),))
