"""ReLU networks on a positional encoding (Tancik et al., 2020; with NeRF's encoding, Mildenhall et al., 2020)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.config import EncodingConfig, ModelConfig
from inrc.models.encoding import encode
from inrc.models.network import CoordinateNetwork
from inrc.models.siren import INPUTS, affine, grouped_affine, symmetric_uniform


class FourierMlp(CoordinateNetwork):
    """encode -> [relu(W x + b)] per hidden width -> linear; first weights are He-uniform.

    The `omega_0` of its configuration has no effect.
    """

    @nn.compact
    def __call__(
        self, coordinates: Sequence[Float[Array, "..."]], attenuation: Sequence[float] | None = None
    ) -> Float[Array, "{self.n_outputs} ..."]:
        """Values at coordinates: one array per axis, mutually broadcastable."""
        config = self.config
        attenuation = (0.0,) * len(self.shape) if attenuation is None else attenuation
        assert isinstance(config.encoding, EncodingConfig)
        groups = encode(config.encoding, coordinates, self.shape, attenuation)
        grid = jnp.broadcast_shapes(*(c.shape for c in coordinates))
        return relu_network(self, config, self.n_outputs, groups, grid)


def relu_network(
    module: nn.Module, config: ModelConfig, n_outputs: int, groups: Sequence[Float[Array, "..."]], grid: tuple[int, ...]
) -> Float[Array, "{n_outputs} ..."]:
    """[relu(W x + b)] per hidden width of `config` and a last linear layer, as parameters of `module`.

    Args:
      module: has the matrices layer_0, layer_1, ...; they are He-uniform at first.
      config: its widths, and whether layers have biases.
      n_outputs: channels.
      groups: features [k_g, ...], mutually broadcastable but for their numbers.
      grid: shape of the samples.
    """
    extra = int(config.bias)

    def matrix_of(i: int, width: int, inputs: Sequence[jax.Array]) -> jax.Array:
        fan_in = sum(len(group) for group in inputs)
        module.sow(INPUTS, f"layer_{i}", tuple(inputs))
        return module.param(f"layer_{i}", symmetric_uniform(float(np.sqrt(6.0 / fan_in))), (width, fan_in + extra))

    terms = grouped_affine(matrix_of(0, config.widths[0], groups), groups, config.bias)
    x = nn.relu(jnp.broadcast_to(sum(terms[1:], terms[0]), (config.widths[0], *grid)))
    for i, width in enumerate((*config.widths[1:], n_outputs), start=1):
        z = affine(matrix_of(i, width, [x]), x.reshape(len(x), -1), config.bias).reshape(width, *grid)
        x = z if i == len(config.widths) else nn.relu(z)
    return x
