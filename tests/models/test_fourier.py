"""The ReLU network on Fourier features: initialisation, and values against a plain NumPy network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.models import build
from tests.models.networks import random_params, random_points, reference_values, values

SHAPE = (12, 20)
MODELS = [
    ModelConfig(ModelFamily.FOURIER, (8, 6), EncodingConfig(EncodingKind.GAUSSIAN, 5, sigma=2.0)),
    ModelConfig(ModelFamily.FOURIER, (8, 6), EncodingConfig(EncodingKind.NERF, 3)),
    ModelConfig(ModelFamily.FOURIER, (8,), EncodingConfig(EncodingKind.NONE), bias=False),
]


@pytest.mark.parametrize("model", MODELS, ids=["gaussian", "nerf", "plain-no-bias"])
def test_values_equal_the_reference_decoders(model):
    params, coordinates = random_params(model, SHAPE, 3), random_points(64)
    expected = reference_values(model, SHAPE, params, coordinates)
    np.testing.assert_allclose(values(model, SHAPE, params, coordinates), expected, atol=2e-5)


@pytest.mark.parametrize("model", MODELS[:2], ids=["gaussian", "nerf"])
def test_a_grid_gives_the_values_of_its_points(model):
    params = random_params(model, SHAPE, 2, seed=4)
    y, x = (np.linspace(-0.9, 0.7, n) for n in (5, 8))
    grid = values(model, SHAPE, params, [y[:, None], x[None, :]])
    flat = [a.ravel() for a in np.meshgrid(y, x, indexing="ij")]
    np.testing.assert_allclose(grid.reshape(2, -1), values(model, SHAPE, params, flat), atol=1e-5)


def test_omega_0_changes_nothing():
    slow = dataclasses.replace(MODELS[0], omega_0=1)
    params = random_params(MODELS[0], SHAPE, 1)
    at = [[0.3], [-0.6]]
    np.testing.assert_array_equal(values(slow, SHAPE, params, at), values(MODELS[0], SHAPE, params, at))


def test_relu_by_hand():
    model = ModelConfig(ModelFamily.FOURIER, (2,), EncodingConfig(EncodingKind.NONE))
    params = {"layer_0": jnp.float32([[1, 2, 0.5], [-1, -2, -0.5]]), "layer_1": jnp.float32([[3, 5, 0.125]])}
    value = values(model, SHAPE, params, [[0.25], [-0.5]])
    # The units see -0.25 and 0.25: the first is cut to 0, the second is weighted by 5.
    np.testing.assert_allclose(value, [[5 * 0.25 + 0.125]], atol=1e-6)


def test_initial_weights_fill_hes_bounds():
    model = ModelConfig(ModelFamily.FOURIER, (64, 48), EncodingConfig(EncodingKind.GAUSSIAN, 32))
    params = jax.jit(lambda key: build.init(model, (99, 99), 3, key))(jax.random.key(0))
    for matrix, fan_in in zip(params.values(), (64, 64, 48), strict=True):
        bound = np.sqrt(6 / fan_in)
        assert bound * 0.93 < np.abs(matrix).max() <= bound
