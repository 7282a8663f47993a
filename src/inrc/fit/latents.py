"""Fitting latents and networks to pictures, one or many side by side."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from inrc.config import LatentGridConfig
from inrc.entropy.context import limited
from inrc.entropy.wavefront import MAX_LATENT
from inrc.errors import ConfigError
from inrc.fit import checkpoint
from inrc.fit.batch import Batch, Ended, Rules, Seen, run
from inrc.fit.config import MAX_SEEDS, Progress, Start
from inrc.fit.control import Guard
from inrc.fit.lanes import Lanes, at_most_fits, spread, stacked
from inrc.fit.latent_config import LatentFitConfig, LatentFitResult, LatentTask
from inrc.fit.latent_program import (
    BitWeights,
    LatentPlan,
    LatentProblem,
    LatentSignal,
    LatentState,
    Measured,
    rounded_latent_cost,
    run_latent_chunk,
)
from inrc.fit.latent_stages import plan_latent_chunk
from inrc.fit.latent_start import continued_latent_state, first_latent_state, latent_prior
from inrc.fit.program import Prior
from inrc.fit.steering import Steering
from inrc.latent_layout import latent_layout
from inrc.models.latent_grid.packing import mask_of, packing_of, unpack

_MIN_UPDATES = 20
"""Updates of lambda that a fit needs to come to its bits."""
_VALUES_PER_INPUT = 8
"""Contexts, features, gradients and temporaries per pixel, relative to the context network's inputs: an estimate, not
yet checked on an accelerator."""


def fit_latents(
    values: np.ndarray,
    model: LatentGridConfig,
    config: LatentFitConfig,
    *,
    start: Start | None = None,
    continued: LatentFitResult | None = None,
    begin: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> LatentFitResult:
    """Fits a pyramid of latents and its networks to a picture.

    Args:
      values: [C, height, width] in [0, 1], of 1 to 4 channels.
      model: the networks.
      config: how.
      start: first networks and the prior of all that follow; random ones and a flat prior around 0 if not given.
      continued: an earlier fit of the same picture, usually at another lambda, that this one goes on from instead of
        first networks.
      begin: fraction of the course that counts as done: `config.n_steps` is the length of the whole course, of which
        only the rest is taken.
      progress: called after every chunk.
      checkpoint_path: where the state is kept; a fit that finds its own state there goes on from it and ends in the
        same result as one that was never stopped. The file is removed by the caller once the result is safe.
      checkpoint_every: seconds between two checkpoints.

    Returns:
      The best rounded latents and networks met. On KeyboardInterrupt, what has been reached until then.

    Raises:
      ConfigError: `continued` is of another model or shape, or a fit begins in mid-course without one.
      CheckpointMismatchError: The checkpoint belongs to another picture or other options.
    """
    (result,) = fit_latents_batch(
        [LatentTask(values, config, start, continued)],
        model,
        lanes=Lanes(),
        begin=begin,
        progress=progress,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
    )
    return result


def fit_latents_batch(
    tasks: Sequence[LatentTask],
    model: LatentGridConfig,
    *,
    lanes: Lanes | None = None,
    begin: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> list[LatentFitResult]:
    """Fits latents and networks to several pictures of one shape, side by side.

    Args:
      tasks: the fits. Their lambdas, targets, seeds, first steps and starts are their own, all else they have in
        common (`latent_course_of`). Their time budgets add up.
      model: the networks.
      lanes: how they are spread; chosen by the devices if not given. A fit's result depends on `lanes.side_by_side`
        (in rounding) and on nothing else of them.
      begin: as for `fit_latents`, where all tasks continue earlier fits.
      progress: called after every chunk.
      checkpoint_path: as for `fit_latents`; a checkpoint belongs to the whole batch.
      checkpoint_every: seconds between two checkpoints.

    Returns:
      The best rounded latents and networks met of each, in the order of the tasks. On KeyboardInterrupt, what has been
      reached until then.

    Raises:
      ConfigError: The tasks differ in more than a batch's fits may, or see `fit_latents`.
      CheckpointMismatchError: The checkpoint belongs to other pictures or other options.
    """
    began = time.monotonic()
    batch = _Latents(tasks, model, lanes, begin)
    ended = run(batch, progress, checkpoint_path, checkpoint_every)
    return batch.results(ended, began)


@dataclasses.dataclass(frozen=True)
class LatentCourse:
    """What the fits of a batch have in common, hashable: they are of one compiled program and one schedule.

    Attributes:
      problem: static.
      groups_per_chunk: groups of steps of a compiled call.
      config: how, but for what may differ from fit to fit.
    """

    problem: LatentProblem
    groups_per_chunk: int
    config: LatentFitConfig

    @property
    def chunk_steps(self) -> int:
        """Steps of a compiled call."""
        return self.config.steps_per_group * self.groups_per_chunk

    def plan(self, begin: float, end: float) -> LatentPlan:
        """What a chunk does from one fraction of the course to another."""
        return plan_latent_chunk(
            self.config.schedule,
            start=begin,
            stop=end,
            n_steps=self.chunk_steps,
            steps_per_group=self.config.steps_per_group,
        )


def latent_course_of(
    shape: tuple[int, int], n_channels: int, model: LatentGridConfig, config: LatentFitConfig
) -> LatentCourse:
    """The course of a fit of a picture of `shape`. Fits of one course may share a batch."""
    groups_per_chunk = config.groups_per_chunk
    if config.target_bits is not None:
        # Fewer where a fit would end before its rate has been steered.
        most = int(config.n_steps / (config.steps_per_group * _MIN_UPDATES))
        groups_per_chunk = min(groups_per_chunk, max(1, most))
    nothing = LatentFitConfig()
    return LatentCourse(
        LatentProblem(
            model, shape, n_channels, config.optimiser, config.clip_norm, config.step_learning_rate, config.loss
        ),
        groups_per_chunk,
        dataclasses.replace(
            config,
            lambda_rd=nothing.lambda_rd,
            target_bits=None,
            network_weight=nothing.network_weight,
            first_step=nothing.first_step,
            seed=nothing.seed,
        ),
    )


def latent_lanes_for(course: LatentCourse, n_fits: int, side_by_side: int | None = None) -> Lanes:
    """Lanes for `n_fits` fits of a course: groups that suit the devices, unless their size is given.

    On a CPU fits are taken in turn: one alone has the core's cache to itself.
    """
    if side_by_side is None:
        model, (height, width) = course.problem.model, course.problem.shape
        inputs = model.n_context + model.n_grids + model.synthesis_width
        side_by_side = at_most_fits(_VALUES_PER_INPUT * inputs * height * width) or 1
    return spread(n_fits, side_by_side)


class _Latents(Batch):
    """The fits of a batch of latents."""

    def __init__(self, tasks: Sequence[LatentTask], model: LatentGridConfig, lanes: Lanes | None, begin: float) -> None:
        self.tasks = tasks
        courses = {
            latent_course_of((task.values.shape[1], task.values.shape[2]), len(task.values), model, task.config)
            for task in tasks
        }
        if len(courses) != 1:
            raise ConfigError(
                f"the {len(tasks)} fits of a batch have {len(courses)} courses; put those of one course together"
            )
        (self.course,) = courses
        problem, config = self.course.problem, self.course.config
        continues = [_continues(problem, task, begin) for task in tasks]
        self.rules = Rules(
            n_chunks=max(1, round((1.0 - begin) * config.n_steps / self.course.chunk_steps)),
            begin=begin,
            n_seeds=1 if any(continues) else config.n_seeds,
            race_fraction=config.race_fraction,
            time_budget=config.time_budget and config.time_budget * len(tasks),
            kept=("latents", "params", "log_steps"),
        )
        self.lanes = latent_lanes_for(self.course, len(tasks)) if lanes is None else lanes
        self.n_pixels = [task.values[0].size for task in tasks]
        self.steerings = [Steering(task.config.target_bits, task.config.lambda_rd, overhead=1.0) for task in tasks]
        self.guards = [Guard() for _ in tasks]
        mask = mask_of(packing_of(model, problem.shape))
        self._own_signals = [LatentSignal(np.asarray(task.values, np.float32), mask) for task in tasks]
        self.signals: LatentSignal = self._on_lanes(self._own_signals)
        self.priors: Prior = self._on_lanes([latent_prior(problem, task.start) for task in tasks])
        self._rounded_bits = np.zeros((len(tasks), 2))  # of latents, of networks

    def identity(self) -> str:
        arrays: list[np.ndarray] = [np.asarray(self.rules.begin)]
        for task in self.tasks:
            arrays.append(task.values)
            arrays += () if task.start is None else task.start.arrays()
            arrays += () if task.continued is None else task.continued.arrays()
        configs = [dataclasses.replace(task.config, time_budget=None) for task in self.tasks]
        return checkpoint.fingerprint(arrays, self.course.problem.model, *configs)

    def first(self, seed: int) -> LatentState:
        return self._on_lanes([self._first(task, task.config.seed * MAX_SEEDS + seed) for task in self.tasks])

    def compile(self, state: LatentState) -> None:
        arrays = state, self.signals, self.priors, *self._multipliers()
        self._chunks = self.lanes.compiled(_run_chunk, self.course.problem, self.course.plan(0.0, 1.0), *arrays)

    def run(self, state: LatentState, begin: float, end: float, chunk: int) -> tuple[LatentState, Seen]:
        weights, rates = self._multipliers()
        after, measured = self._chunks(self.course.plan(begin, end), state, self.signals, self.priors, weights, rates)
        found, own = (jax.tree.map(lambda leaf: np.asarray(leaf)[: len(self.tasks)], x) for x in (measured, weights))
        costs = found.cost(BitWeights(*(weight[:, None, None] for weight in own)))
        bits = found.latent_bits[:, -1] + found.network_bits[:, -1]
        return after, Seen(found.distortion.mean(axis=(1, 2)), costs.mean(axis=(1, 2)), bits)

    def divergence(self, seen: Seen) -> np.ndarray:
        return seen.costs

    def looks(self, begin: float, end: float, n_done: int) -> bool:
        return True

    def values(self, state: LatentState) -> np.ndarray:
        found = self._rounded(state)
        values = np.empty(len(self.tasks))
        for i, (task, steering) in enumerate(zip(self.tasks, self.steerings, strict=True)):
            loss, latent_bits, network_bits = (
                float(x[i]) for x in (found.distortion, found.latent_bits, found.network_bits)
            )
            self._rounded_bits[i] = latent_bits, network_bits
            if task.config.target_bits is None:
                bits = latent_bits + task.config.network_weight * network_bits
                values[i] = loss + task.config.lambda_rd * bits / self.n_pixels[i]
            else:
                values[i] = steering.value(loss, latent_bits + network_bits)
        return values

    def steered(self, state: LatentState, seen: Seen, begin: float, end: float) -> LatentState:
        # Where latents' bits weigh more than they will, there are fewer of them: about by the root of that.
        later = float(self.course.config.schedule.at(np.array([end]))["rate"][0]) ** 0.5
        for steering, guard, bits in zip(self.steerings, self.guards, self._rounded_bits, strict=True):
            before = steering.lambda_rd
            steering.follow(float(later * bits[0] + bits[1]), self.course.chunk_steps, end)
            # A loss in which the rate weighs more is no divergence.
            guard.lowest *= max(1.0, steering.lambda_rd / before)
        return state

    def results(self, ended: Ended, began: float) -> list[LatentFitResult]:
        """The best latents and networks of each fit, of which the first began at `began` of the clock."""
        problem = self.course.problem
        packing = packing_of(problem.model, problem.shape)
        names = [name for name, _ in latent_layout(problem.model, problem.n_channels)]
        best = jax.tree.map(np.asarray, ended.best)
        # The coder's integers are of so many bits.
        own = [limited({name: best["params"][name][i] for name in names}) for i in range(len(self.tasks))]
        latents = np.clip(best["latents"], -MAX_LATENT, MAX_LATENT)
        kept = ended.state._replace(
            latents=self.lanes.put(latents), params=self._on_lanes(own), log_steps=ended.best["log_steps"]
        )
        found = self._rounded(kept)
        n_steps = np.asarray(ended.state.step).astype(int).tolist()
        seconds = time.monotonic() - began
        return [
            LatentFitResult(
                latents=tuple(np.asarray(x, np.int32) for x in unpack(packing, np.round(latents[i]))),
                state_latents=latents[i],
                params=own[i],
                steps={name: float(np.exp(best["log_steps"][name][i])) for name in names},
                mse=float(found.mse[i]),
                latent_bits=float(found.latent_bits[i]),
                network_bits=float(found.network_bits[i]),
                distortion=float(found.distortion[i]),
                problem=problem,
                signal=self._own_signals[i],
                n_steps=n_steps[i],
                seconds=seconds,
                compile_seconds=ended.compile_seconds,
                lambda_rd=self.steerings[i].lambda_rd,
                interrupted=ended.interrupted,
            )
            for i in range(len(self.tasks))
        ]

    def _first(self, task: LatentTask, seed: int) -> LatentState:
        problem, own = self.course.problem, task.continued
        if own is not None:
            return continued_latent_state(problem, own.state_latents, own.params, own.steps, seed)
        mean_values = task.values.reshape(len(task.values), -1).mean(1)
        return first_latent_state(problem, mean_values, task.config.first_step, task.start, seed)

    def _multipliers(self) -> tuple[BitWeights, jax.Array]:
        """(losses per bit [n] each, share of the planned learning rates [n])."""
        per_bit = [s.lambda_rd / n for s, n in zip(self.steerings, self.n_pixels, strict=True)]
        networks = [np.float32(w * task.config.network_weight) for w, task in zip(per_bit, self.tasks, strict=True)]
        weights = BitWeights(self.filled([np.float32(w) for w in per_bit]), self.filled(networks))
        return weights, self.filled([np.float32(guard.rate_scale) for guard in self.guards])

    def _rounded(self, state: LatentState) -> Measured:
        """`rounded_latent_cost` of all lanes, arrays of NumPy."""
        found = self.lanes.each(rounded_latent_cost, self.course.problem, state, self.signals, self.priors)
        return jax.tree.map(np.asarray, found)

    def _on_lanes(self, trees: Sequence[Any]) -> Any:
        return self.lanes.put(stacked(trees, self.lanes.n))


def _run_chunk(
    problem: LatentProblem,
    plan: LatentPlan,
    state: LatentState,
    signal: LatentSignal,
    prior: Prior,
    weights: BitWeights,
    rate_scale: jax.Array,
) -> tuple[LatentState, Measured]:
    own = plan._replace(network_rate=plan.network_rate * rate_scale, latent_rate=plan.latent_rate * rate_scale)
    return run_latent_chunk(problem, state, signal, prior, own, weights)


def _continues(problem: LatentProblem, task: LatentTask, begin: float) -> bool:
    """Whether a task goes on from an earlier fit, which must then suit it."""
    if not 0 <= begin < 1 or (begin > 0 and task.continued is None):
        raise ConfigError(
            f"a fit begins at {begin} of its course; it must be in 0..1, and 0 where it continues no other"
        )
    if task.continued is not None and task.continued.problem[:3] != problem[:3]:
        raise ConfigError("a fit continues one of another model or shape; give it one of the same")
    return task.continued is not None
