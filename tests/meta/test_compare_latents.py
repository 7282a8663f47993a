"""Comparisons of latent grids are the codec's own fits of each length, from every init and from random networks."""

import dataclasses

import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.errors import ConfigError
from inrc.evaluate import ablation_figures
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.fitting import fit_latents
from inrc.fit.task import Start, Target
from inrc.latent_layout import latent_layout
from inrc.meta.compare import RANDOM
from inrc.meta.compare_latents import LatentSummary, compare_latents
from inrc.meta.data import Photographs
from inrc.meta.prior import shared_init_of
from inrc.meta.recipe import LatentRecipe
from inrc.meta.stages import PoolLearning, PriorStage
from inrc.meta.starts import sparse_start, start_of
from inrc.signal.image import to_unit
from tests.meta import tiny

MODEL = LatentGridConfig(n_grids=2, n_hyper=0, n_spatial=4, n_cross=0, n_cross_levels=0, synthesis_width=4)
LAMBDA = 4e-3
PRIOR = PriorStage(LatentFitConfig(lambda_rd=LAMBDA))
RECIPE = LatentRecipe("tiny", MODEL, tiny.SHAPE, PoolLearning(lambda_rd=LAMBDA), PRIOR)
PICTURES = Photographs(("a.png", "b.png"), tiny.pixels(2))


def start(width: int = MODEL.synthesis_width) -> Start:
    layout = latent_layout(dataclasses.replace(MODEL, synthesis_width=width), 3)
    generator = np.random.default_rng(0)
    return sparse_start({name: 0.1 * generator.normal(size=shape) for name, shape in layout}, 2.0**-8)


INIT = shared_init_of(RECIPE, start())


@pytest.mark.slow
def test_every_length_is_the_codecs_own_fit():
    trajectories = []
    summaries = compare_latents({"mine": INIT}, PICTURES, steps=(10, 0), progress=trajectories.append)
    assert [(s.start, s.is_random, s.steps) for s in summaries] == [(RANDOM, True, (0, 10)), ("mine", False, (0, 10))]
    assert [(t.start, t.picture) for t in trajectories] == [(s, p) for s in (RANDOM, "mine") for p in PICTURES.names]
    target = Target(to_unit(PICTURES.pixels[1]))
    weight = 16 * 24 / (768 * 512)
    config = LatentFitConfig(10, lambda_rd=INIT.lambda_rd, network_weight=weight, groups_per_chunk=2)
    fit = fit_latents(target, MODEL, config, start=start_of(INIT))
    bpp = (fit.latent_bits + weight * fit.network_bits) / (16 * 24)
    last = trajectories[-1]
    assert fit.n_steps == 10
    assert last.loss[1] == pytest.approx(1000 * (fit.distortion + LAMBDA * bpp), rel=1e-4)
    assert last.psnr_db[1] == pytest.approx(-10 * np.log10(fit.distortion), abs=1e-3)
    assert last.bpp[1] == pytest.approx(bpp, rel=1e-4)
    for summary in summaries:
        losses = [t.loss for t in trajectories if t.start == summary.start]
        assert summary.loss == pytest.approx(np.exp(np.mean(np.log(losses), axis=0)))
        assert summary.lambda_rd == LAMBDA
    # Random networks show the mean colour, and latents of 0 take next to no bits.
    variances = [np.var(p / 255, axis=(1, 2)).mean() for p in PICTURES.pixels]
    assert summaries[0].psnr_db[0] == pytest.approx(np.mean(-10 * np.log10(variances)), abs=0.05)


def test_inits_that_cannot_be_compared_are_refused():
    with pytest.raises(ConfigError, match="not of the same latent grids"):
        compare_latents({}, PICTURES)
    other = dataclasses.replace(RECIPE, model=dataclasses.replace(MODEL, synthesis_width=5))
    with pytest.raises(ConfigError, match="not of the same latent grids"):
        compare_latents({"one": INIT, "two": shared_init_of(other, start(5))}, PICTURES)
    with pytest.raises(ConfigError, match="an init is called 'random'"):
        compare_latents({"random": INIT}, PICTURES)
    with pytest.raises(ConfigError, match="a fit has 3 steps; give multiples of 5"):
        compare_latents({"one": INIT}, PICTURES, steps=(10, 3))


def test_the_figure_shows_losses_over_logarithmic_axes():
    random = LatentSummary("random", True, ("one",), (0, 10, 300), LAMBDA, (60.0, 20.0, 1.5), (1.0,) * 3, (0.1,) * 3)
    learned = dataclasses.replace(random, start="mine", is_random=False, loss=(50.0, 10.0, 1.4))
    (axes,) = ablation_figures.losses([random, learned]).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    for line, summary in zip(axes.lines, (random, learned), strict=True):
        assert line.get_label() == summary.start
        assert line.get_xydata() == pytest.approx(np.column_stack([(1 / 3, 10, 300), summary.loss]))
