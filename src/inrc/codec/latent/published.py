"""Fits of published systems of latent grids, from their training as data."""

from typing import Any

from inrc import presets
from inrc.fit.latent.adam import LatentAdam
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.schedule import LatentSchedule, LatentStage
from inrc.fit.optimiser import OptimiserConfig
from inrc.training import LatentTraining

_FIRST_STEP = 2.0**-12
"""Quantisation step by which networks are rounded to measure a fit on its way. It is as fine as any that a search ends
with, since published systems measure networks that are not rounded."""


def n_steps_of(training: LatentTraining, effort: int, n_pixels: int) -> int:
    """The published number of steps at the highest effort, below it as many as all presets of latents take."""
    return training.n_steps if effort == presets.MAX_EFFORT else presets.steps_of_effort(effort, n_pixels)


def fit_of(training: LatentTraining, n_steps: int, **others: Any) -> LatentFitConfig:
    """The fit of a published training.

    Args:
      training: the published one.
      n_steps: steps of the fit, of which the stages take their published shares.
      others: fields of the configuration that no paper sets: lambda, loss, seed, time budget.
    """
    stages = tuple(
        LatentStage(
            stage.n_steps / training.n_steps,
            stage.rate,
            stage.rate,
            temperature=stage.temperature,
            noise=stage.noise,
            hard=stage.hard,
            latent_betas=training.betas,
        )
        for stage in training.stages
    )
    beta_1, beta_2 = training.betas
    return LatentFitConfig(
        n_steps=n_steps,
        network_weight=0.0,
        n_seeds=training.n_starts,
        race_fraction=training.start_steps / training.n_steps,
        optimiser=OptimiserConfig(False, beta_1, beta_2, epsilon=training.epsilon),
        schedule=LatentSchedule(
            stages, first_rate=1.0, first_rate_until=1.0, networks_noisy_from=1.0, networks_hard_from=1.0
        ),
        rounding=training.rounding,
        latent_adam=LatentAdam(training.gain, training.gain_per_level, training.epsilon, clipped=True),
        clip_norm=training.clip_norm,
        first_step=_FIRST_STEP,
        searched_steps=True,
        **others,
    )
