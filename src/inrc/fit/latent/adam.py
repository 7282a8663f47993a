"""In which units Adam moves latents: those of their quantiser, or those of a published system, which has gains."""

import dataclasses

import jax
import jax.numpy as jnp

from inrc.errors import ConfigError
from inrc.models.latent_grid.packing import Packing


@dataclasses.dataclass(frozen=True)
class LatentAdam:
    """The constants of Adam for latents that no stage changes.

    A latent of level l is gain * gain_per_level^l of what Adam moves: learning rates, epsilon and the norm of the
    gradient are of the latter. COOL-CHIC (Ladune et al., 2023) and C3 (Kim et al., 2024) have such gains, so that
    coarser grids, whose latents are larger, move faster.

    Attributes:
      gain: of the finest grid.
      gain_per_level: from a grid to the next coarser one.
      epsilon: added to the root of the second moment.
      clipped: whether `clip_norm` holds for the gradient of networks and latents together, or of networks alone.
    """

    gain: float = 1.0
    gain_per_level: float = 1.0
    epsilon: float = 1e-12
    clipped: bool = False

    def __post_init__(self) -> None:
        if not (self.gain > 0 and self.gain_per_level > 0 and self.epsilon > 0):
            raise ConfigError(
                f"latents have the gain {self.gain}, {self.gain_per_level} per level, and the epsilon {self.epsilon}; "
                "all must be above 0"
            )


def gains_of(config: LatentAdam, packing: Packing) -> float | jax.Array:
    """The gain of all latents, or a vector [packing.size] of the gain of each where levels differ."""
    if config.gain_per_level == 1.0:
        return config.gain
    pieces, end = [], 0
    for slot in packing.slots:
        # Margins, which hold no latents and have no gradient, go with the grid below them.
        gain = jnp.float32(config.gain * config.gain_per_level**slot.grid.level)
        pieces.append(jnp.broadcast_to(gain, (slot.start + slot.size - end,)))
        end = slot.start + slot.size
    return jnp.concatenate(pieces)
