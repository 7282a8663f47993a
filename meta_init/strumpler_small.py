"""A start for `strumpler-meta` on pictures of about 64x64 (in place of the paper's setting for faces), by Meta-SGD.

Command: inrc meta train meta_init/strumpler_small.py, with INRC_TRAIN naming a folder of photographs.
Cost: 8 minutes of outer steps, whatever the machine, and then 40 fits of a second or two each.
"""

import dataclasses

from meta_init.family import SMALL_SHAPE
from meta_init.strumpler_family import LEARNING, strumpler

RECIPE = strumpler(
    "strumpler_small",
    SMALL_SHAPE,
    2.0,
    dataclasses.replace(LEARNING, outer_rate=1e-3, n_tasks=4, tasks_at_once=4, phase_factor=4, time_budget=480.0),
    n_passes=300,
    n_pictures=40,
    n_crops=12,
)
