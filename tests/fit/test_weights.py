"""Weights in stacks: quantised, rated, and the steps that a fixed number of bits gives them."""

import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.codec import weights
from inrc.config import WeightStorage
from inrc.entropy.rate import laplace_bits
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stacks import Stacks, stacked, stacked_scalars, stacks_of, unstacked, unstacked_scalars
from inrc.fit.task import Start
from inrc.fit.weights import (
    Matrices,
    Prior,
    WeightsState,
    first_weights,
    log_steps_of_bits,
    matrices_of,
    prior_of,
    quantised,
    steps_of,
)
from inrc.quant import companded, half

LAYOUT = (("a", (2, 2)), ("b", (1, 1)))
STACKS = stacks_of(LAYOUT, 512)
PARAMS = {"a": jnp.float32([[0.32, -0.11], [1.0, 0.02]]), "b": jnp.float32([[3.3]])}
LOG_STEPS = {"a": jnp.log(jnp.float32(0.125)), "b": jnp.log(jnp.float32(0.25))}
FLAT = prior_of(STACKS, None)
QUANTISED = jax.jit(quantised, static_argnums=(0, 6))


def prior(mean: Matrices, scale: Matrices) -> Prior:
    """The prior of a start."""
    means, scales = ({name: np.asarray(matrix) for name, matrix in tree.items()} for tree in (mean, scale))
    return prior_of(STACKS, Start(means, scales))


def quantised_weights(
    prior: Prior = FLAT, log_steps: Matrices = LOG_STEPS, *, noise: int = 0, hard: int = 0, seed: int = 0
) -> tuple[Matrices, float]:
    """(the weights with the surrogate applied, their bits)."""
    state = first_weights(STACKS, OptimiserConfig(), PARAMS, log_steps)
    matrices, bits = QUANTISED(STACKS, state, prior, jnp.float32(noise), jnp.float32(hard), jnp.uint32(seed))
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
    log_steps = unstacked_scalars(STACKS, log_steps_of_bits(STACKS, stacked(STACKS, PARAMS), own, 3))
    assert float(jnp.exp(log_steps["a"])) == pytest.approx(2 * 0.98 / 7, rel=1e-5)
    assert float(jnp.exp(log_steps["b"])) == pytest.approx(2 * 0.3 / 7, rel=1e-5)


class TestStorage:
    """Weights that files hold as powers of integers or as binary16 numbers."""

    layout = (("tall", (12, 7)), ("wide", (6, 12)), ("zero", (2, 9)), ("large", (12, 50)))
    stacks = stacks_of(layout, 512)
    generator = np.random.default_rng(0)
    params: typing.ClassVar = {
        "tall": generator.normal(0, 0.3, (12, 7)).astype(np.float32),
        "wide": generator.laplace(0, 0.02, (6, 12)).astype(np.float32),
        "zero": np.zeros((2, 9), np.float32),
        "large": generator.uniform(-1, 1, (12, 50)).astype(np.float32),
    }

    def state(self, storage: WeightStorage, weight_bits: float = 6.3) -> WeightsState:
        params = {name: jnp.asarray(matrix) for name, matrix in self.params.items()}
        state = first_weights(self.stacks, OptimiserConfig(), params, {name: jnp.float32(-3.0) for name in params})
        steps = log_steps_of_bits(self.stacks, state.params, prior_of(self.stacks, None), weight_bits, storage)
        return state._replace(log_steps=steps)

    def seen(self, state: WeightsState, storage: WeightStorage, noise: int = 0, hard: int = 0):
        flat = prior_of(self.stacks, None)
        numbers = jnp.float32(noise), jnp.float32(hard), jnp.uint32(3)
        return QUANTISED(self.stacks, state, flat, *numbers, storage)

    @pytest.mark.parametrize("storage", [WeightStorage.COMPANDED, WeightStorage.HALF])
    def test_rounded_weights_are_those_of_the_file(self, storage):
        state = self.state(storage)
        matrices, _ = self.seen(state, storage, hard=1)
        names = tuple(name for name, _ in self.layout)
        steps = steps_of(self.stacks, names, {key: np.asarray(x) for key, x in state.log_steps.items()})
        stored = weights.quantise(self.params, steps, storage=storage)
        for name, matrix in weights.dequantise(self.layout, stored).items():
            np.testing.assert_allclose(matrices[name], matrix, rtol=3e-6, err_msg=name)
        if storage is WeightStorage.COMPANDED:
            levels = (2.0**6.3 - 1) / 2
            exact = {
                name: np.abs(matrix).max() / levels ** companded.exponent_of(companded.power_of(matrix))
                for name, matrix in self.params.items()
                if name != "zero"
            }
            assert {name: steps[name] for name in exact} == pytest.approx(exact, rel=1e-4)
            largest = [int(np.abs(integers).max()) for integers in stored.integers]
            assert all(36 <= n <= 41 for n in (largest[0], largest[1], largest[3]))  # (2^6.3 - 1) / 2 is 38.9
            assert len({*stored.powers}) == 4

    def test_noise_is_at_most_half_an_integer_in_the_companded_domain(self):
        state = self.state(WeightStorage.COMPANDED)
        noisy, _ = self.seen(state, WeightStorage.COMPANDED, noise=1)
        still, _ = self.seen(state, WeightStorage.COMPANDED)
        log_steps = unstacked_scalars(self.stacks, state.log_steps)
        for name in ("tall", "wide", "large"):
            np.testing.assert_allclose(still[name], self.params[name], rtol=1e-4, atol=1e-5)
            exponent, step = companded.exponent_of(companded.power_of(self.params[name])), np.exp(log_steps[name])
            roots = [np.sign(x) * np.abs(np.asarray(x) / step) ** (1 / exponent) for x in (noisy[name], still[name])]
            assert 0.4 < np.abs(roots[0] - roots[1]).max() < 0.51

    @pytest.mark.parametrize("storage", [WeightStorage.COMPANDED, WeightStorage.HALF])
    @pytest.mark.parametrize(("noise", "hard"), [(0, 0), (1, 0), (0, 1)])
    def test_the_gradient_of_the_distortion_is_that_of_the_weights(self, storage, noise, hard):
        state = self.state(storage)

        def total(params: Stacks) -> jax.Array:
            matrices, _ = self.seen(state._replace(params=params), storage, noise, hard)
            return sum((jnp.sum((i + 1.0) * matrices[name]) for i, (name, _) in enumerate(self.layout)), jnp.float32(0))

        gradient = jax.jit(jax.grad(total))(state.params)
        matrices = unstacked(self.stacks, gradient)
        for i, (name, shape) in enumerate(self.layout):
            np.testing.assert_allclose(matrices[name], np.full(shape, i + 1.0))
        for stack in self.stacks:
            assert (np.asarray(gradient[stack.key])[stack.mask() == 0] == 0).all()

    def test_the_rate_of_companded_weights_has_a_finite_gradient(self):
        state = self.state(WeightStorage.COMPANDED)

        def bits(params: Stacks, log_steps: Stacks) -> jax.Array:
            moved = state._replace(params=params, log_steps=log_steps)
            return self.seen(moved, WeightStorage.COMPANDED, noise=1)[1]

        gradients = jax.jit(jax.grad(bits, (0, 1)))(state.params, state.log_steps)
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradients))
        (large,) = [stack for stack in self.stacks if "large" in stack.names]
        assert (gradients[1][large.key] < 0).all()  # larger steps cost less

    def test_binary16_numbers_are_rounded_at_the_end_and_cost_nothing(self):
        values = np.array([[1 / 3, -70000.0, 65519.0, 3e-6, -1e-8, 2.0**-14, 6.1e-5, 0.0]], np.float32)
        stacks = stacks_of((("a", (1, 8)),), 512)
        state = first_weights(stacks, OptimiserConfig(), {"a": jnp.asarray(values)}, {"a": jnp.float32(0)})
        for noise, hard in ((0, 0), (1, 0), (0, 1)):
            numbers = jnp.float32(noise), jnp.float32(hard), jnp.uint32(3)
            matrices, bits = QUANTISED(stacks, state, prior_of(stacks, None), *numbers, WeightStorage.HALF)
            assert bits == 0
            expected = half.joined(*half.split(values)) if hard else values
            np.testing.assert_array_equal(matrices["a"], expected)


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
        matrices, bits = QUANTISED(stacks, moved, prior_of(stacks, None), jnp.float32(1), jnp.float32(0), jnp.uint32(3))
        return bits + sum(jnp.sum(matrix**2) for matrix in matrices.values())

    gradient, step_gradient = jax.jit(jax.grad(cost, (0, 1)))(state.params, state.log_steps)
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
