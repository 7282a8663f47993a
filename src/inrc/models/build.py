"""From a configuration to a coordinate network, its initial parameters and its values."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.config import ModelConfig, ModelFamily
from inrc.models.fourier import FourierMlp
from inrc.models.hash_grid import HashGridMlp
from inrc.models.siren import INPUTS, Siren

Params = dict[str, Float[Array, "_ _"]]

_NETWORKS = {ModelFamily.SIREN: Siren, ModelFamily.FOURIER: FourierMlp, ModelFamily.HASH_GRID: HashGridMlp}


def build(config: ModelConfig, shape: Sequence[int], n_outputs: int) -> nn.Module:
    """The network of `config` for a signal of `shape` samples per axis and `n_outputs` channels."""
    return _NETWORKS[config.family](config, tuple(shape), n_outputs)


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


def matrix_inputs(
    config: ModelConfig,
    shape: Sequence[int],
    n_outputs: int,
    params: Mapping[str, Float[Array | np.ndarray, "_ _"]],
    coordinates: Sequence[Float[Array, "..."]],
) -> dict[str, Float[Array, "_ n"]]:
    """What enters each matrix of a layer: {name: [columns of the matrix, positions]}; the input of biases is 1.

    Arguments are those of `apply`. Inside a compiled function, inputs that are not used are not computed.
    """
    network = build(config, shape, n_outputs)
    _, noted = network.apply({"params": params}, coordinates, mutable=[INPUTS])
    grid = jnp.broadcast_shapes(*(c.shape for c in coordinates))

    def joined(groups: Sequence[Any], n_columns: int) -> jax.Array:
        rows = [jnp.broadcast_to(group, (len(group), *grid)).reshape(len(group), -1) for group in groups]
        features = jnp.concatenate(rows)
        return jnp.pad(features, ((0, n_columns - len(features)), (0, 0)), constant_values=1.0)

    return {name: joined(groups, params[name].shape[1]) for name, (groups,) in noted[INPUTS].items()}
