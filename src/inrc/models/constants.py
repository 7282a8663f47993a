"""Numbers of coordinate networks that are no part of a file: every decoder computes the same. Needs no JAX."""

import functools
import statistics
from collections.abc import Sequence

import numpy as np

from inrc.config import EncodingConfig
from inrc.shapes import Float, Float64

MODULATION = 10.0
"""What the output of a modulator is multiplied by (NIF)."""
HASH_PRIMES = 1, 2654435761, 805459861, 3674653429, 2097192037, 1434869437, 2165219737
"""The paper's factors of the hash for up to three axes, those of its code for more; the last axis has the first."""


def gaussian_frequencies(
    config: EncodingConfig, shape: Sequence[int]
) -> Float[np.ndarray, "{config.n_frequencies} {len(shape)}"]:
    """Frequency vectors ~ N(0, sigma^2), in cycles, folded under each axis's Nyquist rate.

    All decoders must draw the same numbers for ever. They are a Weyl sequence mapped by the normal quantile function,
    since a library's generator may change.
    """
    nyquist = np.asarray(shape, np.float64) / 2
    frequencies = _normal_points(config.n_frequencies, len(shape), config.sigma)
    folded = np.abs((frequencies + nyquist) % (4 * nyquist) - 2 * nyquist) - nyquist
    return folded.astype(np.float32)


@functools.lru_cache(maxsize=16)  # every tile of a render asks for them
def _normal_points(n_points: int, n_axes: int, sigma: float) -> Float64[np.ndarray, "{n_points} {n_axes}"]:
    """The Weyl sequence of the generalised golden ratio (Roberts, 2018), mapped to normal distributions."""
    normal = statistics.NormalDist(0.0, sigma)
    phi = 2.0
    for _ in range(64):  # to the last digit; the error falls by more than half each time
        phi = (1.0 + phi) ** (1.0 / (n_axes + 1))
    rows = [
        [normal.inv_cdf(min(max((0.5 + (i + 1) * phi ** -(axis + 1)) % 1.0, 1e-9), 1 - 1e-9)) for axis in range(n_axes)]
        for i in range(n_points)
    ]
    points = np.asarray(rows, np.float64)
    points.flags.writeable = False
    return points


def box_response(frequencies: np.ndarray, n_samples: int, width: float) -> np.ndarray:
    """By how much a box of `width` of an axis's `n_samples` samples damps frequencies, in cycles per axis."""
    return np.sinc(np.asarray(frequencies, np.float64) * width / n_samples)


def sampled_phases(n_units: int) -> tuple[Float[np.ndarray, "units 1"], Float[np.ndarray, "units 1"]]:
    """(periods, phases) of a layer of `n_units` sines without biases (NIF25, Catania and Allegra, 2025).

    Unit j of n has the position t = j / (n - 1), or 0 where n is 1; its period is 1.2 - 0.4 t and its phase
    pi sin(2 pi (10 t - 5)).
    """
    position = np.linspace(0.0, 1.0, n_units)[:, None]
    phases = np.pi * np.sin(2 * np.pi * (10 * position - 5))
    return (1.2 - 0.4 * position).astype(np.float32), phases.astype(np.float32)
