"""How a coordinate network is fitted."""

import dataclasses
import math

from inrc.config import LossConfig
from inrc.errors import ConfigError
from inrc.fit.coordinate.rounding import AdaRoundConfig
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.optimiser import Optimiser, OptimiserConfig
from inrc.fit.task import FitConfig


@dataclasses.dataclass(frozen=True)
class CoordinateFitConfig(FitConfig):
    """How a coordinate network is fitted; none of it is written to a file.

    Attributes, beside those of every `FitConfig`:
      n_passes: times that every sample is seen.
      phase_factor: minibatches are the interleaved sub-pictures that keep every n-th row and column.
      optimiser: constants of ours, or an optax transformation of the `scale_by_` kind.
      schedule: learning rates and stages.
      relative_step: first quantisation step over the standard deviation of a matrix.
      weight_bits: levels of every matrix as bits, 1..16, not necessarily a whole number; None learns steps instead,
        which is better (published systems fix them: Dupont 2021, Strümpler 2022).
      adaround: constants of AdaRound, which rounds the fitted weights where that is better than to the nearest; None
        leaves it out.
      weight_l1: weight in the loss of the sum of the magnitudes of all weights, or of their differences from a shared
        init; what a fit reports as its distortion does not contain it.
      clip_norm: largest norm of the gradient of all weights; infinite for none.
      tile_samples: samples per tile; None chooses by the device.
    """

    n_passes: float = 100.0
    lambda_rd: float = 3e-3
    phase_factor: int = 4
    n_seeds: int = 1
    race_fraction: float = 0.03
    loss: LossConfig = LossConfig()
    optimiser: Optimiser = OptimiserConfig()
    schedule: Schedule = Schedule()
    steps_per_group: int = 10
    groups_per_chunk: int = 8
    relative_step: float = 0.25
    weight_bits: float | None = None
    adaround: AdaRoundConfig | None = None
    weight_l1: float = 0.0
    clip_norm: float = 1.0
    tile_samples: int | None = None
    time_budget: float | None = None
    target_bits: float | None = None
    least_lambda: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.check()
        if not 0 < self.n_passes < math.inf:
            raise ConfigError(f"n_passes is {self.n_passes}; it must be a number above 0")
        if not 1 <= self.phase_factor <= 64:
            raise ConfigError(f"phase_factor is {self.phase_factor}; it must lie in 1..64")
        if self.weight_bits is not None and not 1 <= self.weight_bits <= 16:
            raise ConfigError(f"weight_bits is {self.weight_bits}; it must lie in 1..16")
        if not 0 <= self.weight_l1 < math.inf:
            raise ConfigError(f"weight_l1 is {self.weight_l1}; it must be a number of 0 or more")
        if not self.clip_norm > 0:
            raise ConfigError(f"clip_norm is {self.clip_norm}; it must be a number above 0, or infinite")
