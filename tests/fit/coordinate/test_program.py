"""The compiled step against plain NumPy, tiled against whole, structural against pointwise, mapped against single."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import ndimage

from inrc.config import EncodingConfig, EncodingKind, LossConfig, ModelConfig
from inrc.fit.coordinate.minibatches import polyphase
from inrc.fit.coordinate.program import (
    Problem,
    Signal,
    State,
    distortion,
    init_state,
    phase_loss_and_gradient,
    run_chunk,
    stacks_of,
)
from inrc.fit.coordinate.schedule import CoordinateSteps, Schedule, minibatch_order, steps_of_chunk
from inrc.fit.measured import BitWeights
from inrc.fit.stacks import unstacked
from inrc.fit.weights import Matrices, first_weights, prior_of
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
    """What the network shows, by the float64 reference decoder, [3, H, W]."""
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


@pytest.mark.parametrize("tile_samples", [10, 10_000])
def test_padding_and_tiles_do_not_change_what_compares_neighbours(tile_samples):
    # 11 x 14 in 3 x 3 phases: three of four rows and four of five columns are real in some phases, not in others.
    loss = LossConfig(mse=0.0, gradient=3.0, total_variation=0.5)
    params = random_params(problems.MODEL, ODD_SHAPE, 3)
    got = distortion(ODD._replace(loss=loss), params, signal_of(ODD_SHAPE, 3, tile_samples))
    shown, target = rendered(params, ODD_SHAPE), problems.picture(ODD_SHAPE)

    def variation(values):
        return sum(np.abs(np.diff(values, axis=axis)).sum((1, 2)) for axis in (1, 2)) / values[0].size

    expected = []
    for i, j in np.ndindex(3, 3):
        one, other = shown[:, i::3, j::3], target[:, i::3, j::3]
        derivatives = [[ndimage.sobel(x, axis, mode="nearest") / 8 for axis in (0, 1)] for x in one - other]
        varies = np.abs(variation(one) - variation(other)).mean()
        expected.append(3.0 * np.mean(np.square(derivatives)) + 0.5 * varies)
    assert float(got) == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_gradient_is_that_of_the_loss():
    params = random_params(problems.MODEL, problems.SHAPE, 3)
    signal = signal_of(problems.SHAPE, 2, 32)
    loss, gradient = jax.jit(functools.partial(phase_loss_and_gradient, PROBLEM))(params, signal, 2)
    generator = np.random.default_rng(0)
    direction = {name: generator.normal(size=p.shape) * 1e-3 for name, p in params.items()}
    slope = sum(float(np.sum(direction[name] * np.asarray(g))) for name, g in gradient.items())

    def reference_loss(step: float) -> float:
        moved = {name: np.asarray(p, np.float64) + step * direction[name] for name, p in params.items()}
        error = (rendered(moved, problems.SHAPE) - problems.picture())[:, 1::2, ::2]  # phase (1, 0)
        return float(np.mean(error**2))

    assert float(loss) == pytest.approx(reference_loss(0.0), rel=1e-4)
    assert slope == pytest.approx((reference_loss(0.1) - reference_loss(-0.1)) / 0.2, rel=1e-3)


SIGNAL = functools.cache(lambda: signal_of(problems.SHAPE, 2, 48))
SCHEDULE = Schedule(learning_rate=0.01)
STACKS = stacks_of(PROBLEM)
FLAT = prior_of(STACKS, None)
FULL_RATES = jnp.float32(1)


def steps_between(start: float, stop: float) -> CoordinateSteps:
    order = minibatch_order(4, 8, seed=0, chunk=0)
    return steps_of_chunk(SCHEDULE, start=start, stop=stop, phases=order, steps_per_group=4)


def start(seed: int) -> State:
    params = random_params(problems.MODEL, problems.SHAPE, 3, seed)
    log_steps = {name: jnp.log(0.2 * jnp.std(p)) for name, p in params.items()}
    return init_state(first_weights(STACKS, PROBLEM.optimiser, params, log_steps), jnp.uint32(seed))


def per_bit(weight: float | jax.Array) -> BitWeights:
    """Coordinate networks have no latents, so that only the second weight counts."""
    return BitWeights(jnp.float32(1e9), jnp.float32(weight))


def params_of(state: State) -> Matrices:
    return unstacked(STACKS, state.params)


def test_a_chunk_counts_its_steps_and_lowers_the_loss():
    state, measured = run_chunk(PROBLEM, steps_between(0.1, 0.2), start(0), SIGNAL(), FLAT, per_bit(0.0), FULL_RATES)
    assert measured.distortion.shape == measured.network_bits.shape == (2, 4)
    assert (np.asarray(measured.latent_bits) == 0).all()
    assert int(state.step) == 8
    before = float(distortion(PROBLEM, params_of(start(0)), SIGNAL()))
    assert float(distortion(PROBLEM, params_of(state), SIGNAL())) < before
    # The first loss is that of the weights before the first step, but for their noise.
    assert float(measured.distortion[0, 0]) == pytest.approx(before, rel=0.5)


def test_bits_have_a_weight():
    steps = steps_between(0.1, 0.3)
    cheap, few = run_chunk(PROBLEM, steps, start(0), SIGNAL(), FLAT, per_bit(1e-2), FULL_RATES)
    dear, many = run_chunk(PROBLEM, steps, start(0), SIGNAL(), FLAT, per_bit(0.0), FULL_RATES)
    assert float(few.network_bits[-1, -1]) < float(many.network_bits[-1, -1]) - 1
    assert all((cheap.log_steps[key] > dear.log_steps[key]).all() for key in cheap.log_steps)


def test_learning_rates_have_a_factor():
    steps = steps_between(0.1, 0.2)
    whole, half = (
        run_chunk(PROBLEM, each, start(0), SIGNAL(), FLAT, per_bit(0.0), jnp.float32(factor))[0]
        for each, factor in ((steps, 0.5), (steps._replace(learning_rate=0.5 * steps.learning_rate), 1.0))
    )
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(half), strict=True):
        np.testing.assert_array_equal(one, other)


def test_magnitudes_have_a_weight_in_the_gradient_and_none_in_the_distortion():
    plain = PROBLEM._replace(optimiser=optax.identity(), clip_norm=math.inf)
    sparse = plain._replace(weight_l1=0.5)
    params = {name: 3.0 * matrix for name, matrix in random_params(problems.MODEL, problems.SHAPE, 3, 0).items()}
    prior = prior_of(STACKS, problems.start_at({name: 0.5 * matrix for name, matrix in params.items()}))
    log_steps = {name: jnp.float32(-6.0) for name in params}
    state = init_state(first_weights(STACKS, plain.optimiser, params, log_steps), jnp.uint32(0))
    step = jax.tree.map(lambda x: x[:1, :1], steps_between(0.3, 0.35))
    (without, measured), (with_l1, same) = (
        run_chunk(problem, step, state, SIGNAL(), prior, per_bit(0.0), FULL_RATES) for problem in (plain, sparse)
    )
    np.testing.assert_array_equal(measured.distortion, same.distortion)
    rate = float(step.learning_rate[0, 0])
    for key, x in without.params.items():
        expected = -0.5 * rate * np.sign(state.params[key])
        np.testing.assert_allclose(np.asarray(with_l1.params[key] - x), expected, atol=1e-5)


def test_a_chunk_maps_over_seeds_and_lambdas():
    states = [start(0), start(1), start(2)]
    weights = jnp.float32([0.0, 1e-4, 1e-3])
    steps = steps_between(0.0, 1.0)
    in_lanes = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    mapped, measured = jax.vmap(run_chunk, in_axes=(None, None, 0, None, None, BitWeights(None, 0), None))(  # pyright: ignore[reportArgumentType]
        PROBLEM, steps, in_lanes, SIGNAL(), FLAT, per_bit(weights), FULL_RATES
    )
    assert measured.distortion.shape == measured.network_bits.shape == (3, 2, 4)
    for i, state in enumerate(states):
        single, alone = run_chunk(PROBLEM, steps, state, SIGNAL(), FLAT, per_bit(weights[i]), FULL_RATES)
        np.testing.assert_allclose(measured.distortion[i], alone.distortion, rtol=2e-3)
        np.testing.assert_allclose(measured.network_bits[i], alone.network_bits, rtol=2e-3)
        for key, stack in single.params.items():
            np.testing.assert_allclose(mapped.params[key][i], stack, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "factor"), [((96,), 4), ((4, 6, 8), 2)], ids=["sound-like", "video-like"]
)  # fmt: skip
def test_signals_of_one_and_three_axes(shape, factor):
    model = ModelConfig(widths=(6,), encoding=EncodingConfig(EncodingKind.NERF, 2))
    problem = Problem(model, shape, 3, optimiser=problems.ADAM)
    stacks = stacks_of(problem)
    params = random_params(model, shape, 3)
    weights = first_weights(stacks, problem.optimiser, params, {n: jnp.float32(-6.0) for n in params})
    state, prior = init_state(weights, jnp.uint32(0)), prior_of(stacks, None)
    signal = signal_of(shape, factor, 16)
    n_phases = factor ** len(shape)
    order = minibatch_order(n_phases, 8, seed=0, chunk=0)
    steps = steps_of_chunk(SCHEDULE, start=0.1, stop=0.3, phases=order, steps_per_group=4)
    before = float(distortion(problem, params, signal))
    for _ in range(4):
        state, _ = run_chunk(problem, steps, state, signal, prior, per_bit(0.0), FULL_RATES)
    after = float(distortion(problem, unstacked(stacks, state.params), signal))
    assert signal.phases.targets.shape[0] == n_phases
    assert after < 0.8 * before
