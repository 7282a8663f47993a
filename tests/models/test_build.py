"""The order of tensors in a file, and signals of one, two and three axes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, ModelConfig, ModelFamily
from inrc.layout import layout
from inrc.models import build
from tests.bitstream import reference_decoder
from tests.models.networks import random_params, reference_values, values

FAMILIES = ModelFamily.SIREN, ModelFamily.FOURIER
ENCODINGS = [
    EncodingConfig(EncodingKind.NONE),
    EncodingConfig(EncodingKind.NERF, 4),
    EncodingConfig(EncodingKind.LOG_SPACED, 4),
    EncodingConfig(EncodingKind.GAUSSIAN, 4),
]


@pytest.mark.parametrize(
    ("family", "encoding", "bias"),
    list(itertools.product(FAMILIES, ENCODINGS, [True, False])),
    ids=lambda value: getattr(value, "name", None) or getattr(getattr(value, "kind", None), "name", str(value)),
)
@pytest.mark.parametrize(("shape", "n_outputs"), [((1, 1), 1), ((6, 10), 4), ((30,), 2), ((4, 6, 8), 3)])
def test_layout_is_that_of_the_initial_parameters(family, encoding, bias, shape, n_outputs):
    model = ModelConfig(family, (7, 5, 3), encoding, bias=bias)
    params = jax.eval_shape(lambda key: build.init(model, shape, n_outputs, key), jax.random.key(0))
    assert layout(model, shape, n_outputs) == tuple((name, p.shape) for name, p in params.items())


@pytest.mark.parametrize(("shape", "n_outputs"), [((1, 1), 1), ((6, 10), 4), ((30,), 2), ((4, 6, 8), 3)])
def test_layout_of_a_hash_grid_is_that_of_the_initial_parameters(shape, n_outputs):
    model = ModelConfig(ModelFamily.HASH_GRID, (7, 5), HashGridEncoding(4, 2, 4, 2, 8), bias=len(shape) == 2)
    params = jax.eval_shape(lambda key: build.init(model, shape, n_outputs, key), jax.random.key(0))
    n_tables = sum(name.startswith("table") for name in params)
    names = [f"table_{i}" for i in range(n_tables)] + [f"layer_{i}" for i in range(3)]
    rows = tuple((name, params[name].shape) for name in names)
    assert layout(model, shape, n_outputs) == rows


def test_layout_of_the_default_network_by_hand():
    # 768 x 512: 1.4^i <= 256 holds for all 16 frequencies (1.4^15 = 155.6), so 33 features an axis.
    rows = layout(ModelConfig(), (512, 768), 3)
    assert rows == (
        ("layer_0", (64, 67)),
        ("layer_1", (40, 65)),
        ("layer_2", (28, 41)),
        ("layer_3", (24, 29)),
        ("layer_4", (3, 25)),
    )


@pytest.mark.parametrize("shape", [(40,), (5, 6), (3, 4, 5)])
@pytest.mark.parametrize("family", FAMILIES)
def test_signals_of_any_rank(family, shape):
    model = ModelConfig(family, (6, 4), ENCODINGS[3] if family is ModelFamily.FOURIER else ENCODINGS[1])
    params = random_params(model, shape, 2)
    rank = len(shape)
    axes = [np.linspace(-1, 1, n).reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, n in enumerate(shape)]
    grid = values(model, shape, params, axes)
    assert grid.shape == (2, *shape)
    points = [a.ravel().astype(np.float32) for a in np.broadcast_arrays(*axes)]
    np.testing.assert_allclose(grid.reshape(2, -1), reference_values(model, shape, params, points), atol=2e-5)


def test_the_same_key_gives_the_same_weights():
    model = ModelConfig(widths=(6, 4))
    draw = jax.jit(lambda key: build.init(model, (5, 5), 3, key))
    first, again, other = (draw(jax.random.key(seed)) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("encoding", [ENCODINGS[2], ENCODINGS[3]], ids=["per axis", "of all axes"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_enters_every_matrix(family, encoding, bias):
    """The features of the encoding, then the activations of the matrix before; the outputs are of the last one."""
    model = ModelConfig(family, (7, 5), encoding, bias=bias)
    shape = 4, 6
    params = random_params(model, shape, 3)
    axes = [jnp.linspace(-1, 1, 4)[:, None], jnp.linspace(-0.5, 1, 6)[None, :]]
    inputs = jax.jit(lambda p: build.matrix_inputs(model, shape, 3, p, axes))(params)
    assert [inputs[name].shape for name, _ in layout(model, shape, 3)] == [(params[n].shape[1], 24) for n in params]
    points = [np.asarray(a, np.float64).ravel() for a in np.broadcast_arrays(*axes)]
    features = reference_decoder.features(encoding.kind, 4, 40, points, shape)
    np.testing.assert_allclose(inputs["layer_0"][: len(features)], features, atol=1e-5)
    activation = (lambda x: np.sin(model.omega_0 * x)) if family is ModelFamily.SIREN else (lambda x: np.maximum(x, 0))
    for name, following in itertools.pairwise(params):
        expected = activation(np.asarray(params[name] @ inputs[name], np.float64))
        np.testing.assert_allclose(inputs[following][: len(expected)], expected, atol=2e-5)
        assert np.all(inputs[following][len(expected) :] == 1)
    outputs = params["layer_2"] @ inputs["layer_2"]
    np.testing.assert_allclose(outputs.reshape(3, 4, 6), values(model, shape, params, axes), atol=2e-5)


def test_what_enters_the_matrices_of_a_modulated_network():
    model = ModelConfig(widths=(7, 5), encoding=ENCODINGS[2], bias=False, modulator=(4,), sampled_phases=True)
    params = random_params(model, (4, 6), 3)
    axes = [jnp.linspace(-1, 1, 4)[:, None], jnp.linspace(-0.5, 1, 6)[None, :]]
    inputs = jax.jit(lambda p: build.matrix_inputs(model, (4, 6), 3, p, axes))(params)
    assert {name: x.shape for name, x in inputs.items()} == {n: (m.shape[1], 24) for n, m in params.items()}
    assert np.all(inputs["modulator_1"][-1] == 1)  # a modulator has biases in any case
    np.testing.assert_allclose(
        inputs["modulator_1"][:-1], np.sin(30.0 * np.asarray(params["modulator_0"] @ inputs["modulator_0"])), atol=1e-4
    )
    outputs = params["layer_2"] @ inputs["layer_2"]
    np.testing.assert_allclose(outputs.reshape(3, 4, 6), values(model, (4, 6), params, axes), atol=2e-5)
