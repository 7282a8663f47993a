"""Structural terms that compare neighbours: Sobel derivatives and total variation, of pictures that may be padded.

Neighbours are those of the array: in a polyphase sub-picture, which holds every n-th row and column, they are n pixels
apart. Rows and columns beyond the true size never count, whatever they hold.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def inside(shape: tuple[int, int], sizes: Int[Array, "2"]) -> Bool[Array, "height width"]:
    """Which samples of a padded picture of `shape` belong to the picture, whose height and width are `sizes`."""
    rows, columns = jnp.arange(shape[0]) < sizes[0], jnp.arange(shape[1]) < sizes[1]
    return rows[:, None] & columns[None, :]


def sobel_energy(
    error: Float[Array, "channels height width"], sizes: Int[Array, "2"] | None = None
) -> Float[Array, ""]:
    """The mean square of an error's two Sobel derivatives, over channels, samples and directions.

    The derivative along a row is e'[i, j] = (s[i, j + 1] - s[i, j - 1]) / 2, of s[i, j] = (e[i - 1, j] + 2 e[i, j] +
    e[i + 1, j]) / 4; that along a column has rows and columns swapped. Beyond its edges the error repeats its last
    sample. Derivatives are linear, so that this is the squared difference of the gradients of two pictures (NIF's
    SobelMSE). It does not see a constant error, nor inside of a picture one that alternates from sample to sample.

    Args:
      error: decoded minus reference.
      sizes: true height and width, at least 1, where the arrays are padded at the end of an axis.
    """
    height, width = (None, None) if sizes is None else (sizes[0], sizes[1])
    along_columns = _smoothed(_central_difference(error, 1, height), 2, width)
    along_rows = _central_difference(_smoothed(error, 1, height), 2, width)
    squares = along_columns * along_columns + along_rows * along_rows
    if sizes is None:
        return 0.5 * jnp.mean(squares)
    squares = jnp.where(inside((error.shape[1], error.shape[2]), sizes)[None], squares, 0.0)
    return 0.5 * jnp.sum(squares) / (len(error) * sizes[0] * sizes[1]).astype(error.dtype)


def total_variation(
    values: Float[Array, "channels height width"], sizes: Int[Array, "2"] | None = None
) -> Float[Array, " channels"]:
    """The total variation of each channel per sample: the sum of all |differences of neighbours| over their number.

    Neighbours are those of a row and those of a column, which makes it the anisotropic total variation. NIF's term of
    this name sums squares instead.

    Args:
      values: a picture.
      sizes: true height and width, at least 1, where the array is padded at the end of an axis.
    """
    down, right = jnp.abs(values[:, 1:] - values[:, :-1]), jnp.abs(values[:, :, 1:] - values[:, :, :-1])
    n_samples: float | jax.Array = values.shape[1] * values.shape[2]
    if sizes is not None:
        is_true = inside((values.shape[1], values.shape[2]), sizes)
        down, right = jnp.where(is_true[None, 1:], down, 0.0), jnp.where(is_true[None, :, 1:], right, 0.0)
        n_samples = (sizes[0] * sizes[1]).astype(values.dtype)
    return (jnp.sum(down, (1, 2)) + jnp.sum(right, (1, 2))) / n_samples


def _central_difference(values: jax.Array, axis: int, size: jax.Array | None) -> jax.Array:
    before, after = _before_and_after(values, axis, size)
    return 0.5 * (after - before)


def _smoothed(values: jax.Array, axis: int, size: jax.Array | None) -> jax.Array:
    before, after = _before_and_after(values, axis, size)
    return 0.25 * (before + after) + 0.5 * values


def _before_and_after(values: jax.Array, axis: int, size: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """(the sample before every one, the sample after it) along an axis of `size` true samples, whose ends repeat."""
    n = values.shape[axis]
    first, last = (jax.lax.slice_in_dim(values, i, i + 1, axis=axis) for i in (0, n - 1))
    before = jnp.concatenate([first, jax.lax.slice_in_dim(values, 0, n - 1, axis=axis)], axis)
    after = jnp.concatenate([jax.lax.slice_in_dim(values, 1, n, axis=axis), last], axis)
    if size is None:
        return before, after
    is_last = (jnp.arange(n) == size - 1).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    return before, jnp.where(is_last, values, after)
