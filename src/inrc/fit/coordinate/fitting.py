"""Fitting coordinate networks to signals, one or many side by side."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from inrc.config import ModelConfig, WeightStorage
from inrc.entropy import coder
from inrc.fit.batch import Batch, ChunkReport, Ended, Program, shared_plan
from inrc.fit.coordinate import program, rounding
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.minibatches import polyphase
from inrc.fit.coordinate.plan import PLANNED_RATE, CoordinateFitPlan, fit_plan
from inrc.fit.coordinate.program import Problem, Signal, State
from inrc.fit.coordinate.restarts import restarted
from inrc.fit.coordinate.rounding import AdaRoundConfig
from inrc.fit.coordinate.start import first_states
from inrc.fit.lanes import Lanes, batched
from inrc.fit.loop import run_fits
from inrc.fit.measured import Measured
from inrc.fit.steering import steering_of
from inrc.fit.task import FitResult, Progress, Start, Target, Task
from inrc.fit.weights import matrices_of, prior_of, steps_of
from inrc.layout import layout
from inrc.quant import companded
from inrc.quant.uniform import index_of_step, indices_of_steps, quantise, step_of_index

_MEASURE_EVERY = 4
"""Passes between two measurements of the rounded weights: a measurement costs a third of a pass."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoordinateFitResult(FitResult):
    """The best weights found.

    Attributes, beside those of every `FitResult`:
      batch: the signals of the whole batch, for measuring other weights by the loss of the fit.
      lane: the fit's place among them.
    """

    batch: "FittedSignals"
    lane: int

    @property
    def problem(self) -> Problem:
        """What is static about the fit."""
        return self.batch.problem

    @property
    def signal(self) -> Signal:
        """What was fitted."""
        return jax.tree.map(lambda leaf: leaf[self.lane], self.batch.signals)


@dataclasses.dataclass(frozen=True, eq=False)
class FittedSignals:
    """The signals of a batch, and the loss that the fits had.

    Attributes:
      problem: static.
      lanes: how the fits are spread.
      signals: arrays [fits, ...].
    """

    problem: Problem
    lanes: Lanes
    signals: Signal

    def distortions(self, params: Sequence[dict[str, np.ndarray]]) -> Float[np.ndarray, " fits"]:
        """Loss without rate of weights {name: matrix} for each of the fits, in their order; float64."""
        placed = self.lanes.put(batched([dict(p) for p in params], self.lanes.n))
        losses = self.lanes.each(program.distortion, self.problem, placed, self.signals)
        return np.asarray(losses, np.float64)[: len(params)]

    def rounded(
        self,
        params: Sequence[dict[str, np.ndarray]],
        steps: Sequence[dict[str, float]],
        means: Sequence[dict[str, np.ndarray]],
        config: AdaRoundConfig,
    ) -> list[dict[str, np.ndarray]]:
        """Weights of each of the fits rounded by AdaRound, in the order of their names (`rounding.rounded`)."""
        in_float32 = [{name: np.float32(step) for name, step in own.items()} for own in steps]
        placed = (self.lanes.put(batched(list(trees), self.lanes.n)) for trees in (params, in_float32, means))
        matrices = self.lanes.each(rounding.rounded_for_signal, (self.problem, config), *placed, self.signals)
        return [{name: np.asarray(matrices[name][i]) for name in own} for i, own in enumerate(params)]


def fit_network(
    target: Target,
    model: ModelConfig,
    config: CoordinateFitConfig,
    *,
    start: Start | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> CoordinateFitResult:
    """Fits one network to one signal; arguments, result and errors as in `Task` and `inrc.fit.loop.run_fits`."""
    (result,) = fit_networks(
        [Task(target, config, start)],
        model,
        lanes=Lanes(),
        padded=False,
        progress=progress,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
    )
    return result


def fit_networks(
    tasks: Sequence[Task],
    model: ModelConfig,
    *,
    lanes: Lanes | None = None,
    padded: bool = True,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> list[CoordinateFitResult]:
    """Fits one network to each of several signals, side by side.

    Args:
      tasks: the fits, all of one plan (`fit_plan`). Their time budgets add up.
      model: the network.
      lanes: how they are spread; chosen by the devices if not given. A fit's result depends on `lanes.side_by_side`
        (in rounding) and on nothing else of them.
      padded: whether plans are compared, and signals fitted, with padding.
      progress: as for `run_fits`.
      checkpoint_path: as for `run_fits`.
      checkpoint_every: as for `run_fits`.

    Returns:
      The best weights of each, in the order of the tasks. On KeyboardInterrupt, the best until then.

    Raises:
      ConfigError: The tasks differ in more than a batch's fits may.
      CheckpointMismatchError: The checkpoint belongs to other signals or other options.
    """
    results = run_fits(
        CoordinateBatch(tasks, model, lanes, padded),
        progress=progress,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
    )
    return [result for result in results if isinstance(result, CoordinateFitResult)]


class CoordinateBatch(Batch):
    """The fits of a batch of coordinate networks."""

    program = Program(program.run_chunk, program.rounded_cost)
    kept = ("params", "log_steps")
    plan: CoordinateFitPlan

    def __init__(self, tasks: Sequence[Task], model: ModelConfig, lanes: Lanes | None, padded: bool) -> None:
        plan = shared_plan([fit_plan(task, model, padded=padded) for task in tasks])
        assert isinstance(plan, CoordinateFitPlan)
        self._stacks = program.stacks_of(plan.problem)
        self._own_priors = [prior_of(self._stacks, task.start) for task in tasks]
        super().__init__(
            tasks,
            plan,
            lanes,
            signals=[_signal(task.target, plan) for task in tasks],
            priors=self._own_priors,
            steerings=[steering_of(task.config) for task in tasks],
        )

    def first_states(self, seeds: Sequence[int]) -> State:
        states = first_states(
            self.plan.problem,
            [_config(task) for task in self.tasks],
            [task.target.mean_outputs for task in self.tasks],
            [task.start for task in self.tasks],
            self._own_priors,
            seeds,
            [_signal(task.target, self.plan) if task.start and task.start.inner_rates else None for task in self.tasks],
        )
        if self.lanes.n > len(self.tasks):
            filled = np.minimum(np.arange(self.lanes.n), len(self.tasks) - 1)
            states = jax.tree.map(lambda leaf: leaf[filled], states)
        return self.lanes.put(states)

    def planned_share(self, task: Task) -> float:
        return _config(task).schedule.learning_rate / PLANNED_RATE

    def divergence(self, report: ChunkReport) -> Float[np.ndarray, " fits"]:
        return report.losses

    def is_measured(self, start: float, stop: float, n_done: int) -> bool:
        schedule = self.plan.config.schedule
        first = schedule.hard_from if schedule.measured_from is None else schedule.measured_from
        every = math.ceil(_MEASURE_EVERY * self.plan.n_phases / self.plan.chunk_steps)
        # A stage has its best weights at its end, where those of the next one are moved away from them.
        ends = stop >= 1.0 or schedule.restart_between(start, stop) is not None
        return start >= first and (n_done % every == 0 or ends)

    def note_rounded(self, state: State, measured: Measured) -> None:
        """Compares the coder with the rate model: the coder learns its means on the way, the model knows them."""
        for i, (task, steering) in enumerate(zip(self.tasks, self.steerings, strict=True)):
            n_bits = float(measured.network_bits[i])
            if steering.target_bits is not None and n_bits > 0:
                params, steps = self._weights_of(i, {"params": state.params, "log_steps": state.log_steps})
                steering.overhead = _coded_bits(self.plan.problem.model.storage, params, steps, task.start) / n_bits

    def steered(self, state: State, report: ChunkReport, start: float, stop: float) -> State:
        rates = [float(row.mean()) for row in report.bits]
        if self._are_rounded(start):
            return self._with_steps_shifted(state, rates, stop)
        for steering, rate in zip(self.steerings, rates, strict=True):
            steering.follow(rate, self.plan.chunk_steps, stop)
        return state

    def restarted(self, state: State, best: Mapping[str, Any], start: float, stop: float) -> State:
        schedule = self.plan.config.schedule
        stage = schedule.restart_between(start, stop)
        restart = None if stage is None else schedule.stages[stage].restart
        if stage is None or restart is None:
            return state
        if restart.from_best:
            state = state._replace(**best)
        params = {key: np.asarray(x) for key, x in state.params.items()}
        moved, bias = [], self.plan.problem.model.bias
        for i, (task, guard) in enumerate(zip(self.tasks, self.guards, strict=True)):
            own = {key: x[i] for key, x in params.items()}
            moved.append(restarted(self._stacks, own, restart, bias=bias, seed=task.config.seed, stage=stage))
            guard.restart()
        state = state._replace(params=self.on_lanes(moved))
        problem = self.plan.problem
        if problem.weight_bits is None:
            return state
        return state._replace(log_steps=self.lanes.each(program.steps_of_bits, problem, state.params, self.priors))

    def results(self, ended: Ended) -> list[FitResult]:
        n_steps = np.asarray(ended.state.step).astype(int).tolist()
        signals = FittedSignals(self.plan.problem, self.lanes, self.signals)
        results = []
        for i in range(len(self.tasks)):
            params, steps = self._weights_of(i, ended.best)
            results.append(
                CoordinateFitResult(
                    params=params,
                    steps=steps,
                    n_steps=n_steps[i],
                    seconds=ended.seconds,
                    compile_seconds=ended.compile_seconds,
                    lambda_rd=self.steerings[i].lambda_rd,
                    interrupted=ended.interrupted,
                    batch=signals,
                    lane=i,
                )
            )
        return results

    def _weights_of(self, i: int, parts: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """({name: matrix}, {name: step}) of fit number i, in the order of the layout."""
        problem = self.plan.problem
        names = tuple(name for name, _ in layout(problem.model, problem.shape, problem.n_outputs))
        params, log_steps = (
            {key: np.asarray(leaf[i]) for key, leaf in parts[part].items()} for part in ("params", "log_steps")
        )
        return matrices_of(self._stacks, names, params), steps_of(self._stacks, names, log_steps)

    def _are_rounded(self, fraction: float) -> bool:
        return fraction >= self.plan.config.schedule.hard_from

    def _with_steps_shifted(self, state: State, rates: Sequence[float], fraction: float) -> State:
        """The state whose quantisation steps follow the rate of rounded weights."""
        problem = self.plan.problem
        n_weights = sum(r * c for _, (r, c) in layout(problem.model, problem.shape, problem.n_outputs))
        shifts = [s.step_shift(rate, n_weights, fraction) for s, rate in zip(self.steerings, rates, strict=True)]
        if not any(shifts):
            return state
        added = self.filled([np.float32(shift) for shift in shifts])[:, None]
        return state._replace(log_steps={key: s + added for key, s in state.log_steps.items()})


def _config(task: Task) -> CoordinateFitConfig:
    assert isinstance(task.config, CoordinateFitConfig)
    return task.config


def _signal(target: Target, plan: CoordinateFitPlan) -> Signal:
    n = target.n_channels
    return Signal(
        polyphase(np.asarray(target.values, np.float32), plan.factor, plan.tile_samples, plan.grid),
        np.asarray(np.eye(n) if target.matrix is None else target.matrix, np.float32),
        np.asarray(np.zeros(n) if target.offset is None else target.offset, np.float32),
    )


def _coded_bits(
    storage: WeightStorage, params: dict[str, np.ndarray], steps: dict[str, float], start: Start | None
) -> float:
    """Bits that the coder spends on weights, or on their differences from a start, rounded by their steps."""
    indices = {name: index_of_step(step) for name, step in steps.items()}
    if storage is WeightStorage.COMPANDED:
        rows = ((matrix, step_of_index(indices[name]), companded.power_of(matrix)) for name, matrix in params.items())
        return coder.ideal_bits((), [companded.quantise(*row) for row in rows])
    means = dict.fromkeys(params, 0.0) if start is None else start.mean
    integers = [quantise(matrix, step_of_index(indices[name]), means[name]) for name, matrix in params.items()]
    exponents = None
    if start is not None:
        exponents = [coder.exponents_of(indices_of_steps(start.scale[name]), indices[name]) for name in params]
    return coder.ideal_bits((), integers, exponents)
