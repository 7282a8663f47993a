"""Differentiable stand-ins for the rounding of weights: uniform noise and straight-through rounding.

The counterpart for latents is `soft_round`, with Gaussian noise between two soft roundings.
"""

import math

import jax
import jax.numpy as jnp

from inrc.quant.uniform import STEPS_PER_OCTAVE


def uniform_noise(seed: jax.Array, size: int) -> jax.Array:
    """`size` numbers in [-1/2, 1/2) from an integer hash of (seed, index).

    The hash is a multiply-xorshift finaliser (Wellons' lowbias32) of a dozen integer operations. A counter-based
    generator would take seconds to compile and a good part of a small optimisation step to run.

    Args:
      seed: uint32 scalar; a different one for every optimisation step.
      size: how many numbers.
    """
    return (hashed(seed, size) >> 8).astype(jnp.float32) * jnp.float32(2.0**-24) - 0.5


def hashed(seed: jax.Array, size: int) -> jax.Array:
    """`size` numbers, uint32, by the hash of `uniform_noise`."""
    x = jnp.arange(size, dtype=jnp.uint32) * jnp.uint32(0x9E3779B9) + seed * jnp.uint32(0x85EBCA6B)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> shift)) * jnp.uint32(factor)
    return x ^ (x >> 16)


def surrogate(x: jax.Array, noise: jax.Array, hard: jax.Array) -> jax.Array:
    """The values that stand in for rounded weights while fitting; the derivative with respect to `x` is the identity.

    Args:
      x: weights / step.
      noise: numbers in [-1/2, 1/2) to add (Ballé et al., 2017), of the shape of `x`; zeros for none.
      hard: where not 0, x is rounded instead, with a straight-through gradient (Bengio et al., 2013).

    Noise and mode are arguments of the compiled program, so that one program serves all stages of a fit.
    """
    return x + jax.lax.stop_gradient(jnp.where(hard > 0, jnp.round(x) - x, noise))


def on_ladder(log_step: jax.Array) -> jax.Array:
    """The natural logarithm of the ladder's step (`quant.uniform`) nearest to exp(log_step)."""
    unit = math.log(2.0) / STEPS_PER_OCTAVE
    return jax.lax.stop_gradient(jnp.round(log_step / unit) * unit)
