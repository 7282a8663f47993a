"""Colour transforms: constants of the standards, inverses, and what errors of the target cost in RGB."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.signal.colour import ColourTransform

ALL = list(ColourTransform)


def test_identifiers_are_those_of_the_file_format():
    assert [(transform.name, int(transform)) for transform in ALL] == [
        ("RGB", 0),
        ("YCBCR", 1),
        ("YCOCG", 2),
        ("YCOCG_ORTHONORMAL", 3),
    ]


@pytest.mark.parametrize(
    ("rgb", "ycbcr_8_bit"),
    [  # ITU-T T.871, section 7: rounded values of full-range YCbCr
        ((255, 0, 0), (76, 85, 256)),
        ((0, 255, 0), (150, 44, 21)),
        ((0, 0, 255), (29, 256, 107)),
        ((255, 255, 255), (255, 128, 128)),
        ((100, 150, 200), (141, 161, 99)),
    ],
)
def test_ycbcr_is_that_of_jpeg(rgb, ycbcr_8_bit):
    target = ColourTransform.YCBCR.forward(np.array(rgb, np.float32) / 255)
    centred_on_128 = target * 255 + [0, 0.5, 0.5]
    assert np.round(centred_on_128).astype(int).tolist() == list(ycbcr_8_bit)


@pytest.mark.parametrize(
    ("transform", "orange"),
    [
        (ColourTransform.RGB, (1.0, 0.5, 0.0)),
        (ColourTransform.YCBCR, (0.299 + 0.2935, 0.5 - (0.299 + 0.2935) / 1.772, 0.5 + (1 - 0.5925) / 1.402)),
        (ColourTransform.YCOCG, (0.5, 1.0, 0.5)),
        (ColourTransform.YCOCG_ORTHONORMAL, (0.5, 0.5 + 0.5**0.5, 0.5)),
    ],
)
def test_orange_by_hand(transform, orange):
    np.testing.assert_allclose(transform.forward(np.array([1.0, 0.5, 0.0], np.float32)), orange, atol=1e-6)


@pytest.mark.parametrize("transform", ALL)
def test_gray_has_luma_only(transform):
    gray = np.repeat(np.array([[0.0], [0.5], [1.0]], np.float32), 3, axis=1)
    target = transform.forward(gray)
    if transform is ColourTransform.RGB:
        np.testing.assert_array_equal(target, gray)
        return
    luma = [0.5 - 0.75**0.5, 0.5, 0.5 + 0.75**0.5] if transform is ColourTransform.YCOCG_ORTHONORMAL else [0, 0.5, 1]
    np.testing.assert_allclose(target, np.stack([luma, [0.5] * 3, [0.5] * 3], axis=1), atol=1e-6)


@pytest.mark.parametrize("transform", ALL)
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_inverse_returns_16_bit_samples(transform, n_channels):
    values = np.random.default_rng(0).random((31, 17, n_channels), np.float32)
    target = transform.forward_channels(values)
    assert target.shape == values.shape
    assert target.dtype == np.float32
    error = np.abs(transform.inverse_channels(target) - values).max()
    assert error < 0.1 / 65535


@pytest.mark.parametrize("transform", ALL)
def test_gray_and_alpha_pass_unchanged(transform):
    values = np.random.default_rng(1).random((5, 4), np.float32)
    np.testing.assert_array_equal(transform.forward_channels(values[:, :1]), values[:, :1])
    np.testing.assert_array_equal(transform.forward_channels(values[:, :2]), values[:, :2])
    rgba = transform.forward_channels(values)
    np.testing.assert_array_equal(rgba[:, 3], values[:, 3])
    np.testing.assert_array_equal(rgba[:, :3], transform.forward(values[:, :3]))


@pytest.mark.parametrize("transform", ALL)
def test_inverse_matrix_is_the_inverse_of_the_matrix(transform):
    np.testing.assert_allclose(transform.matrix @ transform.inverse_matrix, np.eye(3), atol=1e-15)


@pytest.mark.parametrize(
    ("transform", "cost"),
    [
        (ColourTransform.RGB, (1, 1, 1)),
        (ColourTransform.YCBCR, (3, 0.344136**2 + 1.772**2, 1.402**2 + 0.714136**2)),
        (ColourTransform.YCOCG, (3, 2, 3)),
        (ColourTransform.YCOCG_ORTHONORMAL, (1, 1, 1)),
    ],
)
def test_a_target_error_in_one_channel_has_the_known_squared_rgb_error(transform, cost):
    target = np.full((3, 3), 0.5, np.float32)
    rgb_error = transform.inverse(target + np.eye(3, dtype=np.float32)) - transform.inverse(target)
    np.testing.assert_allclose((rgb_error**2).sum(axis=1), cost, rtol=1e-6)


def test_the_orthonormal_transform_keeps_squared_errors():
    transform = ColourTransform.YCOCG_ORTHONORMAL
    target, target_error = np.random.default_rng(2).normal(size=(2, 200, 3))
    rgb_error = transform.inverse(target + target_error) - transform.inverse(target)
    np.testing.assert_allclose((rgb_error**2).sum(axis=1), (target_error**2).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("transform", ALL)
def test_jax_agrees_with_numpy_under_jit_and_strict_promotion(transform):
    values = np.random.default_rng(4).random((6, 5, 4), np.float32)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        target = jax.jit(transform.forward_channels)(jnp.asarray(values))
        back = jax.jit(transform.inverse_channels)(target)
    assert isinstance(target, jax.Array)
    np.testing.assert_allclose(np.asarray(target), transform.forward_channels(values), atol=3e-7)
    np.testing.assert_allclose(np.asarray(back), values, atol=1e-6)


def test_wrong_channel_counts_are_refused():
    with pytest.raises(ConfigError, match="last axis must be 3"):
        ColourTransform.YCBCR.forward(np.zeros((4, 4), np.float32))
    for shape in [(3, 5), (3, 0), ()]:
        with pytest.raises(ConfigError, match="1 to 4"):
            ColourTransform.RGB.forward_channels(np.zeros(shape, np.float32))
