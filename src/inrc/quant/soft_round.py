"""Differentiable stand-ins for the rounding of latents: soft rounding with a temperature, and Gaussian noise.

The counterpart for weights is `surrogate`, with uniform noise and no soft rounding.
"""

import jax
import jax.numpy as jnp

from inrc.quant.surrogate import hashed


def soft_round(x: jax.Array, temperature: jax.Array) -> jax.Array:
    """A smooth staircase (Agustsson and Theis, 2020): rounding as `temperature` goes to 0, the identity far above 1."""
    centre = jnp.floor(x) + 0.5
    return centre + 0.5 * jnp.tanh((x - centre) / temperature) / jnp.tanh(0.5 / temperature)


def gaussian_noise(seed: jax.Array, size: int) -> jax.Array:
    """`size` numbers of mean 0 and variance 1: sums of the four bytes of a hash, which are almost normal.

    Args:
      seed: uint32 scalar; a different one for every optimisation step.
      size: how many numbers.
    """
    x = hashed(seed, size)
    total = (x & 255) + ((x >> 8) & 255) + ((x >> 16) & 255) + (x >> 24)
    return (total.astype(jnp.float32) - 510.0) * jnp.float32((4 * (256**2 - 1) / 12) ** -0.5)


def latent_surrogate(x: jax.Array, temperature: jax.Array, noise: jax.Array, hard: jax.Array) -> jax.Array:
    """The values that stand in for rounded latents while fitting (C3, Kim et al., 2024).

    Args:
      x: latents.
      temperature: that of the soft rounding before and after the noise.
      noise: the noise to add, of the shape of `x`.
      hard: where not 0, x is rounded instead, with a straight-through gradient.
    """
    soft = soft_round(soft_round(x, temperature) + noise, temperature)
    rounded = x + jax.lax.stop_gradient(jnp.round(x) - x)
    return jnp.where(hard > 0, rounded, soft)
