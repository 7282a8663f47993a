"""Fitting signals: race of seeds, chunks of compiled steps, best so far, budgets, interruption, checkpoints."""

import contextlib
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from inrc.config import EncodingKind, ModelConfig
from inrc.errors import ConfigError
from inrc.fit import checkpoint
from inrc.fit.config import MAX_SEEDS, FitConfig, FitResult, Fitted, Progress, Start, Target, Task
from inrc.fit.control import Clock, Guard
from inrc.fit.data import phase_grid, polyphase
from inrc.fit.lanes import Lanes, Programs, best_side_by_side, chosen, spread, stacked
from inrc.fit.program import Params, Prior, Problem, Signal, State
from inrc.fit.stages import StepPlan, minibatch_order, plan_chunk
from inrc.fit.start import first_states, prior_of
from inrc.fit.steering import MIN_UPDATES, Steering
from inrc.layout import band_shape, layout

_EXCESS_WEIGHT = 30.0
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
    return _Batch(tasks, model, lanes, padded).run(progress, checkpoint_path, checkpoint_every)


def lanes_for(course: Course, n_fits: int, side_by_side: int | None = None) -> Lanes:
    """Lanes for `n_fits` fits of a course: groups that suit the devices, unless their size is given."""
    if side_by_side is None:
        side_by_side = best_side_by_side(course.problem, math.prod(course.grid), course.tile_samples)
    return spread(n_fits, side_by_side)


class _Batch:
    """The fits of a batch and all that the host knows of them; `run` is the loop over chunks."""

    def __init__(self, tasks: Sequence[Task], model: ModelConfig, lanes: Lanes | None, padded: bool) -> None:
        self.began = time.monotonic()
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
        self.lanes = lanes_for(course, len(tasks)) if lanes is None else lanes
        self.programs = Programs(course.problem, self.lanes)
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
        self.compile_seconds = 0.0

    def run(
        self, progress: Callable[[Progress], None] | None, checkpoint_path: Path | None, checkpoint_every: float
    ) -> list[FitResult]:
        course, config = self.course, self.course.config
        budget = config.time_budget and config.time_budget * len(self.tasks)
        clock = Clock(budget, course.n_chunks)
        best_every = math.ceil(_LOOK_EVERY * course.n_phases / course.chunk_steps)
        state = self._first(0)
        identity = self._identity()
        resumed = checkpoint.load(checkpoint_path, identity, state)
        self._compile(state)
        best = _Best.nothing(len(self.tasks))
        if resumed is None:
            n_race = _race_chunks(config, course.n_chunks)
            state = self._race(state, n_race)
            clock.chunk, clock.fraction = n_race, n_race / course.n_chunks
        else:
            state, best_state, meta = resumed
            state = self.lanes.put(state)
            clock.chunk, clock.fraction = int(meta["chunk"]), float(meta["fraction"])
            clock.elapsed_before = float(meta["seconds"])
            self._restore(meta["fits"])
            if np.isfinite(meta["best"]).all():
                best = _Best(np.array(meta["best"]), best_state.params, best_state.log_steps)

        interrupted = False
        saved = time.monotonic()
        try:
            while clock.fraction < 1.0 - 1e-9:
                begin, end = clock.begin_chunk()
                plan = course.plan(begin, end, clock.chunk)
                after, (losses, bits) = self._run(state, plan)
                losses = np.asarray(losses)[: len(self.tasks)].mean(axis=(1, 2))
                bits = np.asarray(bits)[: len(self.tasks), -1]
                clock.end_chunk(end)
                admitted = [guard.admits(float(loss)) for guard, loss in zip(self.guards, losses, strict=True)]
                state = after if all(admitted) else chosen(self._mask(admitted), after, state)
                rates = [float(row.mean()) for row in bits]
                if begin < config.schedule.hard_from:
                    for steering, rate in zip(self.steerings, rates, strict=True):
                        steering.follow(rate, course.chunk_steps, end)
                else:
                    if clock.chunk % best_every == 0 or clock.fraction >= 1.0:
                        best = self._better(best, state)
                    state = self._shifted(state, rates, end)
                if progress is not None:
                    progress(
                        Progress(
                            clock.fraction,
                            int(np.asarray(state.step)[0]),
                            float(losses.mean()),
                            statistics.fmean(float(row[-1]) / n for row, n in zip(bits, self.n_pixels, strict=True)),
                            clock.seconds,
                            clock.seconds_left,
                        )
                    )
                due = time.monotonic() - saved > checkpoint_every or clock.fraction >= 1.0
                if checkpoint_path is not None and due:
                    kept = state._replace(params=best.params, log_steps=best.log_steps) if best.params else state
                    meta = {
                        "chunk": clock.chunk,
                        "fraction": clock.fraction,
                        "seconds": clock.seconds,
                        "best": best.values.tolist(),
                        "fits": self._noted(),
                    }
                    # A full disk costs the checkpoint, not the encode.
                    with contextlib.suppress(OSError):
                        checkpoint.save(checkpoint_path, identity, state, kept, meta)
                    saved = time.monotonic()
        except KeyboardInterrupt:
            interrupted = True
        if not best.params:
            best = self._better(best, state)
        return self._results(best, state, interrupted)

    def _first(self, seed: int) -> State:
        """States before the first step, from random start number `seed` of each fit."""
        seeds = [task.config.seed * MAX_SEEDS + seed for task in self.tasks]
        states = first_states(*self._first_arguments, seeds)
        n_filled = self.lanes.n - len(self.tasks)
        if n_filled:
            filled = np.minimum(np.arange(self.lanes.n), len(self.tasks) - 1)
            states = jax.tree.map(lambda leaf: leaf[filled], states)
        return self.lanes.put(states)

    def _compile(self, state: State) -> None:
        plan = self.course.plan(0.0, 1.0 / self.course.n_chunks, 0)
        began = time.monotonic()
        self.programs.compile(plan, state, self.signals, self.priors, *self._multipliers())
        self.compile_seconds = time.monotonic() - began

    def _run(self, state: State, plan: StepPlan) -> tuple[State, tuple[jax.Array, jax.Array]]:
        return self.programs.run_chunks(plan, state, self.signals, self.priors, *self._multipliers())

    def _identity(self) -> str:
        arrays: list[np.ndarray] = []
        for task in self.tasks:
            arrays += [task.target.values, task.target.matrix, task.target.offset]
            arrays += () if task.start is None else task.start.arrays()
        configs = [dataclasses.replace(task.config, time_budget=None) for task in self.tasks]
        return checkpoint.fingerprint(arrays, self.course.problem.model, *configs)

    def _multipliers(self) -> tuple[jax.Array, jax.Array]:
        """(share of the planned learning rate [n], loss per bit [n])."""
        rates = [
            task.config.schedule.learning_rate / _PLANNED_RATE * guard.rate_scale
            for task, guard in zip(self.tasks, self.guards, strict=True)
        ]
        weights = [s.lambda_rd / n for s, n in zip(self.steerings, self.n_pixels, strict=True)]
        return self._filled(rates), self._filled(weights)

    def _filled(self, values: Sequence[float]) -> jax.Array:
        return self.lanes.put(stacked([np.float32(v) for v in values], self.lanes.n))

    def _race(self, state: State, n_chunks: int) -> State:
        """For each fit the state of the random start whose loss + rate is lowest in the last of some chunks.

        Starts run one after the other: where a device has room for more, a batch of more fits fills it.
        """
        if n_chunks == 0:
            return state
        ends, costs = [], []
        for seed in range(self.course.config.n_seeds):
            end, cost = self._first(seed), np.zeros(self.lanes.n)
            for i in range(n_chunks):
                plan = self.course.plan(i / self.course.n_chunks, (i + 1) / self.course.n_chunks, i)
                end, (losses, bits) = self._run(end, plan)
                weights = np.asarray(self._multipliers()[1])[:, None, None]
                cost = (np.asarray(losses) + weights * np.asarray(bits)).mean(axis=(1, 2))
            ends.append(end)
            costs.append(cost)
        winners = np.argmin(np.stack(costs), axis=0)
        state = ends[0]
        for seed, end in enumerate(ends[1:], start=1):
            state = chosen(self.lanes.put(winners == seed), end, state)
        return state

    def _better(self, best: "_Best", state: State) -> "_Best":
        """The better of the best so far and the present weights, rounded, of each fit."""
        found = self.programs.rounded_costs(state, self.signals, self.priors)
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
                # What is above the limit loses to all that is not.
                values[i] = loss * (1.0 + _EXCESS_WEIGHT * steering.excess(bits))
        if not best.params:
            return _Best(values, state.params, state.log_steps)
        better = values < best.values
        trees = chosen(self._mask(better), (state.params, state.log_steps), (best.params, best.log_steps))
        return _Best(np.where(better, values, best.values), *trees)

    def _shifted(self, state: State, rates: Sequence[float], fraction: float) -> State:
        """The state whose steps follow the rate of rounded weights."""
        n_weights = sum(math.prod(p.shape[1:]) for p in state.params.values())
        shifts = [s.step_shift(rate, n_weights, fraction) for s, rate in zip(self.steerings, rates, strict=True)]
        if not any(shifts):
            return state
        added = self._filled(shifts)
        return state._replace(log_steps={name: s + added for name, s in state.log_steps.items()})

    def _mask(self, values: Sequence[bool] | np.ndarray) -> jax.Array:
        return self.lanes.put(stacked([np.bool_(value) for value in values], self.lanes.n))

    def _noted(self) -> list[dict[str, float]]:
        """What a checkpoint keeps of every fit beside its state."""
        return [
            {
                "lambda_rd": steering.lambda_rd,
                "overhead": steering.overhead,
                "lowest": guard.lowest,
                "rate_scale": guard.rate_scale,
            }
            for steering, guard in zip(self.steerings, self.guards, strict=True)
        ]

    def _restore(self, noted: list[dict[str, float]]) -> None:
        for note, steering, guard in zip(noted, self.steerings, self.guards, strict=True):
            steering.lambda_rd, steering.overhead = note["lambda_rd"], note["overhead"]
            guard.lowest, guard.rate_scale = note["lowest"], note["rate_scale"]

    def _results(self, best: "_Best", state: State, interrupted: bool) -> list[FitResult]:
        # JAX sorts the keys of a dict, which puts layer_10 before layer_2; a file has them in the order of the layout.
        problem = self.course.problem
        names = [name for name, _ in layout(problem.model, problem.shape, problem.n_outputs)]
        params = {name: np.asarray(best.params[name]) for name in names}
        steps = {name: np.exp(np.asarray(best.log_steps[name])) for name in names}
        fitted = Fitted(self.programs, self.signals)
        n_steps = np.asarray(state.step).astype(int).tolist()
        seconds = time.monotonic() - self.began
        return [
            FitResult(
                params={name: matrix[i] for name, matrix in params.items()},
                steps={name: float(values[i]) for name, values in steps.items()},
                fitted=fitted,
                lane=i,
                n_steps=n_steps[i],
                seconds=seconds,
                compile_seconds=self.compile_seconds,
                lambda_rd=self.steerings[i].lambda_rd,
                interrupted=interrupted,
            )
            for i in range(len(self.tasks))
        ]


@dataclasses.dataclass(frozen=True)
class _Best:
    """For each fit the lowest loss + rate of rounded weights so far, and the weights that have it."""

    values: np.ndarray
    params: Params
    log_steps: Params

    @staticmethod
    def nothing(n_fits: int) -> "_Best":
        return _Best(np.full(n_fits, np.inf), {}, {})


def _groups_per_chunk(config: FitConfig, n_steps: float) -> int:
    """Groups of a chunk: fewer than configured where a fit would end before its rate has been steered, or seen."""
    n_chunks = _MIN_CHUNKS if config.target_bits is None else MIN_UPDATES
    return min(config.groups_per_chunk, max(1, int(n_steps / (config.steps_per_group * n_chunks))))


def _race_chunks(config: FitConfig, n_chunks: int) -> int:
    if config.n_seeds == 1:
        return 0
    return min(n_chunks - 1, max(1, round(config.race_fraction * n_chunks)))
