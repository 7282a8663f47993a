"""Short fits of all Kodak pictures, which tell how much easier each is than the mean; `reproduction` adds that up.

Command: inrc evaluate experiments/reproduction_offsets.py. Cost: 10 minutes on 2 cores.
Expected: 21 dB for the busiest picture, 29 dB for the smoothest.
"""

from experiments.smoke import PICTURES as SMALL
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak

CODECS = (inrc_codec("short siren", (30.0,), codec="siren", effort=3),)

EXPERIMENT = Experiment("reproduction_offsets", kodak(), CODECS, results="reproduction_offsets")
SMOKE = Experiment("reproduction_offsets smoke", SMALL, CODECS, results="reproduction_offsets")
