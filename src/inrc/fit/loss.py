"""Distortions of signals in the unit range: pointwise terms, structural terms, and mixtures of both.

Pointwise terms (mse, l1, log-cosh, Charbonnier) look at one sample at a time and can be summed tile by tile. Structural
terms (SSIM, MS-SSIM, gradient, total variation) compare windows or neighbours. Fits of latent grids show them the whole
picture. Fits of coordinate networks show them a whole polyphase sub-picture, where neighbours are `phase_factor` pixels
apart.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from inrc.config import LossConfig
from inrc.fit.neighbours import inside, sobel_energy, total_variation
from inrc.metrics.ssim import ms_ssim_index, ssim_index

CHARBONNIER_EPSILON = 0.005
"""Half of NIF25's 0.01, since its range is [-1, 1]: sqrt((2 e)^2 + 0.01^2) is 2 sqrt(e^2 + 0.005^2)."""


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
    if config.charbonnier:
        # sqrt(error^2 + epsilon^2) - epsilon, in a form that keeps its digits for small errors. No error costs nothing.
        squares = error * error
        root = jnp.sqrt(squares + CHARBONNIER_EPSILON**2)
        value = value + config.charbonnier * squares / (root + CHARBONNIER_EPSILON)
    return value


def structural(
    config: LossConfig,
    decoded: Float[Array, "channels height width"],
    reference: Float[Array, "channels height width"],
    sizes: Int[Array, "2"] | None = None,
) -> Float[Array, ""]:
    """The structural terms of a picture in the unit range.

    Args:
      config: its terms.
      decoded: one picture.
      reference: the other.
      sizes: true height and width of pictures with padded ends. Neighbours in the padding do not count. Windows do, so
        that both pictures must hold the same values there.
    """
    value = jnp.zeros((), decoded.dtype)
    if config.ssim:
        value = value + config.ssim * (1.0 - ssim_index(reference, decoded))
    if config.ms_ssim:
        value = value + config.ms_ssim * (1.0 - ms_ssim_index(reference, decoded))
    if config.gradient:
        value = value + config.gradient * sobel_energy(decoded - reference, sizes)
    if config.total_variation:
        variations = total_variation(decoded, sizes) - total_variation(reference, sizes)
        value = value + config.total_variation * jnp.mean(jnp.abs(variations))
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
        is_true = inside((decoded.shape[1], decoded.shape[2]), sizes)
        difference = jnp.where(is_true[None], difference, 0.0)  # every pointwise loss of 0 is 0
        n_values = (len(decoded) * sizes[0] * sizes[1]).astype(decoded.dtype)
    error = difference.ravel()
    if config == LossConfig():
        return jnp.vdot(error, error) / n_values
    value = jnp.sum(pointwise(config, error)) / n_values
    return value + structural(config, decoded, reference) if config.structural else value
