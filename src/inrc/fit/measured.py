"""What a state of a fit comes to: distortion and bits, and the cost that they add up to."""

from typing import NamedTuple

import jax
import numpy as np

Numbers = jax.Array | np.ndarray
"""Arrays of one shape: on the device inside a compiled program, NumPy's between chunks."""


class BitWeights(NamedTuple):
    """Loss per bit of latents and of networks: lambda over the number of samples."""

    latents: Numbers
    networks: Numbers


class Measured(NamedTuple):
    """What weights, and latents where there are some, come to by the differentiable rate model.

    Attributes:
      distortion: by the loss of the fit.
      latent_bits: bits of latents; 0 where there are none.
      network_bits: bits of the networks' weights.
    """

    distortion: Numbers
    latent_bits: Numbers
    network_bits: Numbers

    @property
    def bits(self) -> Numbers:
        """All bits."""
        return self.latent_bits + self.network_bits

    def cost(self, weights: BitWeights) -> Numbers:
        """The loss that a fit minimises."""
        return self.distortion + weights.latents * self.latent_bits + weights.networks * self.network_bits
