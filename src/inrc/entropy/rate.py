"""The differentiable twin of the integer tables: bits of a weight under its discretised distribution."""

import jax
import jax.numpy as jnp

_MIN_SCALE = 0.05


def laplace_bits(x: jax.Array, scale: jax.Array) -> jax.Array:
    """-log2 of the mass that Laplace(0, scale) gives to [x - 1/2, x + 1/2], elementwise.

    Args:
      x: weights in units of their step (rounded, or with a surrogate of rounding).
      scale: mean absolute value, same units, broadcastable.
    """
    inverse = 1.0 / jnp.maximum(scale, _MIN_SCALE)
    magnitude = jnp.abs(x)
    # Inside the central bin both tails are cut off; outside, the mass is a difference of two tails.
    centre = 1.0 - 0.5 * (jnp.exp(-(0.5 - jnp.minimum(magnitude, 0.5)) * inverse) + jnp.exp(-(magnitude + 0.5) * inverse))
    tail_nats = (jnp.maximum(magnitude, 0.5) - 0.5) * inverse - jnp.log(0.5 * -jnp.expm1(-inverse))
    nats = jnp.where(magnitude < 0.5, -jnp.log(centre), tail_nats)
    return nats * (1.0 / jnp.log(2.0))
