"""From latents of many resolutions to one stack of features of the picture's size: learned separable filters."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from inrc.config import LatentGridConfig
from inrc.latent_layout import UPSAMPLING_KERNEL
from inrc.models.latent_grid.filters import symmetric_filter, twice


def upsample(config: LatentGridConfig, params: Mapping[str, jax.Array], grids: Sequence[jax.Array]) -> jax.Array:
    """Features [n_grids, h, w] of latent grids [h, w], [h / 2, w / 2], ..., finest first.

    Coarse to fine: what is there is doubled by the level's kernel, and the level's own latents join it, filtered.
    """
    features = grids[-1][None]
    for level in reversed(range(config.n_grids - 1)):
        kernel = jnp.asarray(UPSAMPLING_KERNEL, jnp.float32) + params["upsampling"][level]
        own = grids[level]
        height, width = own.shape
        features = twice(features, kernel)[:, :height, :width]
        if config.refinement:
            identity = jnp.zeros_like(params["refinement"][level]).at[0].set(1.0)
            own = symmetric_filter(own, identity + params["refinement"][level])
        features = jnp.concatenate([own[None], features])
    return features
