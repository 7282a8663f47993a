"""Measures what more encoding time gains: efforts 1 to 6 of the siren codec at one quality.

Command: inrc evaluate experiments/effort.py. Cost: 6 minutes on 2 cores.
Expected: the table of experiments/NOTES.md; every effort gives a higher PSNR or fewer bytes, the last one hardly.
"""

from experiments.smoke import PICTURES
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak

EFFORTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)

EXPERIMENT = Experiment(
    "effort", kodak(15, 23), (inrc_codec("inrc", EFFORTS, at="effort", quality=40.0, codec="siren"),), results="effort"
)
SMOKE = Experiment(
    "effort smoke", PICTURES, (inrc_codec("inrc", (1.0, 2.0), at="effort", codec="siren"),), results="effort"
)
