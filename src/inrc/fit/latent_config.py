"""What goes into a fit of latents and what comes out of it."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from inrc.errors import ConfigError
from inrc.fit.config import MAX_SEEDS, Start
from inrc.fit.latent_program import LatentProblem, LatentSignal
from inrc.fit.latent_stages import LatentSchedule
from inrc.fit.loss import LossConfig
from inrc.fit.optimiser import OptimiserConfig


@dataclasses.dataclass(frozen=True)
class LatentFitConfig:
    """How to fit; none of it is written to a file.

    Attributes:
      n_steps: optimiser steps; each sees the whole picture.
      lambda_rd: loss per bit and pixel: the fit minimises distortion + lambda_rd * bpp.
      target_bits: bits of all latents and networks, by the float model; lambda then follows the rate.
      network_weight: what a bit of the networks weighs in the loss, relative to one of the latents. Below 1 where a
        small picture stands for a larger one.
      n_seeds: random starts that race for the first `race_fraction` of the fit.
      race_fraction: see `n_seeds`.
      loss: distortion.
      optimiser: constants of the networks' optimiser.
      schedule: rates and stages.
      clip_norm: largest norm of the gradient of all networks.
      step_learning_rate: of the logarithms of the networks' quantisation steps.
      steps_per_group: steps between refreshes of the optimiser's bases.
      groups_per_chunk: groups per compiled call: progress, interruption and checkpoints happen between calls.
      first_step: of the networks' quantiser, where a fit begins.
      time_budget: seconds, compilation included, after which the fit must have ended.
      seed: of everything random.
    """

    n_steps: int = 2000
    lambda_rd: float = 1e-3
    target_bits: float | None = None
    network_weight: float = 1.0
    n_seeds: int = 1
    race_fraction: float = 0.03
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: LatentSchedule = LatentSchedule()
    clip_norm: float = 0.1
    step_learning_rate: float = 3e-2
    steps_per_group: int = 5
    groups_per_chunk: int = 16
    first_step: float = 2.0**-8
    time_budget: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise ConfigError(f"n_steps is {self.n_steps}; it must be 1 or more")
        if not self.lambda_rd > 0:
            raise ConfigError(f"lambda_rd is {self.lambda_rd}; it must be above 0")
        if self.target_bits is not None and not self.target_bits > 0:
            raise ConfigError(f"target_bits is {self.target_bits}; it must be above 0")
        if not self.network_weight >= 0:
            raise ConfigError(f"network_weight is {self.network_weight}; it must be 0 or more")
        if not 1 <= self.n_seeds <= MAX_SEEDS:
            raise ConfigError(f"n_seeds is {self.n_seeds}; it must lie in 1..{MAX_SEEDS}")
        if not 0 <= self.seed < (1 << 32) // MAX_SEEDS:
            raise ConfigError(f"seed is {self.seed}; it must lie in 0..{(1 << 32) // MAX_SEEDS - 1}")
        if self.steps_per_group < 1 or self.groups_per_chunk < 1:
            raise ConfigError("steps_per_group and groups_per_chunk must be 1 or more")
        if not self.first_step > 0:
            raise ConfigError(f"first_step is {self.first_step}; it must be above 0")
        if self.time_budget is not None and not self.time_budget > 0:
            raise ConfigError(f"time_budget is {self.time_budget} s; it must be above 0")


@dataclasses.dataclass(frozen=True)
class LatentFitResult:
    """The best latents and networks found.

    Attributes:
      latents: int32 [height, width] of every grid, in coding order.
      state_latents: the same before rounding, float32 [packing.size]; what another fit may continue.
      params: {name: matrix}, not rounded, in the order of the layout; the integer coder takes them.
      steps: {name: quantisation step}.
      mse, latent_bits, network_bits: of the rounded latents and weights, by the float model.
      distortion: of these, by the fit's loss.
      problem, signal: what was fitted.
      n_steps: optimiser steps taken.
      seconds: wall-clock time, compilation included.
      compile_seconds: of which compiling the program of the steps took.
      lambda_rd: the one that the fit ended with.
      interrupted: whether the fit was cut short by the user.
    """

    latents: tuple[np.ndarray, ...]
    state_latents: np.ndarray
    params: dict[str, np.ndarray]
    steps: dict[str, float]
    mse: float
    latent_bits: float
    network_bits: float
    distortion: float
    problem: LatentProblem
    signal: LatentSignal
    n_steps: int
    seconds: float
    compile_seconds: float
    lambda_rd: float
    interrupted: bool

    def arrays(self) -> Iterator[np.ndarray]:
        """Everything that a fit which continues this one depends on."""
        yield self.state_latents
        yield from self.params.values()
        yield np.array([*self.steps.values()], np.float64)


@dataclasses.dataclass(frozen=True)
class LatentTask:
    """One fit: a picture [C, height, width] in [0, 1], how to fit it, and where to begin (`inrc.fit.latents`)."""

    values: np.ndarray
    config: LatentFitConfig
    start: Start | None = None
    continued: LatentFitResult | None = None
