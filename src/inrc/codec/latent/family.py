"""Encoding with latent grids: networks of one size for all rates, and refits that start from earlier fits."""

import dataclasses
import math
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from inrc import presets, shared_init
from inrc.bitstream import network_fields
from inrc.codec import file as files
from inrc.codec.family import Family
from inrc.codec.latent import published
from inrc.codec.latent.format import LatentFormat
from inrc.codec.latent.idle_lines import without_idle_lines
from inrc.codec.latent.rdoq import loss_of, refine
from inrc.codec.latent.step_search import with_searched_steps
from inrc.codec.options import EncodeOptions
from inrc.codec.plan import Candidate, Fitter, Goal, Plan, Resolved, Trial
from inrc.codec.reference import Reference
from inrc.codec.weights import quantise
from inrc.config import LatentGridConfig, ModelFamily
from inrc.fit.lanes import Lanes
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.fitting import LatentFitResult, fit_latents_batch
from inrc.fit.latent.plan import fit_plan
from inrc.fit.latent.schedule import LONG, LatentSchedule
from inrc.fit.task import FitResult, Progress
from inrc.presets import LOSSES
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform

GROUPS_PER_CHUNK = 4
"""Groups of steps of a compiled call. All efforts have the same, so that they share their compiled programs."""
_REFINED_FROM_STEPS = 1000
"""Steps of a fit from which refining rounded weights and latents is worth its time, that of a hundred steps."""
_MAX_REFITS = 8
_ENOUGH_REFITS = 2
"""After which a file that keeps what is asked for is good enough if it is as near as `_TRIMMED_OCTAVES`."""
_OCTAVES_PER_OCTAVE, _DB_PER_OCTAVE = 0.74, 1.9
"""By how much bytes (in octaves) and PSNR of photographs fall where lambda doubles, for the first step of a search."""
_START_FRACTIONS = ((1.0, 0.2), (0.0, 0.5))
"""Where in its schedule a refit starts whose lambda moves by that many octaves or more. Later, latents hardly move any
more, and bytes do not follow lambda."""
_TELLING_OCTAVES = 0.2
"""Distance of two lambdas from which the slope between two fits is better known than that of photographs."""
_LEAST_STEPS = 40
"""Steps of a refit, or of its whole schedule where that is shorter."""
_LAMBDAS = 1e-8, 10.0
_TRIMS = (0.25, 0.5, 1.0, 1.25, 1.5, 2.0, 3.0, 10.0, 30.0, 100.0)
"""Multiples of lambda by which the last latents are rounded to zero where a few bytes are too many."""
_TRIMMED_OCTAVES, _TRIMMED_DB = 0.12, 0.3
"""Excess of bytes or of PSNR that trimming takes away for a tenth of a dB, in a tenth of the time of another fit."""


class LatentFamily(Family):
    """The family of latent grids."""

    format = LatentFormat()
    fields = network_fields.fields_of_family(ModelFamily.LATENT_GRID)
    fit_config = LatentFitConfig
    preset = presets.LatentCodec
    codecs = tuple(presets.LATENT_CODECS.values())

    def resolve(
        self,
        options: EncodeOptions,
        shape: tuple[int, ...],
        n_channels: int,
        bpp: float,
        init: SharedInit | None = None,
    ) -> Resolved:
        self.check(options)
        config = _config(options, shape, bpp)
        model = options.model if init is None else init.model
        if model is None:
            codec = presets.codec_by_name(options.codec)
            assert isinstance(codec, presets.LatentCodec)
            model = presets.latent_model_for(codec, config.n_steps, math.prod(shape))
        return Resolved(model, config, ColourTransform.RGB)

    def shipped_init(
        self, options: EncodeOptions, shape: tuple[int, int], n_channels: int, bpp: float
    ) -> SharedInit | None:
        """The init of the nearest lambda, for short fits; published systems start at random."""
        codec, config = presets.codec_by_name(options.codec), _config(options, shape, bpp)
        assert isinstance(codec, presets.LatentCodec)
        if config.n_steps > presets.LONGEST_WITH_INIT or codec.training is not None:
            return None
        suitable = [
            init
            for init in shared_init.shipped(codec.name)
            if init.model == codec.model and not self.format.misfit(init, shape, n_channels)
        ]
        wanted = config.squared_error_lambda
        return min(suitable, key=lambda init: abs(math.log(init.lambda_rd / wanted)), default=None)

    def sees_transposed(self, shape: tuple[int, int], has_init: bool) -> bool:
        return shape[0] > shape[1]

    def bucket(self, plan: Plan) -> Hashable:
        return fit_plan(plan.task, _model(plan)), plan.header.init_id

    def side_by_side(self, plan: Plan) -> int:
        return fit_plan(plan.task, _model(plan)).side_by_side()

    def fit(
        self,
        plans: Sequence[Plan],
        *,
        side_by_side: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        checkpoint_path: Path | None = None,
    ) -> Sequence[FitResult]:
        model, tasks = _model(plans[0]), [plan.task for plan in plans]
        lanes = Lanes() if side_by_side is None else fit_plan(tasks[0], model).lanes(len(plans), side_by_side)
        return fit_latents_batch(tasks, model, lanes=lanes, progress=progress, checkpoint_path=checkpoint_path)

    def rounded(self, plans: Sequence[Plan], results: Sequence[FitResult]) -> list[Candidate]:
        """Weights rounded by the steps that the fits have learned, latents by what they cost.

        Where the configuration says so, the steps are searched instead, and latents stay as they were fitted.

        Weights are differences from the shared init, if the plan has one. Where the file may do without it, they are
        written in full if that leads to the lower loss.
        """
        return [_rounded(plan, result) for plan, result in zip(plans, results, strict=True)]

    def may_refit(self, trials: list[Trial], goal: Goal, *, trimming_failed: bool = False) -> bool:
        near = _TRIMMED_DB if goal.is_psnr else _TRIMMED_OCTAVES
        may_be_trimmed = not trimming_failed and 0.0 < trials[-1].value - goal.most <= near
        good = any(goal.admits(trial.value) and goal.distance(trial.value) <= near for trial in trials)
        return len(trials) <= _MAX_REFITS and not may_be_trimmed and not (good and len(trials) > _ENOUGH_REFITS)

    def refit(self, picture: Fitter, trials: list[Trial], goal: Goal) -> tuple[Plan, Candidate]:
        """A warm start from the latest fit, at a lambda nearer to the goal, over the last part of the schedule."""
        plan, candidate = trials[0].plan, trials[-1].candidate
        log_lambda = math.log2(candidate.result.lambda_rd)
        moved = _next_log_lambda(trials, goal) - log_lambda
        start_fraction = next(fraction for octaves, fraction in _START_FRACTIONS if abs(moved) >= octaves)
        config = plan.task.config
        assert isinstance(config, LatentFitConfig)
        least, most = max(_LAMBDAS[0], config.least_lambda), _LAMBDAS[1]
        lambda_rd = min(max(candidate.result.lambda_rd * 2.0**moved, least), most)
        start_fraction = max(0.0, min(start_fraction, 1 - _LEAST_STEPS / config.n_steps))
        plan = plan.with_config(lambda_rd=lambda_rd)
        task = dataclasses.replace(plan.task, warm_start=candidate.result, start_fraction=start_fraction)
        plan = dataclasses.replace(plan, task=task)
        return plan, picture.fit(plan)

    def trimmed(self, picture: Fitter, trials: list[Trial], best: Trial | None, goal: Goal) -> Trial | None:
        """The best trial, or one with a little too much of value whose last latents are rounded to zero."""
        above = [trial for trial in trials if trial.value > goal.most]
        if not above or (best is not None and goal.near_enough(best.value)):
            return best
        nearest = min(above, key=lambda trial: trial.value)
        refined_by = 1.0 if _is_refined(nearest.plan, nearest.candidate.result) else 0.0
        for factor in (one for one in _TRIMS if one > refined_by):
            candidate = refine(nearest.candidate, factor * nearest.candidate.result.lambda_rd)
            value = goal.value(candidate)
            if goal.admits(value) and (best is None or goal.prefers(value, best.value)):
                best = nearest._replace(value=value, candidate=candidate)
            if value < goal.least:
                break
        return best


def _next_log_lambda(trials: list[Trial], goal: Goal) -> float:
    """The logarithm of lambda to try next, from the latest fit: earlier ones were further away.

    The slope is that of the last two fits, where they are far enough apart to tell it.
    """
    log_lambdas = [math.log2(trial.candidate.result.lambda_rd) for trial in trials]
    slope = usual = _DB_PER_OCTAVE if goal.is_psnr else _OCTAVES_PER_OCTAVE
    if len(trials) > 1 and abs(log_lambdas[-2] - log_lambdas[-1]) > _TELLING_OCTAVES:
        found = (trials[-2].value - trials[-1].value) / (log_lambdas[-1] - log_lambdas[-2])
        slope = min(max(found, usual / 2), usual * 2)
    aim = (goal.least + goal.most) / 2
    return log_lambdas[-1] + min(max((trials[-1].value - aim) / slope, -3.0), 3.0)


def _rounded(plan: Plan, result: FitResult) -> Candidate:
    assert isinstance(result, LatentFitResult)
    config = plan.task.config
    assert isinstance(config, LatentFitConfig)
    if config.searched_steps:
        result = with_searched_steps(plan, result)
    candidate = _with_weights(plan, plan.reference, result)
    if plan.reference is not None and plan.may_drop_init:
        in_full = _with_weights(plan, None, result)
        candidate = min((candidate, in_full), key=lambda one: loss_of(one, result.lambda_rd))
    if not _is_refined(plan, result):
        return candidate
    return refine(without_idle_lines(candidate, result.lambda_rd), result.lambda_rd)


def _is_refined(plan: Plan, result: FitResult) -> bool:
    """Whether weights and latents of a fit are refined at its own lambda."""
    config = plan.task.config
    assert isinstance(config, LatentFitConfig)
    return config.n_steps >= _REFINED_FROM_STEPS and not (config.searched_steps or result.interrupted)


def _with_weights(plan: Plan, reference: Reference | None, result: LatentFitResult) -> Candidate:
    """The rounded fit, its weights as differences from a reference or in full."""
    header = plan.header if reference is not None else dataclasses.replace(plan.header, init_id=b"")
    weights = quantise(result.params, result.steps, reference)
    return Candidate(files.make(header, weights, result.latents, plan.sections), result)


def _config(options: EncodeOptions, shape: tuple[int, ...], bpp: float) -> LatentFitConfig:
    """The fit of the options: their own, or that of their effort and of the lambda that leads to about `bpp`."""
    if options.fit is not None:
        assert isinstance(options.fit, LatentFitConfig)
        return options.fit
    loss, n_pixels, codec = LOSSES[options.loss_name], math.prod(shape), presets.codec_by_name(options.codec)
    others = {
        "lambda_rd": presets.latent_lambda_of_bpp(bpp) * loss.slope,
        "loss": loss,
        "groups_per_chunk": GROUPS_PER_CHUNK,
        "time_budget": options.time_budget,
        "seed": options.seed,
    }
    if isinstance(codec, presets.LatentCodec) and codec.training is not None:
        n_steps = published.n_steps_of(codec.training, options.effort, n_pixels)
        return published.fit_of(codec.training, n_steps, **others)
    n_steps = presets.steps_of_effort(options.effort, n_pixels)
    return LatentFitConfig(n_steps=n_steps, schedule=schedule_of(n_steps), **others)


def schedule_of(n_steps: int) -> LatentSchedule:
    """The schedule of the codec's own fits of a length."""
    return LONG if presets.is_long(n_steps) else LatentSchedule()


def _model(plan: Plan) -> LatentGridConfig:
    assert isinstance(plan.header.model, LatentGridConfig)
    return plan.header.model
