"""Weights in stacks: quantised, rated, and the steps that a fixed number of bits gives them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.entropy.rate import laplace_bits
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stacks import Stacks, stacked, stacked_scalars, stacks_of, unstacked_scalars
from inrc.fit.task import Start
from inrc.fit.weights import (
    Matrices,
    Prior,
    first_weights,
    log_steps_of_bits,
    matrices_of,
    prior_of,
    quantised,
    steps_of,
)

LAYOUT = (("a", (2, 2)), ("b", (1, 1)))
STACKS = stacks_of(LAYOUT, 512)
PARAMS = {"a": jnp.float32([[0.32, -0.11], [1.0, 0.02]]), "b": jnp.float32([[3.3]])}
LOG_STEPS = {"a": jnp.log(jnp.float32(0.125)), "b": jnp.log(jnp.float32(0.25))}
FLAT = prior_of(STACKS, None)


def prior(mean: Matrices, scale: Matrices) -> Prior:
    """The prior of a start."""
    means, scales = ({name: np.asarray(matrix) for name, matrix in tree.items()} for tree in (mean, scale))
    return prior_of(STACKS, Start(means, scales))


def quantised_weights(
    prior: Prior = FLAT, log_steps: Matrices = LOG_STEPS, *, noise: int = 0, hard: int = 0, seed: int = 0
) -> tuple[Matrices, float]:
    """(the weights with the surrogate applied, their bits)."""
    state = first_weights(STACKS, OptimiserConfig(), PARAMS, log_steps)
    matrices, bits = quantised(STACKS, state, prior, jnp.float32(noise), jnp.float32(hard), jnp.uint32(seed))
    return matrices, float(bits)


def test_hard_rounding_gives_whole_steps():
    matrices, _ = quantised_weights(hard=1)
    np.testing.assert_allclose(matrices["a"], [[0.375, -0.125], [1.0, 0.0]], rtol=1e-5)
    np.testing.assert_allclose(matrices["b"], [[3.25]], rtol=1e-5)


def test_noise_is_at_most_half_a_step_and_changes_with_the_seed():
    draws = [quantised_weights(noise=1, seed=seed)[0] for seed in (0, 1)]
    for matrices in draws:
        assert 0 < np.abs(matrices["a"] - PARAMS["a"]).max() <= 0.0625
        assert 0 < np.abs(matrices["b"] - PARAMS["b"]).max() <= 0.125
    assert not np.array_equal(draws[0]["a"], draws[1]["a"])


def test_larger_steps_cost_fewer_bits():
    costs = []
    for factor in (0.4, 1.0, 2.5):
        log_steps = {name: value + jnp.log(factor) for name, value in LOG_STEPS.items()}
        costs.append(quantised_weights(log_steps=log_steps)[1])
    assert costs[0] > costs[1] > costs[2] > 0


def test_without_a_prior_bits_are_those_of_the_matrices_own_means():
    _, bits = quantised_weights(hard=1)
    expected = 0.0
    for integers in ([[3, -1], [8, 0]], [[13]]):
        x = jnp.float32(integers)
        magnitude = jnp.abs(x) + 0.01
        scale = magnitude.mean(1, keepdims=True) * magnitude.mean(0, keepdims=True) / magnitude.mean()
        expected += float(jnp.sum(laplace_bits(x, scale)))
    assert bits == pytest.approx(expected, rel=1e-5)


def test_differences_from_the_mean_are_what_is_rounded_and_counted():
    mean = {"a": jnp.float32([[0.3, -0.1], [0.95, 0.0]]), "b": jnp.float32([[3.2]])}
    matrices, bits = quantised_weights(
        prior(mean, {name: jnp.full_like(matrix, 0.01) for name, matrix in mean.items()}), hard=1
    )
    for name in mean:
        np.testing.assert_array_equal(matrices[name], mean[name])
    assert bits < 0.01


def test_weights_that_differ_as_expected_cost_less_than_others():
    mean = jax.tree.map(jnp.zeros_like, PARAMS)
    right = {"a": jnp.float32([[0.3, 0.1], [1.0, 0.02]]), "b": jnp.float32([[3.0]])}
    wrong = {"a": jnp.float32([[0.02, 1.0], [0.1, 0.3]]), "b": jnp.float32([[3.0]])}
    costs = [quantised_weights(prior(mean, scale), hard=1)[1] for scale in (right, wrong)]
    assert costs[0] < costs[1] - 0.5


def test_fixed_bits_span_the_differences():
    ones = {name: jnp.ones_like(matrix) for name, matrix in PARAMS.items()}
    own = prior({"a": jnp.full((2, 2), 0.02), "b": jnp.float32([[3.0]])}, ones)
    log_steps = unstacked_scalars(STACKS, log_steps_of_bits(stacked(STACKS, PARAMS), own, 3))
    assert float(jnp.exp(log_steps["a"])) == pytest.approx(2 * 0.98 / 7, rel=1e-5)
    assert float(jnp.exp(log_steps["b"])) == pytest.approx(2 * 0.3 / 7, rel=1e-5)


def test_padding_has_no_gradient_and_costs_nothing():
    """Neither the rate nor the matrices depend on what is in the padding of a stack."""
    layout = (("tall", (9, 2)), ("wide", (2, 5)), ("row", (1, 3)))
    stacks = stacks_of(layout, 512)
    assert len(stacks) == 1
    generator = np.random.default_rng(0)
    params = {name: jnp.asarray(generator.normal(size=shape), jnp.float32) for name, shape in layout}
    state = first_weights(stacks, OptimiserConfig(), params, {name: jnp.float32(-2.0) for name in params})

    def cost(params: Stacks, log_steps: Stacks):
        moved = state._replace(params=params, log_steps=log_steps)
        matrices, bits = quantised(stacks, moved, prior_of(stacks, None), jnp.float32(1), jnp.float32(0), jnp.uint32(3))
        return bits + sum(jnp.sum(matrix**2) for matrix in matrices.values())

    gradient, step_gradient = jax.grad(cost, (0, 1))(state.params, state.log_steps)
    (stack,) = stacks
    mask = stack.mask()
    assert (np.asarray(gradient[stack.key])[mask == 0] == 0).all()
    assert (np.asarray(gradient[stack.key])[mask == 1] != 0).all()
    assert (np.asarray(step_gradient[stack.key]) != 0).all()


def test_matrices_and_steps_come_back_in_the_order_of_the_layout():
    in_stacks = {key: np.asarray(x) for key, x in stacked(STACKS, PARAMS).items()}
    vectors = {key: np.asarray(x) for key, x in stacked_scalars(STACKS, LOG_STEPS).items()}
    for names in (("a", "b"), ("b", "a")):
        matrices, steps = matrices_of(STACKS, names, in_stacks), steps_of(STACKS, names, vectors)
        assert tuple(matrices) == tuple(steps) == names
        for name in names:
            np.testing.assert_array_equal(matrices[name], PARAMS[name])
    assert steps == pytest.approx({"a": 0.125, "b": 0.25})
