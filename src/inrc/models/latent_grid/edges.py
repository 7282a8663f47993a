"""Edges of pictures that are smaller than the arrays that hold them.

Pictures of nearby shapes share a compiled program: each lies in the top left corner of a canvas
(`latent_layout.canvas_of`), and its true size is a dynamic argument. A filter that repeats the edges of its input must
then repeat those of the true picture. Entries beyond the filter's reach influence no true output and are left alone.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def sizes_at(sizes: Int[Array | np.ndarray, "2"], level: int) -> Int[Array | np.ndarray, "2"]:
    """True (height, width) of the grids of `level`: those of the picture over 2^level, rounded up."""
    return (sizes + (2**level - 1)) >> level


def edges_repeated(
    x: Float[Array, "*channels h w"], sizes: Int[Array | np.ndarray, "2"] | None, reach: int
) -> Float[Array, "*channels h w"]:
    """`x` with its last true row and column repeated `reach` times, as far as the array goes.

    Args:
      x: values.
      sizes: its true height and width; None if they are those of the array, which is then returned unchanged.
      reach: entries on either side of its own that the following filter reads.
    """
    if sizes is None:
        return x
    return _repeated(_repeated(x, sizes[1], x.ndim - 1, reach), sizes[0], x.ndim - 2, reach)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _repeated(x: jax.Array, size: jax.Array, axis: int, reach: int) -> jax.Array:
    # A few entries are overwritten in place. Choosing between all entries and the last one would copy the array.
    first, part, position = _around_edge(x, size, axis, reach)
    last = jax.lax.dynamic_slice_in_dim(x, size - 1, 1, axis)
    return jax.lax.dynamic_update_slice_in_dim(x, jnp.where(position < size, part, last), first, axis)


def _repeated_pull(axis: int, reach: int, size: jax.Array, g: jax.Array) -> tuple[jax.Array, None]:
    # What the repetitions receive belongs to the last true entry.
    first, part, position = _around_edge(g, size, axis, reach)
    beyond = jnp.sum(jnp.where(position < size, 0.0, part), axis=axis, keepdims=True)
    part = jnp.where(position < size, part, 0.0) + jnp.where(position == size - 1, beyond, 0.0)
    return jax.lax.dynamic_update_slice_in_dim(g, part, first, axis), None


_repeated.defvjp(lambda x, size, axis, reach: (_repeated(x, size, axis, reach), size), _repeated_pull)


def _around_edge(x: jax.Array, size: jax.Array, axis: int, reach: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(first position, entries, positions) of a part of an axis: the last true entry and `reach` beyond, if there."""
    n = min(reach + 1, x.shape[axis])
    first = jnp.clip(size - 1, 0, x.shape[axis] - n)
    position = (first + jnp.arange(n)).reshape([n if i == axis else 1 for i in range(x.ndim)])
    return first, jax.lax.dynamic_slice_in_dim(x, first, n, axis), position
