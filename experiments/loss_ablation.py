"""Compares the quality of all named losses (`inrc.losses`) at equal bytes.

Catania and Allegra (2023, 2025) fit SIRENs by log-cosh and SSIM. Here every variant is steered to the same bytes.

Command: inrc evaluate experiments/loss_ablation.py. Cost: 25 minutes on 2 cores.
Expected: mse 27.8 dB, SSIM 0.723; mse + SSIM 27.6 dB, 0.739; l1 + SSIM 26.3 dB, 0.758 (experiments/NOTES.md).
"""

from experiments.smoke import PICTURES
from inrc.baselines.interface import MeasuredCodec
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.presets import LOSSES

BPP = 0.2


def codecs(bpp: float, effort: int) -> tuple[MeasuredCodec, ...]:
    """Returns one codec per loss."""
    return tuple(inrc_codec(name, (bpp,), at="target_bpp", loss=name, effort=effort, codec="siren") for name in LOSSES)


EXPERIMENT = Experiment("loss_ablation", kodak(5, 15, 23), codecs(BPP, effort=3), results="loss_ablation")
SMOKE = Experiment("loss_ablation smoke", PICTURES, codecs(1.0, effort=1), results="loss_ablation")
