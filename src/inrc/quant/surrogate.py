"""Differentiable stand-ins for rounding, used while fitting.

All act on weights in units of their step, w / step.
"""

import enum

import jax
import jax.numpy as jnp


class Surrogate(enum.Enum):
    """What the network sees instead of rounded weights."""

    NONE = "none"
    NOISE = "noise"
    STE = "ste"


def quantise(x: jax.Array, surrogate: Surrogate, key: jax.Array) -> jax.Array:
    """x with the surrogate applied.

    NOISE adds U(-1/2, 1/2) (Ballé et al., 2017); STE rounds forward and is the identity backward
    (Bengio et al., 2013); NONE leaves x as it is.
    """
    match surrogate:
        case Surrogate.NONE:
            return x
        case Surrogate.NOISE:
            return x + jax.random.uniform(key, x.shape, x.dtype, -0.5, 0.5)
        case Surrogate.STE:
            return x + jax.lax.stop_gradient(jnp.round(x) - x)
