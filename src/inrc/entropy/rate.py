"""The differentiable twin of the adaptive weight coder: bits of weights under Laplace tables."""

from collections.abc import Iterable

import jax
import jax.numpy as jnp

_MIN_MAGNITUDE = 0.01
_MIN_SCALE = 0.05


def total_bits(matrices: Iterable[jax.Array]) -> jax.Array:
    """Bits of matrices [units, inputs] of weights in units of their step, a scalar.

    The coder follows the running means of unit, input and matrix; here the means are over the whole matrix, so that
    every weight sees what it costs its neighbours.
    """
    values, scales = [], []
    for x in matrices:
        magnitude = jnp.abs(x) + _MIN_MAGNITUDE
        units = jnp.mean(magnitude, axis=1, keepdims=True)
        inputs = jnp.mean(magnitude, axis=0, keepdims=True)
        values.append(x.ravel())
        scales.append((units * inputs / jnp.mean(magnitude)).ravel())
    return jnp.sum(laplace_bits(jnp.concatenate(values), jnp.concatenate(scales)))


def laplace_bits(x: jax.Array, scale: jax.Array) -> jax.Array:
    """-log2 of the mass that Laplace(0, scale) gives to [x - 1/2, x + 1/2], elementwise.

    Args:
      x: values in units of their step (rounded, or with a surrogate of rounding).
      scale: mean absolute value, same units, broadcastable.
    """
    inverse = 1.0 / jnp.maximum(scale, _MIN_SCALE)
    magnitude = jnp.abs(x)
    # Within half a step of zero the bin holds the peak; beyond, its mass is a difference of two tails.
    inner = jnp.minimum(magnitude, 0.5)
    central = 1.0 - 0.5 * (jnp.exp((inner - 0.5) * inverse) + jnp.exp(-(inner + 0.5) * inverse))
    outer_nats = (jnp.maximum(magnitude, 0.5) - 0.5) * inverse - jnp.log(0.5 * -jnp.expm1(-inverse))
    nats = jnp.where(magnitude < 0.5, -jnp.log(central), outer_nats)
    return nats / jnp.log(2.0)
