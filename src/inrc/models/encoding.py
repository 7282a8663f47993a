"""Positional encodings of coordinates, as one or more groups of features.

A linear layer maps each group by its own columns and adds up the results.

Coordinates come as one array per axis, mutually broadcastable: [H, 1] and [1, W] for a grid, [n] and [n] for points.
An encoding that acts on each axis alone gives one group per axis, [k, H, 1] and [k, 1, W], and never computes H x W
values. Gaussian features mix the axes and give a single group of full shape.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.config import EncodingConfig, EncodingKind
from inrc.layout import axis_frequencies
from inrc.models.constants import box_response, gaussian_frequencies
from inrc.models.sine import cosine, sine


def encode(
    config: EncodingConfig,
    coordinates: Sequence[Float[Array, "..."]],
    shape: Sequence[int],
    attenuation: Sequence[float],
) -> list[Float[Array, "features ..."]]:
    """Encodes coordinates in [-1, 1].

    Args:
      config: the encoding.
      coordinates: one float32 array per axis, mutually broadcastable.
      shape: samples per axis of the signal's native grid; bounds the frequencies.
      attenuation: per axis, the width in native samples of the box that a rendered sample averages over
        (0 for point samples). Features are damped by the box's frequency response, sinc(f * width / n): a
        frequency above the render's own Nyquist rate then cannot alias.

    Returns:
      Feature groups [k_g, ...]; see the module's docstring.
    """
    if config.kind is EncodingKind.NONE:
        return [c[None] for c in coordinates]
    if config.kind is EncodingKind.GAUSSIAN:
        frequencies = gaussian_frequencies(config, shape)
        gains = np.prod(
            [box_response(frequencies[:, a], n, w) for a, (n, w) in enumerate(zip(shape, attenuation, strict=True))], 0
        )
        rank = max(c.ndim for c in coordinates)
        angles = sum(
            jnp.asarray(np.pi * frequencies[:, a]).reshape((-1,) + (1,) * rank) * c[None]
            for a, c in enumerate(coordinates)
        )
        gain = jnp.asarray(gains, jnp.float32).reshape((-1,) + (1,) * rank)
        return [jnp.concatenate([gain * sine(angles), gain * cosine(angles)])]
    groups = []
    for coordinate, n_samples, width in zip(coordinates, shape, attenuation, strict=True):
        frequencies = np.asarray(axis_frequencies(config, n_samples), np.float32)
        column = (-1,) + (1,) * coordinate.ndim
        angles = jnp.asarray(np.float32(math.pi) * frequencies).reshape(column) * coordinate[None]
        gain = jnp.asarray(box_response(frequencies, n_samples, width), jnp.float32).reshape(column)
        groups.append(jnp.concatenate([coordinate[None], gain * sine(angles), gain * cosine(angles)]))
    return groups
