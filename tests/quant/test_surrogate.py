"""Stand-ins for rounding: noise of the right law, hard rounding, and gradients that pass through."""

import jax
import jax.numpy as jnp
import numpy as np

from inrc.quant import companded, uniform
from inrc.quant.surrogate import companded as compand
from inrc.quant.surrogate import expanded, exponents_of, on_ladder, surrogate, uniform_noise

X = jnp.float32([[-1.7, -0.5, 0.0], [0.49, 0.51, 3.2]])
NOISE = jnp.float32([[0.1, -0.2, 0.3], [-0.4, 0.0, 0.5]])


def test_without_noise_and_rounding_nothing_happens():
    np.testing.assert_array_equal(surrogate(X, jnp.zeros_like(X), jnp.float32(0)), X)


def test_noise_is_added():
    np.testing.assert_allclose(surrogate(X, NOISE, jnp.float32(0)), X + NOISE, atol=1e-7)


def test_hard_rounds_and_ignores_noise():
    np.testing.assert_array_equal(surrogate(X, NOISE, jnp.float32(1)), [[-2, 0, 0], [0, 1, 3]])


def test_the_gradient_passes_through_unchanged():
    for hard in (0.0, 1.0):
        gradient = jax.grad(lambda x, h=hard: jnp.sum(X * surrogate(x, NOISE, jnp.float32(h))))(X)
        np.testing.assert_array_equal(gradient, X)


def test_noise_is_uniform_and_uncorrelated():
    draws = np.stack([np.asarray(uniform_noise(jnp.uint32(seed), 4000)) for seed in range(16)])
    assert draws.min() >= -0.5
    assert draws.max() < 0.5
    np.testing.assert_allclose(np.histogram(draws, 10, (-0.5, 0.5))[0] / draws.size, 0.1, atol=0.005)
    assert abs(draws.mean()) < 0.005
    assert abs(draws.var() - 1 / 12) < 0.001
    between_seeds = np.corrcoef(draws) - np.eye(16)
    between_neighbours = np.corrcoef(draws[:, 1:].ravel(), draws[:, :-1].ravel())[0, 1]
    assert np.abs(between_seeds).max() < 0.08  # five standard deviations of 4000 draws
    assert abs(between_neighbours) < 0.02


def test_the_same_seed_gives_the_same_noise_and_another_another():
    first, again, other = (np.asarray(uniform_noise(jnp.uint32(s), 50)) for s in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_noise_of_a_seed_never_changes():
    frozen = [0.44918888807296753, -0.3330134153366089, 0.3420346975326538, -0.13440382480621338]
    np.testing.assert_array_equal(uniform_noise(jnp.uint32(3), 4), np.array(frozen, np.float32))


def test_steps_come_from_the_ladder_and_not_from_beyond_its_ends():
    steps = np.array([1e-12, 6.1e-8, 0.013, 0.9, 77.0, 1e9], np.float32)
    expected = uniform.steps_of_indices(uniform.indices_of_steps(steps))
    np.testing.assert_allclose(np.exp(on_ladder(jnp.log(steps))), expected, rtol=2e-6)


def test_exponents_are_those_of_the_file_whatever_the_padding():
    generator = np.random.default_rng(0)
    matrices = [generator.laplace(0, 3, (5, 9)), generator.normal(0, 0.1, (3, 4)), np.zeros((2, 2))]
    x, mask = np.zeros((2, 3, 5, 9), np.float32)
    for i, matrix in enumerate(matrices):
        rows, columns = matrix.shape
        x[i, :rows, :columns], mask[i, :rows, :columns] = matrix, 1
    expected = [companded.exponent_of(companded.power_of(matrix.astype(np.float32))) for matrix in matrices]
    np.testing.assert_array_equal(exponents_of(jnp.asarray(x), jnp.asarray(mask)), expected)


def test_powers_undo_roots():
    x = jnp.float32([-40.3, -1.0, -0.02, 0.0, 0.7, 1234.5])
    np.testing.assert_allclose(expanded(compand(x, jnp.float32(1.3)), jnp.float32(1.3)), x, rtol=1e-5)
