"""Pools of crops: places and ages, one step against a fit, resuming, starting from another run, whole runs."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.errors import CheckpointMismatchError, ConfigError, InrcError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.program import LatentProblem, LatentSignal, rounded_cost, stacks_of
from inrc.fit.latent.start import first_latent_state
from inrc.fit.measured import BitWeights
from inrc.fit.optimiser import SoapState
from inrc.fit.weights import prior_of
from inrc.latent_layout import latent_layout
from inrc.meta.export import export
from inrc.meta.latent_pool import CropLatents, PoolPlan, PoolState, place_at, plan_of, pool_step, scaled
from inrc.meta.recipe import CoordinateRecipe, LatentRecipe
from inrc.meta.run import load_run, run_recipe
from inrc.meta.stages import Centre, PoolLearning, PriorStage
from inrc.meta.train_pool import PoolResult, train_pool
from inrc.models.latent_grid.forward import render
from inrc.models.latent_grid.packing import mask_of, packing_of, unpack
from inrc.shared_init import load
from tests.meta import tiny
from tests.shared_init.inits import LATENT_GRID as MODEL

pytestmark = pytest.mark.slow

SHAPE = (16, 16)
LEARNING = PoolLearning(60, batch=2, horizon=20, optimiser=tiny.ADAM, clip_norm=10.0)
FIT = LatentFitConfig(20, steps_per_group=5, groups_per_chunk=2, optimiser=tiny.ADAM)
RECIPE = LatentRecipe("pool", MODEL, SHAPE, LEARNING, PriorStage(FIT, n_pictures=2, n_rounds=1, centre=Centre.START))
PIXELS = tiny.pixels(5, SHAPE)


def trained(learning: PoolLearning, *arguments, **options) -> PoolResult:
    return train_pool(learning, MODEL, *arguments, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(folder):
    """A run that is never stopped."""
    return trained(LEARNING, PIXELS, folder / "whole")


def test_crops_are_replaced_one_after_the_other_once_the_first_horizon_is_over():
    places = [[place_at(LEARNING, 5, i, step) for i in (0, 1)] for step in range(60)]
    ages = np.array([[place.age for place in row] for row in places])
    np.testing.assert_array_equal(ages[:20], np.stack([np.arange(20)] * 2, axis=1))
    np.testing.assert_array_equal(ages[20:40, 0], np.arange(20))
    np.testing.assert_array_equal(ages[20:30, 1], 19)  # waits
    np.testing.assert_array_equal(ages[30:50, 1], np.arange(20))
    order = [places[0][0].crop, places[0][1].crop, places[20][0].crop, places[30][1].crop, places[40][0].crop]
    assert sorted(order) == [0, 1, 2, 3, 4]
    with_start = dataclasses.replace(LEARNING, start_from="another")
    assert [place_at(with_start, 5, i, 10).age for i in (0, 1)] == [10, 0]


def test_crops_gain_weight_as_they_grow_older_and_rates_follow_a_cosine():
    first = plan_of(LEARNING, 5, 4)
    np.testing.assert_array_equal(first.weights, 1)  # in the first horizon
    later = [plan_of(LEARNING, 5, 20 + age) for age in (0, 2, 6, 10, 19)]
    assert [int(plan.ages[0]) for plan in later] == [0, 2, 6, 10, 19]
    np.testing.assert_allclose([plan.weights[0] for plan in later], [0, 0, 0.5, 1, 1], atol=1e-6)
    with_start = dataclasses.replace(LEARNING, start_from="another")
    np.testing.assert_allclose(plan_of(with_start, 5, 16).weights, [1, 0.5], atol=1e-6)
    rates = [float(plan_of(LEARNING, 5, step).network_rate) for step in (0, 30, 60)]
    assert rates == pytest.approx([1e-2, 5.05e-3, 1e-4])


def test_several_processes_cannot_share_a_pool(monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ConfigError, match="run the recipe on one host"):
        trained(LEARNING, PIXELS, tmp_path)


@pytest.mark.slow
def test_a_step_moves_latents_by_adam_and_networks_along_the_mean_gradient():
    problem = LatentProblem(MODEL, SHAPE, 3, tiny.ADAM, clip_norm=LEARNING.clip_norm)
    packing = packing_of(MODEL, SHAPE)
    mask = mask_of(packing)
    first = first_latent_state(problem, PIXELS.mean((0, 2, 3)) / 255, 1.0, None, 0)
    latents = 3 * np.random.default_rng(0).normal(size=packing.size).astype(np.float32) * mask
    names = LEARNING.schedule.at(np.zeros(2))
    values = {**dict.fromkeys(names, 0.0), "temperature": 1.0, "hard": 1.0, "latent_rate": 0.5, "rate": 1.0}

    def step(*crops: int, weights: tuple[float, float] = (1.0, 1.0)):
        mean, square = jnp.zeros((2, 2, packing.size), jnp.float32)
        pool = CropLatents(jnp.stack([latents] * 2), mean, square, jnp.zeros(2, jnp.int32))
        plan = PoolPlan(
            crops=jnp.array(crops, jnp.int32),
            ages=jnp.ones(2, jnp.int32),
            weights=jnp.array(weights, jnp.float32),
            schedule={name: jnp.full(2, x, jnp.float32) for name, x in values.items()},
            network_rate=jnp.float32(0.01),
        )
        state = PoolState(first.params, first.optimiser, pool, jnp.int32(0))
        return pool_step(problem, state, jnp.asarray(PIXELS), plan, jnp.float32(1e-3))

    def momentum(state: PoolState) -> dict[str, np.ndarray]:
        assert isinstance(state.optimiser, SoapState)
        return {key: np.asarray(own.momentum) for key, own in state.optimiser.matrices.items()}

    both, means = step(0, 1)
    moved = np.abs(np.asarray(both.crops.latents) - latents)
    assert set(np.unique(moved.round(4))) <= {0.0, 0.5}  # Adam's first steps have one length
    assert np.mean(moved[:, mask > 0] > 0) > 0.5
    assert np.asarray(both.crops.n_steps).tolist() == [1, 1]
    (one, alone), (other, _) = step(0, 0), step(1, 1)
    weighted, of_first = step(0, 1, weights=(1.0, 0.0))
    np.testing.assert_allclose(of_first.loss, alone.loss, rtol=1e-6)
    for key, stack in first.params.items():
        mean = (momentum(one)[key] + momentum(other)[key]) / 2
        np.testing.assert_allclose(momentum(both)[key], mean, atol=1e-6)
        np.testing.assert_allclose(momentum(weighted)[key], momentum(one)[key], atol=1e-6)
        assert np.abs(one.params[key] - stack).max() <= 0.0101

    signal = LatentSignal(jnp.asarray(PIXELS[0] / 255, jnp.float32), jnp.asarray(mask))
    state = first._replace(
        latents=jnp.asarray(latents), log_steps=jax.tree.map(lambda x: jnp.full_like(x, -12.0), first.log_steps)
    )
    of_fits = LatentProblem(MODEL, SHAPE, 3, FIT.optimiser, FIT.clip_norm, FIT.step_learning_rate)
    expected = rounded_cost(of_fits, state, signal, prior_of(stacks_of(of_fits), None))
    cost = expected.cost(BitWeights(jnp.float32(1e-3 / 256), jnp.float32(0)))
    np.testing.assert_allclose([alone.loss, alone.mse], [cost, expected.distortion], rtol=1e-3)
    assert means.loss != alone.loss


def test_a_pool_learns_and_an_interrupted_run_ends_in_the_same_networks(whole, folder):
    assert whole.n_steps == 60
    assert [row[0] for row in whole.history] == [20, 40, 60]
    assert whole.history[-1][2] < 0.9 * whole.history[0][2]

    def stop(state):
        if state.step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(LEARNING, PIXELS, folder / "stopped", progress=stop)
    again = trained(LEARNING, PIXELS, folder / "stopped")
    for name, matrix in whole.params.items():
        np.testing.assert_array_equal(again.params[name], matrix)
    with pytest.raises(CheckpointMismatchError):
        trained(LEARNING, PIXELS[::-1], folder / "stopped")


@pytest.mark.slow
def test_a_run_starts_from_the_networks_of_another(whole, folder):
    other = dataclasses.replace(LEARNING, n_steps=20, start_from="whole")
    assert trained(other, PIXELS, folder / "other").history[0][2] < 0.9 * whole.history[0][2]
    nowhere = dataclasses.replace(LEARNING, start_from="nowhere")
    with pytest.raises(InrcError, match="nowhere"):
        trained(nowhere, PIXELS, folder / "third")


@pytest.mark.slow
def test_scaled_networks_show_the_same_pixels_of_scaled_latents():
    generator = np.random.default_rng(0)
    params = {n: jnp.asarray(generator.normal(0, 0.2, s), jnp.float32) for n, s in latent_layout(MODEL, 3)}
    packing = packing_of(MODEL, SHAPE)
    latents = jnp.asarray(generator.normal(0, 3, packing.size) * mask_of(packing), jnp.float32)
    shown, other = (
        render(MODEL, packing, scaled(params, scale), unpack(packing, scale * latents)) for scale in (1.0, 0.5)
    )
    np.testing.assert_allclose(shown, other, atol=1e-5)
    assert scaled(params, 0.5)["context_out"][1, -1] == pytest.approx(float(params["context_out"][1, -1]) - np.log(2))


@pytest.mark.slow
def test_a_whole_run_is_exported_and_its_init_read_back(tmp_path):
    data = tmp_path / "pictures"
    data.mkdir()
    tiny.write_pictures(data)
    finished = run_recipe(RECIPE, tmp_path / "pool", data=data)
    assert load_run(tmp_path / "pool").init.sha256 == finished.init.sha256
    init_path, card_path = export(finished, tmp_path / "exported")
    init = load(init_path)
    assert init.model == MODEL
    assert (init.shape, init.n_outputs, init.lambda_rd) == (SHAPE, 3, FIT.lambda_rd)
    assert init_path.stem == init.id.hex()
    card = json.loads(card_path.read_text())
    assert card["pictures"]["training"] == list(tiny.TRAINING_NAMES)
    assert card["outer_steps"] == 60
    assert card["history"][-1]["step"] == 60
    assert card["recipe"]["learning"]["lambda_rd"] == LEARNING.lambda_rd
    params = {name: matrix.astype(np.float32) for name, matrix in init.mean.items()}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_recipes_do_not_mix_families():
    with pytest.raises(ConfigError, match="LatentFitConfig"):
        LatentRecipe("x", prior=PriorStage(CoordinateFitConfig()))
    with pytest.raises(ConfigError, match="CoordinateFitConfig"):
        CoordinateRecipe("x", tiny.MODEL, prior=PriorStage(FIT))
