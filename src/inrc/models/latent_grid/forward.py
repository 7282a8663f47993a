"""The whole model: pixel values and bits of given latents."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from inrc.config import LatentGridConfig
from inrc.models.latent_grid.context import latent_bits
from inrc.models.latent_grid.packing import Packing, unpack
from inrc.models.latent_grid.synthesis import synthesise
from inrc.models.latent_grid.upsampling import upsample

Params = Mapping[str, jax.Array]


def values_and_bits(
    config: LatentGridConfig, packing: Packing, params: Params, mask: jax.Array, flat: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(pixel values [C, h, w], clamped to [0, 1] with a straight-through gradient; bits of the latents).

    Args:
      config: of the networks.
      packing: where the latents of each grid are.
      params: {name: matrix}.
      mask: `packing.mask_of`.
      flat: the latents, zeros in margins.
    """
    grids = unpack(packing, flat)
    return render(config, packing, params, grids), latent_bits(config, params, packing, mask, flat, grids)


def render(config: LatentGridConfig, packing: Packing, params: Params, grids: Sequence[jax.Array]) -> jax.Array:
    """Pixel values [C, h, w] of the grids, given in coding order.

    The gradient passes the clamp: with a true one, pixels beyond the range never come back, and bright pictures end as
    a constant.
    """
    seen = [grid for slot, grid in zip(packing.slots, grids, strict=True) if not slot.grid.hyper]
    values = synthesise(config, params, upsample(config, params, seen[::-1]))
    return values + jax.lax.stop_gradient(jnp.clip(values, 0.0, 1.0) - values)
