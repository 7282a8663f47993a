"""SIREN: the paper's initialisation, and values and gradients against a plain NumPy network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.models import build
from inrc.models.siren import sampled_phases
from tests.models.networks import random_params, random_points, reference_values, values

SHAPE = (12, 20)
PLAIN = ModelConfig(widths=(9, 6, 4), encoding=EncodingConfig(EncodingKind.NONE))
ENCODED = ModelConfig(widths=(9, 6, 4), encoding=EncodingConfig(EncodingKind.LOG_SPACED, 5), omega_0=20)
MODULATED = dataclasses.replace(ENCODED, modulator=(5, 3))
PHASED = dataclasses.replace(ENCODED, bias=False, sampled_phases=True)
BOTH = dataclasses.replace(PHASED, modulator=(4,))


def init(model: ModelConfig, shape: tuple[int, int], n_outputs: int):
    return jax.jit(lambda key: build.init(model, shape, n_outputs, key))(jax.random.key(0))


@pytest.mark.parametrize(
    "model", [PLAIN, ENCODED, MODULATED, PHASED, BOTH], ids=["plain", "encoded", "modulated", "phased", "both"]
)
def test_values_equal_the_reference_decoders(model):
    params, coordinates = random_params(model, SHAPE, 3), random_points(64)
    got = values(model, SHAPE, params, coordinates)
    assert got.shape == (3, 64)
    np.testing.assert_allclose(got, reference_values(model, SHAPE, params, coordinates), atol=4e-5)


def test_without_biases():
    model = ModelConfig(widths=(7, 5), encoding=EncodingConfig(EncodingKind.NERF, 2), bias=False)
    params, coordinates = random_params(model, SHAPE, 2), random_points(30)
    assert [p.shape for p in params.values()] == [(7, 10), (5, 7), (2, 5)]
    expected = reference_values(model, SHAPE, params, coordinates)
    np.testing.assert_allclose(values(model, SHAPE, params, coordinates), expected, atol=2e-5)


@pytest.mark.parametrize("model", [ENCODED, BOTH], ids=["encoded", "both"])
def test_a_grid_gives_the_values_of_its_points(model):
    params = random_params(model, SHAPE, 3, seed=4)
    y, x = (np.linspace(-0.9, 0.7, n) for n in (5, 8))
    grid = values(model, SHAPE, params, [y[:, None], x[None, :]])
    assert grid.shape == (3, 5, 8)
    flat = [a.ravel() for a in np.meshgrid(y, x, indexing="ij")]
    np.testing.assert_allclose(grid.reshape(3, -1), values(model, SHAPE, params, flat), atol=4e-5)


def test_a_modulator_moves_the_frequency_by_ten_times_its_output():
    model = ModelConfig(widths=(1,), encoding=EncodingConfig(EncodingKind.NONE), omega_0=30, modulator=(1,))
    modulator = {"modulator_0": np.zeros((1, 19), np.float32), "modulator_1": jnp.float32([[0.0, 0.5]])}
    params = {"layer_0": jnp.float32([[0.01, -0.02, 0.03]]), "layer_1": jnp.float32([[2.0, 0.25]]), **modulator}
    value = values(model, (64, 64), params, [[0.5], [-0.5]])
    np.testing.assert_allclose(value, [[2 * np.sin((30 + 10 * 0.5) * 0.045) + 0.25]], atol=1e-5)


def test_sampled_periods_fall_from_1_2_to_0_8_and_phases_follow_a_sine():
    periods, phases = sampled_phases(5)
    np.testing.assert_allclose(periods.ravel(), [1.2, 1.1, 1.0, 0.9, 0.8], rtol=1e-6)
    np.testing.assert_allclose(phases.ravel(), np.pi * np.sin(2 * np.pi * np.array([-5, -2.5, 0, 2.5, 5])), atol=1e-5)
    assert [p.ravel().tolist() for p in sampled_phases(1)] == [[np.float32(1.2)], [pytest.approx(0, abs=1e-5)]]


def test_one_unit_by_hand():
    model = ModelConfig(widths=(1,), encoding=EncodingConfig(EncodingKind.NONE), omega_0=30)
    params = {"layer_0": jnp.float32([[0.01, -0.02, 0.03]]), "layer_1": jnp.float32([[2.0, 0.25]])}
    value = values(model, SHAPE, params, [[0.5], [-0.5]])
    # 2 sin(30 (0.01 * 0.5 - 0.02 * -0.5 + 0.03)) + 0.25
    np.testing.assert_allclose(value, [[2 * np.sin(1.35) + 0.25]], atol=1e-5)


def test_gradients_equal_finite_differences_of_the_reference_decoder():
    params, coordinates = random_params(PLAIN, SHAPE, 3, seed=5), random_points(40)
    device = [jnp.asarray(c) for c in coordinates]
    direction = {n: np.random.default_rng(6).normal(size=p.shape) * 1e-2 for n, p in params.items()}
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(build.apply(PLAIN, SHAPE, 3, p, device) ** 2)))(params)
    slope = sum(float(np.sum(direction[n] * np.asarray(g))) for n, g in gradient.items())

    def loss(step: float) -> float:
        moved = {n: np.asarray(p, np.float64) + step * direction[n] for n, p in params.items()}
        return float(np.sum(reference_values(PLAIN, SHAPE, moved, coordinates) ** 2))

    assert slope == pytest.approx((loss(1e-4) - loss(-1e-4)) / 2e-4, rel=1e-3)


def test_initial_weights_fill_the_papers_bounds():
    model = ModelConfig(widths=(64, 48, 40), encoding=EncodingConfig(EncodingKind.NERF, 4))
    params = init(model, (32, 32), 3)
    # U(+-1 / fan_in) for the first layer, U(+-sqrt(6 / fan_in) / omega_0) for the others (Sitzmann et al., 3.2).
    bounds = [1 / 18, np.sqrt(6 / 64) / 30, np.sqrt(6 / 48) / 30, np.sqrt(6 / 40) / 30]
    for matrix, bound in zip(params.values(), bounds, strict=True):
        assert bound * 0.93 < np.abs(matrix).max() <= bound
        np.testing.assert_allclose(np.std(matrix), bound / np.sqrt(3), rtol=0.1)


def test_activations_keep_their_spread_through_depth():
    model = ModelConfig(widths=(128,) * 5, encoding=EncodingConfig(EncodingKind.NONE))
    params = init(model, (64, 64), 1)
    y, x = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 40))
    hidden = np.stack([y.ravel(), x.ravel()])
    variances = []
    for i in range(5):
        matrix = np.asarray(params[f"layer_{i}"], np.float64)
        hidden = np.sin(30 * (matrix[:, :-1] @ hidden + matrix[:, -1:]))
        variances.append(hidden.var())
    # Sums of activations of variance v have variance 2 v under the rule, and v = (1 - exp(-4 v)) / 2 at 0.398.
    np.testing.assert_allclose(variances[1:], 0.398, atol=0.05)
