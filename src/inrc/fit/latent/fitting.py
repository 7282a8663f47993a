"""Fitting latents and their networks to pictures, one or many side by side."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inrc.config import LatentGridConfig
from inrc.entropy.context import limited
from inrc.entropy.wavefront import MAX_LATENT
from inrc.errors import ConfigError
from inrc.fit.batch import Batch, ChunkReport, Ended, Program, shared_plan
from inrc.fit.lanes import Lanes
from inrc.fit.latent import program
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.plan import LatentFitPlan, fit_plan
from inrc.fit.latent.program import LatentProblem, LatentSignal, LatentState
from inrc.fit.latent.schedule import LONG
from inrc.fit.latent.start import first_latent_state, warm_latent_state
from inrc.fit.loop import run_fits
from inrc.fit.measured import Measured
from inrc.fit.stacks import stacked
from inrc.fit.steering import Steering, steering_of
from inrc.fit.task import FitResult, Progress, Start, Target, Task
from inrc.fit.weights import matrices_of, prior_of, steps_of
from inrc.latent_layout import grids_of, latent_layout
from inrc.models.latent_grid.packing import Packing, cut_from_canvas, mask_of, packing_of, unpack

_FIRST_FRACTION = 0.15
"""Fraction of a fit from which its bits tell those of its end (`_Course`)."""
_LAMBDA_EXPONENT = 1.35
"""Bytes of photographs fall by 0.74 octaves where lambda doubles: lambda answers an excess by the inverse."""
_AIM = 1.04
"""Share of the target that a fit aims at: a file of a few bytes too many is trimmed, too few cost another fit."""


class _Course(NamedTuple):
    """How bits during a fit differ from those of its file, on average of photographs at an unchanged lambda.

    Measured for experiments/NOTES.md, row 24.10.

    Attributes:
      latent_bits: (fraction of the fit, bits of its latents relative to those at its end).
      bits_per_weight: that the file spends on the networks beyond those that the rate model counts.
    """

    latent_bits: tuple[tuple[float, float], ...]
    bits_per_weight: float


_LEARNED_STEPS = _Course(
    ((0.15, 1.35), (0.35, 1.16), (0.65, 1.13), (0.75, 1.11), (0.82, 1.06), (0.9, 1.01), (1.0, 1.0)), 0.88
)
"""The rate model knows the scales of all rows and columns, the decoder has to learn them."""
_LONG = _Course(
    (
        (0.15, 1.28),
        (0.25, 1.22),
        (0.35, 1.17),
        (0.45, 1.10),
        (0.55, 1.07),
        (0.65, 1.03),
        (0.75, 1.02),
        (0.85, 1.01),
        (0.95, 1.0),
    ),
    0.75,
)
"""Of the schedule `LONG` (experiments/NOTES.md, row 26.2)."""
_SEARCHED_STEPS = _Course(((0.15, 1.03), (0.85, 1.03), (1.0, 1.0)), -5.5)
"""The search finds coarser steps than those by which the rate model counts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentFitResult(FitResult):
    """The best latents and networks found.

    Attributes, beside those of every `FitResult`:
      latents: int32 [height, width] of every grid, in coding order.
      state_latents: all latents of the canvas before rounding, float32 [packing.size]; another fit may start from them.
      latent_bits, network_bits: of the rounded latents and weights, by the differentiable rate model.
      distortion: of these, by the fit's loss.
      problem, signal: what was fitted, on its canvas.
    """

    latents: tuple[np.ndarray, ...]
    state_latents: np.ndarray
    latent_bits: float
    network_bits: float
    distortion: float
    problem: LatentProblem
    signal: LatentSignal

    def arrays(self) -> Iterator[np.ndarray]:
        yield self.state_latents
        yield from super().arrays()


def fit_latents(
    target: Target,
    model: LatentGridConfig,
    config: LatentFitConfig,
    *,
    start: Start | None = None,
    warm_start: LatentFitResult | None = None,
    start_fraction: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> LatentFitResult:
    """Fits a pyramid of latents and its networks to one picture; arguments as in `Task` and `fit_latents_batch`."""
    (result,) = fit_latents_batch(
        [Task(target, config, start, warm_start, start_fraction)],
        model,
        lanes=Lanes(),
        progress=progress,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
    )
    return result


def fit_latents_batch(
    tasks: Sequence[Task],
    model: LatentGridConfig,
    *,
    lanes: Lanes | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> list[LatentFitResult]:
    """Fits latents and networks to several pictures, side by side.

    Args:
      tasks: the fits, all of one plan (`fit_plan`), of pictures [C, height, width] with 1 to 4 channels. Their lambdas,
        targets, seeds, first steps and starts may differ. Their time budgets add up.
      model: the networks.
      lanes: how they are spread; chosen by the devices if not given. A fit's result depends on `lanes.side_by_side`
        (in rounding) and on nothing else of them.
      progress: as for `run_fits`.
      checkpoint_path: as for `run_fits`.
      checkpoint_every: as for `run_fits`.

    Returns:
      The best rounded latents and networks of each, in the order of the tasks. On KeyboardInterrupt, the best until
      then.

    Raises:
      ConfigError: The tasks differ in more than a batch's fits may, a warm start is of another model or shape, or a fit
        without a warm start begins in the middle of the schedule.
      CheckpointMismatchError: The checkpoint belongs to other pictures or other options.
    """
    results = run_fits(
        LatentBatch(tasks, model, lanes),
        progress=progress,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
    )
    return [result for result in results if isinstance(result, LatentFitResult)]


def _signal(target: Target, problem: LatentProblem) -> LatentSignal:
    """The picture on its canvas."""
    height, width = target.shape
    packing, values = packing_of(problem.model, problem.shape), np.asarray(target.values, np.float32)
    if (height, width) == problem.shape:
        return LatentSignal(values, mask_of(packing))
    added = [(0, canvas - side) for canvas, side in zip(problem.shape, (height, width), strict=True)]
    sizes = np.array([height, width], np.int32)
    return LatentSignal(np.pad(values, [(0, 0), *added]), mask_of(packing, (height, width)), sizes)


class LatentBatch(Batch):
    """The fits of a batch of latent grids."""

    program = Program(program.run_chunk, program.rounded_cost)
    kept = ("latents", "params", "log_steps")
    plan: LatentFitPlan

    def __init__(self, tasks: Sequence[Task], model: LatentGridConfig, lanes: Lanes | None) -> None:
        plan = shared_plan([fit_plan(task, model) for task in tasks])
        assert isinstance(plan, LatentFitPlan)
        for task in tasks:
            _check_start(plan.problem, task, tasks[0].start_fraction)
        self._stacks = program.stacks_of(plan.problem)
        self._own_signals = [_signal(task.target, plan.problem) for task in tasks]
        super().__init__(
            tasks,
            plan,
            lanes,
            signals=self._own_signals,
            priors=[prior_of(self._stacks, task.start) for task in tasks],
            steerings=[_steering(task, plan.problem) for task in tasks],
        )
        if any(task.warm_start is not None for task in tasks):
            self.n_seeds = 1
        self._rounded_bits = np.zeros((len(tasks), 2))  # of latents, of networks

    def first_states(self, seeds: Sequence[int]) -> LatentState:
        return self.on_lanes([self._first(task, seed) for task, seed in zip(self.tasks, seeds, strict=True)])

    def network_weight(self, task: Task) -> float:
        return _config(task).network_weight

    def divergence(self, report: ChunkReport) -> Float[np.ndarray, " fits"]:
        return report.costs

    def is_measured(self, start: float, stop: float, n_done: int) -> bool:
        return True

    def note_rounded(self, state: LatentState, measured: Measured) -> None:
        both = np.stack([measured.latent_bits, measured.network_bits], axis=1)
        self._rounded_bits = both[: len(self.tasks)]

    def steered(self, state: LatentState, report: ChunkReport, start: float, stop: float) -> LatentState:
        fractions, bits_then = zip(*_course(self.plan.config).latent_bits, strict=True)
        at_the_end = 1.0 / np.interp(stop, fractions, bits_then)
        for steering, guard, bits in zip(self.steerings, self.guards, self._rounded_bits, strict=True):
            before = steering.lambda_rd
            steering.follow(float(at_the_end * bits[0] + bits[1]), self.plan.chunk_steps, stop)
            # A loss in which the rate weighs more is no divergence.
            guard.lowest *= max(1.0, steering.lambda_rd / before)
        return state

    def results(self, ended: Ended) -> list[FitResult]:
        problem = self.plan.problem
        packing = packing_of(problem.model, problem.shape)
        names = tuple(name for name, _ in latent_layout(problem.model, problem.n_channels))
        best = jax.tree.map(np.asarray, ended.best)
        # The integer coder bounds the weights of the context network.
        params = [
            limited(matrices_of(self._stacks, names, _of_lane(best["params"], i))) for i in range(len(self.tasks))
        ]
        latents = np.clip(best["latents"], -MAX_LATENT, MAX_LATENT)
        in_stacks = [stacked(self._stacks, {n: jnp.asarray(m) for n, m in own.items()}) for own in params]
        kept = ended.state._replace(
            latents=self.lanes.put(latents), params=self.on_lanes(in_stacks), log_steps=ended.best["log_steps"]
        )
        measured = self.rounded(kept)
        n_steps = np.asarray(ended.state.step).astype(int).tolist()
        return [
            LatentFitResult(
                params=params[i],
                steps=steps_of(self._stacks, names, _of_lane(best["log_steps"], i)),
                n_steps=n_steps[i],
                seconds=ended.seconds,
                compile_seconds=ended.compile_seconds,
                lambda_rd=self.steerings[i].lambda_rd,
                interrupted=ended.interrupted,
                latents=_grids(packing, latents[i], task.target),
                state_latents=latents[i],
                latent_bits=float(measured.latent_bits[i]),
                network_bits=float(measured.network_bits[i]),
                distortion=float(measured.distortion[i]),
                problem=problem,
                signal=self._own_signals[i],
            )
            for i, task in enumerate(self.tasks)
        ]

    def _first(self, task: Task, seed: int) -> LatentState:
        problem, earlier = self.plan.problem, task.warm_start
        if isinstance(earlier, LatentFitResult):
            return warm_latent_state(problem, earlier.state_latents, earlier.params, earlier.steps, seed)
        return first_latent_state(problem, task.target.mean_outputs, _config(task).first_step, task.start, seed)


def _course(config: LatentFitConfig) -> _Course:
    if config.searched_steps:
        return _SEARCHED_STEPS
    return _LONG if config.schedule == LONG else _LEARNED_STEPS


def _steering(task: Task, problem: LatentProblem) -> Steering:
    """The steering of what the rate model counts: bits of which it does not know are taken off the target."""
    steering, target_bits = steering_of(task.config), task.config.target_bits
    if target_bits is not None:
        layout = latent_layout(problem.model, problem.n_channels)
        unknown = _course(_config(task)).bits_per_weight * sum(rows * columns for _, (rows, columns) in layout)
        target_bits = max(_AIM * target_bits - unknown, 0.5 * target_bits)
    return dataclasses.replace(
        steering,
        target_bits=target_bits,
        overhead=1.0,
        first_fraction=_FIRST_FRACTION,
        exponent=_LAMBDA_EXPONENT,
    )


def _config(task: Task) -> LatentFitConfig:
    assert isinstance(task.config, LatentFitConfig)
    return task.config


def _grids(packing: Packing, latents: np.ndarray, target: Target) -> tuple[np.ndarray, ...]:
    """The rounded latents of a picture's grids, int32, out of the vector of its canvas."""
    height, width = target.shape
    grids = [np.asarray(grid, np.int32) for grid in unpack(packing, jnp.asarray(np.round(latents)))]
    return tuple(cut_from_canvas(packing, grids, (height, width)))


def _of_lane(stacks: dict[str, Any], i: int) -> dict[str, np.ndarray]:
    return {key: stack[i] for key, stack in stacks.items()}


def _check_start(problem: LatentProblem, task: Task, start_fraction: float) -> None:
    """Refuses warm starts of other pictures, and fits that begin in mid-schedule without one."""
    earlier = task.warm_start
    if task.start_fraction != start_fraction:
        raise ConfigError(
            "the fits of a batch start at different fractions of their schedules; put equal ones together"
        )
    if not 0 <= start_fraction < 1 or (start_fraction > 0 and earlier is None):
        raise ConfigError(
            f"a fit starts at fraction {start_fraction} of its schedule; it must lie in 0..1, and be 0 without a warm "
            "start"
        )
    if earlier is None:
        return
    height, width = task.target.shape
    shapes = [grid.shape for grid in grids_of(problem.model, (height, width))]
    if (
        not isinstance(earlier, LatentFitResult)
        or earlier.problem[:3] != problem[:3]
        or [grid.shape for grid in earlier.latents] != shapes
    ):
        raise ConfigError("a warm start is of another model or shape; give it a fit of the same")
