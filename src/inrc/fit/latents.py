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
from inrc.fit.latent_start import first_latent_state, latent_prior
from inrc.fit.program import Prior
from inrc.latent_layout import latent_layout
from inrc.models.latent_grid.packing import mask_of, packing_of, unpack

Chunk = Callable[..., tuple[LatentState, Measured]]


def fit_latents(
    values: np.ndarray,
    model: LatentGridConfig,
    config: LatentFitConfig,
    *,
    start: Start | None = None,
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
      progress: called after every chunk.
      checkpoint_path: where the state is kept; a fit that finds its own state there goes on from it and ends in the
        same result as one that was never stopped. The file is removed by the caller once the result is safe.
      checkpoint_every: seconds between two checkpoints.

    Returns:
      The best rounded latents and networks met. On KeyboardInterrupt, what has been reached until then.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to another picture or other options.
    """
    began = time.monotonic()
    n_channels, height, width = values.shape
    n_pixels = height * width
    problem = LatentProblem(
        model, (height, width), n_channels, config.optimiser, config.clip_norm, config.step_learning_rate
    )
    packing = packing_of(model, problem.shape)
    signal = LatentSignal(jnp.asarray(values, jnp.float32), jnp.asarray(mask_of(packing)))
    prior = latent_prior(problem, start)
    loss_per_bit = config.lambda_rd / n_pixels
    weights = BitWeights(jnp.float32(loss_per_bit), jnp.float32(loss_per_bit * config.network_weight))

    chunk_steps = config.steps_per_group * config.groups_per_chunk
    n_chunks = max(1, round(config.n_steps / chunk_steps))

    def plan(begin: float, end: float, rate_scale: float = 1.0) -> LatentPlan:
        return plan_latent_chunk(
            config.schedule,
            start=begin,
            stop=end,
            n_steps=chunk_steps,
            steps_per_group=config.steps_per_group,
            rate_scale=rate_scale,
        )

    arrays = [values, *(() if start is None else start.arrays())]
    identity = checkpoint.fingerprint(arrays, model, dataclasses.replace(config, time_budget=None))
    clock = Clock(config.time_budget, n_chunks)
    mean_values = values.reshape(n_channels, -1).mean(1)
    first, *others = (
        first_latent_state(problem, mean_values, config.first_step, start, config.seed * MAX_SEEDS + i)
        for i in range(config.n_seeds)
    )
    resumed = checkpoint.load(checkpoint_path, identity, first)
    compiling = time.monotonic()
    program = run_latent_chunk.lower(problem, first, signal, prior, plan(0.0, 1.0), weights).compile()
    compile_seconds = time.monotonic() - compiling
    best, guard = _Best(problem, signal, prior, weights), Guard()
    if resumed is None:
        n_race = _race_chunks(config, n_chunks)
        plans = [plan(i / n_chunks, (i + 1) / n_chunks) for i in range(n_race)]
        state = _race(
            [first, *others], program, functools.partial(run_latent_chunk, problem), signal, prior, plans, weights
        )
        clock.chunk, clock.fraction = n_race, n_race / n_chunks
    else:
        state, best_state, meta = resumed
        clock.chunk, clock.fraction = int(meta["chunk"]), float(meta["fraction"])
        clock.elapsed_before = float(meta["seconds"])
        guard = Guard(float(meta["lowest"]), float(meta["rate_scale"]))
        if np.isfinite(meta["best"]):
            best.see(best_state)

    interrupted = False
    saved = time.monotonic()
    try:
        while clock.fraction < 1.0 - 1e-9:
            begin, end = clock.begin_chunk()
            after, measured = program(state, signal, prior, plan(begin, end, guard.rate_scale), weights)
            cost = float(jnp.mean(measured.cost(weights)))
            clock.end_chunk(end)
            state = after if guard.admits(cost) else state
            best.see(state)
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
    assert best.measured is not None
    names = [name for name, _ in latent_layout(model, n_channels)]
    return LatentFitResult(
        latents=tuple(np.asarray(x, np.int32) for x in unpack(packing, jnp.round(best.state.latents))),
        params={name: np.asarray(best.state.params[name]) for name in names},
        steps={name: float(np.exp(best.state.log_steps[name])) for name in names},
        mse=float(best.measured.mse),
        latent_bits=float(best.measured.latent_bits),
        network_bits=float(best.measured.network_bits),
        problem=problem,
        signal=signal,
        n_steps=int(state.step),
        seconds=time.monotonic() - began,
        compile_seconds=compile_seconds,
        interrupted=interrupted,
    )


class _Best:
    """The rounded state of the lowest loss so far."""

    def __init__(self, problem: LatentProblem, signal: LatentSignal, prior: Prior, weights: BitWeights) -> None:
        self._arguments: tuple[Any, ...] = problem, signal, prior
        self._weights = weights
        self.cost = float("inf")
        self.state: LatentState | None = None
        self.measured: Measured | None = None

    def see(self, state: LatentState) -> None:
        problem, signal, prior = self._arguments
        measured = rounded_latent_cost(problem, state, signal, prior)
        cost = float(measured.cost(self._weights))
        if self.state is None or cost < self.cost:
            self.cost, self.state, self.measured = cost, state, measured


def _progress(clock: Clock, state: LatentState, measured: Measured, n_pixels: int) -> Progress:
    bits = float(measured.latent_bits[-1, -1] + measured.network_bits[-1, -1])
    loss = float(jnp.mean(measured.mse))
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
