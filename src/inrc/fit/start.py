"""First weights of a fit, and the prior of all that follow."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from inrc.fit.config import FitConfig, Start
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
    if start is None or start.is_random:
        params, steps = _random_params(problem, mean_outputs, config.relative_step, np.uint32(seed))
    else:
        params = _showing(problem, _on_device(start.mean), mean_outputs)
        steps = {n: config.relative_step * jnp.mean(scale) for n, scale in prior.scale.items()}
    if problem.weight_bits is not None:
        log_steps = log_steps_of_bits(params, prior, problem.weight_bits)
    else:
        given = None if start is None else start.steps
        log_steps = {name: jnp.log(jnp.float32(step)) for name, step in (given or steps).items()}
    return init_state(problem, params, log_steps, jnp.uint32(seed))


@functools.partial(jax.jit, static_argnums=0)
def _random_params(
    problem: Problem, mean_outputs: np.ndarray, relative_step: float, seed: jax.Array
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


def _showing(problem: Problem, params: Params, mean_outputs: np.ndarray) -> Params:
    """Weights whose last bias, where there is one, shows the signal's mean."""
    if not problem.model.bias:
        return params
    last = f"layer_{len(problem.model.widths)}"
    return {**params, last: params[last].at[:, -1].set(mean_outputs)}


def _on_device(tree: Mapping[str, np.ndarray]) -> Params:
    return {name: jnp.asarray(matrix, jnp.float32) for name, matrix in tree.items()}
