"""From features to pixel values.

features --+--> hidden ReLU layer per pixel --> [3x3 residual layers on the channels] --(+)--> values
+-------------------------- linear, per pixel --------------------------------+
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from inrc.config import LatentGridConfig
from inrc.models.latent_grid.dense import dense
from inrc.models.latent_grid.edges import edges_repeated
from inrc.models.latent_grid.filters import convolve_3x3
from inrc.models.tiles import largest_tile

Params = Mapping[str, Float[Array, "_ _"]]

_TILE = 2048
"""Pixels per tile on a CPU: 49 hidden units of so many are 400 KB, which stay in cache. Of 1,024, 2,048, 8,192 and all
pixels, the first two were measured to be the fastest, at nearly the same speed (experiments/NOTES.md)."""
_TILE_ON_ACCELERATORS = 1 << 19
"""Pixels per tile elsewhere: large, because every tile launches its operations anew."""


def synthesise(
    config: LatentGridConfig,
    params: Params,
    features: Float[Array, "{config.n_grids} h w"],
    sizes: Int[Array | np.ndarray, "2"] | None = None,
) -> Float[Array, "C h w"]:
    """Pixel values of features, not clamped.

    Args:
      config: of the networks.
      params: {name: matrix}.
      features: of `upsampling.upsample`.
      sizes: true height and width of a picture on a canvas; None if the canvas is the picture.
    """
    n, height, width = features.shape
    pixels = features.reshape(n, height * width)
    values = pixel_network(params["synthesis_0"], params["synthesis_1"], pixels).reshape(-1, height, width)
    for i in range(config.n_residual):
        values = edges_repeated(values, sizes, 1)
        values = values + convolve_3x3(values, params[f"residual_{i}"])
        values = jax.nn.relu(values) if i < config.n_residual - 1 else values
    return values + dense(params["synthesis_skip"], pixels).reshape(values.shape)


@jax.custom_vjp
def pixel_network(
    first: Float[Array, "width columns"], second: Float[Array, "C width+1"], pixels: Float[Array, "columns-1 n"]
) -> Float[Array, "C n"]:
    """The hidden layer and the output layer of every pixel: second @ (relu(first @ (pixels, 1)), 1).

    They are computed in tiles that stay in cache. The gradient computes the hidden layer again instead of keeping it.
    """
    keep_ones, tile = _keeping_ones(first), _tile_of(pixels.shape[1])

    def body(values: jax.Array, i: jax.Array):
        hidden = jax.nn.relu(keep_ones @ _with_ones(_part(pixels, i, tile)))
        return _put(values, second @ hidden, i, tile), None

    values = jnp.zeros((second.shape[0], pixels.shape[1]), pixels.dtype)
    return jax.lax.scan(body, values, jnp.arange(-(-pixels.shape[1] // tile)))[0]


def _pull(saved: tuple[jax.Array, jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    first, second, pixels = saved
    keep_ones, tile = _keeping_ones(first), _tile_of(pixels.shape[1])
    first_back = jax.lax.optimization_barrier(first[:, :-1].T)
    second_back = jax.lax.optimization_barrier(second[:, :-1].T)
    n = pixels.shape[1]

    def body(carry: tuple[jax.Array, jax.Array, jax.Array], i: jax.Array):
        first_gradient, second_gradient, pixels_gradient = carry
        inputs = _with_ones(_part(pixels, i, tile))
        # The last tile begins early enough to be whole. Pixels that it shares with the previous tile must count once.
        fresh = jnp.arange(tile) + jnp.minimum(i * tile, n - tile) >= i * tile
        outer = jnp.where(fresh, _part(g, i, tile), 0.0)
        hidden = jax.nn.relu(keep_ones @ inputs)
        second_gradient += (hidden @ outer.T).T
        hidden_gradient = jnp.where(hidden[:-1] > 0, second_back @ outer, 0.0)
        first_gradient += hidden_gradient @ inputs.T
        here = first_back @ hidden_gradient
        here = jnp.where(fresh, here, _part(pixels_gradient, i, tile))
        return (first_gradient, second_gradient, _put(pixels_gradient, here, i, tile)), None

    zeros = jnp.zeros_like(first), jnp.zeros_like(second), jnp.zeros_like(pixels)
    return jax.lax.scan(body, zeros, jnp.arange(-(-n // tile)))[0]


pixel_network.defvjp(lambda f, s, p: (pixel_network(f, s, p), (f, s, p)), _pull)


def _tile_of(n: int) -> int:
    return min(n, largest_tile(_TILE, _TILE_ON_ACCELERATORS))


def _part(x: jax.Array, i: jax.Array, tile: int) -> jax.Array:
    return jax.lax.dynamic_slice_in_dim(x, i * tile, tile, axis=1)


def _put(x: jax.Array, part: jax.Array, i: jax.Array, tile: int) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(x, part, i * tile, axis=1)


def _with_ones(x: jax.Array) -> jax.Array:
    return jnp.concatenate([x, jnp.ones((1, x.shape[1]), x.dtype)])


def _keeping_ones(first: jax.Array) -> jax.Array:
    """The hidden layer with one more unit, whose value is the last input, 1: it carries the bias of the next layer."""
    return jnp.concatenate([first, jnp.zeros((1, first.shape[1]), first.dtype).at[0, -1].set(1.0)])
