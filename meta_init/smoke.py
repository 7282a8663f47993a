"""A whole run on a small scale: a network of 3,000 weights on the middle 192x128 pixels of each picture.

Command: inrc meta train meta_init/smoke.py --data FOLDER, for any folder with a handful of photographs.
Cost: about a minute on 2 cores, most of it compilation.
"""

import dataclasses

from inrc.codec.coordinate.family import network_and_fit
from inrc.codec.options import EncodeOptions
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import Learning, PriorStage

SHAPE = (128, 192)
MODEL, FIT = network_and_fit(EncodeOptions(codec="siren"), SHAPE, 3, 0.6)

RECIPE = CoordinateRecipe(
    "smoke",
    MODEL,
    SHAPE,
    Learning(n_steps=200, inner_steps=3, n_tasks=2, phase_factor=4),
    PriorStage(dataclasses.replace(FIT, n_passes=20), n_pictures=4, n_rounds=1),
)
