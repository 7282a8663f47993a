"""Searches for a number of bytes or a PSNR: trials of a family, nearer and nearer to the goal."""

import math
from typing import NamedTuple

from inrc.codec.job import Job
from inrc.codec.plan import Candidate, Goal, Plan, Trial
from inrc.errors import TargetNotReachedError

_FILLED = 0.96
"""Share of the bytes asked for which is near enough: another fit would cost more time than the rest is worth."""


class Met(NamedTuple):
    """The end of a search.

    Attributes:
      candidate: the contents of the file.
      is_full_quality: whether a limit of bytes allows more than quality 100 takes, so that the file is that of quality
        100.
    """

    candidate: Candidate
    is_full_quality: bool = False


def meet_target(job: Job, plan: Plan, candidate: Candidate) -> Met:
    """The candidate, or another one of its family, that keeps the target of the options, if they name one.

    Args:
      job: the picture.
      plan: of the first fit.
      candidate: that the first fit has led to.

    Raises:
      TargetNotReachedError: No trial reached the target; the message says what was reached.
    """
    goal = _goal_of(job)
    if goal is None:
        return Met(candidate)
    first = Trial(plan, goal.value(candidate), candidate)
    max_bytes = job.options.byte_limit(job.n_pixels)
    is_too_large = not goal.admits(first.value) and not candidate.result.interrupted
    if max_bytes is not None and is_too_large and plan.task.config.target_bits is None:
        # More bytes are allowed than photographs take at quality 100, but this picture takes even more.
        plan = job.with_limit(plan, max_bytes)
        candidate = job.fit(plan)
        first = Trial(plan, goal.value(candidate), candidate)
    return _search(job, goal, first)


def _goal_of(job: Job) -> Goal | None:
    target, max_bytes = job.options.target_psnr, job.options.byte_limit(job.n_pixels)
    if target is not None:
        return Goal(
            value=lambda candidate: job.psnr_of(candidate.file),
            least=target,
            most=target + job.family.psnr_margin_db,
            is_psnr=True,
            unreached=lambda value: (
                f"{target:g} dB are asked for; {value:.2f} dB were reached: ask for less or give more effort"
            ),
        )
    if max_bytes is None:
        return None
    return Goal(
        value=lambda candidate: math.log2(len(candidate.packed())),
        least=math.log2(_FILLED * max_bytes),
        most=math.log2(max_bytes),
        is_psnr=False,
        unreached=lambda value: (
            f"{max_bytes} bytes are asked for; {round(2**value)} were reached: ask for more or give more effort"
        ),
    )


def _search(job: Job, goal: Goal, first: Trial) -> Met:
    family, best, trials = job.family, None, [first]
    while True:
        latest = trials[-1]
        if goal.admits(latest.value) and (best is None or goal.prefers(latest.value, best.value)):
            best = latest
            if _is_full_quality(best):
                return Met(best.candidate, is_full_quality=not goal.near_enough(best.value))
        interrupted = latest.candidate.result.interrupted
        if goal.near_enough(latest.value) or interrupted or not family.may_refit(trials, goal):
            if not (interrupted and best is not None):
                best = family.trimmed(job, trials, best, goal)
            if best is not None or interrupted or not family.may_refit(trials, goal, trimming_failed=True):
                break
        plan, candidate = family.refit(job, trials, goal)
        trials.append(Trial(plan, goal.value(candidate), candidate))
    if best is not None:
        return Met(best.candidate)
    nearest = min(trials, key=lambda trial: goal.distance(trial.value))
    if interrupted and goal.is_psnr:
        return Met(nearest.candidate)  # the user has cut the search short and keeps what there is
    raise TargetNotReachedError(goal.unreached(nearest.value))


def _is_full_quality(trial: Trial) -> bool:
    """Whether a fit under a limit of bytes has ended with the lambda of quality 100, below which none of them goes."""
    least_lambda = trial.plan.task.config.least_lambda
    return 0.0 < trial.candidate.result.lambda_rd <= least_lambda
