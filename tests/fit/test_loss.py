"""Distortions by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LossConfig
from inrc.errors import ConfigError
from inrc.fit.loss import pointwise, structural
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


def test_terms_are_weighted_and_add_up():
    mixed = LossConfig(mse=2.0, l1=3.0, log_cosh=0.5)
    parts = [LossConfig(mse=1.0), LOSSES["l1"], LOSSES["log-cosh"]]
    expected = sum(w * np.asarray(pointwise(part, ERRORS)) for w, part in zip((2.0, 3.0, 0.5), parts, strict=True))
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


def test_which_losses_look_at_neighbourhoods():
    assert [name for name, loss in LOSSES.items() if loss.structural] == ["visual", "ssim", "msssim"]


@pytest.mark.parametrize("weights", [{"mse": 0.0}, {"mse": -1.0}, {"l1": -0.1}])
def test_senseless_weights_are_config_errors(weights):
    with pytest.raises(ConfigError, match="loss weights"):
        LossConfig(**weights)
