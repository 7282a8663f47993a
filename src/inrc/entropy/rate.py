"""A differentiable rate model of the weight coder: bits of weights under Laplace distributions with adaptive scales."""

from collections.abc import Iterable

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

_MIN_MAGNITUDE = 0.01
_MIN_SCALE = 0.05


def total_bits(
    matrices: Iterable[Float[Array, "_units _inputs"]],
    scales: Iterable[Float[Array, "_units _inputs"]],
    hard: Num[Array, ""] | float = 1.0,
) -> Float[Array, ""]:
    """Bits of matrices of integers under a prior.

    The coder follows running means of unit, input and matrix. Here the means are over the whole matrix, so that the
    gradient of every integer includes what it costs its neighbours. Magnitudes are counted as the coder counts them.

    Args:
      matrices: values [units, inputs] in units of their step.
      scales: mean absolute values before rounding that the prior expects, same units and shapes. Where all of a
        matrix are far above 1, only their ratios matter, because the mean of the matrix corrects a common factor.
      hard: 0 where noise stands in for rounding, else 1.
    """
    values, expected = [], []
    for x, scale in zip(matrices, scales, strict=True):
        weight = 1.0 / jnp.maximum(scale, 1.0)
        counted = (jnp.abs(x) + _MIN_MAGNITUDE) * weight
        count = (_mean_magnitude(scale, hard) + _MIN_MAGNITUDE) * weight
        matrix = jnp.sum(counted) / jnp.sum(count)
        units, inputs = (
            jnp.sum(counted, axis=axis, keepdims=True) / jnp.sum(count, axis=axis, keepdims=True) for axis in (1, 0)
        )
        values.append(x.ravel())
        expected.append((scale * (units / matrix) * inputs).ravel())
    return jnp.sum(laplace_bits(jnp.concatenate(values), jnp.concatenate(expected)))


def stacked_bits(
    x: Float[Array, "n rows columns"],
    scale: Float[Array, "n rows columns"],
    mask: Float[Array, "n rows columns"],
    hard: Num[Array, ""] | float = 1.0,
    *,
    by_column: bool = True,
) -> Float[Array, ""]:
    """`total_bits` of matrices that are padded to one shape and stacked.

    Args:
      x: values in units of their step [n, rows, columns], zeros in padding.
      scale: mean absolute values before rounding that the prior expects, of the same shape; anything in padding.
      mask: 1 where there is a value, 0 in padding.
      hard: 0 where noise stands in for rounding, else 1.
      by_column: whether scales follow the means of columns. A table has columns of a few values, in which the coder
        learns next to nothing: their own mean would make them seem cheap.
    """
    weight = mask / jnp.maximum(scale, 1.0)
    counted = (jnp.abs(x) + _MIN_MAGNITUDE) * weight
    count = (_mean_magnitude(scale, hard) + _MIN_MAGNITUDE) * weight

    def relative_mean(axes: int | tuple[int, int]) -> Array:
        total = jnp.sum(count, axis=axes, keepdims=True)
        return jnp.sum(counted, axis=axes, keepdims=True) / jnp.where(total > 0, total, 1.0)

    if by_column:
        expected = scale * (relative_mean(2) / relative_mean((1, 2))) * relative_mean(1)
    else:
        expected = scale * relative_mean(2)
    return jnp.sum(mask * laplace_bits(x, expected))


def _mean_magnitude(scale: Array, hard: Array | float) -> Array:
    """Mean absolute value of a Laplace variable of mean magnitude `scale`, rounded or with noise in [-1/2, 1/2)."""
    half = 0.5 / jnp.maximum(scale, _MIN_SCALE)
    rounded = 0.5 / jnp.sinh(half)
    noisy = 0.25 - 2.0 * jnp.square(scale) * jnp.expm1(-half)
    return jnp.where(hard > 0, rounded, noisy)


def laplace_bits(x: Float[Array, "*#shape"], scale: Float[Array, "*#shape"]) -> Float[Array, "..."]:
    """-log2 of the mass that Laplace(0, scale) gives to [x - 1/2, x + 1/2], elementwise.

    JAX differentiates it by itself: scales are functions of the weights here, and networks are small. The function of
    this name in `models.latent_grid.laplace` takes the logarithms of scales, without a lower bound, and has a gradient
    by hand that uses the exponentials of the value again, because a picture has hundreds of thousands of latents. The
    two round differently, and fits amplify that, so that neither can take the place of the other without changing
    files.

    Args:
      x: values in units of their step (rounded, or with a surrogate of rounding).
      scale: mean absolute value, same units, broadcastable.
    """
    inverse = 1.0 / jnp.maximum(scale, _MIN_SCALE)
    magnitude = jnp.abs(x)
    near, far = tails_within_bin(magnitude, inverse)
    central = 1.0 - 0.5 * (near + far)
    # Outside of the bin of the peak, the mass is a difference of two tails.
    outer_nats = (jnp.maximum(magnitude, 0.5) - 0.5) * inverse - jnp.log(0.5 * -jnp.expm1(-inverse))
    nats = jnp.where(magnitude < 0.5, -jnp.log(central), outer_nats)
    return nats / jnp.log(2.0)


def tails_within_bin(
    magnitude: Float[Array, "*#shape"], inverse: Float[Array, "*#shape"]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Twice the mass beyond each end of [x - 1/2, x + 1/2] of a Laplace distribution, where the bin holds the peak.

    Args:
      magnitude: |x|; values above 1/2 count as 1/2.
      inverse: 1 / scale, broadcastable.

    Returns:
      (twice the mass beyond the end nearer to 0, and beyond the other); the bin has the mass 1 - (sum of both) / 2.
    """
    inner = jnp.minimum(magnitude, 0.5)
    return jnp.exp((inner - 0.5) * inverse), jnp.exp(-(inner + 0.5) * inverse)
