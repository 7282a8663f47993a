"""Searches for a number of bytes or a PSNR with latents: fits that go on from each other at other lambdas."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

from inrc import presets
from inrc.codec import latent_job, pack
from inrc.codec.job import Candidate, Job
from inrc.codec.latent_job import LatentPlan
from inrc.codec.latent_rdoq import refine
from inrc.errors import TargetNotReachedError
from inrc.fit.latent_config import LatentFitResult

_MAX_REFITS = 8
_OCTAVES_PER_OCTAVE = 0.74
_DB_PER_OCTAVE = 1.9
"""By how much bytes and PSNR of photographs fall where lambda doubles, for the first step of a search."""
_FILLED = 0.97
"""Share of the bytes that are asked for which is near enough."""
_ABOVE_DB = 0.1
_BEGINS = ((1.0, 0.2), (0.3, 0.5), (0.0, 0.75))
"""Where a fit goes on whose lambda moves by that many octaves or more, as a fraction of its course."""
_TELLING_OCTAVES = 0.2
_LEAST_STEPS = 40
"""Of a fit that goes on, or of its whole course where that is shorter."""
_LAMBDAS = 1e-8, 10.0
_TRIMS = (3.0, 10.0, 30.0, 100.0)
"""Multiples of lambda by which the last latents are rounded to zero where a few bytes are too many."""


@dataclasses.dataclass(frozen=True)
class _Goal:
    """What a search aims at.

    Attributes:
      value: of a candidate, in a unit in which it falls with the logarithm of lambda.
      least, most: values that are near enough.
      slope: by which the value falls per octave of lambda, about.
      admits: whether a value keeps what is asked for, near or not.
      better: which of two values that are admitted is preferred: the one with the larger number.
      unreached: the message where no value is admitted, from the nearest.
    """

    value: Callable[[Candidate], float]
    least: float
    most: float
    slope: float
    admits: Callable[[float], bool]
    better: Callable[[float], float]
    unreached: Callable[[float], str]


class _Met(NamedTuple):
    """The logarithm to base 2 of lambda, and where it has led to."""

    log_lambda: float
    value: float
    candidate: Candidate


def plan(job: Job) -> LatentPlan:
    """The first fit, at the lambda that the options' quality leads to, or aiming at their number of bytes.

    Raises:
      TargetNotReachedError: So few bytes hold no file.
    """
    max_bytes = job.options.byte_limit(job.n_pixels)
    if max_bytes is None:
        return latent_job.plan(job, presets.bpp_of_quality(job.options.quality))
    plan = latent_job.plan(job, 8 * max_bytes / job.n_pixels)
    available = max_bytes - pack.overhead(plan.header, job.image.icc_profile)
    if available < 1:
        raise TargetNotReachedError(
            f"{max_bytes} bytes are asked for; the least for this picture is {max_bytes - available + 1}"
        )
    config = dataclasses.replace(plan.task.config, target_bits=8.0 * available)
    return dataclasses.replace(plan, task=dataclasses.replace(plan.task, config=config))


def settle(job: Job, plan: LatentPlan, candidate: Candidate) -> Candidate:
    """The candidate, or one of later fits that go on from it, that keeps the options' target.

    Raises:
      TargetNotReachedError: None met does; the message says what was reached.
    """
    if job.options.target_psnr is not None:
        return _search(job, plan, candidate, _psnr_goal(job, job.options.target_psnr))
    max_bytes = job.options.byte_limit(job.n_pixels)
    return candidate if max_bytes is None else _search(job, plan, candidate, _bytes_goal(job, max_bytes))


def _bytes_goal(job: Job, max_bytes: int) -> _Goal:
    icc = job.image.icc_profile
    return _Goal(
        value=lambda candidate: math.log2(len(candidate.packed(icc))),
        least=math.log2(_FILLED * max_bytes),
        most=math.log2(max_bytes),
        slope=_OCTAVES_PER_OCTAVE,
        admits=lambda value: value <= math.log2(max_bytes),
        better=lambda value: value,
        unreached=lambda value: (
            f"{max_bytes} bytes are asked for; {round(2**value)} were reached: ask for more or give more effort"
        ),
    )


def _psnr_goal(job: Job, target: float) -> _Goal:
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


def _search(job: Job, plan: LatentPlan, candidate: Candidate, goal: _Goal) -> Candidate:
    """Goes on from the latest fit at a lambda between those that were too small and too large."""
    assert isinstance(candidate.result, LatentFitResult)
    lambda_rd = candidate.result.lambda_rd
    best: tuple[float, Candidate] | None = None
    met: list[_Met] = []
    value = goal.value(candidate)
    for refit in range(_MAX_REFITS + 1):
        met.append(_Met(math.log2(lambda_rd), value, candidate))
        if goal.admits(value) and (best is None or goal.better(value) > goal.better(best[0])):
            best = value, candidate
        if goal.least <= value <= goal.most or candidate.result.interrupted or refit == _MAX_REFITS:
            break
        moved = _next(met, goal) - math.log2(lambda_rd)
        lambda_rd = min(max(lambda_rd * 2.0**moved, _LAMBDAS[0]), _LAMBDAS[1])
        begin = next(begin for octaves, begin in _BEGINS if abs(moved) >= octaves)
        begin = max(0.0, min(begin, 1 - _LEAST_STEPS / plan.task.config.n_steps))
        candidate = latent_job.go_on(job, plan, candidate, lambda_rd, begin)
        value = goal.value(candidate)
    best = _trimmed(met, goal, best)
    if best is None:
        nearest = min((value for _, value, _ in met), key=lambda value: _distance(value, goal))
        raise TargetNotReachedError(goal.unreached(nearest))
    return best[1]


def _trimmed(met: list[_Met], goal: _Goal, best: tuple[float, Candidate] | None) -> tuple[float, Candidate] | None:
    """The best candidate, or one with a little too much of value whose last latents are rounded to zero."""
    above = [one for one in met if one.value > goal.most]
    if not above or (best is not None and best[0] <= goal.most):
        return best
    nearest = min(above, key=lambda one: one.value)
    for factor in _TRIMS:
        candidate = refine(nearest.candidate, factor * 2.0**nearest.log_lambda)
        value = goal.value(candidate)
        if goal.admits(value) and (best is None or goal.better(value) > goal.better(best[0])):
            best = value, candidate
        if value < goal.least:
            break
    return best


def _distance(value: float, goal: _Goal) -> float:
    return max(goal.least - value, value - goal.most, 0.0)


def _next(met: list[_Met], goal: _Goal) -> float:
    """The logarithm of lambda to try next, from the latest fit: earlier ones were less far.

    The slope is that of the last two fits, where they tell it.
    """
    aim, latest = (goal.least + goal.most) / 2, met[-1]
    slope = goal.slope
    if len(met) > 1 and abs(met[-2].log_lambda - latest.log_lambda) > _TELLING_OCTAVES:
        found = (met[-2].value - latest.value) / (latest.log_lambda - met[-2].log_lambda)
        slope = min(max(found, slope / 2), slope * 2)
    return latest.log_lambda + min(max((latest.value - aim) / slope, -3.0), 3.0)
