"""Fitting coordinate networks to signals, one or many side by side."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from inrc.config import EncodingKind, ModelConfig
from inrc.errors import ConfigError
from inrc.fit import checkpoint
from inrc.fit.batch import Batch, Ended, Rules, Seen, run
from inrc.fit.config import MAX_SEEDS, FitConfig, FitResult, Fitted, Progress, Start, Target, Task
from inrc.fit.control import Guard
from inrc.fit.data import phase_grid, polyphase
from inrc.fit.lanes import Lanes, spread, stacked
from inrc.fit.network_lanes import best_side_by_side, compiled_chunks, rounded_costs
from inrc.fit.program import Prior, Problem, Signal, State
from inrc.fit.stages import StepPlan, minibatch_order, plan_chunk
from inrc.fit.start import first_states, prior_of
from inrc.fit.steering import MIN_UPDATES, Steering
from inrc.layout import band_shape, layout

_MIN_CHUNKS = 4
_PLANNED_RATE = 0.5
"""Peak of the learning rate in the plan of a batch, of which every fit takes its own multiple."""
_LOOK_EVERY = 4
"""Passes between two looks at the rounded weights: a look costs a third of one."""


def default_tile_samples() -> int:
    """Pixels per tile: few on a CPU, where activations should stay in cache; many where launches cost."""
    return 8192 if jax.default_backend() == "cpu" else 1 << 18


def fit(
    target: Target,
    model: ModelConfig,
    config: FitConfig,
    *,
    start: Start | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> FitResult:
    """Fits a network to a signal.

    Args:
      target: the signal.
      model: the network.
      config: how.
      start: first weights and the prior of all that follow; random ones and a flat prior around 0 if not given.
      progress: called after every chunk.
      checkpoint_path: where the state is kept; a fit that finds its own state there goes on from it and ends in the
        same weights as one that was never stopped. The file is removed by the caller once the result is safe.
      checkpoint_every: seconds between two checkpoints.

    Returns:
      The best weights met. On KeyboardInterrupt, what has been reached until then.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to another signal or other options.
    """
    (result,) = fit_batch(
        [Task(target, config, start)],
        model,
        lanes=Lanes(),
        padded=False,
        progress=progress,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
    )
    return result


@dataclasses.dataclass(frozen=True)
class Course:
    """What the fits of a batch have in common, hashable: they are of one compiled program and one schedule.

    Attributes:
      problem: static; its shape stands for all shapes whose networks have the same inputs.
      grid: samples per axis of a minibatch, padding included.
      factor: minibatches keep every so many-th sample.
      tile_samples: of a tile.
      n_chunks: compiled calls of a fit.
      groups_per_chunk: groups of steps of a call.
      config: how, but for what may differ from fit to fit.
      starts_random: whether fits begin at random weights.
    """

    problem: Problem
    grid: tuple[int, ...]
    factor: int
    tile_samples: int
    n_chunks: int
    groups_per_chunk: int
    config: FitConfig
    starts_random: bool

    @property
    def n_phases(self) -> int:
        """Minibatches of a pass."""
        return self.factor ** len(self.grid)

    @property
    def chunk_steps(self) -> int:
        """Steps of a compiled call."""
        return self.config.steps_per_group * self.groups_per_chunk

    def plan(self, begin: float, end: float, chunk: int) -> StepPlan:
        """What chunk number `chunk` does from one fraction of the fit to another, at the planned rate."""
        config = self.config
        order = minibatch_order(self.n_phases, self.chunk_steps, seed=config.seed, chunk=chunk)
        return plan_chunk(config.schedule, start=begin, stop=end, phases=order, steps_per_group=config.steps_per_group)


def course_of(
    shape: tuple[int, ...],
    n_outputs: int,
    model: ModelConfig,
    config: FitConfig,
    start: Start | None = None,
    *,
    padded: bool = False,
) -> Course:
    """The course of a fit of a signal of `shape`.

    Fits of one course may share a batch. Padded, signals of nearly the same shape have the same course; what is added
    to them is masked, so that it is seen in no result. Structural losses look beyond a mask and are never padded.
    """
    factor = min(config.phase_factor, *shape)
    grid = phase_grid(shape, factor, padded=padded and not config.loss.structural)
    n_steps = config.n_passes * factor ** len(shape)
    groups_per_chunk = _groups_per_chunk(config, n_steps)
    canonical = shape if model.encoding.kind is EncodingKind.GAUSSIAN else band_shape(model.encoding, shape)
    return Course(
        problem=Problem(model, canonical, n_outputs, config.loss, config.optimiser, weight_bits=config.weight_bits),
        grid=grid,
        factor=factor,
        tile_samples=config.tile_samples or default_tile_samples(),
        n_chunks=max(1, round(n_steps / (config.steps_per_group * groups_per_chunk))),
        groups_per_chunk=groups_per_chunk,
        config=dataclasses.replace(
            config,
            n_passes=1.0,
            lambda_rd=0.0,
            target_bits=None,
            schedule=dataclasses.replace(config.schedule, learning_rate=_PLANNED_RATE),
        ),
        starts_random=start is None or start.is_random,
    )


def fit_batch(
    tasks: Sequence[Task],
    model: ModelConfig,
    *,
    lanes: Lanes | None = None,
    padded: bool = True,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> list[FitResult]:
    """Fits one network to each of several signals, side by side.

    Args:
      tasks: the fits, all of one course (`course_of`). Their time budgets add up.
      model: the network.
      lanes: how they are spread; chosen by the devices if not given. A fit's result depends on `lanes.side_by_side`
        (in rounding) and on nothing else of them.
      padded: whether courses are compared, and signals fitted, with padding.
      progress: called after every chunk.
      checkpoint_path: as for `fit`; a checkpoint belongs to the whole batch.
      checkpoint_every: seconds between two checkpoints.

    Returns:
      The best weights met of each, in the order of the tasks. On KeyboardInterrupt, what has been reached until then.

    Raises:
      ConfigError: The tasks differ in more than a batch's fits may.
      CheckpointMismatchError: The checkpoint belongs to other signals or other options.
    """
    began = time.monotonic()
    batch = _Networks(tasks, model, lanes, padded)
    ended = run(batch, progress, checkpoint_path, checkpoint_every)
    return batch.results(ended, time.monotonic() - began)


def lanes_for(course: Course, n_fits: int, side_by_side: int | None = None) -> Lanes:
    """Lanes for `n_fits` fits of a course: groups that suit the devices, unless their size is given."""
    if side_by_side is None:
        side_by_side = best_side_by_side(course.problem, math.prod(course.grid), course.tile_samples)
    return spread(n_fits, side_by_side)


class _Networks(Batch):
    """The fits of a batch of coordinate networks."""

    def __init__(self, tasks: Sequence[Task], model: ModelConfig, lanes: Lanes | None, padded: bool) -> None:
        self.tasks = tasks
        shapes = [task.target.values.shape[1:] for task in tasks]
        courses = [
            course_of(shape, len(task.target.values), model, task.config, task.start, padded=padded)
            for shape, task in zip(shapes, tasks, strict=True)
        ]
        if len(set(courses)) != 1:
            raise ConfigError(
                f"the {len(tasks)} fits of a batch have {len(set(courses))} courses; put those of one course together"
            )
        self.course = course = courses[0]
        config = course.config
        self.rules = Rules(
            n_chunks=course.n_chunks,
            begin=0.0,
            n_seeds=config.n_seeds,
            race_fraction=config.race_fraction,
            time_budget=config.time_budget and config.time_budget * len(tasks),
            kept=("params", "log_steps"),
        )
        self.lanes = lanes_for(course, len(tasks)) if lanes is None else lanes
        self.n_pixels = [math.prod(shape) for shape in shapes]
        self.steerings = [
            Steering(task.config.target_bits, task.config.lambda_rd, learned=task.start is not None) for task in tasks
        ]
        self.guards = [Guard() for _ in tasks]
        signals = [
            Signal(
                polyphase(np.asarray(task.target.values, np.float32), course.factor, course.tile_samples, course.grid),
                np.asarray(task.target.matrix, np.float32),
                np.asarray(task.target.offset, np.float32),
            )
            for task in tasks
        ]
        priors = [prior_of(course.problem, task.start) for task in tasks]
        self.signals: Signal = self.lanes.put(stacked(signals, self.lanes.n))
        self.priors: Prior = self.lanes.put(stacked(priors, self.lanes.n))
        self._first_arguments = (
            course.problem,
            [task.config for task in tasks],
            [task.target.mean_outputs for task in tasks],
            [task.start for task in tasks],
            priors,
        )

    def identity(self) -> str:
        arrays: list[np.ndarray] = []
        for task in self.tasks:
            arrays += [task.target.values, task.target.matrix, task.target.offset]
            arrays += () if task.start is None else task.start.arrays()
        configs = [dataclasses.replace(task.config, time_budget=None) for task in self.tasks]
        return checkpoint.fingerprint(arrays, self.course.problem.model, *configs)

    def first(self, seed: int) -> State:
        seeds = [task.config.seed * MAX_SEEDS + seed for task in self.tasks]
        states = first_states(*self._first_arguments, seeds)
        n_filled = self.lanes.n - len(self.tasks)
        if n_filled:
            filled = np.minimum(np.arange(self.lanes.n), len(self.tasks) - 1)
            states = jax.tree.map(lambda leaf: leaf[filled], states)
        return self.lanes.put(states)

    def compile(self, state: State) -> None:
        plan = self.course.plan(0.0, 1.0 / self.course.n_chunks, 0)
        arrays = state, self.signals, self.priors, *self._multipliers()
        self._chunks = compiled_chunks(self.course.problem, self.lanes, plan, *arrays)

    def run(self, state: State, begin: float, end: float, chunk: int) -> tuple[State, Seen]:
        plan = self.course.plan(begin, end, chunk)
        rates, weights = self._multipliers()
        after, (losses, bits) = self._chunks(plan, state, self.signals, self.priors, rates, weights)
        losses, bits, weights = (np.asarray(x)[: len(self.tasks)] for x in (losses, bits, weights))
        costs = (losses + weights[:, None, None] * bits).mean(axis=(1, 2))
        return after, Seen(losses.mean(axis=(1, 2)), costs, bits[:, -1])

    def divergence(self, seen: Seen) -> np.ndarray:
        return seen.losses

    def looks(self, begin: float, end: float, n_done: int) -> bool:
        every = math.ceil(_LOOK_EVERY * self.course.n_phases / self.course.chunk_steps)
        return self._are_rounded(begin) and (n_done % every == 0 or end >= 1.0)

    def values(self, state: State) -> np.ndarray:
        found = rounded_costs(self.course.problem, self.lanes, state, self.signals, self.priors)
        values = np.empty(len(self.tasks))
        for i, (loss, bits) in enumerate(zip(*(np.asarray(x, np.float64).tolist() for x in found), strict=True)):
            if i == len(self.tasks):
                break
            task, steering = self.tasks[i], self.steerings[i]
            if task.config.target_bits is None:
                values[i] = loss + task.config.lambda_rd * bits / self.n_pixels[i]
            else:
                own, prior = (jax.tree.map(lambda leaf, i=i: leaf[i], tree) for tree in (state, self.priors))
                steering.calibrate(own.params, prior, own.log_steps, bits)
                values[i] = steering.value(loss, bits)
        return values

    def steered(self, state: State, seen: Seen, begin: float, end: float) -> State:
        rates = [float(row.mean()) for row in seen.bits]
        if self._are_rounded(begin):
            return self._shifted(state, rates, end)
        for steering, rate in zip(self.steerings, rates, strict=True):
            steering.follow(rate, self.course.chunk_steps, end)
        return state

    def results(self, ended: Ended, seconds: float) -> list[FitResult]:
        """The best weights of each fit."""
        # JAX sorts the keys of a dict, which puts layer_10 before layer_2; a file has them in the order of the layout.
        problem = self.course.problem
        names = [name for name, _ in layout(problem.model, problem.shape, problem.n_outputs)]
        params = {name: np.asarray(ended.best["params"][name]) for name in names}
        steps = {name: np.exp(np.asarray(ended.best["log_steps"][name])) for name in names}
        n_steps = np.asarray(ended.state.step).astype(int).tolist()
        fitted = Fitted(problem, self.lanes, self.signals)
        return [
            FitResult(
                params={name: matrix[i] for name, matrix in params.items()},
                steps={name: float(values[i]) for name, values in steps.items()},
                fitted=fitted,
                lane=i,
                n_steps=n_steps[i],
                seconds=seconds,
                compile_seconds=ended.compile_seconds,
                lambda_rd=self.steerings[i].lambda_rd,
                interrupted=ended.interrupted,
            )
            for i in range(len(self.tasks))
        ]

    def _are_rounded(self, fraction: float) -> bool:
        return fraction >= self.course.config.schedule.hard_from

    def _multipliers(self) -> tuple[jax.Array, jax.Array]:
        """(share of the planned learning rate [n], loss per bit [n])."""
        rates = [
            np.float32(guard.rate_scale * (task.config.schedule.learning_rate / _PLANNED_RATE))
            for guard, task in zip(self.guards, self.tasks, strict=True)
        ]
        weights = [np.float32(s.lambda_rd / n) for s, n in zip(self.steerings, self.n_pixels, strict=True)]
        return self.filled(rates), self.filled(weights)

    def _shifted(self, state: State, rates: Sequence[float], fraction: float) -> State:
        """The state whose steps follow the rate of rounded weights."""
        n_weights = sum(math.prod(p.shape[1:]) for p in state.params.values())
        shifts = [s.step_shift(rate, n_weights, fraction) for s, rate in zip(self.steerings, rates, strict=True)]
        if not any(shifts):
            return state
        added = self.filled([np.float32(shift) for shift in shifts])
        return state._replace(log_steps={name: s + added for name, s in state.log_steps.items()})


def _groups_per_chunk(config: FitConfig, n_steps: float) -> int:
    """Groups of a chunk: fewer than configured where a fit would end before its rate has been steered, or seen."""
    n_chunks = _MIN_CHUNKS if config.target_bits is None else MIN_UPDATES
    return min(config.groups_per_chunk, max(1, int(n_steps / (config.steps_per_group * n_chunks))))
