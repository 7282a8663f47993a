"""Searches for a number of bytes or a PSNR with latents: fits that go on from each other at other lambdas."""

import dataclasses
import math
from collections.abc import Callable

from inrc import presets
from inrc.codec import latent_job, pack
from inrc.codec.job import Candidate, Job
from inrc.codec.latent_job import LatentPlan
from inrc.errors import TargetNotReachedError

_MAX_REFITS = 8
_OCTAVES_PER_OCTAVE = 0.74
_DB_PER_OCTAVE = 1.9
"""By how much bytes and PSNR of photographs fall where lambda doubles, for the first step of a search."""
_FILLED = 0.98
"""Share of the bytes that are asked for which is near enough."""
_ABOVE_DB = 0.1
_BEGINS = ((1.0, 0.3), (0.3, 0.5), (0.0, 0.75))
"""Where a fit goes on whose lambda moves by that many octaves or more, as a fraction of its course."""
_LAMBDAS = 1e-8, 10.0


@dataclasses.dataclass(frozen=True)
class _Goal:
    """What a search aims at.

    Attributes:
      value: of a candidate, in a unit in which it falls with the logarithm of lambda.
      least, most: values that are near enough.
      slope: by which the value falls per octave of lambda, about.
      admits: whether a candidate keeps what is asked for, near or not.
      better: which of two candidates that do is preferred: the one with the larger number.
      describe: (what is asked for, what was reached) of a candidate that does not keep it.
    """

    value: Callable[[Candidate], float]
    least: float
    most: float
    slope: float
    admits: Callable[[float], bool]
    better: Callable[[float], float]
    unreached: Callable[[float], str]


def meet(job: Job) -> Candidate:
    """The fit that the options ask for.

    Raises:
      TargetNotReachedError: No fit met keeps the target; the message says what was reached.
    """
    options = job.options
    if options.target_psnr is not None:
        return _search(job, latent_job.plan(job, presets.bpp_of_quality(options.quality)), _psnr_goal(job))
    max_bytes = options.byte_limit(job.n_pixels)
    if max_bytes is None:
        return latent_job.run(job, latent_job.plan(job, presets.bpp_of_quality(options.quality)))
    plan = latent_job.plan(job, 8 * max_bytes / job.n_pixels)
    available = max_bytes - pack.overhead(plan.header, job.image.icc_profile)
    if available < 1:
        raise TargetNotReachedError(
            f"{max_bytes} bytes are asked for; the least for this picture is {max_bytes - available + 1}"
        )
    config = dataclasses.replace(plan.config, target_bits=8.0 * available)
    return _search(job, dataclasses.replace(plan, config=config), _bytes_goal(job, max_bytes))


def _bytes_goal(job: Job, max_bytes: int) -> _Goal:
    icc = job.image.icc_profile
    return _Goal(
        value=lambda candidate: math.log2(len(pack.pack(candidate.header, candidate.weights, icc_profile=icc))),
        least=math.log2(_FILLED * max_bytes),
        most=math.log2(max_bytes),
        slope=_OCTAVES_PER_OCTAVE,
        admits=lambda value: value <= math.log2(max_bytes),
        better=lambda value: value,
        unreached=lambda value: (
            f"{max_bytes} bytes are asked for; {round(2**value)} were reached: ask for more or give more effort"
        ),
    )


def _psnr_goal(job: Job) -> _Goal:
    target = job.options.target_psnr
    assert target is not None
    return _Goal(
        value=lambda candidate: job.psnr(candidate, candidate.weights),
        least=target,
        most=target + _ABOVE_DB,
        slope=_DB_PER_OCTAVE,
        admits=lambda value: value >= target,
        better=lambda value: -value,
        unreached=lambda value: (
            f"{target:g} dB are asked for; {value:.2f} dB were reached: ask for less or give more effort"
        ),
    )


def _search(job: Job, plan: LatentPlan, goal: _Goal) -> Candidate:
    """Fits, and goes on from the latest fit at a lambda between those that were too small and too large."""
    candidate = latent_job.run(job, plan)
    lambda_rd = candidate.result.lambda_rd
    best: tuple[float, Candidate] | None = None
    met: list[tuple[float, float]] = []
    value = goal.value(candidate)
    for refit in range(_MAX_REFITS + 1):
        met.append((math.log2(lambda_rd), value))
        if goal.admits(value) and (best is None or goal.better(value) > goal.better(best[0])):
            best = value, candidate
        if goal.least <= value <= goal.most or candidate.result.interrupted or refit == _MAX_REFITS:
            break
        moved = _next(met, goal) - math.log2(lambda_rd)
        lambda_rd = min(max(lambda_rd * 2.0**moved, _LAMBDAS[0]), _LAMBDAS[1])
        begin = next(begin for octaves, begin in _BEGINS if abs(moved) >= octaves)
        candidate = latent_job.go_on(job, plan, candidate, lambda_rd, begin)
        value = goal.value(candidate)
    if best is None:
        raise TargetNotReachedError(goal.unreached(min((value for _, value in met), key=lambda v: _distance(v, goal))))
    return best[1]


def _distance(value: float, goal: _Goal) -> float:
    return max(goal.least - value, value - goal.most, 0.0)


def _next(met: list[tuple[float, float]], goal: _Goal) -> float:
    """The logarithm of lambda to try next: between the nearest values on both sides, where there are such."""
    aim = (goal.least + goal.most) / 2
    above = [pair for pair in met if pair[1] > aim]
    below = [pair for pair in met if pair[1] <= aim]
    if not above or not below:
        place, value = met[-1]
        return place + min(max((value - aim) / goal.slope, -3.0), 3.0)
    (low, high_value), (high, low_value) = max(above), min(below)
    if high - low < 1e-3:  # fits are not exactly monotonic: begin anew from the latest
        place, value = met[-1]
        return place + (value - aim) / goal.slope
    weight = (high_value - aim) / (high_value - low_value)
    return low + (high - low) * min(max(weight, 0.1), 0.9)
