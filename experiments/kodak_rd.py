"""Rate-distortion over all of Kodak: the siren codec at four rates beside the classical codecs.

Command: make rd-kodak INRC_KODAK=FOLDER. Cost: anchors 25 minutes, ours about 2 hours, on 2 cores. A run
that was stopped resumes. Expected: the BD-rates of README.md (of ours, six pictures have been measured so far).
"""

from experiments.smoke import PICTURES
from inrc.baselines import anchors
from inrc.baselines.interface import MeasuredCodec
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak

QUALITIES = (25.0, 40.0, 55.0, 70.0)
"""About 0.085, 0.16, 0.3 and 0.55 bpp."""


def codecs(effort: int) -> tuple[MeasuredCodec, ...]:
    """Returns the anchors and our coordinate networks."""
    return *anchors(), inrc_codec("inrc", QUALITIES, codec="siren", effort=effort)


EXPERIMENT = Experiment("kodak_rd", kodak(), codecs(effort=5), results="kodak")
SMOKE = Experiment("kodak_rd smoke", PICTURES, codecs(effort=1), results="kodak")
