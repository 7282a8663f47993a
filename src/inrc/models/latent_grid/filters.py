"""Linear filters with hand-written gradients: shifted sums that XLA turns into plain vector loops.

In a derived gradient, every slice becomes a padded array. The sum of dozens of padded arrays is a loop full of
branches, which takes ten times as long on a CPU.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_SMALL = 32
"""Longest side up to which a filter is a product with a whole matrix. Such products compile faster than shifted sums,
but their cost per sample grows with the side."""


def slices(x: Float[Array, "..."], start: int, size: int, axis: int) -> Float[Array, "..."]:
    """The `size` entries of an axis from `start` on."""
    return jax.lax.slice_in_dim(x, start, start + size, axis=axis)


def padded(x: Float[Array, "..."], before: int, after: int, axis: int, *, edge: bool = False) -> Float[Array, "..."]:
    """`x` with zeros at both ends of an axis or, if `edge`, with copies of its first and last entries."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    return jnp.pad(x, widths, mode="edge" if edge else "constant")


def folded(x: Float[Array, "..."], n: int, axis: int) -> Float[Array, "..."]:
    """The transpose of `padded(..., n, n, edge=True)`: entries of the margins are added to the edges."""
    size = x.shape[axis] - 2 * n
    first = jnp.sum(slices(x, 0, n + 1, axis), axis=axis, keepdims=True)
    last = jnp.sum(slices(x, n + size - 1, n + 1, axis), axis=axis, keepdims=True)
    if size == 1:
        return first + last - slices(x, n, 1, axis)
    return jnp.concatenate([first, slices(x, n + 1, size - 2, axis), last], axis=axis)


def inner(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, ""]:
    """Sum of the products of all entries, summed over rows first, which vectorises."""
    product = a * b
    return jnp.sum(jnp.sum(product.reshape(-1, product.shape[-1]), axis=0))


@jax.custom_vjp
def _twice_columns(x: jax.Array, kernel: jax.Array) -> jax.Array:
    even, odd = _phases(padded(x, 2, 2, x.ndim - 1, edge=True), kernel, x.ndim - 1)
    return jnp.stack([even, odd], axis=-1).reshape(*x.shape[:-1], 2 * x.shape[-1])


@jax.custom_vjp
def _twice_rows(x: jax.Array, kernel: jax.Array) -> jax.Array:
    even, odd = _phases(padded(x, 2, 2, x.ndim - 2, edge=True), kernel, x.ndim - 2)
    return jnp.stack([even, odd], axis=-2).reshape(*x.shape[:-2], 2 * x.shape[-2], x.shape[-1])


def _phases(x: jax.Array, kernel: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Even and odd samples of the doubled axis; `x` has two more entries at both ends."""
    n = x.shape[axis] - 4
    taps = [slices(x, i, n, axis) for i in range(5)]
    even = sum((kernel[i] * taps[i] for i in range(1, 4)), kernel[0] * taps[0])
    odd = sum((kernel[3 - i] * taps[i + 1] for i in range(1, 4)), kernel[3] * taps[1])
    return even, odd


def _phases_pull(x: jax.Array, kernel: jax.Array, even: jax.Array, odd: jax.Array, axis: int):
    """Gradients with respect to x and the kernel from those with respect to even and odd samples."""
    n = x.shape[axis]
    wide_even, wide_odd = padded(even, 5, 5, axis), padded(odd, 5, 5, axis)
    # Entry j of the padded x is tap i of even sample j - i, and tap i + 1 of odd sample j - i - 1.
    terms = [kernel[i] * slices(wide_even, 5 - i, n + 4, axis) for i in range(4)]
    terms += [kernel[3 - i] * slices(wide_odd, 4 - i, n + 4, axis) for i in range(4)]
    x_gradient = folded(sum(terms[1:], terms[0]), 2, axis)
    wide = padded(x, 2, 2, axis, edge=True)
    taps = [slices(wide, i, n, axis) for i in range(5)]
    kernel_gradient = jnp.stack([inner(even, taps[i]) + inner(odd, taps[4 - i]) for i in range(4)])
    return x_gradient, kernel_gradient


def _twice_columns_pull(saved, g):
    x, kernel = saved
    return _phases_pull(x, kernel, g[..., 0::2], g[..., 1::2], x.ndim - 1)


def _twice_rows_pull(saved, g):
    x, kernel = saved
    pairs = g.reshape(*x.shape[:-1], 2, x.shape[-1])
    return _phases_pull(x, kernel, pairs[..., 0, :], pairs[..., 1, :], x.ndim - 2)


_twice_columns.defvjp(lambda x, k: (_twice_columns(x, k), (x, k)), _twice_columns_pull)
_twice_rows.defvjp(lambda x, k: (_twice_rows(x, k), (x, k)), _twice_rows_pull)


def twice(x: Float[Array, "channels h w"], kernel: Float[Array, "4"]) -> Float[Array, "channels 2*h 2*w"]:
    """Doubles the resolution by the same half kernel (see `UPSAMPLING_KERNEL`) along both axes, edges repeated."""
    height, width = x.shape[-2:]
    if max(height, width) <= _SMALL:
        return _along_both_axes(x, kernel, _doubling(height), _doubling(width))
    return _twice_rows(_twice_columns(x, kernel), kernel)


def _along_both_axes(x: jax.Array, weights: jax.Array, rows: np.ndarray, columns: np.ndarray) -> jax.Array:
    """Filters small arrays by products with whole matrices, which compile fast.

    `rows` and `columns` say, for each weight, from which sample to which it leads.
    """
    return jnp.tensordot(weights, rows, 1) @ x @ jnp.tensordot(weights, columns, 1).T


@functools.cache
def _doubling(n: int) -> np.ndarray:
    """[4, 2 n, n]: entry (i, k, j) counts how often weight i of the half kernel leads from sample j to sample k."""
    which = np.zeros((4, 2 * n, n), np.float32)
    for m in range(n):
        for i in range(4):
            which[i, 2 * m, min(max(m - 2 + i, 0), n - 1)] += 1
            which[3 - i, 2 * m + 1, min(max(m - 1 + i, 0), n - 1)] += 1
    return which


@functools.cache
def _band(n: int, taps: int) -> np.ndarray:
    """[taps, n, n]: entry (i, k, j) is 1 if weight i of a symmetric kernel's half leads from sample j to sample k."""
    distance = np.abs(np.arange(n)[:, None] - np.arange(n))
    return (distance == np.arange(taps)[:, None, None]).astype(np.float32)


def _symmetric(x: jax.Array, half: jax.Array, axis: int) -> jax.Array:
    reach = half.shape[0] - 1
    n = x.shape[axis]
    wide = padded(x, reach, reach, axis)
    terms = [half[abs(i - reach)] * slices(wide, i, n, axis) for i in range(2 * reach + 1)]
    return sum(terms[1:], terms[0])


def _symmetric_pull(x: jax.Array, half: jax.Array, g: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    reach = half.shape[0] - 1
    n = x.shape[axis]
    wide = padded(x, reach, reach, axis)
    taps = [slices(wide, i, n, axis) for i in range(2 * reach + 1)]
    half_gradient = [inner(g, taps[reach])] + [inner(g, taps[reach - i] + taps[reach + i]) for i in range(1, reach + 1)]
    return _symmetric(g, half, axis), jnp.stack(half_gradient)


def symmetric_filter(x: Float[Array, "h w"], half: Float[Array, " taps"]) -> Float[Array, "h w"]:
    """Filters both axes by the kernel (half[r], ..., half[1], half[0], half[1], ..., half[r]), zeros outside."""
    height, width = x.shape
    if max(height, width) <= _SMALL:
        return _along_both_axes(x, half, _band(height, half.shape[0]), _band(width, half.shape[0]))
    return _symmetric_both(x, half)


@jax.custom_vjp
def _symmetric_both(x: jax.Array, half: jax.Array) -> jax.Array:
    return _symmetric(_symmetric(x, half, 0), half, 1)


def _symmetric_filter_push(x, half):
    middle = _symmetric(x, half, 0)
    return _symmetric(middle, half, 1), (x, middle, half)


def _symmetric_filter_pull(saved, g):
    x, middle, half = saved
    middle_gradient, columns = _symmetric_pull(middle, half, g, 1)
    x_gradient, rows = _symmetric_pull(x, half, middle_gradient, 0)
    return x_gradient, columns + rows


_symmetric_both.defvjp(_symmetric_filter_push, _symmetric_filter_pull)


@jax.custom_vjp
def convolve_3x3(x: Float[Array, "n h w"], matrix: Float[Array, "m 9*n+1"]) -> Float[Array, "m h w"]:
    """A 3x3 layer with edges repeated.

    Args:
      x: values.
      matrix: columns ordered by (dy, dx, channel), then the bias.
    """
    return _taps_3x3(padded(padded(x, 1, 1, 1, edge=True), 1, 1, 2, edge=True), matrix)


def _taps_3x3(wide: jax.Array, matrix: jax.Array) -> jax.Array:
    n, h, w = wide.shape[0], wide.shape[1] - 2, wide.shape[2] - 2
    rows = []
    for m in range(matrix.shape[0]):
        total = jnp.broadcast_to(matrix[m, 9 * n], (h, w))
        for j in range(9 * n):
            dy, dx, c = j // (3 * n), j // n % 3, j % n
            total = total + matrix[m, j] * wide[c, dy : dy + h, dx : dx + w]
        rows.append(total)
    return jnp.stack(rows)


def _convolve_3x3_pull(saved, g):
    x, matrix = saved
    (n, h, w), m = x.shape, g.shape[0]
    # The transposed layer has the mirrored kernel. Gradients of repeated edges are added to the edges.
    kernel = matrix[:, :-1].reshape(m, 3, 3, n)
    mirrored = jnp.flip(kernel, (1, 2)).transpose(3, 1, 2, 0).reshape(n, 9 * m)
    mirrored = jnp.concatenate([mirrored, jnp.zeros((n, 1), mirrored.dtype)], axis=1)
    wide_gradient = _taps_3x3(jnp.pad(g, ((0, 0), (2, 2), (2, 2))), mirrored)
    x_gradient = folded(folded(wide_gradient, 1, 1), 1, 2)
    # All 9 n m sums over the picture are one product: one factor is shifted along x, the other along y.
    wide = padded(padded(x, 1, 1, 1, edge=True), 1, 1, 2, edge=True)
    left = jnp.concatenate([jnp.pad(g, ((0, 0), (0, 0), (dx, 2 - dx))) for dx in range(3)]).reshape(3 * m, -1)
    right = [slices(wide, dy, h, 1) for dy in range(3)] + [jnp.ones((1, h, w + 2), x.dtype)]
    sums = left @ jnp.concatenate(right).reshape(3 * n + 1, -1).T
    taps = sums[:, :-1].reshape(3, m, 3, n).transpose(1, 2, 0, 3).reshape(m, 9 * n)
    return x_gradient, jnp.concatenate([taps, sums[:m, -1:]], axis=1)


convolve_3x3.defvjp(lambda x, matrix: (convolve_3x3(x, matrix), (x, matrix)), _convolve_3x3_pull)
