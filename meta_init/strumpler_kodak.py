"""A start for `strumpler-meta` on whole photographs of 768x512 (the paper's setting for Kodak), by Meta-SGD.

Command: inrc meta train meta_init/strumpler_kodak.py, with INRC_TRAIN naming photographs of 768x512 or more.
Cost: 22 minutes of outer steps, whatever the machine, and then 10 fits of 20 passes over a picture.
"""

import dataclasses

from meta_init.family import SHAPE
from meta_init.strumpler_family import LEARNING, strumpler

RECIPE = strumpler(
    "strumpler_kodak",
    SHAPE,
    0.075,
    dataclasses.replace(LEARNING, outer_rate=7e-4, n_tasks=2, time_budget=1300.0),
    n_passes=20,
    n_pictures=10,
)
