"""Measures what each choice of the fit is worth: one changed at a time, at equal passes, on two training pictures.

Command: inrc evaluate experiments/fit_ablation.py with INRC_TRAIN set. Cost: 25 minutes on 2 cores.
Expected: the rows of experiments/NOTES.md marked (*); the default is best or within noise of the best.
"""

from experiments.smoke import PICTURES
from inrc.baselines.interface import MeasuredCodec
from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import PictureSet
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.optimiser import OptimiserConfig
from inrc.signal.colour import ColourTransform

ADAM = OptimiserConfig(preconditioned=False, beta_1=0.9, beta_2=0.99)
TRAINING = PictureSet(
    ("deepin-74c186e60d", "immich-a5a4f40749"), variable="INRC_TRAIN", remedy="Any two photographs of 768x512 will do."
)


def variant(
    name: str,
    passes: float,
    *,
    model: ModelConfig | None = None,
    schedule: Schedule | None = None,
    colour: ColourTransform = ColourTransform.YCBCR,
    lambda_rd: float = 6e-3,
    **fit,
) -> MeasuredCodec:
    """Returns one variant: a network, a fit and a colour transform, at one lambda."""
    config = CoordinateFitConfig(n_passes=passes, lambda_rd=lambda_rd, schedule=schedule or Schedule(), **fit)
    return inrc_codec(name, (50.0,), model=model or ModelConfig(), fit=config, colour=colour)


def codecs(passes: float) -> tuple[MeasuredCodec, ...]:
    """Returns the default, followed by variants that differ from it in one thing."""
    nerf = ModelConfig(encoding=EncodingConfig(EncodingKind.NERF, 9), widths=(76, 48, 33, 28))
    gaussian = EncodingConfig(EncodingKind.GAUSSIAN, 24, sigma=10.0)
    return (
        variant("default", passes),
        variant("Adam, rate 3e-3", passes, optimiser=ADAM),
        variant("Adam, rate 1.5e-3", passes, optimiser=ADAM, schedule=Schedule(learning_rate=1.5e-3)),
        variant("constant widths", passes, model=ModelConfig(widths=(46, 46, 46, 46))),
        variant("three hidden layers", passes, model=ModelConfig(widths=(68, 42, 30))),
        variant("RGB outputs", passes, colour=ColourTransform.RGB),
        variant("orthonormal YCoCg outputs", passes, colour=ColourTransform.YCOCG_ORTHONORMAL),
        variant("no rate term", passes, lambda_rd=0.0, relative_step=0.1),
        variant("rate term and noise in the last quarter", passes, schedule=Schedule(noise_from=0.75, hard_from=0.85)),
        variant("rounding in the last tenth only", passes, schedule=Schedule(hard_from=0.9)),
        variant("2x2 phases", passes, phase_factor=2),
        variant("8x8 phases", passes, phase_factor=8),
        variant("race of 4 seeds", passes, n_seeds=4),
        variant("no biases", passes, model=ModelConfig(bias=False)),
        variant("omega_0 20", passes, model=ModelConfig(omega_0=20)),
        variant("12 frequencies", passes, model=ModelConfig(encoding=EncodingConfig(n_frequencies=12))),
        variant("NeRF frequencies", passes, model=nerf),
        variant("Gaussian features and ReLU", passes, model=ModelConfig(ModelFamily.FOURIER, (52, 52, 52), gaussian)),
    )


EXPERIMENT = Experiment("fit_ablation", TRAINING, codecs(60.0), results="fit_ablation")
SMOKE = Experiment("fit_ablation smoke", PICTURES, codecs(1.0), results="fit_ablation")
