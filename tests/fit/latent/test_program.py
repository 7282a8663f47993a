"""The compiled step of latents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.fit.latent.adam import LatentAdam, gains_of
from inrc.fit.latent.program import LatentProblem, LatentSignal, LatentState, noise_of, run_chunk, stacks_of
from inrc.fit.latent.schedule import LatentSchedule, LatentSteps, steps_of_chunk
from inrc.fit.latent.start import first_latent_state
from inrc.fit.measured import BitWeights
from inrc.fit.weights import prior_of
from inrc.models.latent_grid.packing import mask_of, packing_of, unpack
from inrc.training import LatentNoise, LatentRounding, SoftRounding
from tests.fit import problems
from tests.fit.latent.test_batch import MODEL


def test_noise_of_two_steps_cancels():
    pairs = [noise_of(jnp.uint32(7), jnp.float32(step)) for step in range(6)]
    assert [int(seed) for seed, _ in pairs] == [7, 7, 9, 9, 11, 11]
    assert [float(sign) for _, sign in pairs] == [1, -1, 1, -1, 1, -1]
    alone = [noise_of(jnp.uint32(7), jnp.float32(step), paired=False) for step in range(3)]
    assert [(int(seed), float(sign)) for seed, sign in alone] == [(7, 1), (9, 1), (11, 1)]


def run(steps: LatentSteps, state: LatentState | None = None, factor: float = 1.0) -> LatentState:
    """The state after some steps, from another or from the first one."""
    problem = LatentProblem(MODEL, problems.SHAPE, 3, problems.ADAM)
    state = first_latent_state(problem, np.full(3, 0.5), 0.01, None, 0) if state is None else state
    signal = LatentSignal(problems.picture(), mask_of(packing_of(MODEL, problems.SHAPE)))
    prior, weights = prior_of(stacks_of(problem), None), BitWeights(jnp.float32(1e-5), jnp.float32(1e-5))
    return run_chunk(problem, steps, state, signal, prior, weights, jnp.float32(factor))[0]


def test_learning_rates_of_latents_and_networks_have_a_factor():
    steps = steps_of_chunk(LatentSchedule(), start=0.3, stop=0.4, n_steps=4, steps_per_group=2)
    slower = steps._replace(latent_rate=0.5 * steps.latent_rate, network_rate=0.5 * steps.network_rate)
    whole, half, other = run(steps), run(steps, factor=0.5), run(slower)
    for one, two in zip(jax.tree.leaves(half), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, two)
    assert float(abs(half.latents).max()) < 0.8 * float(abs(whole.latents).max())


def test_a_new_era_forgets_the_moments_of_latents():
    steps = steps_of_chunk(LatentSchedule(), start=0.3, stop=0.4, n_steps=4, steps_per_group=2)
    before = run(steps)
    assert float(before.latent_age) == 4
    forgotten = before._replace(
        latent_moments=jax.tree.map(jnp.zeros_like, before.latent_moments), latent_age=jnp.float32(0)
    )
    anew, expected = run(steps._replace(era=steps.era + 1), before), run(steps, forgotten)
    np.testing.assert_array_equal(anew.latents, expected.latents)
    assert float(anew.latent_age) == 4
    assert not np.array_equal(anew.latents, run(steps, before).latents)


PUBLISHED = LatentRounding(LatentNoise.KUMARASWAMY, SoftRounding.CONDITIONAL_MEAN, soft_gradient=True, paired=False)


def first_move(adam: LatentAdam, clip_norm: float) -> list[np.ndarray]:
    """By how much latents of each grid, coarsest first, move in a first step at a rate of 1."""
    problem = LatentProblem(MODEL, problems.SHAPE, 3, problems.ADAM, clip_norm, rounding=PUBLISHED, latent_adam=adam)
    packing = packing_of(MODEL, problems.SHAPE)
    state = first_latent_state(problem, np.full(3, 0.5), 0.01, None, 0)
    signal = LatentSignal(problems.picture(), mask_of(packing))
    prior, weights = prior_of(stacks_of(problem), None), BitWeights(jnp.float32(1e-5), jnp.float32(0))
    steps = steps_of_chunk(LatentSchedule(), start=0.0, stop=0.1, n_steps=1, steps_per_group=1)
    steps = steps._replace(latent_rate=np.ones_like(steps.latent_rate), noise=np.full_like(steps.noise, 1.5))
    after, _ = run_chunk(problem, steps, state, signal, prior, weights, jnp.float32(1))
    return [np.asarray(grid) for grid in unpack(packing, after.latents)]


@pytest.mark.slow
def test_gains_are_units_of_latents():
    packing = packing_of(MODEL, problems.SHAPE)
    gains = gains_of(LatentAdam(2.5, 2.0), packing)
    assert isinstance(gains, jax.Array)
    assert [np.unique(grid).tolist() for grid in unpack(packing, gains)] == [[5.0], [2.5]]
    assert gains_of(LatentAdam(), packing) == 1.0
    # A first step of Adam is the rate, in units of the gain.
    coarse, fine = first_move(LatentAdam(2.5, 2.0), clip_norm=0.1)
    assert np.quantile(np.abs(coarse), [0.1, 0.9]) == pytest.approx(5.0, rel=1e-3)
    assert np.quantile(np.abs(fine), [0.1, 0.9]) == pytest.approx(2.5, rel=1e-3)
    with pytest.raises(ConfigError, match="the epsilon 0"):
        LatentAdam(epsilon=0)


@pytest.mark.slow
def test_latents_are_clipped_where_asked():
    # Below an epsilon this large, a first step is gain * gradient / epsilon; without the limit its norm is above 1e-5.
    moves = first_move(LatentAdam(2.5, 2.0, epsilon=1.0, clipped=True), clip_norm=1e-6)
    gradient = np.concatenate([grid.ravel() / gain for grid, gain in zip(moves, (5.0, 2.5), strict=True)])
    assert 1e-8 < np.linalg.norm(gradient) <= 1.001e-6
