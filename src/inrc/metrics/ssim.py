"""SSIM (Wang et al., 2004) and MS-SSIM (Wang, Simoncelli and Bovik, 2003), with one core for metric and loss.

The core is pure, takes float arrays [C, H, W] and runs under jit, grad and vmap. `ssim` and `ms_ssim` apply it to
integer pixels. Both measures are taken per channel and averaged over channels.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from inrc import forks
from inrc.metrics.psnr import check_pair

WINDOW_SIDE = 11
WINDOW_SIGMA = 1.5
K1 = 0.01
K2 = 0.03
# Weights of the five scales, finest first (Wang et al., 2003, section 3.2).
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(reference: npt.NDArray[Any], decoded: npt.NDArray[Any], *, bit_depth: int = 8) -> float:
    """Returns the structural similarity of two pictures; see `ssim_index` for the definition.

    Args:
      reference: integer pixels [H, W, C] in 0..2^bit_depth - 1.
      decoded: the same shape and range.
      bit_depth: bits per sample, 1..16.

    Returns:
      The mean index over windows and channels, at most 1 (identical pictures), within 1e-5 of float64.

    Raises:
      ValueError: if the arrays are not two integer pictures of one shape within the range.
      ForkedProcessError: if the process was forked from one that had used JAX.
    """
    check_pair(reference, decoded, bit_depth)
    forks.check()
    return float(_jit_ssim_index(_channels_first(reference, bit_depth), _channels_first(decoded, bit_depth)))


def ms_ssim(reference: npt.NDArray[Any], decoded: npt.NDArray[Any], *, bit_depth: int = 8) -> float:
    """Returns the multi-scale structural similarity of two pictures; see `ms_ssim_index` for the definition.

    Args:
      reference: integer pixels [H, W, C] in 0..2^bit_depth - 1.
      decoded: the same shape and range.
      bit_depth: bits per sample, 1..16.

    Returns:
      The index, averaged over channels, at most 1 (identical pictures), within 1e-5 of float64.

    Raises:
      ValueError: if the arrays are not two integer pictures of one shape within the range.
      ForkedProcessError: if the process was forked from one that had used JAX.
    """
    check_pair(reference, decoded, bit_depth)
    forks.check()
    return float(_jit_ms_ssim_index(_channels_first(reference, bit_depth), _channels_first(decoded, bit_depth)))


def ssim_index(reference: jax.Array, decoded: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """Returns the mean SSIM: an 11-pixel Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, whole windows only.

    Wang et al. (2004), equation 13 and section III-C, per channel. Variances and covariance are the biased ones.
    A picture with a side under 11 pixels uses the largest odd window that fits its shorter side, same sigma.

    Args:
      reference: float array [C, H, W]; H, W >= 1.
      decoded: the same shape.
      data_range: largest value minus smallest value that a sample can have.

    Returns:
      Scalar, the mean over windows and channels; differentiable in both arrays.
    """
    x, offset_x = _centre(reference, data_range)
    y, offset_y = _centre(decoded, data_range)
    similarity, _ = _channel_means(x, y, offset_x, offset_y)
    return jnp.mean(similarity)


def ms_ssim_index(reference: jax.Array, decoded: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """Returns MS-SSIM: contrast and structure at up to five dyadic scales, luminance at the coarsest one.

    Wang, Simoncelli and Bovik (2003), equation 7, per channel: the product over scales of the mean
    contrast-structure term to the power of the scale's weight, the coarsest scale with its luminance term too.
    A scale is the 2x2 mean of the one before; an odd last row or column is repeated first. A negative mean
    counts as 0, since its fractional power has no real value; its gradient is 0 then.

    All five scales need a shorter side of 176 pixels (an 11-pixel window at 1/16 of the size). Smaller pictures
    use as many scales as hold a whole window, at least one, their weights scaled to sum to 1: below 22 pixels
    this is SSIM.

    Args:
      reference: float array [C, H, W]; H, W >= 1.
      decoded: the same shape.
      data_range: largest value minus smallest value that a sample can have.

    Returns:
      Scalar, the mean over channels; differentiable in both arrays.
    """
    weights = _scale_weights(min(reference.shape[1:]))
    x, offset_x = _centre(reference, data_range)
    y, offset_y = _centre(decoded, data_range)
    product = jnp.ones(x.shape[0], x.dtype)
    for scale, weight in enumerate(weights):
        if scale > 0:
            x, y = _halve(x), _halve(y)
        similarity, contrast_structure = _channel_means(x, y, offset_x, offset_y)
        term = similarity if scale == len(weights) - 1 else contrast_structure
        # The inner where keeps the infinite derivative of 0^weight out of the gradient.
        product = product * jnp.where(term > 0, jnp.where(term > 0, term, 1.0) ** weight, 0.0)
    return jnp.mean(product)


def _channels_first(pixels: npt.NDArray[Any], bit_depth: int) -> npt.NDArray[np.float32]:
    """Returns integer pixels [H, W, C] as float32 [C, H, W] in [0, 1]."""
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0), dtype=np.float32) / np.float32(2**bit_depth - 1)


def _scale_weights(short_side: int) -> tuple[float, ...]:
    """Returns the weights of as many scales as the shorter side allows: all published ones, or fewer that sum to 1."""
    n_scales = max(1, sum(short_side >= WINDOW_SIDE * 2**scale for scale in range(len(SCALE_WEIGHTS))))
    if n_scales == len(SCALE_WEIGHTS):
        return SCALE_WEIGHTS  # they sum to 1.0001, as in other implementations
    total = sum(SCALE_WEIGHTS[:n_scales])
    return tuple(weight / total for weight in SCALE_WEIGHTS[:n_scales])


def _centre(pixels: jax.Array, data_range: float) -> tuple[jax.Array, jax.Array]:
    """Returns a picture scaled to a range of 1 without its channel means, and these means [C, 1, 1].

    The variance does not depend on the mean, but E[x^2] - E[x]^2 loses float32 digits where the mean is large.
    """
    unit = pixels / data_range
    mean = jax.lax.stop_gradient(jnp.mean(unit, axis=(1, 2), keepdims=True))
    return unit - mean, mean


def _channel_means(x: jax.Array, y: jax.Array, offset_x: jax.Array, offset_y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns mean SSIM and mean contrast-structure term of each channel, [C] and [C], of pictures less their offsets.

    The index needs only the sum of the variances, hence four filtered maps instead of five.
    """
    c1, c2 = K1**2, K2**2
    mean_x, mean_y, mean_squares, mean_product = _gaussian_filter(jnp.stack([x, y, x * x + y * y, x * y]))
    contrast_structure = (2 * (mean_product - mean_x * mean_y) + c2) / (mean_squares - mean_x**2 - mean_y**2 + c2)
    level_x, level_y = mean_x + offset_x, mean_y + offset_y
    luminance = (2 * level_x * level_y + c1) / (level_x**2 + level_y**2 + c1)
    return jnp.mean(luminance * contrast_structure, axis=(1, 2)), jnp.mean(contrast_structure, axis=(1, 2))


def _halve(x: jax.Array) -> jax.Array:
    """Returns the 2x2 means of [C, H, W], as [C, ceil(H/2), ceil(W/2)]."""
    x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)), mode="edge")
    x = x[:, 0::2] + x[:, 1::2]
    return 0.25 * (x[:, :, 0::2] + x[:, :, 1::2])


def _window(short_side: int) -> npt.NDArray[np.float64]:
    """Returns the one-dimensional Gaussian window for a picture's shorter side; it sums to 1."""
    radius = (min(WINDOW_SIDE, short_side) - 1) // 2
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / WINDOW_SIGMA) ** 2)
    return weights / weights.sum()


def _gaussian_filter(maps: jax.Array) -> jax.Array:
    """Applies the Gaussian window where it fits as a whole: [..., H, W] -> [..., H - n + 1, W - n + 1]."""
    return _filter(tuple(_window(min(maps.shape[-2:])).tolist()), maps)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _filter(window: tuple[float, ...], maps: jax.Array) -> jax.Array:
    """Applies a symmetric separable window over the last two axes, as sums of shifted slices.

    Value and gradient of SSIM at 128x192 and 512x768 take 2.4 and 64 ms on a 2-core CPU. The same slices with XLA's
    own gradient take 4.4 and 336 ms, banded matrix products 4.4 and 220 ms, a convolution 63 ms at the smaller size.
    The custom gradient rules out forward mode (jvp), which nothing here needs.
    """
    n_rows, n_columns = (side - len(window) + 1 for side in maps.shape[-2:])
    rows = functools.reduce(jnp.add, (weight * maps[..., i : i + n_rows, :] for i, weight in enumerate(window)))
    return functools.reduce(jnp.add, (weight * rows[..., i : i + n_columns] for i, weight in enumerate(window)))


def _filter_forward(window: tuple[float, ...], maps: jax.Array) -> tuple[jax.Array, None]:
    return _filter(window, maps), None


def _filter_backward(window: tuple[float, ...], _: None, cotangent: jax.Array) -> tuple[jax.Array]:
    """Applies the filter to the zero-padded cotangent, which is the transpose of a symmetric filter."""
    margin = len(window) - 1
    padding = [(0, 0)] * (cotangent.ndim - 2) + [(margin, margin)] * 2
    return (_filter(window, jnp.pad(cotangent, padding)),)


_filter.defvjp(_filter_forward, _filter_backward)

_jit_ssim_index = jax.jit(ssim_index)
_jit_ms_ssim_index = jax.jit(ms_ssim_index)
