"""Fitting latents and networks to a picture: race, compiled chunks, best so far, budgets, interruption, checkpoints."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import LatentGridConfig
from inrc.entropy.context import limited
from inrc.entropy.wavefront import MAX_LATENT
from inrc.errors import ConfigError
from inrc.fit import checkpoint
from inrc.fit.config import MAX_SEEDS, Progress, Start
from inrc.fit.control import Clock, Guard
from inrc.fit.latent_config import LatentFitConfig, LatentFitResult
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

Chunk = Callable[..., tuple[LatentState, Measured]]

_EXCESS_WEIGHT = 30.0
_MIN_UPDATES = 20
"""Updates of lambda that a fit needs to come to its bits."""


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
    began = time.monotonic()
    n_channels, height, width = values.shape
    n_pixels = height * width
    problem = LatentProblem(
        model, (height, width), n_channels, config.optimiser, config.clip_norm, config.step_learning_rate, config.loss
    )
    _check_continued(problem, continued, begin)
    packing = packing_of(model, problem.shape)
    signal = LatentSignal(jnp.asarray(values, jnp.float32), jnp.asarray(mask_of(packing)))
    prior = latent_prior(problem, start)
    steering = Steering(config.target_bits, config.lambda_rd, overhead=1.0)

    def weights() -> BitWeights:
        loss_per_bit = steering.lambda_rd / n_pixels
        return BitWeights(jnp.float32(loss_per_bit), jnp.float32(loss_per_bit * config.network_weight))

    chunk_steps = config.steps_per_group * _groups_per_chunk(config)
    n_chunks = max(1, round((1.0 - begin) * config.n_steps / chunk_steps))

    def plan(first: float, end: float, rate_scale: float = 1.0) -> LatentPlan:
        return plan_latent_chunk(
            config.schedule,
            start=first,
            stop=end,
            n_steps=chunk_steps,
            steps_per_group=config.steps_per_group,
            rate_scale=rate_scale,
        )

    arrays = [values, *(() if start is None else start.arrays()), np.float64(begin)]
    if continued is not None:
        arrays += [continued.state_latents, *continued.params.values(), np.array([*continued.steps.values()])]
    identity = checkpoint.fingerprint(arrays, model, dataclasses.replace(config, time_budget=None))
    clock = Clock(config.time_budget, n_chunks, begin)
    if continued is None:
        mean_values = values.reshape(n_channels, -1).mean(1)
        first, *others = (
            first_latent_state(problem, mean_values, config.first_step, start, config.seed * MAX_SEEDS + i)
            for i in range(config.n_seeds)
        )
    else:
        names = continued.state_latents, continued.params, continued.steps
        first, others = continued_latent_state(problem, *names, config.seed * MAX_SEEDS), []
    resumed = checkpoint.load(checkpoint_path, identity, first)
    compiling = time.monotonic()
    program = run_latent_chunk.lower(problem, first, signal, prior, plan(0.0, 1.0), weights()).compile()
    compile_seconds = time.monotonic() - compiling
    best, guard = _Best(problem, signal, prior, weights(), steering), Guard()
    if resumed is None:
        n_race = _race_chunks(config, n_chunks) if others else 0
        plans = [plan(i / n_chunks, (i + 1) / n_chunks) for i in range(n_race)]
        state = _race(
            [first, *others], program, functools.partial(run_latent_chunk, problem), signal, prior, plans, weights()
        )
        if n_race:
            clock.chunk, clock.fraction = n_race, n_race / n_chunks
    else:
        state, best_state, meta = resumed
        clock.chunk, clock.fraction = int(meta["chunk"]), float(meta["fraction"])
        clock.elapsed_before = float(meta["seconds"])
        guard = Guard(float(meta["lowest"]), float(meta["rate_scale"]))
        steering.lambda_rd = float(meta["lambda_rd"])
        if np.isfinite(meta["best"]):
            best.see(best_state)

    interrupted = False
    saved = time.monotonic()
    try:
        while clock.fraction < 1.0 - 1e-9:
            done, end = clock.begin_chunk()
            after, measured = program(state, signal, prior, plan(done, end, guard.rate_scale), weights())
            cost = float(jnp.mean(measured.cost(weights())))
            clock.end_chunk(end)
            state = after if guard.admits(cost) else state
            bits = best.see(state)
            before = steering.lambda_rd
            steering.follow(bits, chunk_steps, end)
            # A loss of which the rate weighs more is no divergence.
            guard.lowest *= max(1.0, steering.lambda_rd / before)
            if progress is not None:
                progress(_progress(clock, state, measured, n_pixels))
            due = time.monotonic() - saved > checkpoint_every or clock.fraction >= 1.0
            if checkpoint_path is not None and due:
                meta = {
                    "chunk": clock.chunk,
                    "fraction": clock.fraction,
                    "seconds": clock.seconds,
                    "best": best.cost,
                    "lowest": guard.lowest,
                    "rate_scale": guard.rate_scale,
                    "lambda_rd": steering.lambda_rd,
                }
                # A full disk costs the checkpoint, not the encode.
                with contextlib.suppress(OSError):
                    checkpoint.save(checkpoint_path, identity, state, best.state or state, meta)
                saved = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    if best.state is None:
        best.see(state)
    assert best.state is not None
    # The coder's sums are of so many bits.
    names = [name for name, _ in latent_layout(model, n_channels)]
    params = limited({name: np.asarray(best.state.params[name]) for name in names})
    kept = best.state._replace(
        latents=jnp.clip(best.state.latents, -MAX_LATENT, MAX_LATENT),
        params={name: jnp.asarray(matrix) for name, matrix in params.items()},
    )
    found = rounded_latent_cost(problem, kept, signal, prior)
    return LatentFitResult(
        latents=tuple(np.asarray(x, np.int32) for x in unpack(packing, jnp.round(kept.latents))),
        state_latents=np.asarray(kept.latents),
        params=params,
        steps={name: float(np.exp(best.state.log_steps[name])) for name in names},
        mse=float(found.mse),
        latent_bits=float(found.latent_bits),
        network_bits=float(found.network_bits),
        distortion=float(found.distortion),
        problem=problem,
        signal=signal,
        n_steps=int(state.step),
        seconds=time.monotonic() - began,
        compile_seconds=compile_seconds,
        lambda_rd=steering.lambda_rd,
        interrupted=interrupted,
    )


class _Best:
    """The rounded state of the lowest loss so far."""

    def __init__(
        self, problem: LatentProblem, signal: LatentSignal, prior: Prior, weight: BitWeights, steering: Steering
    ) -> None:
        self._arguments: tuple[Any, ...] = problem, signal, prior
        self._weight = weight
        self._steering = steering
        self.cost = float("inf")
        self.state: LatentState | None = None

    def see(self, state: LatentState) -> float:
        """Compares a state with the best so far, and returns its bits."""
        problem, signal, prior = self._arguments
        found = rounded_latent_cost(problem, state, signal, prior)
        bits = float(found.latent_bits + found.network_bits)
        if self._steering.target_bits is None:
            cost = float(found.cost(self._weight))
        else:
            # What is above the limit loses to all that is not.
            cost = float(found.distortion) * (1.0 + _EXCESS_WEIGHT * self._steering.excess(bits))
        if self.state is None or cost < self.cost:
            self.cost, self.state = cost, state
        return bits


def _check_continued(problem: LatentProblem, continued: LatentFitResult | None, begin: float) -> None:
    if not 0 <= begin < 1 or (begin > 0 and continued is None):
        raise ConfigError(
            f"a fit begins at {begin} of its course; it must be in 0..1, and 0 where it continues no other"
        )
    if continued is not None and continued.problem[:3] != problem[:3]:
        raise ConfigError("a fit continues one of another model or shape; give it one of the same")


def _groups_per_chunk(config: LatentFitConfig) -> int:
    """Groups of a chunk: fewer than configured where a fit would end before its rate has been steered."""
    if config.target_bits is None:
        return config.groups_per_chunk
    return min(config.groups_per_chunk, max(1, int(config.n_steps / (config.steps_per_group * _MIN_UPDATES))))


def _progress(clock: Clock, state: LatentState, measured: Measured, n_pixels: int) -> Progress:
    bits = float(measured.latent_bits[-1, -1] + measured.network_bits[-1, -1])
    loss = float(jnp.mean(measured.distortion))
    return Progress(clock.fraction, int(state.step), loss, bits / n_pixels, clock.seconds, clock.seconds_left)


def _race_chunks(config: LatentFitConfig, n_chunks: int) -> int:
    if config.n_seeds == 1:
        return 0
    return min(n_chunks - 1, max(1, round(config.race_fraction * n_chunks)))


def _race(
    first_states: list[LatentState],
    program: Chunk,
    traced: Chunk,
    signal: LatentSignal,
    prior: Prior,
    plans: list[LatentPlan],
    weights: BitWeights,
) -> LatentState:
    """The state of the start whose loss is lowest in the last of some chunks.

    On an accelerator the starts run side by side, `traced` under vmap; on a CPU one after the other through the
    compiled `program` that the fit itself uses.
    """
    if not plans:
        return first_states[0]

    def run(state: LatentState, chunk: Chunk) -> tuple[LatentState, jax.Array]:
        cost = jnp.float32(0)
        for plan in plans:
            state, measured = chunk(state, signal, prior, plan, weights)
            cost = jnp.mean(measured.cost(weights))
        return state, cost

    if jax.default_backend() == "cpu":
        ends = [run(state, program) for state in first_states]
        return ends[int(np.argmin([float(cost) for _, cost in ends]))][0]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *first_states)
    state, costs = jax.vmap(lambda state: run(state, traced))(stacked)
    winner = int(jnp.argmin(costs))
    return jax.tree.map(lambda leaf: leaf[winner], state)
