"""What the recipes for the `siren` codec share: a network for every rate, for photographs and for small pictures."""

import dataclasses

from inrc.codec.coordinate.family import network_and_fit
from inrc.codec.options import EncodeOptions
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import Centre, Learning, PriorStage

SHAPE = (512, 768)
SMALL_SHAPE = (64, 64)
N_PASSES = 20
SECONDS = 1500.0


def siren(name: str, bpp: float) -> CoordinateRecipe:
    """The recipe of a start for pictures that should take `bpp` bits per pixel.

    The network and the prior's fits are those that the codec chooses without an init, except for the number of passes.
    """
    model, fit = network_and_fit(EncodeOptions(codec="siren"), SHAPE, 3, bpp)
    return CoordinateRecipe(
        name,
        model,
        SHAPE,
        Learning(time_budget=SECONDS),
        PriorStage(dataclasses.replace(fit, n_passes=N_PASSES), n_pictures=48, n_rounds=2),
    )


def small_siren(name: str, bpp: float) -> CoordinateRecipe:
    """The recipe of a prior for pictures of about 64x64 that should take `bpp` bits per pixel.

    In small files the adaptive coder has too few weights to learn their scales from; a learned start did not help
    (experiments/NOTES.md).
    """
    model, fit = network_and_fit(EncodeOptions(codec="siren", effort=3), SMALL_SHAPE, 3, bpp)
    stage = PriorStage(fit, n_pictures=300, n_rounds=2, centre=Centre.ZERO)
    return CoordinateRecipe(name, model, SMALL_SHAPE, Learning(n_steps=0), stage, n_crops=2)
