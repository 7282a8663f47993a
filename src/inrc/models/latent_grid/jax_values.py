"""From windows of latents to values of a part of a picture by JAX, for accelerators; for CPUs there is `numpy_values`.

Programs are compiled for each size of a part and each width of the networks, which is padded so that they are few.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from inrc import programs
from inrc.config import LatentGridConfig
from inrc.models.latent_grid.dead_units import padded_to_multiple
from inrc.models.latent_grid.filters import padded, slices
from inrc.models.latent_grid.synthesis import synthesise
from inrc.models.latent_grid.upsampling import upsample

Params = Mapping[str, Float[Array, "_ _"]]

_WIDTHS = 16
"""The hidden layer is padded to a multiple of this width. A larger number means fewer compiled programs for files of
different widths, and more multiplications for dead units."""


def prepared(
    model: LatentGridConfig, params: Mapping[str, Float[np.ndarray, "_ _"]]
) -> Callable[..., Float[np.ndarray, "C h w"]]:
    """`numpy_values.values` of the networks, whose weights are brought to the device once."""
    programs.drop_if_many()
    padded_model, padded_params = padded_to_multiple(model, params, _WIDTHS)
    device_params = {name: jnp.asarray(value) for name, value in padded_params.items()}

    def values(
        shifts: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
        size: tuple[int, int],
        windows: Sequence[Float[np.ndarray, "_ _"]],
        places: Int[np.ndarray, "2"],
    ) -> Float[np.ndarray, "C h w"]:
        finer = len(shifts[0]), len(shifts[1])
        pairs = itertools.product(*shifts)
        kernels = tuple(jnp.asarray(np.stack(kernel), jnp.float32) for kernel in zip(*pairs, strict=True))
        return np.asarray(_values(padded_model, finer, size, device_params, kernels, tuple(windows), places))

    return values


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _values(
    model: LatentGridConfig,
    finer: tuple[int, int],
    size: tuple[int, int],
    params: Params,
    kernels: tuple[Float[Array, "shifts taps"], Float[Array, "shifts taps"]],
    windows: tuple[Float[Array, "_ _"], ...],
    places: Int[Array, "2"],
) -> Float[Array, "C h w"]:
    """Values [C, finer * h, finer * w] of a part of `size` (h, w) that begins at `places` in all windows."""
    with jax.default_matmul_precision("highest"):
        features = upsample(model, params, windows)
        features = jax.lax.dynamic_slice(features, (np.int32(0), places[0], places[1]), (len(windows), *size))
        if finer == (1, 1):
            return jnp.clip(synthesise(model, params, features), 0.0, 1.0)

        def moved(kernels: tuple[jax.Array, jax.Array]) -> jax.Array:
            here = _filtered(_filtered(features, kernels[0], 1), kernels[1], 2)
            return jnp.clip(synthesise(model, params, here), 0.0, 1.0)

        values = jax.lax.map(moved, kernels).reshape(*finer, -1, *size)
        return values.transpose(2, 3, 0, 4, 1).reshape(-1, size[0] * finer[0], size[1] * finer[1])


def _filtered(x: jax.Array, kernel: jax.Array, axis: int) -> jax.Array:
    reach = len(kernel) // 2
    wide = padded(x, reach, reach, axis, edge=True)
    terms = [kernel[i] * slices(wide, i, x.shape[axis], axis) for i in range(2 * reach + 1)]
    return sum(terms[1:], terms[0])
