"""The schedule of a fit of latents: learning rates, soft rounding, noise and rounding, and the weight of bits."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from inrc.errors import ConfigError


class LatentSteps(NamedTuple):
    """What each step of a chunk does; arrays [groups, steps per group].

    Attributes:
      network_rate, latent_rate, step_rate: learning rates; that of the quantisation steps is relative to the fit's
        `step_learning_rate`.
      latent_beta_1, latent_beta_2: Adam's betas for latents.
      era: how often these betas have changed so far. Where it rises, Adam's moments of the latents begin anew.
      rate: weight of a bit of the latents, as a multiple of lambda.
      temperature, noise: of the latents' soft rounding, and the size of the noise (`LatentNoise`).
      hard: 1 where latents are rounded instead.
      network_noise, network_hard: the same for the networks' weights.
    """

    network_rate: jax.Array
    latent_rate: jax.Array
    latent_beta_1: jax.Array
    latent_beta_2: jax.Array
    era: jax.Array
    step_rate: jax.Array
    rate: jax.Array
    temperature: jax.Array
    noise: jax.Array
    hard: jax.Array
    network_noise: jax.Array
    network_hard: jax.Array


@dataclasses.dataclass(frozen=True)
class LatentStage:
    """A part of a fit. Pairs are values at its start and at its end; rates follow a cosine, the others a line.

    Attributes:
      share: fraction of all steps.
      network_rate: learning rate of the networks.
      latent_rate: learning rate of the latents, in units of their quantiser over the gains of `LatentAdam`.
      temperature: of soft rounding.
      noise: size of the noise between two soft roundings, as `LatentNoise` says.
      hard: whether latents are rounded instead, with a straight-through gradient.
      latent_betas: Adam's betas for latents. The gradient of a latent changes with its neighbours, so that long running
        means of it mislead while it changes fast. Where a stage has other betas than the one before it, the means
        begin anew.
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
"""Nearly all of a fit. Each value was varied alone at 2,000 steps on eight crops (experiments/NOTES.md): latents at 0.2
end 2.1 % higher in loss than at 0.4, networks at 5e-3 1.9 % higher than at 1e-2, a first temperature of 0.6 1.6 %, and
a first noise of 0.18 1.7 %; networks at 2e-2 and a last temperature of 0.07 change the loss by 0.1 %."""
_FINAL = LatentStage(0.04, (3e-4, 3e-5), (1e-4, 1e-5), hard=True)
"""The networks adapt to latents that are rounded as in the file, and latents hardly move any more: at higher rates they
would leave the integers that the networks adapt to."""


@dataclasses.dataclass(frozen=True)
class LatentSchedule:
    """What happens at which fraction of a fit.

    Attributes:
      stages: one after the other; their shares add up to 1.
      first_rate: weight of a bit of the latents in the loss at the first step, as a multiple of lambda. It is above 1
        because latents that start at a low lambda keep more bits than they need.
      first_rate_until: fraction of the fit at which that weight has fallen to 1, geometrically.
      networks_noisy_from: fraction of the fit from which weights are seen with noise and their steps are learned.
      networks_hard_from: fraction from which weights are rounded and steps stay as they are.
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
                f"first_rate is {self.first_rate} and first_rate_until {self.first_rate_until}; both must be above 0, "
                "and first_rate_until at most 1"
            )
        if not 0 <= self.networks_noisy_from <= self.networks_hard_from <= 1:
            raise ConfigError(
                f"the networks' stages begin at {self.networks_noisy_from} and {self.networks_hard_from}; they must "
                "ascend within 0..1"
            )

    def at(self, fraction: Float[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, " n"]]:
        """The fields of `LatentSteps` at fractions of the fit."""
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
        all_betas = [stage.latent_betas for stage in self.stages]
        eras = np.cumsum([False] + [one != other for one, other in itertools.pairwise(all_betas)])
        networks_hard = fraction >= self.networks_hard_from
        networks_noisy = (fraction >= self.networks_noisy_from) & ~networks_hard
        return {
            "network_rate": between("network_rate", cosine),
            "latent_rate": between("latent_rate", cosine),
            "latent_beta_1": latent_betas[0],
            "latent_beta_2": latent_betas[1],
            "era": eras[which].astype(np.float64),
            "step_rate": networks_noisy.astype(np.float64),
            "rate": self.first_rate ** np.maximum(0.0, 1.0 - fraction / self.first_rate_until),
            "temperature": between("temperature", 1 - within),
            "noise": between("noise", 1 - within) * ~hard,
            "hard": hard.astype(np.float64),
            "network_noise": networks_noisy.astype(np.float64),
            "network_hard": networks_hard.astype(np.float64),
        }


LONG = LatentSchedule(
    stages=(
        LatentStage(0.1, (1e-2, 1e-2), (0.16, 0.16), temperature=(0.35, 0.35), noise=(0.22, 0.22)),
        LatentStage(
            0.8,
            (1e-2, 1e-4),
            (0.16, 1.6e-4),
            temperature=(0.35, 0.08),
            noise=(0.22, 0.15),
            latent_betas=(0.9, 0.999),
        ),
        LatentStage(0.1, (3e-4, 3e-5), (1e-4, 1e-5), hard=True, latent_betas=(0.9, 0.999)),
    ),
    first_rate=1.0,
    networks_noisy_from=0.5,
    networks_hard_from=0.85,
)
"""Of long fits: that of Cool-Chic 5.0.1 in this project's terms. Latents slow down with long memories until each has
decided for an integer, so that the last rounding changes nothing by chance, as it does where they are fast to the end.
Such fits go on winning with their steps, with networks that are large enough (experiments/NOTES.md, 25.1 and 26)."""


def steps_of_chunk(
    schedule: LatentSchedule, *, start: float, stop: float, n_steps: int, steps_per_group: int
) -> LatentSteps:
    """The steps of one chunk.

    Args:
      schedule: of the fit.
      start: fraction of the fit done before the chunk.
      stop: fraction done after it.
      n_steps: of the chunk, a multiple of `steps_per_group`.
      steps_per_group: steps between two refreshes of the optimiser's bases.
    """
    fields = schedule.at(start + (stop - start) * np.arange(n_steps) / n_steps)
    # NumPy arrays: they go to each device that runs the chunk.
    grouped: dict[str, Any] = {n: x.reshape(-1, steps_per_group).astype(np.float32) for n, x in fields.items()}
    return LatentSteps(**grouped)
