"""What a picture takes of a shared init: matrices by hand, by the network's values, and refusals."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.codec.formats import format_of, reference_of
from inrc.codec.reference import canvas_shape
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import ConfigError
from inrc.layout import layout
from inrc.models import build
from inrc.quant import uniform
from inrc.signal.coordinates import pixel_centres
from tests.shared_init.inits import CANVAS, GAUSSIAN, MODEL, random_init

INIT = random_init()
NONE = ModelConfig(widths=(5, 4), encoding=EncodingConfig(EncodingKind.NONE))
LOG = ModelConfig(widths=(5, 4), encoding=EncodingConfig(EncodingKind.LOG_SPACED, 12), bias=False)


def test_the_canvas_itself_has_all():
    reference = reference_of(INIT, CANVAS, 3)
    assert list(reference.mean) == list(INIT.mean)
    assert reference.n_weights == INIT.n_weights
    for name, mean in reference.mean.items():
        assert mean.dtype == np.float32
        np.testing.assert_array_equal(mean, INIT.mean[name])
        np.testing.assert_array_equal(reference.scale_indices[name], INIT.scale_indices[name])


def test_frequencies_that_a_smaller_picture_lacks_have_no_columns():
    # 17 rows keep 1, 2, 4, 8, and 31 columns the same: of y, sin 1..32, cos 1..32, x, sin 1..32, cos 1..32, bias.
    reference = reference_of(INIT, (17, 31), 3)
    kept = [0, 1, 2, 3, 4, 7, 8, 9, 10, 13, 14, 15, 16, 17, 20, 21, 22, 23, 26]
    np.testing.assert_array_equal(reference.mean["layer_0"], INIT.mean["layer_0"][:, kept])
    np.testing.assert_array_equal(reference.scale_indices["layer_0"], INIT.scale_indices["layer_0"][:, kept])
    np.testing.assert_array_equal(reference.mean["layer_1"], INIT.mean["layer_1"])
    np.testing.assert_array_equal(reference.mean["layer_2"], INIT.mean["layer_2"])


def test_gray_takes_the_first_output():
    reference = reference_of(INIT, CANVAS, 1)
    np.testing.assert_array_equal(reference.mean["layer_2"], INIT.mean["layer_2"][:1])
    np.testing.assert_array_equal(reference.scale_indices["layer_2"], INIT.scale_indices["layer_2"][:1])
    np.testing.assert_array_equal(reference.mean["layer_1"], INIT.mean["layer_1"])


@pytest.mark.parametrize("model", [MODEL, GAUSSIAN, NONE, LOG])
@pytest.mark.parametrize("shape", [CANVAS, (1, 1), (17, 31), (40, 90)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_are_those_of_the_pictures_network(model, shape, channels):
    reference = reference_of(random_init(model), shape, channels)
    expected = layout(model, shape, channels)
    assert [(name, matrix.shape) for name, matrix in reference.mean.items()] == list(expected)
    assert [(name, matrix.shape) for name, matrix in reference.scale_indices.items()] == list(expected)


@pytest.mark.parametrize("model", [MODEL, NONE, LOG])
def test_the_pictures_network_is_the_inits_without_the_high_frequencies(model):
    """The init's own network, with zeros where the picture has no feature, has the same values."""
    init, shape = random_init(model), (17, 40)
    reference = reference_of(init, shape, 3)
    points = [jnp.asarray(pixel_centres(9))[:, None], jnp.asarray(pixel_centres(11))[None, :]]
    values = build.apply(model, shape, 3, {n: jnp.asarray(m) for n, m in reference.mean.items()}, points)
    marks = {**init.mean, "layer_0": np.arange(init.mean["layer_0"].size).reshape(init.mean["layer_0"].shape)}
    marked = reference_of(dataclasses.replace(init, mean={n: m.astype(np.float16) for n, m in marks.items()}), shape, 3)
    whole = {name: jnp.asarray(matrix, jnp.float32) for name, matrix in init.mean.items()}
    lost = ~np.isin(marks["layer_0"].astype(np.float16), marked.mean["layer_0"])
    assert lost.any() == (model is not NONE)
    whole["layer_0"] = jnp.where(jnp.asarray(lost), 0.0, whole["layer_0"])
    np.testing.assert_allclose(values, build.apply(model, CANVAS, 3, whole, points), atol=2e-5)


def test_exponents_are_scales_in_steps():
    exponents = reference_of(INIT, CANVAS, 3).exponents((150, 0, 130))
    scale = {name: 2.0 ** (indices / 8.0 - 24) for name, indices in INIT.scale_indices.items()}
    for name, exponent, index in (("layer_0", exponents[0], 150), ("layer_2", exponents[2], 130)):
        np.testing.assert_allclose(2.0 ** (exponent / 8), scale[name] / uniform.step_of_index(index), rtol=1e-6)
    assert (exponents[1] == 64).all()


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        (CANVAS, 2, "has 3 outputs, the picture 2 channels"),
        (CANVAS, 4, "has 3 outputs, the picture 4 channels"),
        ((64, 64), 3, ""),
        ((127, 127), 1, ""),
        ((128, 96), 1, ""),
        ((63, 64), 3, ""),
    ],
)
def test_misfits(shape, channels, message):
    assert format_of(INIT.model).misfit(INIT, shape, channels) == message


def test_a_canvas_that_is_too_small_is_refused_with_a_remedy():
    small = random_init(shape=(16, 16))
    assert format_of(small.model).misfit(small, (31, 31), 3) == ""
    with pytest.raises(ConfigError, match=r"learned on 16x16 pixels and lacks .* 32x20 has; use another .*--init none"):
        reference_of(small, (20, 32), 3)
    # Bare coordinates and Gaussian vectors are the same for every size.
    for model in (NONE, GAUSSIAN):
        assert format_of(model).misfit(random_init(model, (16, 16)), (4000, 6000), 3) == ""


def test_portraits_are_seen_as_landscapes():
    assert canvas_shape((31, 17)) == canvas_shape((17, 31)) == (17, 31)
    assert canvas_shape((9, 9)) == (9, 9)
