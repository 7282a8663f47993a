"""First weights of the fit of a coordinate network."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.program import (
    Problem,
    Signal,
    State,
    after_inner_steps,
    init_state,
    stacks_of,
    steps_of_bits,
)
from inrc.fit.lanes import batched
from inrc.fit.stacks import unstacked
from inrc.fit.task import Start
from inrc.fit.weights import Matrices, Prior, first_weights
from inrc.layout import is_table
from inrc.models import build

_FIRST_TABLE_STEP = 2.0**-6
"""Of tables, whose first weights are too small to say anything of their last."""


def first_state(
    problem: Problem,
    config: CoordinateFitConfig,
    mean_outputs: Float[np.ndarray, " channels"],
    start: Start | None,
    prior: Prior,
    seed: int,
    signal: Signal | None = None,
) -> State:
    """The state before the first step.

    Args:
      problem: static.
      config: its `relative_step` gives the quantisation steps of weights of which nothing is known.
      mean_outputs: network outputs [C] that show the signal's mean, where fits start.
      start: random weights if None.
      prior: of the start (`weights.prior_of`).
      seed: of random weights, and of the noise of all steps.
      signal: what to fit; only inner steps need it.
    """
    is_random = start is None or start.is_random
    return _first_state(problem, is_random, *_arguments(config, mean_outputs, start, prior, seed, signal))


def first_states(
    problem: Problem,
    configs: Sequence[CoordinateFitConfig],
    mean_outputs: Sequence[np.ndarray],
    starts: Sequence[Start | None],
    priors: Sequence[Prior],
    seeds: Sequence[int],
    signals: Sequence[Signal | None],
) -> State:
    """`first_state` of several fits, arrays [fits, ...]; all starts are random, or none is."""
    is_random = {start is None or start.is_random for start in starts}
    assert len(is_random) == 1, "random and learned starts in one batch"
    rows = list(zip(configs, mean_outputs, starts, priors, seeds, signals, strict=True))
    return _first_states(problem, is_random.pop(), batched([_arguments(*row) for row in rows], len(rows)))


def _arguments(
    config: CoordinateFitConfig,
    mean_outputs: np.ndarray,
    start: Start | None,
    prior: Prior,
    seed: int,
    signal: Signal | None,
) -> tuple[Any, ...]:
    given = None if start is None or start.steps is None else start.steps
    steps = None if given is None else {name: np.float32(step) for name, step in given.items()}
    inner = None
    if start is not None and start.inner_rates and not start.is_random:
        assert signal is not None, "inner steps without a signal"
        inner = signal, {name: np.asarray(rates, np.float32) for name, rates in start.inner_rates.items()}
    return np.float32(config.relative_step), np.asarray(mean_outputs, np.float32), prior, steps, np.uint32(seed), inner


@functools.partial(jax.jit, static_argnums=(0, 1))
def _first_states(problem: Problem, is_random: bool, arguments: tuple[Any, ...]) -> State:
    # One after the other: under vmap the generator of random weights would draw others.
    return jax.lax.map(lambda own: _first_state(problem, is_random, *own), arguments)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _first_state(
    problem: Problem,
    is_random: bool,
    relative_step: jax.Array,
    mean_outputs: jax.Array,
    prior: Prior,
    given_steps: Matrices | None,
    seed: jax.Array,
    inner: tuple[Signal, Matrices] | None,
) -> State:
    stacks = stacks_of(problem)
    if is_random:
        params, steps = _random_params(problem, mean_outputs, relative_step, seed)
    else:
        params = _showing(problem, unstacked(stacks, prior.mean), mean_outputs)
        if inner is not None:
            params = after_inner_steps(problem, params, *inner)
        scales = unstacked(stacks, prior.scale)
        steps = {name: relative_step * jnp.mean(scale) for name, scale in scales.items()}
    log_steps = {name: jnp.log(step) for name, step in (given_steps or steps).items()}
    weights = first_weights(stacks, problem.optimiser, params, log_steps)
    if problem.weight_bits is not None:
        weights = weights._replace(log_steps=steps_of_bits(problem, weights.params, prior))
    return init_state(weights, seed)


def _random_params(
    problem: Problem, mean_outputs: jax.Array, relative_step: jax.Array, seed: jax.Array
) -> tuple[Matrices, Matrices]:
    """(random weights under a last layer of zeros that shows the signal's mean, their steps).

    A random last layer first has to be unlearned (experiments/NOTES.md).
    """
    params = build.init(problem.model, problem.shape, problem.n_outputs, jax.random.key(seed, impl="rbg"))
    steps = {
        name: jnp.float32(_FIRST_TABLE_STEP) if is_table(name) else relative_step * jnp.std(matrix) + 1e-9
        for name, matrix in params.items()
    }
    if problem.model.bias:
        last = f"layer_{len(problem.model.widths)}"
        params[last] = jnp.zeros_like(params[last])
    return _showing(problem, params, mean_outputs), steps


def _showing(problem: Problem, params: Matrices, mean_outputs: jax.Array) -> Matrices:
    """Weights whose last bias, where there is one, shows the signal's mean."""
    if not problem.model.bias:
        return params
    last = f"layer_{len(problem.model.widths)}"
    return {**params, last: params[last].at[:, -1].set(mean_outputs)}
