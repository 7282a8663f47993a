"""Starts of latent grids compared: what the codec's own fits of several lengths come to from each."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inrc.codec.latent.family import GROUPS_PER_CHUNK, schedule_of
from inrc.config import LatentGridConfig
from inrc.errors import ConfigError
from inrc.fit.lanes import Lanes
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.fitting import LatentBatch, fit_latents
from inrc.fit.task import Start, Target, Task
from inrc.meta.compare import RANDOM, check_names
from inrc.meta.data import Photographs
from inrc.meta.starts import start_of
from inrc.shared_init import SharedInit
from inrc.signal.image import to_unit

STEPS = (0, 10, 30, 100, 300, 1000)
_WHOLE_PIXELS = 768 * 512
_STEPS_PER_GROUP = LatentFitConfig().steps_per_group


@dataclasses.dataclass(frozen=True)
class LatentTrajectory:
    """Fits of one picture from one start, one of each length.

    Attributes:
      start: its name.
      picture: its name.
      loss: 1,000 (mean squared error + lambda bits per pixel) of each fit, rounded as in a file; bits are those of the
        differentiable rate model.
      psnr_db, bpp: of the same.
    """

    start: str
    picture: str
    loss: tuple[float, ...]
    psnr_db: tuple[float, ...]
    bpp: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class LatentSummary:
    """Means over pictures.

    Attributes:
      start: its name.
      is_random: whether networks start at random.
      pictures: names of the pictures that were fitted.
      steps: lengths of the fits.
      lambda_rd: of all fits.
      loss: geometric mean of each length; every picture counts the same.
      psnr_db, bpp: means of each length.
    """

    start: str
    is_random: bool
    pictures: tuple[str, ...]
    steps: tuple[int, ...]
    lambda_rd: float
    loss: tuple[float, ...]
    psnr_db: tuple[float, ...]
    bpp: tuple[float, ...]


def are_of_latent_grids(inits: Mapping[str, SharedInit]) -> bool:
    """Whether all inits are of latent grids, so that `compare_latents` compares them."""
    return all(isinstance(init.model, LatentGridConfig) for init in inits.values())


def compare_latents(
    inits: Mapping[str, SharedInit],
    pictures: Photographs,
    *,
    steps: Sequence[int] = STEPS,
    seed: int = 0,
    progress: Callable[[LatentTrajectory], None] | None = None,
) -> list[LatentSummary]:
    """Fits pictures from every init, and from random networks that show the picture's mean colour.

    Every length is a fit of its own, under the schedule that the codec has for it, from latents of 0. All are at the
    lambda of the first init. Networks weigh as in a file of 768x512 pixels, of which a smaller picture is a part.

    Args:
      inits: {name: init}, of equal networks.
      pictures: of any one shape.
      steps: lengths of the fits, multiples of 5; 0 is the start itself.
      seed: of random networks and of noise.
      progress: called after the fits of every start and picture.

    Raises:
      ConfigError: There is no init, they are of different networks or of coordinate networks, one is called like the
        random start, or a length is no multiple of 5.
    """
    models = {init.model for init in inits.values()}
    model = next(iter(models), None)
    if len(models) != 1 or not isinstance(model, LatentGridConfig):
        raise ConfigError("the inits are not of the same latent grids; compare those of equal networks")
    check_names(inits, {RANDOM})
    odd = [n for n in steps if n % _STEPS_PER_GROUP]
    if odd:
        raise ConfigError(f"a fit has {odd[0]} steps; give multiples of {_STEPS_PER_GROUP}")
    lambda_rd = next(iter(inits.values())).lambda_rd
    starts: dict[str, Start | None] = {RANDOM: None} | {name: start_of(init) for name, init in inits.items()}
    lengths = tuple(sorted(steps))
    summaries = []
    for name, start in starts.items():
        trajectories = []
        for picture, pixels in zip(pictures.names, pictures.pixels, strict=True):
            points = [_fitted(pixels, model, start, n, lambda_rd, seed) for n in lengths]
            trajectories.append(LatentTrajectory(name, picture, *zip(*points, strict=True)))
            if progress is not None:
                progress(trajectories[-1])
        summaries.append(_summary(trajectories, lengths, lambda_rd, is_random=start is None))
    return summaries


def _fitted(
    pixels: np.ndarray, model: LatentGridConfig, start: Start | None, n_steps: int, lambda_rd: float, seed: int
) -> tuple[float, float, float]:
    """(loss, PSNR in dB, bits per pixel) of a fit."""
    target = Target(to_unit(pixels))
    weight = min(1.0, target.n_samples / _WHOLE_PIXELS)
    n_groups = n_steps // _STEPS_PER_GROUP
    config = LatentFitConfig(
        max(n_steps, 1),
        # A fit has whole chunks, so that its length must be a multiple of theirs.
        groups_per_chunk=next(n for n in range(GROUPS_PER_CHUNK, 0, -1) if n_groups % n == 0),
        lambda_rd=lambda_rd,
        network_weight=weight,
        schedule=schedule_of(n_steps),
        seed=seed,
    )
    if n_steps:
        result = fit_latents(target, model, config, start=start)
        distortion, latent_bits, network_bits = result.distortion, result.latent_bits, result.network_bits
    else:
        batch = LatentBatch([Task(target, config, start)], model, Lanes())
        measured = batch.rounded(batch.first_states([seed]))
        distortion, latent_bits, network_bits = (float(value[0]) for value in measured)
    bpp = (latent_bits + weight * network_bits) / target.n_samples
    return 1000 * (distortion + lambda_rd * bpp), -10 * math.log10(distortion), bpp


def _summary(
    trajectories: Sequence[LatentTrajectory], steps: tuple[int, ...], lambda_rd: float, *, is_random: bool
) -> LatentSummary:
    def mean(name: str) -> np.ndarray:
        return np.mean([getattr(trajectory, name) for trajectory in trajectories], axis=0)

    logarithms = np.mean([np.log(trajectory.loss) for trajectory in trajectories], axis=0)
    return LatentSummary(
        start=trajectories[0].start,
        is_random=is_random,
        pictures=tuple(trajectory.picture for trajectory in trajectories),
        steps=steps,
        lambda_rd=lambda_rd,
        loss=tuple(np.exp(logarithms).tolist()),
        psnr_db=tuple(mean("psnr_db").tolist()),
        bpp=tuple(mean("bpp").tolist()),
    )
