"""ReLU networks on a multi-resolution hash encoding (Instant-NGP, Müller et al., 2022).

Level l lays a grid of nodes over the signal (`inrc.layout.hash_levels`). A node has an entry, a column of the level's
table, and the features at a point are interpolated linearly along every axis between the nodes around it:

    coordinates in [-1, 1] -> position u among the nodes of level l -> 2^axes nodes -> entries of table l -> features
                                                                 features of all levels -> [relu(W x + b)] -> linear

What differs from the paper: nodes lie at the signal's edges instead of half a cell off them, cells are squares of the
picture instead of stretched with it, levels grow by eighths of an octave, and the finest has cells of two samples.

On an open grid of samples every axis is interpolated by itself: nodes that several samples share are read once, and the
gradient of a table is the transposed interpolation and one sum over entries. Backpropagated automatically through four
nodes for every sample, a step takes twice as long.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from inrc.config import HashGridEncoding
from inrc.layout import HashLevel, hash_levels
from inrc.models.constants import HASH_PRIMES
from inrc.models.fourier import relu_network
from inrc.models.network import CoordinateNetwork
from inrc.models.siren import symmetric_uniform

_FIRST_BOUND = 1e-4
"""Tables start at U(-1e-4, 1e-4), as in the paper."""
_MOST_NODES = 512
"""Nodes up to which an axis is interpolated by a matrix product over all of them."""


class _Axis(NamedTuple):
    """Where the samples along an axis of an open grid lie among a level's nodes.

    Attributes:
      nodes: the nodes that are read, along the axis: all of them, or the two around every sample.
      weights: of all nodes for every sample, [samples, nodes], or of every sample's upper node, [samples].
    """

    nodes: Int[Array, " _"]
    weights: Float[Array, "..."]


class HashGridMlp(CoordinateNetwork):
    """tables -> features -> [relu(W x + b)] per hidden width -> linear; weights of layers are He-uniform at first.

    The `omega_0` of its configuration has no effect.
    """

    @nn.compact
    def __call__(
        self, coordinates: Sequence[Float[Array, "..."]], attenuation: Sequence[float] | None = None
    ) -> Float[Array, "{self.n_outputs} ..."]:
        """Values at coordinates: one array per axis, mutually broadcastable. `attenuation` has no effect."""
        del attenuation
        encoding = self.config.encoding
        assert isinstance(encoding, HashGridEncoding)
        tables = [
            self.param(f"table_{i}", symmetric_uniform(_FIRST_BOUND), (encoding.n_features, level.n_entries))
            for i, level in enumerate(hash_levels(encoding, self.shape))
        ]
        features = hash_features(encoding, tables, coordinates, self.shape)
        return relu_network(self, self.config, self.n_outputs, [features], features.shape[1:])


def hash_features(
    config: HashGridEncoding,
    tables: Sequence[Float[Array, "features _"]],
    coordinates: Sequence[Float[Array, "..."]],
    shape: Sequence[int],
) -> Float[Array, "all_features ..."]:
    """Features of all levels at coordinates in [-1, 1], coarsest level first.

    Coordinate c on an axis of m samples, of at most n, lies at u = (c + 1) / 2 * N m / n among the nodes of a level of
    N cells, kept within 0 and the last node.

    Args:
      config: the encoding.
      tables: [n_features, entries] of each level.
      coordinates: one float32 array per axis, mutually broadcastable.
      shape: samples per axis of the signal's native grid.
    """
    is_open = all(c.ndim == len(shape) and c.size == c.shape[axis] for axis, c in enumerate(coordinates))
    of_level = _on_open_grid if is_open else _at_points
    features = []
    for level, table in zip(hash_levels(config, shape), tables, strict=True):
        positions = []
        for c, m, n_nodes in zip(coordinates, shape, level.nodes, strict=True):
            u = (c + 1.0) * np.float32(level.cells * m / (2 * max(shape)))
            positions.append(jnp.clip(u, 0.0, n_nodes - 1.0))
        features.append(of_level(level, table, positions))
    return jnp.concatenate(features)


def entry_indices(level: HashLevel, nodes: Sequence[Int[Array, "..."]]) -> Int[Array, "..."]:
    """The entries of nodes.

    Where no entry is shared, it is the node's place in row-major order. Otherwise it is the paper's equation 4, the
    exclusive or of i_a p_a over all axes, modulo the number of entries, with p = 1 for the last axis, 2654435761 for
    the one before it and 805459861 for the third from the end.

    Args:
      level: the level.
      nodes: indices along each axis, mutually broadcastable.
    """
    nodes = jnp.broadcast_arrays(*nodes)
    if not level.is_hashed:
        index = jnp.zeros_like(nodes[0])
        for i, n_nodes in zip(nodes, level.nodes, strict=True):
            index = index * n_nodes + i
        return index
    factors = HASH_PRIMES[len(nodes) - 1 :: -1]
    terms = [i.astype(jnp.uint32) * jnp.uint32(p) for i, p in zip(nodes, factors, strict=True)]
    return (functools.reduce(jnp.bitwise_xor, terms) % jnp.uint32(level.n_entries)).astype(jnp.int32)


def look_up(table: Float[Array, "features entries"], indices: Int[Array, "..."]) -> Float[Array, "features ..."]:
    """Columns of a table. Its gradient is one sum over the entries."""
    return cast(jax.Array, _look_up(table, indices, table.shape[1]))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _look_up(table: jax.Array, indices: jax.Array, n_entries: int) -> jax.Array:
    del n_entries
    return jnp.moveaxis(table.T[indices], -1, 0)


def _pull(n_entries: int, indices: jax.Array, gradient: jax.Array) -> tuple[jax.Array, None]:
    rows = gradient.reshape(len(gradient), -1).T
    return jax.ops.segment_sum(rows, indices.reshape(-1), n_entries).T, None


_look_up.defvjp(lambda table, indices, n_entries: (_look_up(table, indices, n_entries), indices), _pull)


def _lower(position: jax.Array, n_nodes: int) -> tuple[jax.Array, jax.Array]:
    """(index of the lower of two neighbouring nodes, weight of the upper one)."""
    lower = jnp.minimum(jnp.floor(position), n_nodes - 2.0)
    return lower.astype(jnp.int32), position - lower


def _at_points(level: HashLevel, table: jax.Array, positions: Sequence[jax.Array]) -> jax.Array:
    """Features [n_features, ...] at positions of any shape, from the nodes at all corners of their cells."""
    lower, upper_weights = zip(*map(_lower, jnp.broadcast_arrays(*positions), level.nodes), strict=True)
    total = jnp.zeros((len(table), *lower[0].shape))
    for corner in np.ndindex(*(2,) * len(positions)):
        indices = entry_indices(level, [i + upper for i, upper in zip(lower, corner, strict=True)])
        weights = [w if upper else 1.0 - w for w, upper in zip(upper_weights, corner, strict=True)]
        total += functools.reduce(jnp.multiply, weights)[None] * look_up(table, indices)
    return total


def _on_open_grid(level: HashLevel, table: jax.Array, positions: Sequence[jax.Array]) -> jax.Array:
    """Features [n_features, n_0, n_1, ...] at positions [n_0, 1, ...], [1, n_1, ...], ..., axis by axis."""
    rank = len(positions)
    axes = [_axis(u.reshape(-1), n_nodes) for u, n_nodes in zip(positions, level.nodes, strict=True)]
    if not level.is_hashed and all(axis.weights.ndim == 2 for axis in axes):
        features = table.reshape(len(table), *level.nodes)
    else:
        mesh = [axis.nodes.reshape((1,) * a + (-1,) + (1,) * (rank - 1 - a)) for a, axis in enumerate(axes)]
        features = look_up(table, entry_indices(level, mesh))
    for a, axis in enumerate(axes, start=1):
        if axis.weights.ndim == 2:
            product = jnp.tensordot(axis.weights, features, axes=((1,), (a,)), precision="highest")
            features = jnp.moveaxis(product, 0, a)
        else:
            lower, upper = jnp.split(features, 2, axis=a)
            weights = axis.weights.reshape((1,) * a + (-1,) + (1,) * (rank - a))
            features = lower + weights * (upper - lower)
    return features


def _axis(position: jax.Array, n_nodes: int) -> _Axis:
    """Few nodes are all read, once; many are read where there are samples."""
    if n_nodes <= min(2 * len(position), _MOST_NODES):
        nodes = jnp.arange(n_nodes)
        distance = jnp.abs(position[:, None] - nodes[None].astype(position.dtype))
        return _Axis(nodes, jnp.maximum(0.0, 1.0 - distance))
    lower, weight = _lower(position, n_nodes)
    return _Axis(jnp.concatenate([lower, lower + 1]), weight)
