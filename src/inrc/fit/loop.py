"""Fitting one signal: race of seeds, chunks of compiled steps, best so far, budgets, interruption, checkpoints."""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import ModelConfig
from inrc.fit import checkpoint
from inrc.fit.config import MAX_SEEDS, FitConfig, FitResult, Progress, Start, Target
from inrc.fit.data import polyphase
from inrc.fit.program import (
    Params,
    Prior,
    Problem,
    Signal,
    State,
    rounded_cost,
    run_chunk,
)
from inrc.fit.stages import StepPlan, minibatch_order, plan_chunk
from inrc.fit.start import first_state, prior_of
from inrc.fit.steering import MIN_UPDATES, Steering
from inrc.layout import layout

Chunk = Callable[[State, Signal, Prior, StepPlan, jax.Array], tuple[State, tuple[jax.Array, jax.Array]]]

_EXCESS_WEIGHT = 30.0
_DIVERGENCE = 2.0
_RECOVERY = 1.02
_MIN_CHUNKS = 4
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
    began = time.monotonic()
    shape = target.values.shape[1:]
    n_pixels = int(np.prod(shape))
    tile_samples = config.tile_samples or default_tile_samples()
    factor = min(config.phase_factor, *shape)
    signal = Signal(
        polyphase(np.asarray(target.values, np.float32), factor, tile_samples),
        jnp.asarray(target.matrix, jnp.float32),
        jnp.asarray(target.offset, jnp.float32),
    )
    n_phases = signal.phases.targets.shape[0]
    n_weights = sum(rows * columns for _, (rows, columns) in layout(model, shape, target.values.shape[0]))
    problem = Problem(
        model, shape, target.values.shape[0], config.loss, config.optimiser, weight_bits=config.weight_bits
    )
    steering = Steering(config.target_bits, config.lambda_rd, learned=start is not None)

    chunk_steps = config.steps_per_group * _groups_per_chunk(config, config.n_passes * n_phases)
    best_every = math.ceil(_LOOK_EVERY * n_phases / chunk_steps)
    n_chunks = max(1, round(config.n_passes * n_phases / chunk_steps))

    def plan(begin: float, end: float, chunk: int):
        order = minibatch_order(n_phases, chunk_steps, seed=config.seed, chunk=chunk)
        return plan_chunk(config.schedule, start=begin, stop=end, phases=order, steps_per_group=config.steps_per_group)

    arrays = [target.values, target.matrix, target.offset, *(() if start is None else start.arrays())]
    identity = checkpoint.fingerprint(arrays, model, dataclasses.replace(config, time_budget=None))
    clock = _Clock(config.time_budget, n_chunks)
    seeds = [config.seed * MAX_SEEDS + i for i in range(config.n_seeds)]
    prior = prior_of(problem, start)
    first, *others = (first_state(problem, config, target.mean_outputs, start, prior, seed) for seed in seeds)
    resumed = checkpoint.load(checkpoint_path, identity, first)
    compiling = time.monotonic()
    program = run_chunk.lower(problem, first, signal, prior, plan(0.0, 1.0 / n_chunks, 0), jnp.float32(0)).compile()
    compile_seconds = time.monotonic() - compiling
    if resumed is None:
        n_race = _race_chunks(config, n_chunks)
        state = _race(
            [first, *others],
            program,
            functools.partial(run_chunk, problem),
            signal,
            prior,
            [plan(i / n_chunks, (i + 1) / n_chunks, i) for i in range(n_race)],
            jnp.float32(steering.lambda_rd / n_pixels),
        )
        clock.chunk, clock.fraction = n_race, n_race / n_chunks
        best = _Best.nothing()
        meta = {}
    else:
        state, best_state, meta = resumed
        clock.chunk, clock.fraction = int(meta["chunk"]), float(meta["fraction"])
        clock.elapsed_before = float(meta["seconds"])
        best = _Best.nothing()
        if np.isfinite(meta["best"]):
            best = _Best(float(meta["best"]), best_state.params, best_state.log_steps)
        steering.lambda_rd, steering.overhead = float(meta["lambda_rd"]), float(meta["overhead"])

    guard = _Guard(**{key: float(meta[key]) for key in ("lowest", "rate_scale") if key in meta})
    interrupted = False
    saved = time.monotonic()
    try:
        while clock.fraction < 1.0 - 1e-9:
            begin, end = clock.begin_chunk()
            bits_weight = jnp.float32(steering.lambda_rd / n_pixels)
            steps = plan(begin, end, clock.chunk)
            steps = steps._replace(learning_rate=steps.learning_rate * np.float32(guard.rate_scale))
            after, (losses, bits) = program(state, signal, prior, steps, bits_weight)
            losses, bits = np.asarray(losses), np.asarray(bits)
            clock.end_chunk(end)
            state = after if guard.admits(float(losses.mean())) else state
            rate = float(bits[-1].mean())
            if begin < config.schedule.hard_from:
                steering.follow(rate, chunk_steps, end)
            else:
                if clock.chunk % best_every == 0 or clock.fraction >= 1.0:
                    best = best.better(problem, state, signal, prior, config, steering)
                shift = steering.step_shift(rate, n_weights, end)
                if shift:
                    state = state._replace(log_steps={name: s + shift for name, s in state.log_steps.items()})
            if progress is not None:
                progress(
                    Progress(
                        clock.fraction,
                        int(state.step),
                        float(losses.mean()),
                        float(bits[-1, -1]) / n_pixels,
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
                    "best": best.value,
                    "lambda_rd": steering.lambda_rd,
                    "overhead": steering.overhead,
                    "lowest": guard.lowest,
                    "rate_scale": guard.rate_scale,
                }
                # A full disk costs the checkpoint, not the encode.
                with contextlib.suppress(OSError):
                    checkpoint.save(checkpoint_path, identity, state, kept, meta)
                saved = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    if not best.params:
        best = best.better(problem, state, signal, prior, config, steering)
    # JAX sorts the keys of a dict, which puts layer_10 before layer_2; a file has them in the order of the layout.
    names = [name for name, _ in layout(model, shape, problem.n_outputs)]
    return FitResult(
        params={name: np.asarray(best.params[name]) for name in names},
        steps={name: float(np.exp(best.log_steps[name])) for name in names},
        problem=problem,
        signal=signal,
        n_steps=int(state.step),
        seconds=time.monotonic() - began,
        compile_seconds=compile_seconds,
        lambda_rd=steering.lambda_rd,
        interrupted=interrupted,
    )


def _groups_per_chunk(config: FitConfig, n_steps: float) -> int:
    """Groups of a chunk: fewer than configured where a fit would end before its rate has been steered, or seen."""
    n_chunks = _MIN_CHUNKS if config.target_bits is None else MIN_UPDATES
    return min(config.groups_per_chunk, max(1, int(n_steps / (config.steps_per_group * n_chunks))))


@dataclasses.dataclass
class _Guard:
    """Watches for divergence: a chunk that loses much of what was won is undone and the learning rate halved.

    The rate comes back over the next dozens of chunks, and each refusal in a row asks for a larger loss, so that a loss
    that rises for good (noise, another stage) costs a few chunks and not the fit.
    """

    lowest: float = float("inf")
    rate_scale: float = 1.0

    def admits(self, loss: float) -> bool:
        """Whether the chunk with this mean loss stands."""
        if np.isfinite(loss) and loss <= _DIVERGENCE * self.lowest:
            self.lowest = min(self.lowest, loss)
            self.rate_scale = min(1.0, self.rate_scale * _RECOVERY)
            return True
        if np.isfinite(loss):
            self.lowest *= _DIVERGENCE
        self.rate_scale *= 0.5
        return False


@dataclasses.dataclass(frozen=True)
class _Best:
    """The lowest loss + rate of rounded weights so far, and the weights that have it."""

    value: float
    params: Params
    log_steps: Params

    @staticmethod
    def nothing() -> "_Best":
        return _Best(float("inf"), {}, {})

    def better(
        self, problem: Problem, state: State, signal: Signal, prior: Prior, config: FitConfig, steering: Steering
    ) -> "_Best":
        loss, bits = (float(x) for x in rounded_cost(problem, state, signal, prior))
        if config.target_bits is None:
            value = loss + config.lambda_rd * bits / math.prod(problem.shape)
        else:
            steering.calibrate(state.params, prior, state.log_steps, bits)
            # What is above the limit loses to all that is not.
            value = loss * (1.0 + _EXCESS_WEIGHT * steering.excess(bits))
        return _Best(value, state.params, state.log_steps) if value < self.value or not self.params else self


class _Clock:
    """Which fraction of the fit the next chunk covers: by count, or by time where that ends sooner."""

    def __init__(self, budget: float | None, n_chunks: int) -> None:
        self._began = time.monotonic()
        self._budget = budget
        self._n_chunks = n_chunks
        self._chunk_began = self._began
        self._durations: list[float] = []
        self.elapsed_before = 0.0
        self.chunk = 0
        self.fraction = 0.0

    @property
    def seconds(self) -> float:
        return self.elapsed_before + time.monotonic() - self._began

    @property
    def chunk_seconds(self) -> float:
        """Typical duration of a compiled chunk."""
        return float(np.median(self._durations or [0.0]))

    @property
    def seconds_left(self) -> float:
        by_count = (1 - self.fraction) * self._n_chunks * self.chunk_seconds
        return by_count if self._budget is None else max(0.0, min(by_count, self._budget - self.seconds))

    def begin_chunk(self) -> tuple[float, float]:
        advance = 1.0 / self._n_chunks
        if self._budget is not None and self._durations:
            left = max((self._budget - self.seconds) / max(self.chunk_seconds, 1e-9), 1.0)
            advance = max(advance, (1.0 - self.fraction) / int(left))
        self._chunk_began = time.monotonic()
        stop = self.fraction + advance
        return self.fraction, 1.0 if stop > 1.0 - 0.5 * advance else stop

    def end_chunk(self, stop: float) -> None:
        self._durations.append(time.monotonic() - self._chunk_began)
        self.chunk += 1
        self.fraction = stop


def _race_chunks(config: FitConfig, n_chunks: int) -> int:
    if config.n_seeds == 1:
        return 0
    return min(n_chunks - 1, max(1, round(config.race_fraction * n_chunks)))


def _race(
    first_states: list[State],
    program: Chunk,
    traced: Chunk,
    signal: Signal,
    prior: Prior,
    plans: list[StepPlan],
    bits_weight: jax.Array,
) -> State:
    """The state of the start whose loss + rate is lowest in the last of some chunks.

    On an accelerator the starts run side by side, `traced` under vmap; on a CPU, where nothing is won by that, one
    after the other through the compiled `program` that the fit itself uses.
    """
    if not plans:
        return first_states[0]
    if jax.default_backend() == "cpu":
        ends = [_run_plans(state, program, signal, prior, plans, bits_weight) for state in first_states]
        return ends[int(np.argmin([float(cost) for _, cost in ends]))][0]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *first_states)
    state, costs = jax.vmap(lambda state: _run_plans(state, traced, signal, prior, plans, bits_weight))(stacked)
    winner = int(jnp.argmin(costs))
    return jax.tree.map(lambda leaf: leaf[winner], state)


def _run_plans(
    state: State, run: Chunk, signal: Signal, prior: Prior, plans: list[StepPlan], bits_weight: jax.Array
) -> tuple[State, jax.Array]:
    cost = jnp.float32(0)
    for plan in plans:
        state, (losses, bits) = run(state, signal, prior, plan, bits_weight)
        cost = jnp.mean(losses + bits_weight * bits)
    return state, cost
