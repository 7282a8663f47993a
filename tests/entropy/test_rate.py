"""The differentiable rate: a twin of the tables, and of what the adaptive coder writes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.entropy import coder, tables
from inrc.entropy.rate import laplace_bits, total_bits


@pytest.mark.parametrize("index", range(4, 64, 4))
def test_bits_of_whole_numbers_are_those_of_the_tables(index):
    largest = tables.max_magnitude(index)
    values = jnp.arange(-largest, largest + 1, dtype=jnp.float32)
    counts = tables.frequencies(index)[:-1]
    bits = np.asarray(laplace_bits(values, jnp.float32(tables.scale_of_index(index))), np.float64)
    excess = counts - 2.0 ** (24 - bits)
    # One count for each symbol, the rest by mass and rounded down; zero takes what all others leave.
    rounding = 2 + (2 * largest + 2) * counts / 2**24 + 4e-6 * counts
    rounding[largest] += 2 * largest
    np.testing.assert_array_less(np.abs(excess), rounding)


def test_known_values():
    # P(0) = 1 - exp(-1 / 2b); P(1) = exp(-1 / 2b) (1 - exp(-1 / b)) / 2.
    for scale in (0.3, 1.0, 7.5):
        t = np.exp(-1 / scale)
        expected = [-np.log2(1 - np.sqrt(t)), -np.log2(np.sqrt(t) * (1 - t) / 2)]
        np.testing.assert_allclose(laplace_bits(jnp.float32([0, 1]), jnp.float32(scale)), expected, rtol=1e-5)


def test_the_masses_of_whole_numbers_add_up_to_one():
    values = jnp.arange(-4000, 4001, dtype=jnp.float32)
    for scale in (0.1, 2.0, 100.0):
        assert float(jnp.sum(2.0 ** -laplace_bits(values, jnp.float32(scale)))) == pytest.approx(1.0, abs=1e-4)


def test_bits_and_their_slope_have_no_jump_at_half_a_step():
    just = jnp.float32([0.5 - 1e-4, 0.5 + 1e-4])
    for scale in (0.2, 1.0, 5.0):
        below, above = np.asarray(laplace_bits(just, jnp.float32(scale)))
        slopes = np.asarray(jax.vmap(jax.grad(lambda x, s=scale: laplace_bits(x, jnp.float32(s))))(just))
        assert above - below == pytest.approx(slopes.mean() * 2e-4, abs=1e-5)
        assert slopes[0] == pytest.approx(slopes[1], rel=2e-2)


def test_gradients_are_finite_everywhere():
    values = jnp.float32([0.0, 1e-20, 0.5, -0.5, 1e4, -1e6])
    for scale in (0.0, 1e-9, 1.0, 1e5):
        by_value, by_scale = jax.vmap(jax.grad(laplace_bits, argnums=(0, 1)), in_axes=(0, None))(
            values, jnp.float32(scale)
        )
        assert np.isfinite(by_value).all()
        assert np.isfinite(by_scale).all()
    assert np.asarray(jax.grad(lambda x: total_bits([x]).sum())(jnp.zeros((3, 4)))).sum() == 0


def test_a_rounded_matrix_costs_about_what_the_coder_writes():
    generator = np.random.default_rng(0)
    scales = np.exp(generator.normal(0, 0.7, (40, 1)) + generator.normal(0, 0.7, (1, 50)))
    matrices = [np.rint(generator.laplace(0, 2 * scales)).astype(np.int32), np.zeros((5, 8), np.int32)]
    estimate = float(total_bits([jnp.asarray(m, jnp.float32) for m in matrices]))
    # The twin knows every mean beforehand; the coder has to learn them.
    assert estimate < coder.ideal_bits([], matrices) < 1.1 * estimate


def test_total_bits_is_the_sum_over_matrices():
    generator = np.random.default_rng(1)
    parts = [jnp.asarray(generator.normal(0, 3, shape), jnp.float32) for shape in ((4, 5), (7, 2))]
    alone = sum(float(total_bits([part])) for part in parts)
    assert float(total_bits(parts)) == pytest.approx(alone, rel=1e-6)
