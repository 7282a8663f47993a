"""Values of coordinate networks by JAX, for accelerators; `coordinate_numpy` is the same on CPUs."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inrc import programs
from inrc.config import ModelConfig
from inrc.models import build


def prepared(
    model: ModelConfig,
    shape: tuple[int, int],
    params: Mapping[str, Float[np.ndarray, "_ _"]],
    matrix: Float[np.ndarray, "C C"],
    offset: Float[np.ndarray, " C"],
) -> Callable[..., Float[np.ndarray, "C h w"]]:
    """`coordinate_numpy.means` of a network, whose weights are brought to the device once."""
    programs.drop_if_many()
    on_device = {name: jnp.asarray(value) for name, value in params.items()}, jnp.asarray(matrix), jnp.asarray(offset)
    return lambda attenuation, repeats, *samples: np.asarray(
        _means(model, shape, attenuation, repeats, *on_device, *samples)
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _means(model, shape, attenuation, repeats, params, matrix, offset, rows, columns):
    with jax.default_matmul_precision("highest"):

        def sample_row(total, phase_rows):
            coordinates = [phase_rows[:, None], columns[None, :]]
            values = build.apply(model, shape, len(offset), params, coordinates, attenuation)
            unit = jnp.tensordot(matrix, values, axes=1) + offset[:, None, None]
            return total + jnp.mean(unit.reshape(*unit.shape[:2], -1, repeats[1]), axis=3), None

        zero = jnp.zeros((len(offset), len(rows) // repeats[0], len(columns) // repeats[1]), jnp.float32)
        total, _ = jax.lax.scan(sample_row, zero, rows.reshape(-1, repeats[0]).T)
    return total / repeats[0]
