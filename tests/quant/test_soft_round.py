"""Soft rounding and its noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.quant.soft_round import gaussian_noise, latent_surrogate, soft_round

X = jnp.linspace(-3.0, 3.0, 241)


def test_soft_rounding_lies_between_identity_and_rounding():
    np.testing.assert_allclose(soft_round(X, jnp.float32(20.0)), X, atol=1e-3)
    away = np.abs(X - np.floor(X) - 0.5) > 0.1
    np.testing.assert_allclose(soft_round(X, jnp.float32(0.02))[away], np.round(X)[away], atol=1e-3)
    # Whole and half numbers stay where they are at any temperature.
    fixed = jnp.arange(-3, 3, 0.5)
    np.testing.assert_allclose(soft_round(fixed, jnp.float32(0.3)), fixed, atol=1e-5)
    assert (np.diff(soft_round(X, jnp.float32(0.3))) > 0).all()


def test_noise_is_normal_and_new_at_every_step():
    noise = np.asarray(gaussian_noise(jnp.uint32(1), 200_000), np.float64)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.var() == pytest.approx(1, abs=0.01)
    assert (noise**3).mean() == pytest.approx(0, abs=0.03)
    assert np.mean(np.abs(noise) < 1) == pytest.approx(0.6827, abs=0.02)
    other = np.asarray(gaussian_noise(jnp.uint32(2), 200_000))
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.01
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.01


def test_hard_latents_are_rounded_and_still_move():
    def total(x, hard):
        return jnp.sum(latent_surrogate(x, jnp.float32(0.2), 0.1 * jnp.ones_like(x), hard) * jnp.arange(x.size))

    hard = latent_surrogate(X, jnp.float32(0.2), jnp.ones_like(X), jnp.float32(1))
    np.testing.assert_array_equal(hard, jnp.round(X))
    np.testing.assert_array_equal(jax.grad(total)(X, jnp.float32(1)), np.arange(X.size))
    soft = latent_surrogate(X, jnp.float32(0.2), jnp.zeros_like(X), jnp.float32(0))
    np.testing.assert_allclose(soft, soft_round(soft_round(X, jnp.float32(0.2)), jnp.float32(0.2)), atol=1e-6)
