"""The compiled step against plain NumPy, tiled against whole, structural against pointwise, mapped against single."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.entropy.rate import laplace_bits
from inrc.fit.data import polyphase
from inrc.fit.loss import LossConfig
from inrc.fit.program import (
    Prior,
    Problem,
    Signal,
    distortion,
    flat_prior,
    init_state,
    log_steps_of_bits,
    phase_loss_and_gradient,
    quantised,
    run_chunk,
)
from inrc.fit.stages import Schedule, minibatch_order, plan_chunk
from inrc.metrics.ssim import ssim_index
from tests.fit import problems
from tests.models.networks import random_params, reference_values

PROBLEM = Problem(problems.MODEL, problems.SHAPE, 3, optimiser=problems.ADAM)
ODD_SHAPE = (11, 14)
ODD = Problem(problems.MODEL, ODD_SHAPE, 3, optimiser=problems.ADAM)


def signal_of(shape: tuple[int, ...], factor: int, tile_samples: int, matrix=problems.MATRIX) -> Signal:
    values = problems.picture(shape)
    phases = polyphase(values, factor, tile_samples)
    return Signal(phases, jnp.asarray(matrix, jnp.float32), jnp.asarray(problems.OFFSET, jnp.float32))


def rendered(params, shape, matrix=problems.MATRIX) -> np.ndarray:
    """What the network shows, by the stranger's float64 decoder, [3, H, W]."""
    centres = [((np.arange(n) + 0.5) / n * 2 - 1).astype(np.float32) for n in shape]
    points = [a.ravel() for a in np.meshgrid(*centres, indexing="ij")]
    values = matrix @ reference_values(problems.MODEL, shape, params, points)
    return (values + problems.OFFSET[:, None]).reshape(-1, *shape)


MIXED = np.array([[0.5, 0.1, 0.0], [0.2, 0.4, -0.1], [0.0, 0.0, 0.3]])


@pytest.mark.parametrize(("loss", "power"), [(LossConfig(), 2), (LossConfig(mse=0, l1=1), 1)])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_distortion_is_the_mean_over_real_samples(loss, power, factor):
    params = random_params(problems.MODEL, problems.SHAPE, 3)
    problem = PROBLEM._replace(loss=loss)
    # Tiles of three rows; four phases of 12 x 16 divide evenly, so every sample weighs the same.
    got = distortion(problem, params, signal_of(problems.SHAPE, factor, 3 * 16, MIXED))
    error = rendered(params, problems.SHAPE, MIXED) - problems.picture()
    assert float(got) == pytest.approx(float(np.mean(np.abs(error) ** power)), rel=1e-4)


def test_padding_does_not_count():
    # 11 x 14 in 3 x 3 phases: every phase has another number of real samples, and is a mean of its own.
    params = random_params(problems.MODEL, ODD_SHAPE, 3)
    got = distortion(ODD, params, signal_of(ODD_SHAPE, 3, 10))
    error = (rendered(params, ODD_SHAPE) - problems.picture(ODD_SHAPE)) ** 2
    phases = [error[:, i::3, j::3].mean() for i in range(3) for j in range(3)]
    assert float(got) == pytest.approx(float(np.mean(phases)), rel=1e-4)


def test_tiles_change_neither_loss_nor_gradient():
    params = random_params(problems.MODEL, ODD_SHAPE, 3)
    run = jax.jit(functools.partial(phase_loss_and_gradient, ODD))
    loss, gradient = run(params, signal_of(ODD_SHAPE, 2, 10_000), 1)
    tiled_loss, tiled_gradient = run(params, signal_of(ODD_SHAPE, 2, 14), 1)
    assert float(tiled_loss) == pytest.approx(float(loss), rel=1e-5)
    for name in gradient:
        np.testing.assert_allclose(tiled_gradient[name], gradient[name], rtol=1e-3, atol=1e-5)


def test_the_structural_path_equals_the_pointwise_one_for_mse():
    params = random_params(problems.MODEL, ODD_SHAPE, 3)
    signal = signal_of(ODD_SHAPE, 1, 28)
    structural = ODD._replace(loss=LossConfig(ssim=1e-12))
    assert structural.loss.structural
    loss, gradient = jax.jit(functools.partial(phase_loss_and_gradient, ODD))(params, signal, 0)
    by_whole, whole_gradient = jax.jit(functools.partial(phase_loss_and_gradient, structural))(params, signal, 0)
    assert float(by_whole) == pytest.approx(float(loss), rel=1e-5)
    for name in gradient:
        np.testing.assert_allclose(whole_gradient[name], gradient[name], rtol=1e-3, atol=1e-5)


def test_the_structural_term_sees_the_joined_tiles():
    params = random_params(problems.MODEL, problems.SHAPE, 3)
    problem = PROBLEM._replace(loss=LossConfig(mse=0.0, l1=1e-12, ssim=1.0))
    got = distortion(problem, params, signal_of(problems.SHAPE, 1, 16))
    shown = jnp.asarray(rendered(params, problems.SHAPE), jnp.float32)
    expected = 1 - ssim_index(jnp.asarray(problems.picture()), shown)
    assert float(got) == pytest.approx(float(expected), rel=1e-4)


def test_the_gradient_is_that_of_the_loss():
    params = random_params(problems.MODEL, problems.SHAPE, 3)
    signal = signal_of(problems.SHAPE, 2, 32)
    loss, gradient = jax.jit(functools.partial(phase_loss_and_gradient, PROBLEM))(params, signal, 2)
    generator = np.random.default_rng(0)
    direction = {name: generator.normal(size=p.shape) * 1e-3 for name, p in params.items()}
    slope = sum(float(np.sum(direction[name] * np.asarray(g))) for name, g in gradient.items())

    def stranger_loss(step: float) -> float:
        moved = {name: np.asarray(p, np.float64) + step * direction[name] for name, p in params.items()}
        error = (rendered(moved, problems.SHAPE) - problems.picture())[:, 1::2, ::2]  # phase (1, 0)
        return float(np.mean(error**2))

    assert float(loss) == pytest.approx(stranger_loss(0.0), rel=1e-4)
    assert slope == pytest.approx((stranger_loss(0.1) - stranger_loss(-0.1)) / 0.2, rel=1e-3)


class TestQuantised:
    params = {"a": jnp.float32([[0.32, -0.11], [1.0, 0.02]]), "b": jnp.float32([[3.3]])}  # noqa: RUF012
    log_steps = {"a": jnp.log(jnp.float32(0.125)), "b": jnp.log(jnp.float32(0.25))}  # noqa: RUF012

    def quantised(self, *, prior: Prior | None = None, log_steps=None, noise: int = 0, hard: int = 0, seed: int = 0):
        return quantised(
            self.params,
            flat_prior(self.params) if prior is None else prior,
            log_steps or self.log_steps,
            jnp.float32(noise),
            jnp.float32(hard),
            jnp.uint32(seed),
        )

    def test_hard_rounding_gives_whole_steps(self):
        seen, _ = self.quantised(hard=1)
        np.testing.assert_allclose(seen["a"], [[0.375, -0.125], [1.0, 0.0]], rtol=1e-5)
        np.testing.assert_allclose(seen["b"], [[3.25]], rtol=1e-5)

    def test_noise_is_at_most_half_a_step_and_changes_with_the_seed(self):
        draws = [self.quantised(noise=1, seed=seed)[0] for seed in (0, 1)]
        for seen in draws:
            assert 0 < np.abs(seen["a"] - self.params["a"]).max() <= 0.0625
            assert 0 < np.abs(seen["b"] - self.params["b"]).max() <= 0.125
        assert not np.array_equal(draws[0]["a"], draws[1]["a"])

    def test_larger_steps_cost_fewer_bits(self):
        costs = []
        for factor in (0.4, 1.0, 2.5):
            log_steps = {name: value + jnp.log(factor) for name, value in self.log_steps.items()}
            costs.append(float(self.quantised(log_steps=log_steps)[1]))
        assert costs[0] > costs[1] > costs[2] > 0

    def test_without_a_prior_bits_are_those_of_the_matrices_own_means(self):
        _, bits = self.quantised(hard=1)
        expected = 0.0
        for integers in ([[3, -1], [8, 0]], [[13]]):
            x = jnp.float32(integers)
            magnitude = jnp.abs(x) + 0.01
            scale = magnitude.mean(1, keepdims=True) * magnitude.mean(0, keepdims=True) / magnitude.mean()
            expected += float(jnp.sum(laplace_bits(x, scale)))
        assert float(bits) == pytest.approx(expected, rel=1e-5)

    def test_differences_from_the_mean_are_what_is_rounded_and_counted(self):
        mean = {"a": jnp.float32([[0.3, -0.1], [0.95, 0.0]]), "b": jnp.float32([[3.2]])}
        prior = Prior(mean, {name: jnp.full_like(matrix, 0.01) for name, matrix in mean.items()})
        seen, bits = self.quantised(prior=prior, hard=1)
        for name in mean:
            np.testing.assert_array_equal(seen[name], mean[name])
        assert float(bits) < 0.01

    def test_weights_that_stray_as_expected_cost_less_than_others(self):
        mean = jax.tree.map(jnp.zeros_like, self.params)
        right = {"a": jnp.float32([[0.3, 0.1], [1.0, 0.02]]), "b": jnp.float32([[3.0]])}
        wrong = {"a": jnp.float32([[0.02, 1.0], [0.1, 0.3]]), "b": jnp.float32([[3.0]])}
        costs = [float(self.quantised(prior=Prior(mean, scale), hard=1)[1]) for scale in (right, wrong)]
        assert costs[0] < costs[1] - 0.5

    def test_fixed_bits_span_the_differences(self):
        prior = flat_prior(self.params)._replace(mean={"a": jnp.full((2, 2), 0.02), "b": jnp.float32([[3.0]])})
        log_steps = log_steps_of_bits(self.params, prior, 3)
        assert float(jnp.exp(log_steps["a"])) == pytest.approx(2 * 0.98 / 7, rel=1e-5)
        assert float(jnp.exp(log_steps["b"])) == pytest.approx(2 * 0.3 / 7, rel=1e-5)


SIGNAL = functools.cache(lambda: signal_of(problems.SHAPE, 2, 48))
SCHEDULE = Schedule(learning_rate=0.01)
FLAT = functools.cache(lambda: flat_prior(start(0).params))


def plan(start: float, stop: float):
    order = minibatch_order(4, 8, seed=0, chunk=0)
    return plan_chunk(SCHEDULE, start=start, stop=stop, phases=order, steps_per_group=4)


def start(seed: int):
    params = random_params(problems.MODEL, problems.SHAPE, 3, seed)
    log_steps = {name: jnp.log(0.2 * jnp.std(p)) for name, p in params.items()}
    return init_state(PROBLEM, params, log_steps, jnp.uint32(seed))


def test_a_chunk_counts_its_steps_and_lowers_the_loss():
    state, (losses, bits) = run_chunk(PROBLEM, start(0), SIGNAL(), FLAT(), plan(0.1, 0.2), jnp.float32(0))
    assert losses.shape == bits.shape == (2, 4)
    assert int(state.step) == 8
    before = float(distortion(PROBLEM, start(0).params, SIGNAL()))
    assert float(distortion(PROBLEM, state.params, SIGNAL())) < before
    # The first loss is that of the weights before the first step, but for their noise.
    assert float(losses[0, 0]) == pytest.approx(before, rel=0.5)


def test_bits_have_a_weight():
    cheap, (_, cheap_bits) = run_chunk(PROBLEM, start(0), SIGNAL(), FLAT(), plan(0.1, 0.3), jnp.float32(1e-2))
    dear, (_, dear_bits) = run_chunk(PROBLEM, start(0), SIGNAL(), FLAT(), plan(0.1, 0.3), jnp.float32(0))
    assert float(cheap_bits[-1, -1]) < float(dear_bits[-1, -1]) - 1
    assert all(float(cheap.log_steps[n]) > float(dear.log_steps[n]) for n in cheap.log_steps)


def test_a_chunk_maps_over_seeds_and_lambdas():
    states = [start(0), start(1), start(2)]
    weights = jnp.float32([0.0, 1e-4, 1e-3])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    mapped, (losses, bits) = jax.vmap(run_chunk, in_axes=(None, 0, None, None, None, 0))(
        PROBLEM, stacked, SIGNAL(), FLAT(), plan(0.0, 1.0), weights
    )
    assert losses.shape == bits.shape == (3, 2, 4)
    for i, state in enumerate(states):
        single, (single_losses, single_bits) = run_chunk(PROBLEM, state, SIGNAL(), FLAT(), plan(0.0, 1.0), weights[i])
        np.testing.assert_allclose(losses[i], single_losses, rtol=2e-3)
        np.testing.assert_allclose(bits[i], single_bits, rtol=2e-3)
        for name, matrix in single.params.items():
            np.testing.assert_allclose(mapped.params[name][i], matrix, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "factor"), [((96,), 4), ((4, 6, 8), 2)], ids=["sound-like", "video-like"]
)  # fmt: skip
def test_signals_of_one_and_three_axes(shape, factor):
    model = ModelConfig(widths=(6,), encoding=EncodingConfig(EncodingKind.NERF, 2))
    problem = Problem(model, shape, 3, optimiser=problems.ADAM)
    params = random_params(model, shape, 3)
    state = init_state(problem, params, {n: jnp.float32(-6.0) for n in params}, jnp.uint32(0))
    signal = signal_of(shape, factor, 16)
    n_phases = factor ** len(shape)
    order = minibatch_order(n_phases, 8, seed=0, chunk=0)
    steps = plan_chunk(dataclasses.replace(SCHEDULE), start=0.1, stop=0.3, phases=order, steps_per_group=4)
    before = float(distortion(problem, params, signal))
    for _ in range(4):
        state, _ = run_chunk(problem, state, signal, flat_prior(params), steps, jnp.float32(0))
    after = float(distortion(problem, state.params, signal))
    assert signal.phases.targets.shape[0] == n_phases
    assert after < 0.8 * before
