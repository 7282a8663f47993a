"""Rate-distortion on six Kodak pictures (01, 05, 13, 15, 20, 23), on which changes are judged: a quarter of `kodak_rd`.

Command: make rd-quick INRC_KODAK=FOLDER. Cost: anchors 6 minutes, ours 45 minutes, on 2 cores. A run that was
stopped resumes. Records are shared with `kodak_rd`. Expected: the figures of README.md.
"""

import dataclasses

from experiments import kodak_rd
from inrc.evaluate.pictures import kodak

PICTURES = kodak(1, 5, 13, 15, 20, 23)

EXPERIMENT = dataclasses.replace(kodak_rd.EXPERIMENT, name="kodak_quick", pictures=PICTURES)
SMOKE = kodak_rd.SMOKE
