"""Comparisons take the steps of the codec's own fit, from every init and from random weights."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from inrc import presets
from inrc.errors import ConfigError
from inrc.fit.coordinate import plan
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import fit_network
from inrc.fit.coordinate.program import rounded_cost, stacks_of
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.coordinate.start import first_state
from inrc.fit.stacks import stacked, stacked_scalars
from inrc.fit.task import Target
from inrc.fit.weights import prior_of
from inrc.meta.compare import STEPS, compare, follow
from inrc.meta.data import output_transform
from inrc.meta.prior import shared_init_of
from inrc.meta.starts import start_of
from inrc.signal.image import to_unit
from tests.meta import tiny
from tests.models.networks import random_params

PICTURES = tiny.collection().validation
N_STEPS = 20
CONFIG = CoordinateFitConfig(phase_factor=2, schedule=Schedule(learning_rate=0.01), optimiser=tiny.ADAM, seed=3)
INIT = shared_init_of(tiny.RECIPE, tiny.start())


def psnr_db(mse: float) -> float:
    return float(-10 * np.log10(mse))


@pytest.mark.parametrize("start", [pytest.param(None, id="random"), pytest.param(start_of(INIT), id="learned")])
@pytest.mark.slow
def test_the_last_weights_are_those_of_a_fit_of_as_many_steps(start, monkeypatch):
    """The fit has one chunk, so that it measures rounded weights only at the end, as the comparison does."""
    monkeypatch.setattr(plan, "_MIN_CHUNKS", 1)
    n_groups = N_STEPS // CONFIG.steps_per_group
    config = dataclasses.replace(CONFIG, n_passes=N_STEPS / 4, groups_per_chunk=n_groups)
    pixels = PICTURES.pixels[0]
    target = Target(to_unit(pixels), *output_transform(tiny.MODEL, tiny.SHAPE))
    result = fit_network(target, tiny.MODEL, config, start=start)
    assert result.n_steps == N_STEPS
    problem, stacks = result.problem, stacks_of(result.problem)
    prior = prior_of(stacks, start)
    state = first_state(problem, config, target.mean_outputs, start, prior, 0)
    kept = state._replace(
        params=stacked(stacks, {name: jnp.asarray(matrix) for name, matrix in result.params.items()}),
        log_steps=stacked_scalars(stacks, {name: jnp.float32(np.log(step)) for name, step in result.steps.items()}),
    )
    measured = rounded_cost(problem, kept, result.signal, prior)
    _, rounded, bpp = follow(pixels, tiny.MODEL, CONFIG, start, (N_STEPS,))
    assert rounded == pytest.approx(psnr_db(float(measured.distortion)), abs=1e-3)
    assert bpp == pytest.approx(float(measured.bits) / (16 * 24), rel=1e-3)


@pytest.mark.slow
def test_measuring_within_a_group_does_not_change_the_fit():
    measured_often = follow(PICTURES.pixels[0], tiny.MODEL, CONFIG, None, (0, 3, 10, 15, N_STEPS))
    measured_twice = follow(PICTURES.pixels[0], tiny.MODEL, CONFIG, None, (N_STEPS, 0))
    assert len(measured_often[0]) == 5
    assert (measured_often[0][0], measured_often[0][-1]) == measured_twice[0]
    assert measured_often[1:] == measured_twice[1:]


def test_random_weights_start_at_the_mean_colour():
    pixels = PICTURES.pixels[0]
    (before, *_), _, _ = follow(pixels, tiny.MODEL, CONFIG, None, (0, 1))
    assert before == pytest.approx(psnr_db(float((pixels / 255).var(axis=(1, 2)).mean())), abs=0.05)


@pytest.mark.slow
def test_summaries_are_means_over_pictures_and_include_random_weights():
    trajectories = []
    summaries = compare({"one": INIT}, PICTURES, steps=(0, 10), progress=trajectories.append)
    assert [(s.start, s.is_random) for s in summaries] == [("random", True), ("one", False)]
    assert [(t.start, t.picture) for t in trajectories] == [(s, p) for s in ("random", "one") for p in PICTURES.names]
    for summary in summaries:
        of_start = [t for t in trajectories if t.start == summary.start]
        values = np.array([t.psnr_db for t in of_start])
        assert summary.pictures == PICTURES.names
        assert summary.steps == (0, 10)
        assert summary.psnr_db == pytest.approx(values.mean(0))
        assert summary.deviation_db == pytest.approx(values.std(0))
        assert summary.bpp == pytest.approx(np.mean([t.bpp for t in of_start]))
        assert summary.rounded_psnr_db == pytest.approx(np.mean([t.rounded_psnr_db for t in of_start]))
    config = CoordinateFitConfig(
        lambda_rd=INIT.lambda_rd, schedule=Schedule(learning_rate=presets.learning_rate_for(tiny.MODEL))
    )
    alone = follow(PICTURES.pixels[1], tiny.MODEL, config, start_of(INIT), (0, 10))
    assert trajectories[3].psnr_db == alone[0]


@pytest.mark.slow
def test_every_network_is_also_fitted_from_random_weights():
    other = dataclasses.replace(tiny.RECIPE, model=dataclasses.replace(tiny.MODEL, widths=(6, 6)))
    mean = {name: np.asarray(matrix) for name, matrix in random_params(other.model, tiny.SHAPE, 3).items()}
    start = dataclasses.replace(tiny.start(), mean=mean, scale=dict(mean.items()), steps=dict.fromkeys(mean, 2.0**-8))
    inits = {"one": INIT, "two": shared_init_of(other, start)}
    names = [summary.start for summary in compare(inits, PICTURES.take([0]), steps=(0,))]
    assert names == ["random 6", "random 6-6", "one", "two"]


def test_inits_that_cannot_be_compared_are_refused():
    with pytest.raises(ConfigError, match="the inits' canvases are none"):
        compare({}, PICTURES)
    larger = dataclasses.replace(INIT, shape=(18, 24))
    with pytest.raises(ConfigError, match="the inits' canvases are 24x16, 24x18"):
        compare({"one": INIT, "two": larger}, PICTURES)
    with pytest.raises(ConfigError, match="an init is called 'random'"):
        compare({"random": INIT}, PICTURES)
    assert STEPS == (0, 1, 3, 10, 30, 100, 300)
