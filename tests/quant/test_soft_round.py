"""Soft rounding and its noise."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.quant.soft_round import (
    conditional_mean,
    gaussian_noise,
    kumaraswamy_noise,
    latent_noise,
    latent_surrogate,
    soft_round,
    soft_round_inverse,
)
from inrc.training import LatentNoise, LatentRounding, SoftRounding

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


def test_inverse_of_soft_rounding():
    # Away from half numbers, where the staircase is steep and float32 ends.
    x = jnp.linspace(-3.0, 3.0, 121) + 0.013
    there_and_back = jax.jit(lambda x, temperature: soft_round_inverse(soft_round(x, temperature), temperature))
    for temperature in (0.1, 0.3, 1.0):
        np.testing.assert_allclose(there_and_back(x, jnp.float32(temperature)), x, atol=2e-3)
    assert np.isfinite(jax.jit(jax.grad(lambda x: soft_round_inverse(x, jnp.float32(1e-4)).sum()))(x)).all()


@pytest.mark.parametrize("temperature", [0.1, 0.3])
def test_conditional_mean_is_the_mean_of_what_leads_there(temperature):
    # Of all x, spread evenly, those whose soft rounding lies within half a step of z lead to z by uniform noise.
    x = np.linspace(-3, 3, 1_200_001)
    rounded = np.floor(x) + 0.5 + 0.5 * np.tanh((x - np.floor(x) - 0.5) / temperature) / np.tanh(0.5 / temperature)
    for z in (-0.9, -0.3, 0.0, 0.2, 0.45, 1.1):
        mean = x[np.abs(rounded - z) < 0.5].mean()
        assert float(conditional_mean(jnp.float32(z), jnp.float32(temperature))) == pytest.approx(mean, abs=2e-3)


@pytest.mark.parametrize("a", [1.0, 1.5, 2.0])
def test_kumaraswamy_noise_has_its_moments_and_its_mode_at_zero(a):
    b = (2**a * (a - 1) + 1) / a
    noise = np.asarray(kumaraswamy_noise(jnp.uint32(3), 400_000, jnp.float32(a)), np.float64)
    first, second = (b * math.gamma(1 + n / a) * math.gamma(b) / math.gamma(1 + n / a + b) for n in (1, 2))
    assert noise.mean() == pytest.approx(first - 0.5, abs=2e-3)
    assert noise.var() == pytest.approx(second - first**2, rel=0.01)
    assert noise.min() >= -0.5
    assert noise.max() <= 0.5
    density, edges = np.histogram(noise, bins=25, range=(-0.5, 0.5), density=True)
    if a == 1.0:
        assert noise.var() == pytest.approx(1 / 12, rel=0.01)
        np.testing.assert_allclose(density, 1.0, atol=0.04)
    else:
        assert abs(edges[density.argmax()] + 0.02) <= 0.09
        x = 0.5 + (edges[1:] + edges[:-1]) / 2
        np.testing.assert_allclose(density, a * b * x ** (a - 1) * (1 - x**a) ** (b - 1), atol=0.05)


def test_kinds_of_noise_have_their_size_and_sign():
    seed, size = jnp.uint32(5), 50_000

    def noise(kind, amount, sign=1.0):
        return np.asarray(latent_noise(kind, seed, size, jnp.float32(amount), jnp.float32(sign)), np.float64)

    assert noise(LatentNoise.GAUSSIAN, 0.2).std() == pytest.approx(0.2, rel=0.01)
    assert noise(LatentNoise.UNIFORM, 0.5).std() == pytest.approx(0.5 * 12**-0.5, rel=0.01)
    np.testing.assert_allclose(noise(LatentNoise.KUMARASWAMY, 1.0), noise(LatentNoise.UNIFORM, 1.0), atol=1e-6)
    # A stage that rounds has noise of size 0, which is no parameter of the distribution.
    np.testing.assert_array_equal(noise(LatentNoise.KUMARASWAMY, 0.0), noise(LatentNoise.KUMARASWAMY, 1.0))
    for kind in LatentNoise:
        np.testing.assert_array_equal(noise(kind, 1.5, sign=-1.0), -noise(kind, 1.5))


def test_what_published_systems_put_in_place_of_rounding():
    noise, cold = 0.3 * jnp.cos(7 * X), jnp.float32(0.2)
    uniform = LatentRounding(LatentNoise.UNIFORM, SoftRounding.NONE)
    np.testing.assert_array_equal(latent_surrogate(X, cold, noise, jnp.float32(0), uniform), X + noise)
    c3 = LatentRounding(LatentNoise.KUMARASWAMY, SoftRounding.CONDITIONAL_MEAN, soft_gradient=True)
    expected = conditional_mean(soft_round(X, cold) + noise, cold)
    np.testing.assert_allclose(latent_surrogate(X, cold, noise, jnp.float32(0), c3), expected, atol=1e-6)

    def slope(hard: float, temperature: float):
        def total(x):
            return latent_surrogate(x, jnp.float32(temperature), noise, jnp.float32(hard), c3).sum()

        return np.asarray(jax.grad(total)(X))

    np.testing.assert_allclose(latent_surrogate(X, cold, noise, jnp.float32(1), c3), jnp.round(X), atol=1e-6)
    ours = np.asarray(jax.grad(lambda x: soft_round(x, cold).sum())(X))
    np.testing.assert_allclose(slope(1.0, 0.2), ours, rtol=1e-5)
    # Nearly cold, only latents at half numbers have a gradient; it is finite, and none of it comes from the noise.
    near = np.abs(X - np.floor(X) - 0.5) < 0.01
    assert np.isfinite(slope(1.0, 1e-4)).all()
    np.testing.assert_allclose(slope(1.0, 1e-4)[~near], 0.0, atol=1e-6)
    assert (slope(1.0, 1e-4)[near] > 100).all()
