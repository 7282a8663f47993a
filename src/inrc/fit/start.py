"""First weights of a fit, and the prior of all that follow."""

import functools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from inrc.fit.config import FitConfig, Start
from inrc.fit.program import Params, Prior, Problem, State, flat_prior, init_state, log_steps_of_bits
from inrc.models import build


def prior_of(problem: Problem, start: Start | None) -> Prior:
    """What weights are coded against: the start's mean and scales, or nothing."""
    if start is None:
        layout = build.layout(problem.model, problem.shape, problem.n_outputs)
        return flat_prior({name: jnp.zeros(shape, jnp.float32) for name, shape in layout})
    return Prior(_on_device(start.mean), _on_device(start.scale))


def first_state(
    problem: Problem, config: FitConfig, mean_outputs: np.ndarray, start: Start | None, prior: Prior, seed: int
) -> State:
    """The state before the first step.

    Args:
      problem: static.
      config: its `relative_step` gives the steps of weights of which nothing is known.
      mean_outputs: network outputs [C] that show the signal's mean, where random weights begin.
      start: random weights if None.
      prior: `prior_of` the start.
      seed: of random weights, and of the noise of all steps.
    """
    if start is None:
        return _random_state(problem, config.relative_step, mean_outputs, prior, np.uint32(seed))
    params = _on_device(start.params or start.mean)
    if problem.weight_bits is not None:
        log_steps = log_steps_of_bits(params, prior, problem.weight_bits)
    else:
        steps = start.steps or {n: config.relative_step * float(np.mean(scale)) for n, scale in start.scale.items()}
        log_steps = {name: jnp.float32(math.log(step)) for name, step in steps.items()}
    return init_state(problem, params, log_steps, jnp.uint32(seed))


@functools.partial(jax.jit, static_argnums=0)
def _random_state(
    problem: Problem, relative_step: float, mean_outputs: jax.Array, prior: Prior, seed: jax.Array
) -> State:
    """Random weights under a last layer of zeros that shows the signal's mean.

    A random last layer first has to be unlearned: without it a hundred steps reach 1.2 dB more (experiments/NOTES.md).
    """
    params = build.init(problem.model, problem.shape, problem.n_outputs, jax.random.key(seed, impl="rbg"))
    log_steps = {name: jnp.log(relative_step * jnp.std(value) + 1e-9) for name, value in params.items()}
    if problem.model.bias:
        last = f"layer_{len(problem.model.widths)}"
        params[last] = jnp.zeros_like(params[last]).at[:, -1].set(mean_outputs)
    if problem.weight_bits is not None:
        log_steps = log_steps_of_bits(params, prior, problem.weight_bits)
    return init_state(problem, params, log_steps, seed)


def _on_device(tree: Mapping[str, np.ndarray]) -> Params:
    return {name: jnp.asarray(matrix, jnp.float32) for name, matrix in tree.items()}
