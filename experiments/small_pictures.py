"""Small pictures with and without a shared prior: the middle 64x64 pixels of every Kodak picture, at three rates.

Command: inrc evaluate experiments/small_pictures.py. Cost: 10 minutes on 2 cores.
Expected: README.md.
"""

from experiments.smoke import PICTURES
from inrc.baselines.interface import MeasuredCodec, Pixels
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak

SIDE = 64
QUALITIES = (51.0, 68.0, 84.0, 100.0)
"""About 0.25, 0.5, 1 and 2 bpp."""


def middle(pixels: Pixels) -> Pixels:
    """Returns the middle of a picture."""
    top, left = ((n - SIDE) // 2 for n in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE].copy()


def codecs(effort: int) -> tuple[MeasuredCodec, ...]:
    """Returns our default codec with a prior that comes with the package, and without a prior."""
    return tuple(
        inrc_codec(name, QUALITIES, init=init, prepare=middle, reference=middle, shape=(SIDE, SIDE), effort=effort)
        for name, init in (("prior", "auto"), ("no prior", "none"))
    )


EXPERIMENT = Experiment("small_pictures", kodak(), codecs(effort=5), results="small_pictures")
SMOKE = Experiment("small_pictures smoke", PICTURES, codecs(effort=1), results="small_pictures")
