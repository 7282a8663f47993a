"""What the recipes of the `latent_grid` family share, and how those of other lambdas follow from the first."""

import math

from inrc.config import LatentGridConfig
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.schedule import LatentSchedule, LatentStage
from inrc.meta.recipe import LatentRecipe
from inrc.meta.stages import Centre, PoolLearning, PriorStage

SHAPE = (256, 256)
_SLOW = LatentSchedule(
    (
        LatentStage(0.96, (5e-3, 5e-5), (0.16, 0.0016), temperature=(0.5, 0.05), noise=(0.22, 0.15)),
        LatentStage(0.04, (1.5e-4, 1.5e-5), (1e-4, 1e-5), hard=True),
    )
)
"""Slower networks than the codec's own fits have: those near the init are what the prior is of."""
FIRST, FIRST_LAMBDA = "latent_1e3", 1e-3


def latent(name: str, learning: PoolLearning, n_rounds: int = 2) -> LatentRecipe:
    """The recipe of networks for a lambda and of a prior for what pictures change in them."""
    fit = LatentFitConfig(
        300,
        lambda_rd=learning.lambda_rd,
        network_weight=1 / 6,  # what a crop's networks would cost in a picture of 768x512
        schedule=_SLOW,
        first_step=2.0**-7,
        groups_per_chunk=10,
    )
    stage = PriorStage(fit, n_pictures=16, n_rounds=n_rounds, centre=Centre.START)
    return LatentRecipe(name, LatentGridConfig(), SHAPE, learning, stage)


def from_first(name: str, lambda_rd: float, n_steps: int) -> LatentRecipe:
    """The recipe of a shorter run for another lambda, which begins where that of `FIRST` has ended."""
    scale = round(math.sqrt(FIRST_LAMBDA / lambda_rd), 3)
    learning = PoolLearning(n_steps, lambda_rd, network_rate=(5e-3, 1e-4), start_from=FIRST, start_scale=scale)
    return latent(name, learning)
