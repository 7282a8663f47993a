"""The whole model, differentiable: pixel values and bits of given latents."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from inrc.config import LatentGridConfig
from inrc.models.latent_grid.context import latent_bits
from inrc.models.latent_grid.packing import Packing, unpack
from inrc.models.latent_grid.synthesis import synthesise
from inrc.models.latent_grid.upsampling import upsample

Params = Mapping[str, Float[Array, "_ _"]]


def values_and_bits(
    config: LatentGridConfig,
    packing: Packing,
    params: Params,
    mask: Float[Array, " size"],
    flat: Float[Array, " size"],
    sizes: Int[Array | np.ndarray, "2"] | None = None,
) -> tuple[Float[Array, "C h w"], Float[Array, ""]]:
    """(pixel values [C, h, w], clamped to [0, 1] with a straight-through gradient; bits of the latents).

    A picture may lie in the top left corner of a larger canvas, whose packing is given. Pixel values beyond the true
    size then mean nothing and must not enter a loss. The values within, the bits and all gradients are those of the
    picture alone if the caller multiplies the latents by `mask`.

    Args:
      config: of the networks.
      packing: where the latents of each grid are.
      params: {name: matrix}.
      mask: `packing.mask_of`.
      flat: the latents, zeros where the mask is 0.
      sizes: true height and width; None if the canvas is the picture. They may be traced, so that one program serves
        all pictures of a canvas, and mapped, so that each lane has its own.
    """
    grids = unpack(packing, flat)
    values = render(config, packing, params, grids, sizes)
    return values, latent_bits(config, params, packing, mask, flat, grids)


def render(
    config: LatentGridConfig,
    packing: Packing,
    params: Params,
    grids: Sequence[Float[Array, "_ _"]],
    sizes: Int[Array | np.ndarray, "2"] | None = None,
) -> Float[Array, "C h w"]:
    """Pixel values [C, h, w] of the grids, given in coding order; `sizes` as for `values_and_bits`.

    The gradient passes the clamp. With the clamp's own gradient, pixels beyond the range would never come back, and
    bright pictures would end as a constant.
    """
    visible = [grid for slot, grid in zip(packing.slots, grids, strict=True) if not slot.grid.hyper]
    values = synthesise(config, params, upsample(config, params, visible[::-1], sizes), sizes)
    return values + jax.lax.stop_gradient(jnp.clip(values, 0.0, 1.0) - values)
