"""Measures how many bits a weight needs: 4 to 10 bits in quantisation-aware fits, with and without the rate term.

Dupont (2021), Strümpler (2022) and Catania and Allegra (2025) use fixed numbers of levels per matrix. The range coder
codes such integers at their entropy. The last variant learns its steps, as the codec does by default.

Command: inrc evaluate experiments/quant_ablation.py. Cost: 10 minutes on 2 cores.
Expected: 6 bits 28.56 dB at 0.123 bpp, 7 bits 29.71 at 0.151, learned 29.34 at 0.138 (experiments/NOTES.md).
"""

import dataclasses

from experiments.smoke import PICTURES
from inrc import presets
from inrc.baselines.interface import MeasuredCodec
from inrc.codec.coordinate.family import network_and_fit
from inrc.codec.options import EncodeOptions
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.fit.coordinate.config import CoordinateFitConfig

BITS = tuple(range(4, 11))
QUALITY = 40.0
SHAPE = (512, 768)


def fit(effort: int, **changes) -> CoordinateFitConfig:
    """Returns the default fit of a Kodak picture with changes."""
    options = EncodeOptions(codec="siren", quality=QUALITY, effort=effort)
    config = network_and_fit(options, SHAPE, 3, presets.bpp_of_quality(QUALITY))[1]
    return dataclasses.replace(config, **changes)


def fixed(name: str, bits: int, config: CoordinateFitConfig) -> MeasuredCodec:
    """Returns a codec whose weights have a fixed number of bits."""
    codec = inrc_codec(name, (QUALITY,), fit=dataclasses.replace(config, weight_bits=bits))
    return dataclasses.replace(codec, name=f"{bits} bits, {name}")


def codecs(effort: int, bits: tuple[int, ...] = BITS) -> tuple[MeasuredCodec, ...]:
    """Returns all variants."""
    with_rate = [fixed("rate term", n, fit(effort)) for n in bits]
    without = [fixed("no rate term", n, fit(effort, lambda_rd=0.0)) for n in bits]
    return *with_rate, *without, inrc_codec("learned steps", (QUALITY,), fit=fit(effort))


EXPERIMENT = Experiment("quant_ablation", kodak(15, 23), codecs(effort=3), results="quant_ablation")
SMOKE = Experiment("quant_ablation smoke", PICTURES, codecs(effort=1, bits=(4, 8)), results="quant_ablation")
