"""The compiled step of latents."""

import jax
import jax.numpy as jnp
import numpy as np

from inrc.fit.latent.program import LatentProblem, LatentSignal, noise_of, run_chunk, stacks_of
from inrc.fit.latent.schedule import LatentSchedule, steps_of_chunk
from inrc.fit.latent.start import first_latent_state
from inrc.fit.measured import BitWeights
from inrc.fit.weights import prior_of
from inrc.models.latent_grid.packing import mask_of, packing_of
from tests.fit import problems
from tests.fit.latent.test_batch import MODEL


def test_noise_of_two_steps_cancels():
    pairs = [noise_of(jnp.uint32(7), jnp.float32(step)) for step in range(6)]
    assert [int(seed) for seed, _ in pairs] == [7, 7, 9, 9, 11, 11]
    assert [float(sign) for _, sign in pairs] == [1, -1, 1, -1, 1, -1]


def test_learning_rates_of_latents_and_networks_have_a_factor():
    problem = LatentProblem(MODEL, problems.SHAPE, 3, problems.ADAM)
    state = first_latent_state(problem, np.full(3, 0.5), 0.01, None, 0)
    signal = LatentSignal(problems.picture(), mask_of(packing_of(MODEL, problems.SHAPE)))
    prior, weights = prior_of(stacks_of(problem), None), BitWeights(jnp.float32(1e-5), jnp.float32(1e-5))
    steps = steps_of_chunk(LatentSchedule(), start=0.3, stop=0.4, n_steps=4, steps_per_group=2)
    slower = steps._replace(latent_rate=0.5 * steps.latent_rate, network_rate=0.5 * steps.network_rate)
    whole, half, other = (
        run_chunk(problem, each, state, signal, prior, weights, jnp.float32(factor))[0]
        for each, factor in ((steps, 1.0), (steps, 0.5), (slower, 1.0))
    )
    for one, two in zip(jax.tree.leaves(half), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, two)
    assert float(abs(half.latents).max()) < 0.8 * float(abs(whole.latents).max())
