"""Differentiable stand-ins for the rounding of latents: soft rounding with a temperature, and noise.

The counterpart for weights is `surrogate`, with uniform noise and no soft rounding.
"""

import jax
import jax.numpy as jnp

from inrc.quant.surrogate import hashed, uniform_noise
from inrc.training import LatentNoise, LatentRounding, SoftRounding

_ROUNDING = LatentRounding()
_STEEPEST = 1.0 - 2.0**-20
"""Largest argument of the inverse hyperbolic tangent: at 1 it would be infinite."""


def soft_round(x: jax.Array, temperature: jax.Array) -> jax.Array:
    """A smooth staircase (Agustsson and Theis, 2020): rounding as `temperature` goes to 0, the identity far above 1."""
    centre = jnp.floor(x) + 0.5
    return centre + 0.5 * jnp.tanh((x - centre) / temperature) / jnp.tanh(0.5 / temperature)


def soft_round_inverse(x: jax.Array, temperature: jax.Array) -> jax.Array:
    """The number that `soft_round` maps to `x`, for temperatures from 0.08 on; near to it for lower ones."""
    centre = jnp.floor(x) + 0.5
    ratio = 2.0 * (x - centre) * jnp.tanh(0.5 / temperature)
    return centre + temperature * jnp.arctanh(jnp.clip(ratio, -_STEEPEST, _STEEPEST))


def conditional_mean(z: jax.Array, temperature: jax.Array) -> jax.Array:
    """E[x | soft_round(x) + u = z] (Agustsson and Theis, 2020, section 4.1).

    u is uniform noise in [-1/2, 1/2], and x is taken to be uniform within the interval that can have led to z.
    """
    return soft_round_inverse(z - 0.5, temperature) + 0.5


def gaussian_noise(seed: jax.Array, size: int) -> jax.Array:
    """`size` numbers of mean 0 and variance 1: sums of the four bytes of a hash, which are almost normal.

    Args:
      seed: uint32 scalar; a different one for every optimisation step.
      size: how many numbers.
    """
    x = hashed(seed, size)
    total = (x & 255) + ((x >> 8) & 255) + ((x >> 16) & 255) + (x >> 24)
    return (total.astype(jnp.float32) - 510.0) * jnp.float32((4 * (256**2 - 1) / 12) ** -0.5)


def kumaraswamy_noise(seed: jax.Array, size: int, a: jax.Array) -> jax.Array:
    """`size` numbers in [-1/2, 1/2) of the Kumaraswamy distribution whose mode is 0 (C3, Kim et al., 2024).

    Its second parameter is b = (2^a (a - 1) + 1) / a, which puts the mode of the distribution on [0, 1] at 1/2.

    Args:
      seed: uint32 scalar; a different one for every optimisation step.
      size: how many numbers.
      a: 1 for uniform noise, more for a sharper peak.
    """
    b = (2.0**a * (a - 1.0) + 1.0) / a
    u = uniform_noise(seed, size) + 0.5
    return (1.0 - (1.0 - u) ** (1.0 / b)) ** (1.0 / a) - 0.5


def latent_noise(kind: LatentNoise, seed: jax.Array, size: int, amount: jax.Array, sign: jax.Array) -> jax.Array:
    """`size` numbers of noise.

    Args:
      kind: static.
      seed: uint32 scalar; a different one for every optimisation step.
      size: how many numbers.
      amount: size of the noise, as `LatentNoise` says. Of Kumaraswamy's distribution, what is below 1 counts as 1.
      sign: 1, or -1 for the mirrored noise.
    """
    match kind:
        case LatentNoise.GAUSSIAN:
            return sign * amount * gaussian_noise(seed, size)
        case LatentNoise.UNIFORM:
            return sign * amount * uniform_noise(seed, size)
        case LatentNoise.KUMARASWAMY:
            return sign * kumaraswamy_noise(seed, size, jnp.maximum(amount, 1.0))


def latent_surrogate(
    x: jax.Array, temperature: jax.Array, noise: jax.Array, hard: jax.Array, rounding: LatentRounding = _ROUNDING
) -> jax.Array:
    """The values that stand in for rounded latents while fitting (C3, Kim et al., 2024).

    Args:
      x: latents.
      temperature: that of the soft rounding before and after the noise.
      noise: the noise to add, of the shape of `x`.
      hard: where not 0, x is rounded instead, with a straight-through gradient.
      rounding: static; which soft rounding and which gradient.
    """
    match rounding.soft:
        case SoftRounding.NONE:
            soft = x + noise
        case SoftRounding.TWICE:
            soft = soft_round(soft_round(x, temperature) + noise, temperature)
        case SoftRounding.CONDITIONAL_MEAN:
            soft = conditional_mean(soft_round(x, temperature) + noise, temperature)
    slope = soft_round(x, temperature) if rounding.soft_gradient else x
    rounded = slope + jax.lax.stop_gradient(jnp.round(x) - slope)
    return jnp.where(hard > 0, rounded, soft)
