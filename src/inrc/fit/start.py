"""First weights of a fit, and the prior of all that follow."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inrc.fit.config import FitConfig, Start
from inrc.fit.lanes import stacked
from inrc.fit.program import Params, Prior, Problem, State, flat_prior, init_state, log_steps_of_bits
from inrc.layout import layout
from inrc.models import build


def prior_of(problem: Problem, start: Start | None) -> Prior:
    """What weights are coded against: the start's mean and scales, or nothing."""
    if start is None:
        shapes = layout(problem.model, problem.shape, problem.n_outputs)
        return flat_prior({name: jnp.zeros(shape, jnp.float32) for name, shape in shapes})
    return Prior(_on_device(start.mean), _on_device(start.scale))


def first_state(
    problem: Problem, config: FitConfig, mean_outputs: np.ndarray, start: Start | None, prior: Prior, seed: int
) -> State:
    """The state before the first step.

    Args:
      problem: static.
      config: its `relative_step` gives the steps of weights of which nothing is known.
      mean_outputs: network outputs [C] that show the signal's mean, where fits begin.
      start: random weights if None.
      prior: `prior_of` the start.
      seed: of random weights, and of the noise of all steps.
    """
    is_random = start is None or start.is_random
    return _first_state(problem, is_random, *_arguments(config, mean_outputs, start, prior, seed))


def first_states(
    problem: Problem,
    configs: Sequence[FitConfig],
    mean_outputs: Sequence[np.ndarray],
    starts: Sequence[Start | None],
    priors: Sequence[Prior],
    seeds: Sequence[int],
) -> State:
    """`first_state` of several fits, arrays [fits, ...]; all starts are of one kind."""
    is_random = {start is None or start.is_random for start in starts}
    assert len(is_random) == 1, "random and learned starts in one batch"
    rows = list(zip(configs, mean_outputs, starts, priors, seeds, strict=True))
    return _first_states(problem, is_random.pop(), stacked([_arguments(*row) for row in rows], len(rows)))


def _arguments(
    config: FitConfig, mean_outputs: np.ndarray, start: Start | None, prior: Prior, seed: int
) -> tuple[Any, ...]:
    given = None if start is None or start.steps is None else start.steps
    steps = None if given is None else {name: np.float32(step) for name, step in given.items()}
    return np.float32(config.relative_step), np.asarray(mean_outputs, np.float32), prior, steps, np.uint32(seed)


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
    given_steps: Params | None,
    seed: jax.Array,
) -> State:
    if is_random:
        params, steps = _random_params(problem, mean_outputs, relative_step, seed)
    else:
        params = _showing(problem, dict(prior.mean), mean_outputs)
        steps = {n: relative_step * jnp.mean(scale) for n, scale in prior.scale.items()}
    if problem.weight_bits is not None:
        log_steps = log_steps_of_bits(params, prior, problem.weight_bits)
    else:
        log_steps = {name: jnp.log(step) for name, step in (given_steps or steps).items()}
    return init_state(problem, params, log_steps, seed)


def _random_params(
    problem: Problem, mean_outputs: jax.Array, relative_step: jax.Array, seed: jax.Array
) -> tuple[Params, Params]:
    """(random weights under a last layer of zeros that shows the signal's mean, their steps).

    A random last layer first has to be unlearned (experiments/NOTES.md).
    """
    params = build.init(problem.model, problem.shape, problem.n_outputs, jax.random.key(seed, impl="rbg"))
    steps = {name: relative_step * jnp.std(matrix) + 1e-9 for name, matrix in params.items()}
    if problem.model.bias:
        last = f"layer_{len(problem.model.widths)}"
        params[last] = jnp.zeros_like(params[last])
    return _showing(problem, params, mean_outputs), steps


def _showing(problem: Problem, params: Params, mean_outputs: jax.Array) -> Params:
    """Weights whose last bias, where there is one, shows the signal's mean."""
    if not problem.model.bias:
        return params
    last = f"layer_{len(problem.model.widths)}"
    return {**params, last: params[last].at[:, -1].set(mean_outputs)}


def _on_device(tree: Mapping[str, np.ndarray]) -> Params:
    return {name: jnp.asarray(matrix, jnp.float32) for name, matrix in tree.items()}
