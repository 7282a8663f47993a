"""Published networks with this project's training and coding: how much of the progress is training?

Command: inrc evaluate experiments/retrained.py; python -m experiments.reproduction prints its rows below the published
ones. Cost: COIN's and Strümpler's smallest networks 5 minutes each on two cores, the tutorial's 15. A run that was
stopped resumes. Expected: fewer bytes and more dB than the same network in its paper's training.

Each network is that of a published preset, unchanged. SOAP fits it with the rate of its weights in the loss, at the
lambda of the published rate; the tutorial's has to do with a quarter of the tutorial's 37,188 bytes.
"""

import dataclasses

from experiments.reproduction import PICTURES
from experiments.smoke import PICTURES as SMALL
from inrc import presets, published
from inrc.baselines.interface import MeasuredCodec
from inrc.config import WeightStorage
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import PointOption, inrc_codec
from inrc.preset import CoordinateCodec

EFFORT = 6
TUTORIAL_BYTES = 37_188 // 4


def codec(name: str, preset: CoordinateCodec, point: float, at: PointOption, effort: int) -> MeasuredCodec:
    """The smallest network of a preset, fitted as this project does, at a quality or within a number of bytes."""
    model = dataclasses.replace(preset.network(preset.ladder[0].widths), storage=WeightStorage.INTEGERS)
    return inrc_codec(name, (point,), at=at, model=model, effort=effort)


def codecs(effort: int = EFFORT) -> tuple[MeasuredCodec, ...]:
    """All of them."""
    return (
        codec("COIN 5 x 20, retrained", published.COIN, round(presets.quality_of_bpp(0.03), 3), "quality", effort),
        codec("Strümpler 4 x 32, retrained", published.STRUEMPLER, 20.0, "quality", effort),
        codec("tutorial, retrained", published.TUTORIAL, TUTORIAL_BYTES, "max_bytes", effort),
    )


EXPERIMENT = Experiment("retrained", PICTURES, codecs(), results="retrained")
SMOKE = Experiment("retrained smoke", SMALL, codecs(1), results="retrained")
