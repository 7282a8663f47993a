"""From latents of many resolutions to one stack of features of the picture's size, by learned separable filters."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from inrc.config import LatentGridConfig
from inrc.latent_layout import UPSAMPLING_KERNEL
from inrc.models.latent_grid.edges import edges_repeated, sizes_at
from inrc.models.latent_grid.filters import symmetric_filter, twice

_REACH = 2
"""Entries beyond the edge that the upsampling kernel needs."""


def upsample(
    config: LatentGridConfig,
    params: Mapping[str, Float[Array, "_ _"]],
    grids: Sequence[Float[Array, "_ _"]],
    sizes: Int[Array | np.ndarray, "2"] | None = None,
) -> Float[Array, "{config.n_grids} h w"]:
    """Features of latent grids [h, w], [h / 2, w / 2], ...

    From coarse to fine: the features so far are doubled by the level's kernel, and the level's own latents, filtered,
    join them.

    Args:
      config: of the networks.
      params: {name: matrix}.
      grids: latents, finest first.
      sizes: true height and width of a picture on a canvas, whose latents beyond are zeros; None if the canvas is the
        picture.
    """
    features = grids[-1][None]
    for level in reversed(range(config.n_grids - 1)):
        kernel = jnp.asarray(UPSAMPLING_KERNEL, jnp.float32) + params["upsampling"][level]
        latents = grids[level]
        height, width = latents.shape
        features = edges_repeated(features, None if sizes is None else sizes_at(sizes, level + 1), _REACH)
        features = twice(features, kernel)[:, :height, :width]
        if config.refinement:
            identity = jnp.zeros_like(params["refinement"][level]).at[0].set(1.0)
            latents = symmetric_filter(latents, identity + params["refinement"][level])
        features = jnp.concatenate([latents[None], features])
    return features
