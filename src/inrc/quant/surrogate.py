"""Differentiable stand-ins for the rounding of weights: uniform noise and straight-through rounding.

Companded weights (`inrc.quant.companded`) are rounded as signed roots, and binary16 numbers are rounded as such.

The counterpart for latents is `soft_round`, with Gaussian noise between two soft roundings.
"""

import math

import jax
import jax.numpy as jnp

from inrc.quant import half
from inrc.quant.companded import POWERS_PER_UNIT
from inrc.quant.uniform import MIN_EXPONENT, N_STEPS, STEPS_PER_OCTAVE

_LINEAR_BELOW = 1e-3
"""Magnitudes below which a root is a line: its slope at zero is infinite. Integers are far above it."""
_LEAST_NORMAL_HALF, _HALF_UNIT = 2.0**-14, 2.0**-24


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
    first = MIN_EXPONENT * STEPS_PER_OCTAVE
    return jax.lax.stop_gradient(jnp.clip(jnp.round(log_step / unit), first, first + N_STEPS - 1) * unit)


def exponents_of(x: jax.Array, mask: jax.Array) -> jax.Array:
    """The exponents [n] of companded matrices (`quant.companded.power_of`), constants to the gradient.

    Args:
      x: a stack of matrices [n, rows, columns], 0 in padding.
      mask: 1 where there is a weight, 0 in padding, of the same shape.
    """
    largest = jnp.max(jnp.abs(x), axis=(1, 2), keepdims=True)
    relative = jax.lax.stop_gradient(x / jnp.where(largest > 0, largest, 1.0))
    count = jnp.sum(mask, axis=(1, 2), keepdims=True)
    mean = jnp.sum(relative, axis=(1, 2), keepdims=True) / count
    variance = jnp.sum(mask * jnp.square(relative - mean), axis=(1, 2)) / count[:, 0, 0]
    return 1.0 + jnp.round(POWERS_PER_UNIT / math.sqrt(2.0) * jnp.sqrt(variance)) / POWERS_PER_UNIT


def companded(x: jax.Array, exponent: jax.Array) -> jax.Array:
    """The signed roots sign(x) |x|^(1/exponent) of weights / step, before they are rounded."""
    return x * jnp.maximum(jnp.abs(x), _LINEAR_BELOW) ** (1.0 / exponent - 1.0)


def expanded(x: jax.Array, exponent: jax.Array) -> jax.Array:
    """The signed powers sign(x) |x|^exponent: inverse of `companded`."""
    return jnp.sign(x) * jnp.abs(x) ** exponent


def straight_through(x: jax.Array, value: jax.Array) -> jax.Array:
    """`value`, with the identity as its derivative with respect to `x` and its own with respect to all else.

    The caller has stopped what gradient `value` has with respect to `x`.
    """
    return value + (x - jax.lax.stop_gradient(x))


def nearest_half(x: jax.Array) -> jax.Array:
    """The binary16 numbers nearest to x, as float32; the largest ones where x is beyond their range.

    Compilers may leave out a conversion there and back.
    """
    normal = jax.lax.reduce_precision(jnp.clip(x, -half.LARGEST, half.LARGEST), exponent_bits=5, mantissa_bits=10)
    return jnp.where(jnp.abs(x) < _LEAST_NORMAL_HALF, jnp.round(x / _HALF_UNIT) * _HALF_UNIT, normal)
