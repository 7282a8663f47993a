"""The fits of published systems: their training, as `inrc.training` has it, at the effort that is asked for."""

import math

from inrc import presets
from inrc.codec.options import EncodeOptions
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.rounding import AdaRoundConfig
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.optimiser import OptimiserConfig
from inrc.presets import LOSSES
from inrc.training import Training


def published_fit(training: Training, options: EncodeOptions, n_pixels: int) -> CoordinateFitConfig:
    """The fit of a published system at the options' effort; rate is no part of its loss."""
    n_passes, factor = presets.training_passes(training, options.effort, n_pixels)
    return CoordinateFitConfig(
        n_passes=n_passes,
        phase_factor=factor,
        optimiser=OptimiserConfig(
            preconditioned=False,
            beta_1=training.betas[0],
            beta_2=training.betas[1],
            epsilon=training.epsilon,
            weight_decay=training.weight_decay,
        ),
        clip_norm=math.inf,
        lambda_rd=0.0,
        weight_l1=training.weight_l1,
        weight_bits=training.weight_bits,
        adaround=AdaRoundConfig() if training.adaround else None,
        loss=LOSSES[options.loss_name],
        schedule=Schedule(
            training.learning_rate,
            training.stages,
            noise_from=training.hard_from,
            hard_from=training.hard_from,
            measured_from=training.measured_from,
        ),
        time_budget=options.time_budget,
        seed=options.seed,
    )
