"""What happens when in a fit of latents."""

import dataclasses
from typing import Any

import numpy as np

from inrc.errors import ConfigError
from inrc.fit.latent_program import LatentPlan


@dataclasses.dataclass(frozen=True)
class LatentStage:
    """A part of a fit. Pairs are values at its begin and end: rates go by a cosine, the others along a line.

    Attributes:
      share: of all steps.
      network_rate: learning rate of the networks.
      latent_rate: of the latents, in units of their quantiser.
      temperature: of soft rounding.
      noise: standard deviation of the noise between two soft roundings.
      hard: whether latents are rounded instead, with a straight-through gradient.
      latent_betas: of Adam for latents. Their gradients change with their neighbours, and long memories of them
        mislead.
    """

    share: float
    network_rate: tuple[float, float]
    latent_rate: tuple[float, float]
    temperature: tuple[float, float] = (1.0, 1.0)
    noise: tuple[float, float] = (0.0, 0.0)
    hard: bool = False
    latent_betas: tuple[float, float] = (0.7, 0.95)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"a stage has a share of {self.share}; it must be above 0 and at most 1")
        if not min(self.temperature) > 0:
            raise ConfigError(f"temperatures are {self.temperature}; they must be above 0")
        if not all(0 <= beta < 1 for beta in self.latent_betas):
            raise ConfigError(f"latent_betas are {self.latent_betas}; they must be in 0..1, below 1")


_MAIN = LatentStage(0.96, (1e-2, 1e-4), (0.4, 0.003), temperature=(0.5, 0.05), noise=(0.22, 0.15))
_FINAL = LatentStage(0.04, (3e-4, 3e-5), (1e-4, 1e-5), hard=True)


@dataclasses.dataclass(frozen=True)
class LatentSchedule:
    """A fit's course.

    Attributes:
      stages: one after the other; their shares add up to 1.
      first_rate: what a bit of the latents weighs in the loss at the first step, as a multiple of lambda. Few bits at
        first, more as the fit goes on: latents that begin at a low lambda keep more bits than they need.
      first_rate_until: fraction of the fit at which that has come down to 1, geometrically.
      networks_noisy_from: fraction of the fit from which weights are seen with noise and their steps learned.
      networks_hard_from: fraction from which weights are rounded instead and steps stay as they are.
    """

    stages: tuple[LatentStage, ...] = (_MAIN, _FINAL)
    first_rate: float = 2.0
    first_rate_until: float = 0.6
    networks_noisy_from: float = 0.2
    networks_hard_from: float = 0.75

    def __post_init__(self) -> None:
        total = sum(stage.share for stage in self.stages)
        if abs(total - 1) > 1e-6:
            raise ConfigError(f"the stages' shares add up to {total:g}; they must to 1")
        if not (self.first_rate > 0 and 0 < self.first_rate_until <= 1):
            raise ConfigError(
                f"bits weigh {self.first_rate} times lambda at first, until {self.first_rate_until}; they must be "
                "above 0, and the fraction at most 1"
            )
        if not 0 <= self.networks_noisy_from <= self.networks_hard_from <= 1:
            raise ConfigError(
                f"the networks' stages begin at {self.networks_noisy_from} and {self.networks_hard_from}; they must "
                "ascend within 0..1"
            )

    def at(self, fraction: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of a plan at fractions of the fit."""
        ends = np.cumsum([stage.share for stage in self.stages])
        which = np.minimum(np.searchsorted(ends, fraction + 1e-9, side="right"), len(self.stages) - 1)
        shares = np.array([stage.share for stage in self.stages])
        within = np.clip((fraction - (ends - shares)[which]) / shares[which], 0.0, 1.0)

        def between(name: str, weight: np.ndarray) -> np.ndarray:
            first, last = np.array([getattr(stage, name) for stage in self.stages], np.float64)[which].T
            return last + (first - last) * weight

        cosine = 0.5 * (1 + np.cos(np.pi * within))
        hard = np.array([stage.hard for stage in self.stages])[which]
        latent_betas = np.array([stage.latent_betas for stage in self.stages])[which].T
        networks_hard = fraction >= self.networks_hard_from
        networks_noisy = (fraction >= self.networks_noisy_from) & ~networks_hard
        return {
            "network_rate": between("network_rate", cosine),
            "latent_rate": between("latent_rate", cosine),
            "latent_beta_1": latent_betas[0],
            "latent_beta_2": latent_betas[1],
            "step_rate": networks_noisy.astype(np.float64),
            "rate": self.first_rate ** np.maximum(0.0, 1.0 - fraction / self.first_rate_until),
            "temperature": between("temperature", 1 - within),
            "noise": between("noise", 1 - within) * ~hard,
            "hard": hard.astype(np.float64),
            "network_noise": networks_noisy.astype(np.float64),
            "network_hard": networks_hard.astype(np.float64),
        }


def plan_latent_chunk(
    schedule: LatentSchedule, *, start: float, stop: float, n_steps: int, steps_per_group: int, rate_scale: float = 1.0
) -> LatentPlan:
    """The steps of one chunk.

    Args:
      schedule: the fit's course.
      start: fraction of the fit done before the chunk.
      stop: fraction done after it.
      n_steps: of the chunk, a multiple of `steps_per_group`.
      steps_per_group: steps between two refreshes of the optimiser's bases.
      rate_scale: factor of all learning rates.
    """
    fields = schedule.at(start + (stop - start) * np.arange(n_steps) / n_steps)
    for name in ("network_rate", "latent_rate"):
        fields[name] = rate_scale * fields[name]
    # Of NumPy: it goes to each device that runs the plan.
    grouped: dict[str, Any] = {n: x.reshape(-1, steps_per_group).astype(np.float32) for n, x in fields.items()}
    return LatentPlan(**grouped)
