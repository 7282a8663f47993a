"""The classical codecs on all of Kodak.

Command: make rd-anchors INRC_KODAK=FOLDER. Cost: 25 minutes on 1 core. Records are shared with `kodak_rd`.
Expected: JPEG 4:4:4 within 1 % BD-rate of other measurements (tests/experiments/test_readme.py).
"""

import dataclasses

from experiments import kodak_rd
from inrc.baselines import anchors

EXPERIMENT = dataclasses.replace(kodak_rd.EXPERIMENT, name="kodak_anchors", codecs=anchors())
SMOKE = dataclasses.replace(kodak_rd.SMOKE, name="kodak_anchors smoke", codecs=anchors())
