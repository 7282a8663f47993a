"""ReLU networks on a positional encoding (Tancik et al., 2020; with NeRF's encoding, Mildenhall et al., 2020)."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.config import EncodingConfig, ModelConfig
from inrc.layout import feature_counts
from inrc.models.encoding import encode
from inrc.models.siren import INPUTS, affine, grouped_affine, symmetric_uniform


class FourierMlp(nn.Module):
    """encode -> [relu(W x + b)] per hidden width -> linear; first weights are He-uniform.

    Attributes:
      config: the network; its `omega_0` has no effect.
      shape: samples per axis of the signal's native grid.
      n_outputs: channels.
    """

    config: ModelConfig
    shape: tuple[int, ...]
    n_outputs: int

    @nn.compact
    def __call__(
        self, coordinates: Sequence[Float[Array, "..."]], attenuation: Sequence[float] | None = None
    ) -> Float[Array, "{self.n_outputs} ..."]:
        """Values at coordinates: one array per axis, mutually broadcastable."""
        config = self.config
        attenuation = (0.0,) * len(self.shape) if attenuation is None else attenuation
        assert isinstance(config.encoding, EncodingConfig)
        groups = encode(config.encoding, coordinates, self.shape, attenuation)
        fan_in = sum(feature_counts(config.encoding, self.shape))
        grid = jnp.broadcast_shapes(*(c.shape for c in coordinates))
        extra = int(config.bias)

        matrix = self.param("layer_0", _he_uniform(fan_in), (config.widths[0], fan_in + extra))
        self.sow(INPUTS, "layer_0", tuple(groups))
        terms = grouped_affine(matrix, groups, config.bias)
        x = nn.relu(jnp.broadcast_to(sum(terms[1:], terms[0]), (config.widths[0], *grid)))
        x = x.reshape(config.widths[0], -1)
        for i, width in enumerate(config.widths[1:], start=1):
            matrix = self.param(f"layer_{i}", _he_uniform(x.shape[0]), (width, x.shape[0] + extra))
            self.sow(INPUTS, f"layer_{i}", (x.reshape(-1, *grid),))
            x = nn.relu(affine(matrix, x, config.bias))
        name = f"layer_{len(config.widths)}"
        matrix = self.param(name, _he_uniform(x.shape[0]), (self.n_outputs, x.shape[0] + extra))
        self.sow(INPUTS, name, (x.reshape(-1, *grid),))
        return affine(matrix, x, config.bias).reshape(self.n_outputs, *grid)


def _he_uniform(fan_in: int):
    return symmetric_uniform(float(np.sqrt(6.0 / fan_in)))
