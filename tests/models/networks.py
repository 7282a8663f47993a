"""Networks with random weights. NumPy draws them: JAX would compile a program for every shape."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import HashGridEncoding, ModelConfig
from inrc.layout import layout
from inrc.models import build
from tests.bitstream import reference_decoder


def random_params(model: ModelConfig, shape: tuple[int, ...], n_outputs: int, seed: int = 0) -> dict[str, jax.Array]:
    """Weights of about the magnitude that fits end with."""
    generator = np.random.default_rng(seed)
    params = {}
    for name, (rows, columns) in layout(model, shape, n_outputs):
        bound = np.sqrt(6 / columns) / (model.omega_0 / 2)
        params[name] = jnp.asarray(generator.uniform(-bound, bound, (rows, columns)), jnp.float32)
    return params


def values(model: ModelConfig, shape: tuple[int, ...], params, coordinates) -> np.ndarray:
    """The network's outputs, compiled."""
    n_outputs = len(params[f"layer_{len(model.widths)}"])
    return np.asarray(_apply(model, shape, n_outputs, params, [jnp.asarray(c, jnp.float32) for c in coordinates]))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _apply(model, shape, n_outputs, params, coordinates):
    return build.apply(model, shape, n_outputs, params, coordinates)


def reference_values(model: ModelConfig, shape: tuple[int, ...], params, coordinates) -> np.ndarray:
    """The same outputs by the reference decoder, which was written from FORMAT.md, in float64."""
    encoding = model.encoding
    fields = {
        "family": model.family,
        "n_layers": len(model.widths),
        "bias": model.bias,
        "omega_0": model.omega_0,
        "modulator": bool(model.modulator),
        "sampled_phases": model.sampled_phases,
    }
    if isinstance(encoding, HashGridEncoding):
        fields |= dataclasses.asdict(encoding)
    else:
        fields |= {
            "encoding": encoding.kind,
            "n_frequencies": encoding.n_frequencies,
            "quarter_sigma": int(encoding.sigma * 4),
        }
    matrices = [np.asarray(p, np.float64) for p in params.values()]
    return reference_decoder.outputs_at(fields, matrices, coordinates, shape)


def random_points(n: int, rank: int = 2, seed: int = 3) -> list[np.ndarray]:
    """Coordinates in [-1, 1], one float32 array [n] per axis."""
    generator = np.random.default_rng(seed)
    return [generator.uniform(-1, 1, n).astype(np.float32) for _ in range(rank)]
