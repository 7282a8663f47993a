"""Distortions by hand."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LossConfig
from inrc.errors import ConfigError
from inrc.fit.loss import distortion, pointwise, structural
from inrc.metrics.ssim import ssim_index
from inrc.presets import LOSSES

ERRORS = jnp.float32([0.0, 0.1, -0.1, 0.5, -1.0])


def test_mse_and_l1():
    np.testing.assert_allclose(pointwise(LossConfig(), ERRORS), [0, 0.01, 0.01, 0.25, 1.0], rtol=1e-6)
    np.testing.assert_allclose(pointwise(LOSSES["l1"], ERRORS), [0, 0.1, 0.1, 0.5, 1.0], rtol=1e-6)


def test_log_cosh_is_that_of_twice_the_error():
    # Its range is [-1, 1], ours [0, 1].
    expected = np.log(np.cosh(2 * np.asarray(ERRORS, np.float64)))
    np.testing.assert_allclose(pointwise(LOSSES["log-cosh"], ERRORS), expected, atol=1e-7)
    assert float(pointwise(LOSSES["log-cosh"], jnp.float32(0.1))) == pytest.approx(0.019868, abs=1e-6)


def test_log_cosh_near_zero_and_far_away():
    tiny = jnp.float32([1e-2, 1e-3])
    np.testing.assert_allclose(pointwise(LOSSES["log-cosh"], tiny), 2 * np.asarray(tiny) ** 2, atol=1.2e-7, rtol=1e-3)
    assert float(pointwise(LOSSES["log-cosh"], jnp.float32(500.0))) == pytest.approx(1000 - np.log(2))


@pytest.mark.parametrize(("error", "slope"), [(0.0, 0.0), (1e-4, 4e-4), (0.5, 2 * np.tanh(1.0)), (-300.0, -2.0)])
def test_the_slope_of_log_cosh_is_twice_the_hyperbolic_tangent(error, slope):
    gradient = jax.grad(lambda e: pointwise(LOSSES["log-cosh"], e))(jnp.float32(error))
    assert float(gradient) == pytest.approx(slope, rel=1e-3, abs=1e-7)


def test_charbonnier_is_half_of_that_of_twice_the_error():
    # NIF25's is sqrt(error^2 + 0.01^2) in a range of [-1, 1]. The constant that is taken off has no gradient.
    expected = (np.sqrt((2 * np.asarray(ERRORS, np.float64)) ** 2 + 0.01**2) - 0.01) / 2
    np.testing.assert_allclose(pointwise(LOSSES["charbonnier"], ERRORS), expected, rtol=1e-6)
    assert float(pointwise(LOSSES["charbonnier"], jnp.float32(0.005))) == pytest.approx(0.005 * (2**0.5 - 1))


def test_charbonnier_is_a_square_near_zero_and_linear_far_away():
    tiny = jnp.float32([1e-5, -1e-7])
    np.testing.assert_allclose(pointwise(LOSSES["charbonnier"], tiny), 100 * np.asarray(tiny) ** 2, rtol=1e-5)
    gradient = jax.vmap(jax.grad(lambda e: pointwise(LOSSES["charbonnier"], e)))
    np.testing.assert_allclose(gradient(jnp.float32([0.0, 0.5, -300.0])), [0, 1, -1], atol=1e-4)


def test_terms_are_weighted_and_add_up():
    mixed = LossConfig(mse=2.0, l1=3.0, log_cosh=0.5, charbonnier=4.0)
    parts = [LossConfig(mse=1.0), LOSSES["l1"], LOSSES["log-cosh"], LOSSES["charbonnier"]]
    expected = sum(w * np.asarray(pointwise(part, ERRORS)) for w, part in zip((2.0, 3.0, 0.5, 4.0), parts, strict=True))
    np.testing.assert_allclose(pointwise(mixed, ERRORS), expected, rtol=1e-6)


def test_structural_terms_are_one_minus_the_index():
    generator = np.random.default_rng(0)
    reference = jnp.asarray(generator.uniform(size=(1, 16, 16)), jnp.float32)
    decoded = reference + jnp.asarray(generator.normal(0, 0.1, (1, 16, 16)), jnp.float32)
    index = float(ssim_index(reference, decoded))
    assert 0.5 < index < 0.999
    assert float(structural(LossConfig(ssim=0.3), decoded, reference)) == pytest.approx(0.3 * (1 - index), rel=1e-5)
    assert float(structural(LossConfig(ssim=0.3), reference, reference)) == pytest.approx(0, abs=1e-6)
    assert float(structural(LossConfig(), decoded, reference)) == 0


def test_gradient_is_of_the_error_alone():
    reference = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 1, 3)), jnp.float32)
    ramp = jnp.float32([[[0.0, 0.1, 0.2]]] * 2) + 0.3  # half differences of 0.05, 0.1, 0.05 along the row
    expected = 3.0 * (0.05**2 + 0.1**2 + 0.05**2) / 3 / 2
    assert float(structural(LossConfig(gradient=3.0), reference + ramp, reference)) == pytest.approx(expected, rel=1e-5)
    assert float(structural(LossConfig(gradient=3.0), reference + 0.3, reference)) == pytest.approx(0, abs=1e-12)


def test_total_variation_is_compared_channel_by_channel():
    edge, flat = jnp.float32([[0.0, 1.0]]), jnp.float32([[0.5, 0.5]])  # 1 / 2 and 0 of a sample
    config = LossConfig(total_variation=3.0)
    assert float(structural(config, jnp.stack([edge, flat]), jnp.stack([flat, edge]))) == pytest.approx(1.5)
    assert float(structural(config, jnp.stack([edge, flat]), jnp.stack([flat, flat]))) == pytest.approx(0.75)
    assert float(structural(config, 1 - edge[None], edge[None])) == 0  # as much of it elsewhere


def test_which_losses_look_at_neighbourhoods():
    pointwise_names = {name for name, loss in LOSSES.items() if not loss.structural}
    assert pointwise_names == {"mse", "l1", "log-cosh", "charbonnier"}


TERMS = [LossConfig(**{"mse": 0.0, field.name: 1.0}) for field in dataclasses.fields(LossConfig)]


@pytest.mark.parametrize("shape", [(12, 16), (1, 7)])
def test_every_term_is_zero_of_equal_pictures_alone_and_has_a_finite_gradient(shape):
    reference = jnp.asarray(np.random.default_rng(0).uniform(size=(2, *shape)), jnp.float32)

    @jax.jit  # all in one program: compiling one by one takes most of the time
    def values_and_gradients(decoded):
        found = [jax.value_and_grad(distortion, 1)(term, decoded, reference) for term in TERMS]
        return jnp.stack([value for value, _ in found]), jnp.stack([gradient for _, gradient in found])

    for decoded in (0.9 * reference, jnp.full_like(reference, 0.5), reference):
        values, gradients = values_and_gradients(decoded)
        assert jnp.isfinite(gradients).all()
        if decoded is reference:
            np.testing.assert_allclose(values, 0, atol=1e-6)
        else:
            assert (values > 1e-4).all()


def test_weights_of_the_study_are_converted_to_the_unit_range():
    """In [-1, 1] errors are twice as large and SSIM is the same, so that these mixes are in a fixed proportion."""
    error = np.random.default_rng(0).normal(0, 0.05, 1000)
    square, magnitude = float(np.mean(error**2)), float(np.mean(abs(error)))
    log_cosh, structure = float(np.mean(np.log(np.cosh(2 * error)))), 0.3
    ours = {"mse": square, "l1": magnitude, "log_cosh": log_cosh, "ssim": structure}
    mse, l1 = 4 * square, 2 * magnitude
    theirs = {
        "log-cosh-ssim": (1, log_cosh + 0.01 * structure),
        "mse-ssim": (4, mse + 0.01 * structure),
        "l1-ssim": (2, l1 + 0.01 * structure),
        "mse-ssim-heavy": (4, 0.8 * mse + 0.2 * structure),
        "l1-ssim-heavy": (2, 0.8 * l1 + 0.2 * structure),
        "visual": (2, mse / 2 + 0.01 * structure),  # half a square for log-cosh
    }
    for name, (scale, value) in theirs.items():
        weights = dataclasses.asdict(LOSSES[name])
        assert scale * sum(weights[term] * ours.get(term, 0.0) for term in weights) == pytest.approx(value)


@pytest.mark.parametrize(
    "weights", [{"mse": 0.0}, {"mse": -1.0}, {"l1": -0.1}, {"gradient": -1.0}, {"l1": math.nan}, {"ssim": math.inf}]
)
def test_senseless_weights_are_config_errors(weights):
    with pytest.raises(ConfigError, match="loss weights"):
        LossConfig(**weights)
