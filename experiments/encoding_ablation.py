"""Compares encodings of the coordinates of a SIREN: none, NeRF's powers of two, log-spaced, Gaussian features.

All networks have the codec's taper and, up to rounding of their widths, the number of weights that fits the rate.

Command: inrc evaluate experiments/encoding_ablation.py. Cost: 10 minutes on 2 cores.
Expected: at quality 30 log-spaced 25.8 dB, NeRF 25.6, Gaussian 24.6, none 23.1 (experiments/NOTES.md).
"""

import math

from experiments.smoke import PICTURES
from inrc import presets
from inrc.baselines.interface import MeasuredCodec
from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak

SHAPE = (512, 768)
ENCODINGS = {
    "none": EncodingConfig(EncodingKind.NONE),
    "NeRF": EncodingConfig(EncodingKind.NERF, 9),
    "log-spaced": EncodingConfig(EncodingKind.LOG_SPACED, 16),
    "Gaussian": EncodingConfig(EncodingKind.GAUSSIAN, 32, sigma=10.0),
}


def network(encoding: EncodingConfig, bpp: float) -> ModelConfig:
    """Returns a SIREN with the default taper on an encoding, with as many weights as fit a rate at Kodak's size."""
    taper = presets.COORDINATE_CODECS["siren"].taper
    return presets.model_for(
        presets.CoordinateCodec("", "", ModelFamily.SIREN, encoding, taper),
        n_weights=presets.n_weights_for(bpp, math.prod(SHAPE)),
        shape=SHAPE,
        n_outputs=3,
    )


def codec(name: str, qualities: tuple[float, ...], effort: int) -> list[MeasuredCodec]:
    """Returns one codec per quality, since every rate has its own network."""
    return [
        inrc_codec(
            f"{name}, quality {quality:g}",
            (quality,),
            effort=effort,
            model=network(ENCODINGS[name], presets.bpp_of_quality(quality)),
        )
        for quality in qualities
    ]


def codecs(qualities: tuple[float, ...], effort: int) -> tuple[MeasuredCodec, ...]:
    """Returns all encodings at all qualities."""
    return tuple(one for name in ENCODINGS for one in codec(name, qualities, effort))


EXPERIMENT = Experiment("encoding_ablation", kodak(5, 15, 23), codecs((30.0, 50.0), 3), results="encoding_ablation")
SMOKE = Experiment("encoding_ablation smoke", PICTURES, codecs((60.0,), 1), results="encoding_ablation")
