"""How published systems train, as data: learning rates in stages, restarts, noise, and when weights are rounded.

Needs no JAX. The presets of published systems hold a `Training`; the codec makes the configuration of a fit of it.
"""

import dataclasses
import enum

from inrc.errors import ConfigError


class RateCurve(enum.Enum):
    """How a learning rate goes from the first to the last of a stage."""

    COSINE = "cosine"
    LINEAR = "linear"


@dataclasses.dataclass(frozen=True)
class Restart:
    """Noise on some of the weights, from which a stage starts anew (NIF, Catania and Allegra, 2023).

    A weight is chosen with probability `fraction`, and moved by U(-radius, radius) times the mean magnitude of its
    matrix. Biases stay as they are, and so does the first layer unless `moves_first` is set.

    Attributes:
      fraction: of the weights that are moved, 0..1.
      radius: of the noise, relative to the mean magnitude of a matrix.
      from_best: whether the stage starts from the best weights so far, not from the latest.
      moves_first: whether the layers that see the coordinates' features are moved, too.
    """

    fraction: float
    radius: float
    from_best: bool = False
    moves_first: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.fraction <= 1 and 0 <= self.radius <= 100):
            raise ConfigError(
                f"a restart moves a fraction {self.fraction} of the weights by {self.radius}; the fraction must lie in "
                "0..1 and the radius in 0..100"
            )


@dataclasses.dataclass(frozen=True)
class RateStage:
    """A part of a fit, over which the learning rate rises and falls once.

    Attributes:
      share: of the fit, above 0; the shares of a schedule add up to 1 (`in_shares` sees to it).
      first, last: learning rate after the warm-up and at the end, relative to that of the schedule.
      curve: from the first to the last.
      warm_up: fraction of the stage over which the rate rises from 0 to the first.
      restart: what happens to the weights when the stage begins.
    """

    share: float = 1.0
    first: float = 1.0
    last: float = 0.01
    curve: RateCurve = RateCurve.COSINE
    warm_up: float = 0.0
    restart: Restart | None = None

    def __post_init__(self) -> None:
        if not (self.share > 0 and 0 <= self.warm_up < 1 and self.first >= 0 and self.last >= 0):
            raise ConfigError(
                f"a stage has the share {self.share}, the warm-up {self.warm_up} and rates from {self.first} to "
                f"{self.last}; shares must lie above 0, warm-ups in 0..1, rates at 0 or above"
            )


def in_shares(stages: tuple[RateStage, ...]) -> tuple[RateStage, ...]:
    """The stages with shares that add up to 1, in the same proportions."""
    total = sum(stage.share for stage in stages)
    return tuple(dataclasses.replace(stage, share=stage.share / total) for stage in stages)


@dataclasses.dataclass(frozen=True)
class Training:
    """How a published system trains a network.

    Attributes:
      n_passes: times that every pixel is seen in the published schedule.
      phase_factor: minibatches keep every so many-th row and column; 1 for whole pictures.
      learning_rate: of Adam, at its peak.
      stages: of the learning rate.
      betas, epsilon: of Adam.
      weight_decay: decoupled from the gradient, as of AdamW.
      weight_l1: weight of the sum of the magnitudes of all weights, or of their differences from a shared init.
      loss: its name in `inrc.presets.LOSSES`.
      weight_bits: levels of every matrix as bits; None where the rate is in the loss and steps are learned.
      hard_from: fraction of the fit from which weights are rounded in every step.
      measured_from: fraction of the fit from which the best state is kept; None: from `hard_from` on.
      adaround: whether rounded weights are chosen by AdaRound (Nagel et al., 2020).
    """

    n_passes: float
    phase_factor: int
    learning_rate: float
    stages: tuple[RateStage, ...]
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    weight_l1: float = 0.0
    loss: str = "mse"
    weight_bits: float | None = None
    hard_from: float = 1.0
    measured_from: float | None = None
    adaround: bool = False


class LatentNoise(enum.Enum):
    """What is added to latents where they are not rounded; the noise of a stage is its size.

    GAUSSIAN noise has a standard deviation, UNIFORM noise a width (1 covers a quantisation step), and KUMARASWAMY noise
    (C3, Kim et al., 2024) the distribution's parameter a, from 1, where it is uniform, to sharper peaks at 0.
    """

    GAUSSIAN = "gaussian"
    UNIFORM = "uniform"
    KUMARASWAMY = "kumaraswamy"


class SoftRounding(enum.Enum):
    """What is done to latents before and after the noise.

    NONE: nothing. TWICE: soft rounding before and after it. CONDITIONAL_MEAN: soft rounding before it, and after it the
    mean of the latents that may have led there (Agustsson and Theis, 2020, section 4.1), as in C3.
    """

    NONE = "none"
    TWICE = "twice"
    CONDITIONAL_MEAN = "conditional_mean"


@dataclasses.dataclass(frozen=True)
class LatentRounding:
    """What stands for the rounding of latents while they are fitted.

    Attributes:
      noise: its kind.
      soft: soft rounding before and after it.
      soft_gradient: whether latents that are rounded have the gradient of soft rounding, not that of the identity.
      paired: whether every second step repeats the noise of the one before with the other sign.
    """

    noise: LatentNoise = LatentNoise.GAUSSIAN
    soft: SoftRounding = SoftRounding.TWICE
    soft_gradient: bool = False
    paired: bool = True


@dataclasses.dataclass(frozen=True)
class LatentTrainingStage:
    """A part of the training of latents and their networks. Pairs are values at its start and at its end.

    Attributes:
      n_steps: of the published schedule.
      rate: learning rate of latents and networks; it follows a cosine, the others a line.
      temperature: of soft rounding.
      noise: its size.
      hard: whether latents are rounded.
    """

    n_steps: int
    rate: tuple[float, float]
    temperature: tuple[float, float] = (1.0, 1.0)
    noise: tuple[float, float] = (0.0, 0.0)
    hard: bool = False

    def __post_init__(self) -> None:
        if self.n_steps < 1 or min(self.rate) < 0 or min(self.temperature) <= 0 or min(self.noise) < 0:
            raise ConfigError(
                f"a stage has {self.n_steps} steps, rates {self.rate}, temperatures {self.temperature} and noise "
                f"{self.noise}; steps must be 1 or more, rates and noise 0 or more, temperatures above 0"
            )


@dataclasses.dataclass(frozen=True)
class LatentTraining:
    """How a published system trains latents and their networks: by one Adam, on distortion + lambda * bits of latents.

    The networks are neither rounded nor paid for in that loss. Once the fit has ended, their quantisation steps are
    searched by distortion + lambda * all bits.

    A latent of level l is gain * gain_per_level^l of what Adam moves: learning rates, epsilon and the norm of the
    gradient are of the latter.

    Attributes:
      stages: one after the other.
      rounding: what stands for the rounding of latents.
      gain: of the finest grid.
      gain_per_level: from a grid to the next coarser one.
      betas, epsilon: of Adam.
      clip_norm: largest norm of the gradient of latents and networks together.
      n_starts: random starts, of which the best goes on.
      start_steps: of each of them, in the published schedule.
    """

    stages: tuple[LatentTrainingStage, ...]
    rounding: LatentRounding
    gain: float
    gain_per_level: float
    clip_norm: float
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    n_starts: int = 1
    start_steps: int = 0

    @property
    def n_steps(self) -> int:
        """Steps of the published schedule."""
        return sum(stage.n_steps for stage in self.stages)
