"""Work on many positions, taken tile by tile, so that activations stay in cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Arrays = tuple[Float[Array, "..."], ...]
Summand = Callable[[Any, Arrays, Arrays], Float[Array, ""]]
"""(params, arrays [..., n], constants [..., n]) -> scalar, a sum over n."""


def largest_tile(on_cpu: int, on_accelerator: int) -> int:
    """Positions per tile on JAX's default backend.

    Few on a CPU, where activations should stay in cache; many on an accelerator, where launches cost.
    """
    return on_cpu if jax.default_backend() == "cpu" else on_accelerator


def summed_over_tiles(summand: Summand, n_tiles: int) -> Summand:
    """The same sum, in tiles of n / n_tiles positions.

    A tile's gradient is computed together with its value. No activation is kept for it, and none is computed twice.
    Constants have no gradient.
    """

    def parts(tree: Arrays, i: jax.Array) -> Arrays:
        size = tree[0].shape[-1] // n_tiles
        return tuple(jax.lax.dynamic_slice_in_dim(x, i * size, size, axis=-1) for x in tree)

    @jax.custom_vjp
    def total(params: Any, arrays: Arrays, constants: Arrays) -> jax.Array:
        def body(value, i):
            return value + summand(params, parts(arrays, i), parts(constants, i)), None

        return jax.lax.scan(body, jnp.float32(0), jnp.arange(n_tiles))[0]

    def push(params: Any, arrays: Arrays, constants: Arrays):
        def body(carry, i):
            value, params_gradient, gradients = carry
            part, (more, local) = jax.value_and_grad(summand, (0, 1))(params, parts(arrays, i), parts(constants, i))
            size = local[0].shape[-1]
            gradients = tuple(
                jax.lax.dynamic_update_slice_in_dim(whole, tile, i * size, axis=-1)
                for whole, tile in zip(gradients, local, strict=True)
            )
            return (value + part, jax.tree.map(jnp.add, params_gradient, more), gradients), None

        zero = jnp.float32(0), jax.tree.map(jnp.zeros_like, params), tuple(jnp.zeros_like(x) for x in arrays)
        (value, params_gradient, gradients), _ = jax.lax.scan(body, zero, jnp.arange(n_tiles))
        return value, (params_gradient, gradients, constants)

    def pull(saved, g):
        params_gradient, gradients, constants = saved
        scaled = jax.tree.map(lambda x: g * x, (params_gradient, gradients))
        return (*scaled, tuple(jnp.zeros_like(x) for x in constants))

    total.defvjp(push, pull)
    return total
