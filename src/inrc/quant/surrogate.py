"""Differentiable stand-ins for rounding, used while fitting; on weights in units of their step."""

import jax
import jax.numpy as jnp


def surrogate(x: jax.Array, noise: jax.Array, hard: jax.Array, key: jax.Array) -> jax.Array:
    """What the network sees instead of rounded weights; the derivative with respect to `x` is the identity.

    Args:
      x: weights / step, any shape.
      noise: amplitude of additive noise U(-1/2, 1/2) (Ballé et al., 2017); 0 for none.
      hard: where not 0, x is rounded instead, with a straight-through gradient (Bengio et al., 2013).
      key: randomness of the noise.

    Amplitude and mode are values, not static, so that one compiled program serves all stages of a fit.
    """
    offset = jnp.where(hard > 0, jnp.round(x) - x, noise * jax.random.uniform(key, x.shape, x.dtype, -0.5, 0.5))
    return x + jax.lax.stop_gradient(offset)
