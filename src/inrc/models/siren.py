"""Coordinate networks with sine activations (Sitzmann et al., 2020), constant or tapered widths.

Every layer is one matrix [out, in + 1] whose last column is the bias, or [out, in] without biases: one tensor to
precondition, one to quantise, one to code. Pixels lie on the last axis throughout, `W @ X` with X = [features, pixels].
For layers this narrow, that is two to three times faster than the other order.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.config import EncodingConfig
from inrc.layout import MODULATOR_ENCODING, feature_counts
from inrc.models.constants import MODULATION, sampled_phases
from inrc.models.encoding import encode
from inrc.models.network import CoordinateNetwork
from inrc.models.sine import sine, sine_of_sum

Initialiser = Callable[..., Float[Array, "..."]]

INPUTS = "intermediates"
"""Flax's collection in which networks note what enters a matrix, where it is asked for: under the matrix's name, the
groups of features [k, ...], whose other axes broadcast to those of the coordinates. An input of 1 for biases is not
among them."""


def symmetric_uniform(bound: float) -> Initialiser:
    """U(-bound, bound), for weights and biases alike."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


def split_bias(
    matrix: Float[Array, "out columns"], bias: bool
) -> tuple[Float[Array, "out in"], Float[Array, "out 1"] | None]:
    """(weights, bias or None) of a layer's matrix."""
    return (matrix[:, :-1], matrix[:, -1:]) if bias else (matrix, None)


def affine(matrix: Float[Array, "out columns"], x: Float[Array, "in n"], bias: bool) -> Float[Array, "out n"]:
    """The layer W @ x + b."""
    weights, offset = split_bias(matrix, bias)
    product = weights @ x
    return product if offset is None else product + offset


def grouped_affine(
    matrix: Float[Array, "out columns"], groups: Sequence[Float[Array, "..."]], bias: bool
) -> list[Float[Array, "out ..."]]:
    """The first layer's terms, one per feature group [k_g, ...]; their broadcast sum is W @ features + b."""
    weights, offset = split_bias(matrix, bias)
    terms, start = [], 0
    for group in groups:
        columns = weights[:, start : start + group.shape[0]]
        terms.append(jnp.tensordot(columns, group, axes=1))
        start += group.shape[0]
    if offset is not None:
        terms[0] = terms[0] + offset.reshape((-1,) + (1,) * (terms[0].ndim - 1))
    return terms


class Siren(CoordinateNetwork):
    """encode -> [sin(omega (W x + b))] per hidden width -> linear.

        omega = omega_0                       usually
                omega_0 + 10 g(coordinates)   with a modulator, a SIREN g of one output (NIF)

    With sampled phases, unit j of a layer is sin(omega period_j (W x)_j + phase_j) instead (NIF25).

    Initialised as the paper says: first layer U(-1/fan_in, 1/fan_in), others U(+-sqrt(6/fan_in)/omega_0),
    biases with their layer's bound.
    """

    @nn.compact
    def __call__(
        self, coordinates: Sequence[Float[Array, "..."]], attenuation: Sequence[float] | None = None
    ) -> Float[Array, "{self.n_outputs} ..."]:
        """Values at coordinates: one array per axis, mutually broadcastable."""
        config = self.config
        attenuation = (0.0,) * len(self.shape) if attenuation is None else attenuation
        omega: float | jax.Array = config.omega_0
        if config.modulator:
            moved = self._sines("modulator", MODULATOR_ENCODING, (*config.modulator, 1), coordinates, attenuation)
            omega = np.float32(config.omega_0) + np.float32(MODULATION) * moved.reshape(1, -1)
        widths = (*config.widths, self.n_outputs)
        assert isinstance(config.encoding, EncodingConfig)
        return self._sines("layer", config.encoding, widths, coordinates, attenuation, omega)

    def _sines(
        self,
        name: str,
        encoding: EncodingConfig,
        widths: Sequence[int],
        coordinates: Sequence[Float[Array, "..."]],
        attenuation: Sequence[float],
        omega: float | Float[Array, "1 n"] | None = None,
    ) -> Float[Array, "outputs ..."]:
        """Values of layers of sines and a last linear one, whose matrices are called name_0, name_1, ...

        Args:
          name: of the matrices.
          encoding: of the coordinates.
          widths: of all layers, that of the outputs included.
          coordinates: as for `__call__`.
          attenuation: as for `encode`.
          omega: factor within the sines, for each sample if it is an array. Layers of the modulator, which are given
            none, have the factor omega_0, and biases in any case.
        """
        config, is_modulated = self.config, isinstance(omega, jax.Array)
        bias = config.bias or omega is None
        factor = jnp.float32(config.omega_0 if omega is None else 1.0 if is_modulated else omega)
        groups = encode(encoding, coordinates, self.shape, attenuation)
        grid = jnp.broadcast_shapes(*(c.shape for c in coordinates))
        n_inputs = sum(feature_counts(encoding, self.shape))

        def matrix_of(i: int, x: jax.Array) -> jax.Array:
            inputs = (x.reshape(-1, *grid),) if i else tuple(groups)
            self.sow(INPUTS, f"{name}_{i}", inputs)
            fan_in = len(x) if i else n_inputs
            bound = 1.0 / fan_in if i == 0 else float(np.sqrt(6.0 / fan_in)) / config.omega_0
            return self.param(f"{name}_{i}", symmetric_uniform(bound), (widths[i], fan_in + int(bias)))

        x = jnp.zeros((0, 0))
        for i, width in enumerate(widths[:-1]):
            matrix, phases = matrix_of(i, x), None
            if config.sampled_phases and omega is not None:
                periods, phases = sampled_phases(width)
                matrix = jnp.asarray(periods) * matrix
            if is_modulated:
                z = affine(matrix, x, bias) if i else _flat_sum(grouped_affine(matrix, groups, bias), grid)
                x = sine(omega * z if phases is None else omega * z + phases)
            elif i == 0:
                terms = grouped_affine(factor * matrix, groups, bias)
                if phases is not None:
                    terms[0] = terms[0] + phases.reshape((-1,) + (1,) * (terms[0].ndim - 1))
                x = sine_of_sum(tuple(terms)).reshape(width, -1)
            else:
                z = affine(factor * matrix, x, bias)
                x = sine(z if phases is None else z + phases)
        return affine(matrix_of(len(widths) - 1, x), x, bias).reshape(widths[-1], *grid)


def _flat_sum(terms: Sequence[jax.Array], grid: tuple[int, ...]) -> jax.Array:
    """The broadcast sum of a first layer's terms, [units, samples]."""
    total = sum(terms[1:], terms[0])
    return jnp.broadcast_to(total, (len(total), *grid)).reshape(len(total), -1)
