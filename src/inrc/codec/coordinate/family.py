"""Encoding with coordinate networks: their size follows the rate, and their steps are searched after the fit."""

import math
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from inrc import presets, shared_init
from inrc.bitstream import network_fields
from inrc.bitstream.header import Header
from inrc.codec.coordinate import rounding, trimming
from inrc.codec.coordinate.format import INIT_COLOUR, CoordinateFormat, output_transform
from inrc.codec.coordinate.published import published_fit
from inrc.codec.family import Family
from inrc.codec.options import EncodeOptions
from inrc.codec.plan import Candidate, Fitter, Goal, Plan, Resolved, Trial
from inrc.config import ModelConfig, ModelFamily, WeightStorage
from inrc.errors import ConfigError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import fit_networks
from inrc.fit.coordinate.plan import fit_plan
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.lanes import Lanes
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import FitResult, Progress, Target
from inrc.presets import LOSSES
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform

_NEAR_SIZE = 1.6
"""Ratio of numbers of weights up to which a shared init serves a rate; lambda makes up for the rest."""
_MAX_REFITS = 3
_BELOW_LIMIT = 0.98
"""Share of a limit of bytes that the next network aims at where steps cannot be coarser: whole widths are not exact."""
_DB_PER_OCTAVE = 1.9
"""PSNR that a doubling of the rate buys, for the first guess of a search."""
_AIM_ABOVE_DB = 0.2
"""By how much refits aim above an asked-for PSNR: coming down by coarser steps costs next to nothing, coming up costs
another fit."""


class CoordinateFamily(Family):
    """The family of coordinate networks."""

    format = CoordinateFormat()
    fields = network_fields.fields_of_family(ModelFamily.SIREN)
    fit_config = CoordinateFitConfig
    preset = presets.CoordinateCodec
    codecs = tuple(presets.COORDINATE_CODECS.values())
    least_payload = 16
    psnr_margin_db = 0.5

    def resolve(
        self,
        options: EncodeOptions,
        shape: tuple[int, ...],
        n_channels: int,
        bpp: float,
        init: SharedInit | None = None,
    ) -> Resolved:
        self.check(options)
        model, config = network_and_fit(options, shape, n_channels, bpp, init)
        if config.adaround is not None and model.storage is not WeightStorage.INTEGERS:
            raise ConfigError(
                f"the fit rounds by AdaRound, and files hold weights as {model.storage.name}; AdaRound needs INTEGERS"
            )
        colour = _colour(options) if init is None else INIT_COLOUR
        return Resolved(model, config, colour if n_channels >= 3 else ColourTransform.RGB)

    def shipped_init(
        self, options: EncodeOptions, shape: tuple[int, int], n_channels: int, bpp: float
    ) -> SharedInit | None:
        """The init of the network nearest in size to what the rate pays for; of several, that of the nearest canvas."""
        codec = presets.codec_by_name(options.codec)
        assert isinstance(codec, presets.CoordinateCodec)
        has_levels = isinstance(options.fit, CoordinateFitConfig) and options.fit.weight_bits is not None
        if has_levels or (n_channels >= 3 and _colour(options) is not INIT_COLOUR):
            return None
        wanted = presets.n_weights_for(bpp, math.prod(shape), codec.bits_per_weight)

        def distance(init: SharedInit) -> tuple[float, float]:
            mean, _ = self.format.matrices_of_init(init, shape, n_channels)
            size, canvas = sum(matrix.size for matrix in mean.values()), math.prod(init.shape)
            return abs(math.log(size / wanted)), abs(math.log(canvas / math.prod(shape)))

        suitable = [
            init
            for init in shared_init.shipped(codec.name)
            if isinstance(init.model, ModelConfig)
            and codec.has_form_of(init.model)
            and not self.format.misfit(init, shape, n_channels)
            and distance(init)[0] <= math.log(_NEAR_SIZE)
        ]
        return min(suitable, key=distance, default=None)

    def check_init(self, options: EncodeOptions, n_channels: int, init: SharedInit) -> None:
        colour = options.colour
        if n_channels >= 3 and colour not in (None, INIT_COLOUR):
            raise ConfigError(
                f"the shared init {init.id.hex()} is of {INIT_COLOUR.name}, the colour {colour.name} is asked for; "
                "leave the colour away or use no init (--init none)"
            )

    def sees_transposed(self, shape: tuple[int, int], has_init: bool) -> bool:
        return has_init and shape[0] > shape[1]

    def target(self, values: np.ndarray, header: Header) -> Target:
        return Target(values, *output_transform(header.colour, header.channels))

    def bpp_of_bytes(self, max_bytes: int, overhead: int, n_pixels: int) -> float:
        return 8 * (max_bytes - overhead) / n_pixels

    def bucket(self, plan: Plan) -> Hashable:
        return fit_plan(plan.task, _model(plan), padded=True), plan.header.init_id, rounding.n_evaluations(plan)

    def side_by_side(self, plan: Plan) -> int:
        return fit_plan(plan.task, _model(plan), padded=True).side_by_side()

    def fit(
        self,
        plans: Sequence[Plan],
        *,
        side_by_side: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        checkpoint_path: Path | None = None,
    ) -> Sequence[FitResult]:
        model, tasks = _model(plans[0]), [plan.task for plan in plans]
        padded = side_by_side is not None
        lanes = fit_plan(tasks[0], model, padded=True).lanes(len(plans), side_by_side) if padded else Lanes()
        return fit_networks(
            tasks, model, lanes=lanes, padded=padded, progress=progress, checkpoint_path=checkpoint_path
        )

    def rounded(self, plans: Sequence[Plan], results: Sequence[FitResult]) -> list[Candidate]:
        return rounding.candidates(plans, results)

    def may_refit(self, trials: list[Trial], goal: Goal, *, trimming_failed: bool = False) -> bool:
        del trimming_failed
        has_steps = _model(trials[0].plan).storage is not WeightStorage.HALF
        if not goal.is_psnr and (has_steps or any(goal.admits(trial.value) for trial in trials)):
            return False
        return len(trials) <= _MAX_REFITS

    def refit(self, picture: Fitter, trials: list[Trial], goal: Goal) -> tuple[Plan, Candidate]:
        """A network of another size: by the slope of an average photograph, or between two that bracket the goal."""
        latest = trials[-1]
        bpp = latest.plan.bpp
        if not goal.is_psnr:
            plan = picture.plan(bpp * _BELOW_LIMIT * 2.0 ** (goal.most - latest.value))
            return plan, picture.fit(plan)
        target = goal.least
        lowest = max((trial.plan.bpp for trial in trials if trial.value < target), default=0.0)
        highest = min((trial.plan.bpp for trial in trials if trial.value >= target), default=math.inf)
        guess = bpp * 2.0 ** ((target + _AIM_ABOVE_DB - latest.value) / _DB_PER_OCTAVE)
        if lowest and highest < math.inf and not lowest < guess < highest:
            guess = math.sqrt(lowest * highest)
        most = presets.bpp_of_quality(presets.MAX_QUALITY) * 2
        plan = picture.plan(min(max(guess, bpp / 8, 0.005), bpp * 8, most))
        return plan, picture.fit(plan)

    def trimmed(self, picture: Fitter, trials: list[Trial], best: Trial | None, goal: Goal) -> Trial | None:
        """Steps coarse enough for the number of bytes, or as coarse as the PSNR allows; binary16 numbers have none."""
        if _model(trials[0].plan).storage is WeightStorage.HALF:
            return best
        if goal.is_psnr:
            return best if best is None else best._replace(candidate=trimming.down_to_psnr(best.candidate, goal))
        if best is not None:
            return best
        candidate = trimming.down_to_bytes(trials[-1].candidate, goal)
        return None if candidate is None else trials[-1]._replace(candidate=candidate)


def network_and_fit(
    options: EncodeOptions, shape: tuple[int, ...], n_channels: int, bpp: float, init: SharedInit | None = None
) -> tuple[ModelConfig, CoordinateFitConfig]:
    """The network whose size a rate pays for, and the fit of the options' effort; arguments as for `Family.resolve`."""
    n_pixels = math.prod(shape)
    codec = _codec(options)
    model = options.model if init is None else init.model
    if model is None:
        model = presets.model_for(
            codec,
            n_weights=presets.n_weights_for(bpp, n_pixels, codec.bits_per_weight),
            shape=shape,
            n_outputs=n_channels,
            exact=options.has_target,
        )
    assert isinstance(model, ModelConfig)
    if options.fit is not None:
        assert isinstance(options.fit, CoordinateFitConfig)
        return model, options.fit
    if codec.training is not None:
        return model, published_fit(codec.training, options, n_pixels)
    loss, n_passes = LOSSES[options.loss_name], presets.passes_of_effort(options.effort, n_pixels)
    factor = presets.phase_factor_for(options.effort, n_pixels)
    return model, CoordinateFitConfig(
        n_passes=n_passes,
        phase_factor=factor,
        optimiser=OptimiserConfig(beta_1=presets.momentum_for(n_passes * factor**2)),
        lambda_rd=presets.lambda_of_bpp(bpp) * loss.slope,
        loss=loss,
        schedule=Schedule(learning_rate=presets.learning_rate_for(model, n_pixels, factor)),
        time_budget=options.time_budget,
        seed=options.seed,
    )


def _codec(options: EncodeOptions) -> presets.CoordinateCodec:
    """The preset of the options; the one for small pictures where another family's preset comes with a network."""
    codec = presets.codec_by_name(options.codec)
    if not isinstance(codec, presets.CoordinateCodec):
        codec = presets.codec_by_name(presets.SMALL_CODEC)
    assert isinstance(codec, presets.CoordinateCodec)
    return codec


def _colour(options: EncodeOptions) -> ColourTransform:
    """The transform of a network of three or more channels."""
    if options.colour is not None:
        return options.colour
    own = _codec(options).colour
    return INIT_COLOUR if own is None else ColourTransform[own]


def _model(plan: Plan) -> ModelConfig:
    assert isinstance(plan.header.model, ModelConfig)
    return plan.header.model
