"""The fits of a batch: what they share, what the host keeps of each, and how they run side by side.

A family of models derives its batch from `Batch` and adds what is its own: first states, when rounded results are worth
measuring, how lambda follows the rate, and the results. `inrc.fit.loop` runs a batch.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from inrc.errors import ConfigError
from inrc.fit import checkpoint
from inrc.fit.control import Guard
from inrc.fit.lanes import Lanes, batched, spread
from inrc.fit.measured import BitWeights, Measured
from inrc.fit.steering import Steering
from inrc.fit.task import MAX_SEEDS, FitResult, Task


class FitPlan(abc.ABC):
    """What the fits of a batch share, hashable: one compiled program and one schedule.

    A family derives a frozen dataclass from it.

    Attributes:
      problem: static argument of the compiled functions.
      config: how to fit, without what may differ from fit to fit.
      groups_per_chunk: groups of steps of a compiled call.
    """

    problem: Any
    config: Any
    groups_per_chunk: int

    @property
    def chunk_steps(self) -> int:
        """Steps of a compiled call."""
        return self.config.steps_per_group * self.groups_per_chunk

    @abc.abstractmethod
    def n_chunks(self, start_fraction: float) -> int:
        """Compiled calls from a fraction of the schedule to its end."""

    @abc.abstractmethod
    def steps(self, start: float, stop: float, chunk: int) -> Any:
        """What every step of chunk number `chunk` does, between two fractions of the schedule."""

    @abc.abstractmethod
    def side_by_side(self) -> int:
        """Fits of a group under `vmap` that suit the devices."""

    def lanes(self, n_fits: int, side_by_side: int | None = None) -> Lanes:
        """Lanes for `n_fits`: groups that suit the devices, unless their size is given."""
        return spread(n_fits, self.side_by_side() if side_by_side is None else side_by_side)


class Program(NamedTuple):
    """The compiled functions of a family.

    Attributes:
      run_chunk: (problem, steps, state, signal, prior, bit weights, factor of the learning rates) -> (state after, what
        each step met as `Measured` [groups, steps per group]).
      rounded_cost: (problem, state, signal, prior) -> `Measured` of the state as a file would hold it.
    """

    run_chunk: Callable[..., tuple[Any, Measured]]
    rounded_cost: Callable[..., Measured]


class ChunkReport(NamedTuple):
    """What the steps of a chunk met, of every fit.

    Attributes:
      losses: distortion [n], mean over the steps.
      costs: distortion with the rate [n], mean over the steps.
      bits: [n, steps], of the last group's steps.
    """

    losses: np.ndarray
    costs: np.ndarray
    bits: np.ndarray


class Ended(NamedTuple):
    """What became of a batch.

    Attributes:
      best: {name: part of the state that was best [lanes.n, ...]}.
      state: at the end.
      seconds: since the batch began.
      compile_seconds: which compiling the program of the steps took.
      interrupted: whether Ctrl-C ended it.
    """

    best: dict[str, Any]
    state: Any
    seconds: float
    compile_seconds: float
    interrupted: bool


class Batch(abc.ABC):
    """The fits of a batch, and all that the host knows of them beside their state.

    States are trees of arrays [lanes.n, ...] with a field `step`; lanes beyond the last fit repeat it.

    Attributes:
      program: compiled functions of the family.
      kept: fields of a state that a result is made of.
      tasks: the fits.
      plan: what they share.
      start_fraction: of the schedule, where the fits start.
      n_seeds: random starts of each that race.
      lanes: how the fits are spread over devices.
      steerings: of each.
      guards: of each.
      signals, priors: arrays [lanes.n, ...].
    """

    program: Program
    kept: tuple[str, ...]

    def __init__(
        self,
        tasks: Sequence[Task],
        plan: FitPlan,
        lanes: Lanes | None,
        *,
        signals: Sequence[Any],
        priors: Sequence[Any],
        steerings: list[Steering],
    ) -> None:
        self.tasks = tasks
        self.plan = plan
        self.start_fraction = tasks[0].start_fraction
        self.n_seeds = plan.config.n_seeds
        self.lanes = plan.lanes(len(tasks)) if lanes is None else lanes
        self.n_samples = [task.target.n_samples for task in tasks]
        self.steerings = steerings
        self.guards = [Guard() for _ in tasks]
        self.signals = self.on_lanes(signals)
        self.priors = self.on_lanes(priors)
        self._compiled: Callable[..., Any] | None = None

    # What a family adds ------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def first_states(self, seeds: Sequence[int]) -> Any:
        """States before the first step, arrays [lanes.n, ...], from the seed of each fit."""

    @abc.abstractmethod
    def divergence(self, report: ChunkReport) -> Float[np.ndarray, " fits"]:
        """The values that the guards watch."""

    @abc.abstractmethod
    def is_measured(self, start: float, stop: float, n_done: int) -> bool:
        """Whether the state after a chunk, the `n_done`-th, may be the best."""

    @abc.abstractmethod
    def steered(self, state: Any, report: ChunkReport, start: float, stop: float) -> Any:
        """The state after a chunk as the next one starts from it, once lambdas have followed the rates."""

    @abc.abstractmethod
    def results(self, ended: Ended) -> list[FitResult]:
        """The best of each fit, in the order of the tasks."""

    def restarted(self, state: Any, best: Mapping[str, Any], start: float, stop: float) -> Any:
        """The state after a chunk, from `start` to `stop`, with weights from which another stage starts.

        Args:
          state: of all lanes.
          best: {name: part of the best states so far}; empty where none has been measured.
          start: fraction of the schedule done before the chunk.
          stop: fraction done after it.
        """
        del best, start, stop
        return state

    def planned_share(self, task: Task) -> float:
        """Learning rates of a fit relative to those of the plan's steps."""
        del task
        return 1.0

    def network_weight(self, task: Task) -> float:
        """Weight of a bit of the networks in the loss, as a multiple of lambda."""
        del task
        return 1.0

    def note_rounded(self, state: Any, measured: Measured) -> None:
        """Takes note of what a state comes to when it is rounded, before its value is computed."""
        return

    # What all families share -------------------------------------------------------------------------------------

    @property
    def time_budget(self) -> float | None:
        """Seconds for all fits together."""
        budget = self.plan.config.time_budget
        return budget and budget * len(self.tasks)

    def identity(self) -> str:
        """A hash of everything that the results depend on."""
        arrays = [array for task in self.tasks for array in task.arrays()]
        configs = [dataclasses.replace(task.config, time_budget=None) for task in self.tasks]  # pyright: ignore[reportArgumentType]
        return checkpoint.fingerprint(arrays, self.plan.problem.model, *configs)

    def first(self, start_number: int) -> Any:
        """States before the first step, from random start `start_number` of each fit."""
        return self.first_states([task.config.seed * MAX_SEEDS + start_number for task in self.tasks])

    def compile(self, state: Any) -> None:
        """Compiles the program of the steps, and that of the measurements where a time budget must know of it."""
        steps = self.plan.steps(self.start_fraction, 1.0, 0)
        arrays = state, self.signals, self.priors, *self._factors()
        self._compiled = self.lanes.compiled(self.program.run_chunk, self.plan.problem, steps, *arrays)
        if self.time_budget is not None:
            self.rounded(state)

    def run(self, state: Any, start: float, stop: float, chunk: int) -> tuple[Any, ChunkReport]:
        """Takes the steps of chunk number `chunk`, from one fraction of the schedule to another."""
        assert self._compiled is not None
        weights, rates = self._factors()
        steps = self.plan.steps(start, stop, chunk)
        after, measured = self._compiled(steps, state, self.signals, self.priors, weights, rates)
        own, bit_weights = (
            jax.tree.map(lambda leaf: np.asarray(leaf)[: len(self.tasks)], tree) for tree in (measured, weights)
        )
        costs = own.cost(BitWeights(*(weight[:, None, None] for weight in bit_weights)))
        report = ChunkReport(own.distortion.mean(axis=(1, 2)), costs.mean(axis=(1, 2)), own.bits[:, -1])
        return after, report

    def rounded(self, state: Any) -> Measured:
        """`rounded_cost` of all lanes, float64 arrays [lanes.n]."""
        measured = self.lanes.each(self.program.rounded_cost, self.plan.problem, state, self.signals, self.priors)
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), measured)

    def values(self, state: Any) -> Float[np.ndarray, " fits"]:
        """The value of each state as a file would hold it, float64: of all states of a fit, the lowest is the best."""
        measured = self.rounded(state)
        self.note_rounded(state, measured)
        values = np.empty(len(self.tasks))
        for i, (task, steering) in enumerate(zip(self.tasks, self.steerings, strict=True)):
            loss, latent_bits, network_bits = (float(x[i]) for x in measured)
            if task.config.target_bits is None:
                bits = latent_bits + self.network_weight(task) * network_bits
                values[i] = loss + task.config.lambda_rd * bits / self.n_samples[i]
            else:
                values[i] = steering.value(loss, latent_bits + network_bits)
        return values

    def filled(self, values: Sequence[Any] | Shaped[np.ndarray, " fits"]) -> Shaped[Array, " lanes"]:
        """A number for each fit as an array [lanes.n]."""
        last = [values[-1]] * (self.lanes.n - len(values))
        return self.lanes.put(np.asarray([*values, *last]))

    def on_lanes(self, trees: Sequence[Any]) -> Any:
        """Trees of arrays, one per fit, as one tree of arrays [lanes.n, ...] on the devices."""
        return self.lanes.put(batched(trees, self.lanes.n))

    def _factors(self) -> tuple[BitWeights, jax.Array]:
        """(losses per bit [n] each, factors of the planned learning rates [n])."""
        per_bit = [s.lambda_rd / n for s, n in zip(self.steerings, self.n_samples, strict=True)]
        networks = [np.float32(w * self.network_weight(task)) for w, task in zip(per_bit, self.tasks, strict=True)]
        weights = BitWeights(self.filled([np.float32(w) for w in per_bit]), self.filled(networks))
        rates = [
            np.float32(guard.rate_scale * self.planned_share(task))
            for guard, task in zip(self.guards, self.tasks, strict=True)
        ]
        return weights, self.filled(rates)


def shared_plan(plans: Sequence[FitPlan]) -> FitPlan:
    """The plan that the fits of a batch share.

    Raises:
      ConfigError: They have several.
    """
    if len(set(plans)) != 1:
        raise ConfigError(
            f"the {len(plans)} fits of a batch have {len(set(plans))} fit plans; put those of one plan together"
        )
    return plans[0]
