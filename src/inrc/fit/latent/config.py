"""How latent grids are fitted."""

import dataclasses

from inrc.config import LossConfig
from inrc.errors import ConfigError
from inrc.fit.latent.adam import LatentAdam
from inrc.fit.latent.schedule import LatentSchedule
from inrc.fit.optimiser import Optimiser, OptimiserConfig
from inrc.fit.task import FitConfig
from inrc.training import LatentRounding


@dataclasses.dataclass(frozen=True)
class LatentFitConfig(FitConfig):
    """How latents and their networks are fitted; none of it is written to a file.

    Attributes, beside those of every `FitConfig`:
      n_steps: optimiser steps; each sees the whole picture.
      network_weight: what a bit of the networks weighs in the loss, relative to one of the latents. Below 1 where a
        small picture stands for a larger one.
      optimiser: constants of ours, or an optax transformation of the `scale_by_` kind; of the networks.
      schedule: learning rates and stages.
      rounding: what stands for the rounding of latents.
      latent_adam: of the latents.
      clip_norm: largest norm of the gradient of all networks, and of the latents where `latent_adam` says so.
      step_learning_rate: Adam's rate for the logarithms of the networks' quantisation steps.
      first_step: quantisation step of the networks where a fit starts.
      searched_steps: whether the networks' quantisation steps are searched once the fit has ended, and latents stay as
        they were fitted. Otherwise the fit learns the steps, and latents are refined after long fits.
    """

    n_steps: int = 2000
    lambda_rd: float = 1e-3
    target_bits: float | None = None
    least_lambda: float = 0.0
    network_weight: float = 1.0
    n_seeds: int = 1
    race_fraction: float = 0.03
    loss: LossConfig = LossConfig()
    optimiser: Optimiser = OptimiserConfig()
    schedule: LatentSchedule = LatentSchedule()
    rounding: LatentRounding = LatentRounding()
    latent_adam: LatentAdam = LatentAdam()
    clip_norm: float = 0.1
    step_learning_rate: float = 3e-2
    steps_per_group: int = 5
    groups_per_chunk: int = 16
    first_step: float = 2.0**-8
    searched_steps: bool = False
    time_budget: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self.check()
        if self.n_steps < 1:
            raise ConfigError(f"n_steps is {self.n_steps}; it must be 1 or more")
        if not self.lambda_rd > 0:
            raise ConfigError(f"lambda_rd is {self.lambda_rd}; it must be above 0")
        if not self.network_weight >= 0:
            raise ConfigError(f"network_weight is {self.network_weight}; it must be 0 or more")
        if not self.first_step > 0:
            raise ConfigError(f"first_step is {self.first_step}; it must be above 0")
