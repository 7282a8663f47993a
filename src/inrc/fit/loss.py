"""Distortions of signals in the unit range: mse, l1, log-cosh, and mixtures of them with SSIM and MS-SSIM.

Pointwise terms look at one sample at a time and can be summed tile by tile. Structural terms compare windows and need a
whole picture, or a whole polyphase sub-picture.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from inrc.config import LossConfig
from inrc.metrics.ssim import ms_ssim_index, ssim_index


def pointwise(config: LossConfig, error: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The pointwise terms for every element of `error`: decoded minus reference, both in the unit range."""
    value = jnp.zeros_like(error)
    if config.mse:
        value = value + config.mse * error * error
    if config.l1:
        value = value + config.l1 * jnp.abs(error)
    if config.log_cosh:
        # log(cosh(2 error)), as on a range of [-1, 1], in a form that does not overflow for large errors.
        magnitude = jnp.abs(2.0 * error)
        value = value + config.log_cosh * (magnitude + jnp.log1p(jnp.exp(-2.0 * magnitude)) - jnp.log(2.0))
    return value


def structural(
    config: LossConfig,
    decoded: Float[Array, "channels height width"],
    reference: Float[Array, "channels height width"],
) -> Float[Array, ""]:
    """The SSIM and MS-SSIM terms of a picture in the unit range."""
    value = jnp.zeros((), decoded.dtype)
    if config.ssim:
        value = value + config.ssim * (1.0 - ssim_index(reference, decoded))
    if config.ms_ssim:
        value = value + config.ms_ssim * (1.0 - ms_ssim_index(reference, decoded))
    return value


def distortion(
    config: LossConfig,
    decoded: Float[Array, "channels height width"],
    reference: Float[Array, "channels height width"],
    sizes: Int[Array, "2"] | None = None,
) -> Float[Array, ""]:
    """The loss of a whole picture in unit range.

    Args:
      config: its terms.
      decoded: one picture.
      reference: the other.
      sizes: true height and width of pictures that are padded; only for losses without structural terms, which would
        look at the padding.
    """
    difference = decoded - reference
    n_values: float | jax.Array = decoded.size
    if sizes is not None:
        assert not config.structural
        rows, columns = jnp.arange(decoded.shape[1]), jnp.arange(decoded.shape[2])
        is_true = (rows < sizes[0])[:, None] & (columns < sizes[1])[None, :]
        difference = jnp.where(is_true[None], difference, 0.0)  # every pointwise loss of 0 is 0
        n_values = (len(decoded) * sizes[0] * sizes[1]).astype(decoded.dtype)
    error = difference.ravel()
    if config == LossConfig():
        return jnp.vdot(error, error) / n_values
    value = jnp.sum(pointwise(config, error)) / n_values
    return value + structural(config, decoded, reference) if config.structural else value
