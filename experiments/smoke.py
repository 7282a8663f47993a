"""JPEG and the siren codec on a bundled photograph of 96x64: checks every step from encode to report.

Command: make rd-smoke, or inrc evaluate experiments/smoke.py. Cost: 30 s on 2 cores, start-up included.
Expected: ours 0.24 bpp at 19.2 dB, 0.44 at 23.2 and 1.08 at 26.3; JPEG 4:4:4 needs 0.91 bpp for 19.1 dB.
"""

from pathlib import Path

from inrc.baselines import jpeg_420, jpeg_444
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import bundled

PICTURES = bundled(Path(__file__).parent / "assets" / "coffee_small.png")

EXPERIMENT = Experiment(
    "smoke",
    PICTURES,
    (jpeg_444(), jpeg_420(), inrc_codec("inrc", (40.0, 60.0, 80.0), effort=2, codec="siren")),
    results="smoke",
)
SMOKE = EXPERIMENT
