"""The differentiable rate model against the tables, and against what the adaptive coder writes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.entropy import coder, tables
from inrc.entropy.rate import _mean_magnitude, laplace_bits, stacked_bits, total_bits
from tests.entropy.priors import with_prior


@jax.jit
def flat_bits(*matrices) -> jax.Array:
    """Bits under a prior that is the same for all integers."""
    return total_bits(matrices, [jnp.full(m.shape, 1e6, jnp.float32) for m in matrices])


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
        slopes = np.asarray(jax.jit(jax.vmap(jax.grad(lambda x, s=scale: laplace_bits(x, jnp.float32(s)))))(just))
        assert above - below == pytest.approx(slopes.mean() * 2e-4, abs=1e-5)
        assert slopes[0] == pytest.approx(slopes[1], rel=2e-2)


def test_gradients_are_finite_everywhere():
    values = jnp.float32([0.0, 1e-20, 0.5, -0.5, 1e4, -1e6])
    for scale in (0.0, 1e-9, 1.0, 1e5):
        by_value, by_scale = jax.jit(jax.vmap(jax.grad(laplace_bits, argnums=(0, 1)), in_axes=(0, None)))(
            values, jnp.float32(scale)
        )
        assert np.isfinite(by_value).all()
        assert np.isfinite(by_scale).all()
    assert np.asarray(jax.grad(flat_bits)(jnp.zeros((3, 4)))).sum() == pytest.approx(0.0, abs=1e-8)


def test_a_rounded_matrix_costs_about_what_the_coder_writes():
    generator = np.random.default_rng(0)
    scales = np.exp(generator.normal(0, 0.7, (40, 1)) + generator.normal(0, 0.7, (1, 50)))
    matrices = [np.rint(generator.laplace(0, 2 * scales)).astype(np.int32), np.zeros((5, 8), np.int32)]
    estimate = float(flat_bits(*(jnp.asarray(m, jnp.float32) for m in matrices)))
    # The rate model knows every mean beforehand; the coder has to learn them.
    assert estimate < coder.ideal_bits([], matrices) < 1.1 * estimate


def test_total_bits_is_the_sum_over_matrices():
    generator = np.random.default_rng(1)
    parts = [jnp.asarray(generator.normal(0, 3, shape), jnp.float32) for shape in ((4, 5), (7, 2))]
    alone = sum(float(flat_bits(part)) for part in parts)
    assert float(flat_bits(*parts)) == pytest.approx(alone, rel=1e-6)


class TestPriors:
    @pytest.mark.parametrize(("median", "learning"), [(0.2, 1.07), (1.0, 1.04), (5.0, 1.03)])
    def test_integers_cost_about_what_the_coder_writes(self, median, learning):
        matrices, exponents = with_prior(median, size=2)
        scales = [jnp.asarray(2.0 ** (e / 8), jnp.float32) for e in exponents]
        estimate = float(total_bits([jnp.asarray(m, jnp.float32) for m in matrices], scales))
        assert 0.99 * estimate < coder.ideal_bits([], matrices, exponents) < learning * estimate

    def test_only_ratios_matter_far_above_a_step(self):
        generator = np.random.default_rng(2)
        x = jnp.asarray(generator.laplace(0, 3, (20, 30)), jnp.float32)
        scales = jnp.asarray(generator.uniform(1, 9, (20, 30)), jnp.float32)
        one, other = (float(total_bits([x], [factor * scales])) for factor in (1e3, 1e5))
        assert one == pytest.approx(other, rel=1e-4)

    @pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 4.0, 50.0])
    def test_magnitudes_are_expected_as_they_come(self, scale):
        generator = np.random.default_rng(3)
        drawn = generator.laplace(0, scale, 400_000)
        noisy = np.abs(drawn + generator.uniform(-0.5, 0.5, drawn.size)).mean()
        rounded = np.abs(np.rint(drawn)).mean()
        assert float(_mean_magnitude(jnp.float32(scale), 0.0)) == pytest.approx(noisy, rel=0.01)
        assert float(_mean_magnitude(jnp.float32(scale), 1.0)) == pytest.approx(rounded, rel=0.01, abs=1e-4)

    @pytest.mark.parametrize("hard", [0.0, 1.0])
    def test_gradients_are_finite_for_every_scale(self, hard):
        x = jnp.float32([[0.0, 0.5, -3.0, 1e4]])
        for scale in (1e-9, 0.05, 1.0, 1e3, 1e13):
            scales = jnp.full((1, 4), scale, jnp.float32)
            for part in jax.jit(jax.grad(lambda x, s: total_bits([x], [s], hard), argnums=(0, 1)))(x, scales):
                assert np.isfinite(part).all()

    def test_a_scale_that_fits_is_the_cheapest(self):
        # Small and large magnitudes alternate, so that neither units nor inputs tell them apart.
        small = np.indices((30, 30)).sum(0) % 2 == 0
        drawn = np.random.default_rng(4).laplace(0, np.where(small, 0.2, 5.0))
        costs = [
            float(total_bits([jnp.asarray(np.rint(drawn), jnp.float32)], [jnp.where(small, scale, jnp.float32(5.0))]))
            for scale in (0.02, 0.2, 1.0, 5.0, 50.0)
        ]
        assert min(costs) == costs[1]
        assert costs[1] < 0.9 * costs[3]


def test_stacked_matrices_cost_what_they_do_alone():
    generator = np.random.default_rng(0)
    shapes = [(3, 8), (5, 6)]
    x, scale, mask = (np.full((2, 5, 8), value, np.float32) for value in (0.0, 3.0, 0.0))
    matrices, scales = [], []
    for i, (rows, columns) in enumerate(shapes):
        matrices.append(generator.laplace(scale=3.0, size=(rows, columns)).astype(np.float32))
        scales.append(generator.uniform(0.1, 9.0, (rows, columns)).astype(np.float32))
        x[i, :rows, :columns], scale[i, :rows, :columns], mask[i, :rows, :columns] = matrices[-1], scales[-1], 1.0
    together = jax.jit(jax.value_and_grad(stacked_bits, (0, 1)))
    alone = jax.jit(jax.value_and_grad(total_bits, (0, 1)))
    for hard in (0.0, 1.0):
        bits, gradients = together(x, scale, mask, hard)
        expected, pieces = alone(matrices, scales, hard)
        assert bits == pytest.approx(float(expected), rel=1e-5)
        for gradient, wanted in zip(gradients, pieces, strict=True):
            assert not np.asarray(gradient)[mask == 0].any()
            for i, (rows, columns) in enumerate(shapes):
                np.testing.assert_allclose(gradient[i, :rows, :columns], wanted[i], rtol=1e-4, atol=1e-5)


def test_tables_cost_what_the_coder_takes():
    generator = np.random.default_rng(1)
    table = np.rint(generator.laplace(scale=2.0, size=(2, 900))).astype(np.int32)
    coded = coder.ideal_bits((), [table])
    x, ones = table[None].astype(np.float32), np.ones((1, 2, 900), np.float32)
    bits, by_column = (
        float(jax.jit(functools.partial(stacked_bits, by_column=flag))(x, 1e6 * ones, ones)) for flag in (False, True)
    )
    assert bits < coded < 1.05 * bits  # the coder learns its means on the way
    # By the means of columns, two numbers would tell of each other.
    assert by_column < 0.9 * coded
