"""What the recipes for latent grids share, and how those of other lambdas follow from the first."""

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
"""Lower learning rates than in the codec's own fits: the prior describes networks that stay near the init."""
FIRST, FIRST_LAMBDA = "latent_1e3", 1e-3


def latent(name: str, learning: PoolLearning, n_rounds: int = 2) -> LatentRecipe:
    """The recipe of networks for the lambda of `learning`, and of a prior for what pictures change in them."""
    fit = LatentFitConfig(
        300,
        lambda_rd=learning.lambda_rd,
        network_weight=1 / 6,  # a crop has a sixth of the pixels of a 768x512 picture, which codes its networks once
        schedule=_SLOW,
        first_step=2.0**-7,
        groups_per_chunk=10,
    )
    stage = PriorStage(fit, n_pictures=16, n_rounds=n_rounds, centre=Centre.START)
    return LatentRecipe(name, LatentGridConfig(), SHAPE, learning, stage)


def from_first(name: str, lambda_rd: float, n_steps: int) -> LatentRecipe:
    """The recipe of a shorter run for another lambda, which starts from the networks of the run `FIRST`."""
    scale = round(math.sqrt(FIRST_LAMBDA / lambda_rd), 3)
    learning = PoolLearning(n_steps, lambda_rd, network_rate=(5e-3, 1e-4), start_from=FIRST, start_scale=scale)
    return latent(name, learning)
