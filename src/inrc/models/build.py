"""From a configuration to a coordinate network, its initial parameters and its values."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.config import ModelConfig, ModelFamily
from inrc.models.fourier import FourierMlp
from inrc.models.siren import Siren

Params = dict[str, Float[Array, "_ _"]]


def build(config: ModelConfig, shape: Sequence[int], n_outputs: int) -> nn.Module:
    """The network of `config` for a signal of `shape` samples per axis and `n_outputs` channels."""
    network = Siren if config.family is ModelFamily.SIREN else FourierMlp
    return network(config, tuple(shape), n_outputs)


def init(config: ModelConfig, shape: Sequence[int], n_outputs: int, key: jax.Array) -> Params:
    """Random parameters, {name: matrix [out, in (+ 1)]}, by the network's own initialisation."""
    origin = [jnp.zeros((1,) * len(shape), jnp.float32) for _ in shape]
    variables = build(config, shape, n_outputs).init(key, origin)
    return {name: jnp.asarray(matrix) for name, matrix in variables["params"].items()}


def apply(
    config: ModelConfig,
    shape: Sequence[int],
    n_outputs: int,
    params: Mapping[str, Float[Array | np.ndarray, "_ _"]],
    coordinates: Sequence[Float[Array, "..."]],
    attenuation: Sequence[float] | None = None,
) -> Float[Array, "{n_outputs} ..."]:
    """Values of the network at coordinates: one array per axis, mutually broadcastable."""
    values = build(config, shape, n_outputs).apply({"params": params}, coordinates, attenuation)
    assert isinstance(values, jax.Array)
    return values
