"""Bits of latents under Laplace distributions, with a gradient that reuses the exponentials of the value."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from inrc.entropy.rate import tails_within_bin


@jax.custom_vjp
def laplace_bits(x: Float[Array, "*shape"], log_scale: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """-log2 of the mass that Laplace(0, exp(log_scale)) gives to [x - 1/2, x + 1/2], elementwise.

    `entropy.rate` has a function of this name for weights, which takes scales instead of their logarithms and which JAX
    differentiates by itself. Here the gradient is written by hand, because a picture has hundreds of thousands of
    latents and exponentials are most of the work: value and gradient share them. The two round differently, and fits
    amplify that, so that neither can take the place of the other without changing files.

    Args:
      x: latents less their means.
      log_scale: natural logarithm of the mean absolute value, of the shape of `x`.
    """
    return _bits_and_gradients(x, log_scale)[0]


def _bits_and_gradients(x: jax.Array, log_scale: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    inverse = jnp.exp(-log_scale)
    magnitude = jnp.abs(x)
    # Up to |x| = 1/2 the bin contains the peak of the distribution; beyond, its mass is a difference of two tails.
    inside = magnitude < 0.5
    near, far = tails_within_bin(magnitude, inverse)
    central = 1.0 - 0.5 * (near + far)
    whole = 1.0 - jnp.exp(-inverse)
    excess = magnitude - 0.5
    nats = jnp.where(inside, -jnp.log(central), excess * inverse - jnp.log(0.5 * whole))
    slope = jnp.where(inside, 0.5 * (near - far) / central, 1.0) * inverse
    # Derivative with respect to log_scale: of the two tails inside, of the two terms of `nats` outside.
    tails = 0.5 * (near * (0.5 - magnitude) + far * (magnitude + 0.5)) / central
    scale_slope = jnp.where(inside, tails, (1.0 - whole) / whole - excess) * inverse
    unit = 1.0 / math.log(2.0)
    return nats * unit, jnp.sign(x) * slope * unit, scale_slope * unit


def _push(x, log_scale):
    bits, slope, scale_slope = _bits_and_gradients(x, log_scale)
    return bits, (slope, scale_slope)


def _pull(saved, g):
    return g * saved[0], g * saved[1]


laplace_bits.defvjp(_push, _pull)
