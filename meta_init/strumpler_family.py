"""What the recipes for the meta-learned codec of Strümpler et al. (2022) share: its smallest network and inner steps.

As in the paper, a start is learned by MAML together with a rate for every weight and each of three inner steps. What
differs: inner rates begin at 3e-2 and not at 1e-5, from where so few outer steps would not bring them up; the outer
loop lowers the logarithm of the error, at a rate that falls by a cosine; steps see polyphase sub-pictures.
"""

import dataclasses

from inrc.codec.coordinate.family import network_and_fit
from inrc.codec.options import EncodeOptions
from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import Centre, Learning, Objective, PriorStage

CODEC = "strumpler-meta"
MODEL = ModelConfig(ModelFamily.SIREN, (32, 32, 32, 32), EncodingConfig(EncodingKind.LOG_SPACED, 16), omega_0=30)
LEARNING = Learning(n_steps=1_000_000, inner_steps=3, inner_rate=3e-2, inner_objective=Objective.MSE)


def strumpler(
    name: str,
    shape: tuple[int, int],
    bpp: float,
    learning: Learning,
    *,
    n_passes: int,
    n_pictures: int,
    n_crops: int = 1,
) -> CoordinateRecipe:
    """The recipe of a start for pictures of `shape`.

    The prior is centred on the start. Its scales are those of fits that take the inner steps first and are then the
    codec's own.

    Args:
      name: of the recipe.
      shape: (height, width) of the canvas.
      bpp: bits per pixel that sets the lambda of the prior's fits.
      learning: of the start.
      n_passes: of the prior's fits over a picture.
      n_pictures: training pictures that are fitted.
      n_crops: of every picture.
    """
    _, fit = network_and_fit(EncodeOptions(codec="siren", model=MODEL), shape, 3, bpp)
    stage = PriorStage(
        dataclasses.replace(fit, n_passes=n_passes), n_pictures=n_pictures, n_rounds=1, centre=Centre.START
    )
    return CoordinateRecipe(name, MODEL, shape, learning, stage, n_crops, codec=CODEC, keep_rates=True)
