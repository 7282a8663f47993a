"""What a state of a fit comes to: distortion and bits, and how they are weighed."""

from typing import NamedTuple

import jax


class BitWeights(NamedTuple):
    """Loss per bit of latents and of networks: lambda over the number of samples."""

    latents: jax.Array
    networks: jax.Array


class Measured(NamedTuple):
    """What weights, and latents where there are some, come to by the differentiable rate model.

    Attributes:
      distortion: by the loss of the fit.
      latent_bits: bits of latents; 0 where there are none.
      network_bits: bits of the networks' weights.
    """

    distortion: jax.Array
    latent_bits: jax.Array
    network_bits: jax.Array

    @property
    def bits(self) -> jax.Array:
        """All bits."""
        return self.latent_bits + self.network_bits

    def cost(self, weights: BitWeights) -> jax.Array:
        """The loss that a fit minimises."""
        return self.distortion + weights.latents * self.latent_bits + weights.networks * self.network_bits
