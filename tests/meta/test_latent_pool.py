"""Pools of crops: who is where and how old, one step by hand, resuming, beginning with another run, whole runs."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from inrc.fit.config import FitConfig
from inrc.fit.latent_config import LatentFitConfig
from inrc.fit.latent_program import BitWeights, LatentProblem, LatentSignal, rounded_latent_cost
from inrc.fit.latent_start import first_latent_state, latent_prior

from inrc.errors import CheckpointMismatchError, ConfigError, InrcError
from inrc.latent_layout import latent_layout
from inrc.meta.export import export
from inrc.meta.latent_pool import Crops, place_at, pool_step, scaled, train_pool
from inrc.meta.recipe import Centre, LatentRecipe, PoolLearning, PriorStage, Recipe
from inrc.meta.run import load_run, run
from inrc.models.latent_grid.forward import render
from inrc.models.latent_grid.packing import mask_of, packing_of, unpack
from inrc.shared_init import load
from tests.meta import tiny
from tests.shared_init.inits import LATENT_GRID as MODEL

SHAPE = (16, 16)
LEARNING = PoolLearning(60, batch=2, horizon=20, optimiser=tiny.ADAM, clip_norm=10.0)
FIT = LatentFitConfig(20, steps_per_group=5, groups_per_chunk=2, optimiser=tiny.ADAM)
RECIPE = LatentRecipe("pool", MODEL, SHAPE, LEARNING, PriorStage(FIT, n_pictures=2, n_rounds=1, centre=Centre.START))
PIXELS = tiny.pixels(5, SHAPE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(folder):
    """The run that is never stopped."""
    return train_pool(RECIPE, PIXELS, folder / "whole")


def test_crops_change_one_after_the_other_after_a_horizon_together():
    places = [[place_at(LEARNING, 5, i, step) for i in (0, 1)] for step in range(60)]
    ages = np.array([[place.age for place in row] for row in places])
    np.testing.assert_array_equal(ages[:20], np.stack([np.arange(20)] * 2, axis=1))
    np.testing.assert_array_equal(ages[20:40, 0], np.arange(20))
    np.testing.assert_array_equal(ages[20:30, 1], 19)  # waits
    np.testing.assert_array_equal(ages[30:50, 1], np.arange(20))
    order = [places[0][0].crop, places[0][1].crop, places[20][0].crop, places[30][1].crop, places[40][0].crop]
    assert sorted(order) == [0, 1, 2, 3, 4]
    again = dataclasses.replace(LEARNING, begin="another")
    assert [place_at(again, 5, i, 10).age for i in (0, 1)] == [10, 0]


@pytest.mark.slow
def test_a_step_is_adams_for_latents_and_goes_along_the_mean_for_networks():
    problem = LatentProblem(MODEL, SHAPE, 3, tiny.ADAM, clip_norm=LEARNING.clip_norm)
    packing = packing_of(MODEL, SHAPE)
    mask = mask_of(packing)
    first = first_latent_state(problem, PIXELS.mean((0, 2, 3)) / 255, 1.0, None, 0)
    latents = 3 * np.random.default_rng(0).normal(size=packing.size).astype(np.float32) * mask
    names = LEARNING.schedule.at(np.zeros(2))
    values = {**dict.fromkeys(names, 0.0), "temperature": 1.0, "hard": 1.0, "latent_rate": 0.5}

    def step(*which: int, say: tuple[float, float] = (1.0, 1.0)):
        mean, square = np.zeros((2, 2, packing.size), np.float32)
        crops = Crops(np.stack([latents] * 2), mean, square, np.zeros(2, np.int32))
        plan = {name: np.full(2, x, np.float32) for name, x in values.items()} | {"say": np.array(say, np.float32)}
        numbers = np.float32(1e-3), np.float32(0.01), np.float32(0)
        return pool_step(problem, first.params, first.moments, crops, PIXELS, np.array(which), plan, *numbers)

    _, both, crops, means = step(0, 1)
    moved = np.abs(np.asarray(crops.latents) - latents)
    assert set(np.unique(moved.round(4))) <= {0.0, 0.5}  # Adam's first steps have one length
    assert np.mean(moved[:, mask > 0] > 0) > 0.5
    assert np.asarray(crops.visits).tolist() == [1, 1]
    (params, one, _, alone), (_, other, _, _) = step(0, 0), step(1, 1)
    _, unheard, _, heard = step(0, 1, say=(1.0, 0.0))
    np.testing.assert_allclose(heard.loss, alone.loss, rtol=1e-6)
    for name, matrix in first.params.items():
        mean = (one[name].momentum + other[name].momentum) / 2
        np.testing.assert_allclose(both[name].momentum, mean, atol=1e-6)
        np.testing.assert_allclose(unheard[name].momentum, one[name].momentum, atol=1e-6)
        assert np.abs(params[name] - matrix).max() <= 0.0101

    signal = LatentSignal(jnp.asarray(PIXELS[0] / 255, jnp.float32), jnp.asarray(mask))
    state = first._replace(latents=jnp.asarray(latents), log_steps=dict.fromkeys(first.params, jnp.float32(-12.0)))
    of_fits = LatentProblem(MODEL, SHAPE, 3, FIT.optimiser, FIT.clip_norm, FIT.step_learning_rate)
    expected = rounded_latent_cost(of_fits, state, signal, latent_prior(of_fits, None))
    cost = expected.cost(BitWeights(jnp.float32(1e-3 / 256), jnp.float32(0)))
    np.testing.assert_allclose([alone.loss, alone.mse], [cost, expected.mse], rtol=1e-3)
    assert means.loss != alone.loss


def test_a_pool_learns_and_goes_on_where_it_was_stopped(whole, folder):
    assert whole.n_steps == 60
    assert [row[0] for row in whole.history] == [20, 40, 60]
    assert whole.history[-1][2] < 0.9 * whole.history[0][2]

    def stop(state):
        if state.step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_pool(RECIPE, PIXELS, folder / "stopped", progress=stop)
    again = train_pool(RECIPE, PIXELS, folder / "stopped")
    for name, matrix in whole.params.items():
        np.testing.assert_array_equal(again.params[name], matrix)
    with pytest.raises(CheckpointMismatchError):
        train_pool(RECIPE, PIXELS[::-1], folder / "stopped")


@pytest.mark.slow
def test_a_run_begins_with_the_networks_of_another(whole, folder):
    other = dataclasses.replace(RECIPE, learning=dataclasses.replace(LEARNING, n_steps=20, begin="whole"))
    assert train_pool(other, PIXELS, folder / "other").history[0][2] < 0.9 * whole.history[0][2]
    nowhere = dataclasses.replace(RECIPE, learning=dataclasses.replace(LEARNING, begin="nowhere"))
    with pytest.raises(InrcError, match="nowhere"):
        train_pool(nowhere, PIXELS, folder / "third")


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
    finished = run(RECIPE, tmp_path / "pool", data=data)
    assert load_run(tmp_path / "pool").init.sha256 == finished.init.sha256
    init_path, card_path = export(finished, tmp_path / "exported")
    init = load(init_path)
    assert init.model == MODEL
    assert (init.shape, init.n_outputs, init.lambda_rd) == (SHAPE, 3, FIT.lambda_rd)
    assert init_path.stem == init.id.hex()
    card = json.loads(card_path.read_text())
    assert card["pictures"]["training"] == list(tiny.TRAINING_NAMES)
    assert card["outer_steps"] == 60
    assert card["course"][-1]["step"] == 60
    assert card["recipe"]["learning"]["lambda_rd"] == LEARNING.lambda_rd
    params = {name: matrix.astype(np.float32) for name, matrix in init.mean.items()}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_recipes_do_not_mix_families():
    with pytest.raises(ConfigError, match="LatentFitConfig"):
        LatentRecipe("x", prior=PriorStage(FitConfig()))
    with pytest.raises(ConfigError, match="FitConfig"):
        Recipe("x", tiny.MODEL, prior=PriorStage(FIT))
