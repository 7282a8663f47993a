"""What the recipes of the `siren` codec share: one network per rate, on the canvas of a Kodak picture."""

import dataclasses

from inrc.codec.options import EncodeOptions, resolve
from inrc.meta.recipe import Learning, PriorStage, Recipe

SHAPE = (512, 768)
N_PASSES = 20
SECONDS = 1500.0


def siren(name: str, bpp: float) -> Recipe:
    """The recipe of a start for pictures that should take `bpp` bits per pixel.

    The network and the prior's fits are those that the codec would choose without an init, but for their passes.
    """
    model, fit = resolve(EncodeOptions(codec="siren"), SHAPE, 3, bpp)
    return Recipe(
        name,
        model,
        SHAPE,
        Learning(time_budget=SECONDS),
        PriorStage(dataclasses.replace(fit, n_passes=N_PASSES), n_pictures=48, n_rounds=2),
    )
