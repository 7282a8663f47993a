"""Where a fit of latents starts."""

import functools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inrc.fit.latent.program import LatentProblem, LatentState, init_latent_state, stacks_of
from inrc.fit.task import Start
from inrc.fit.weights import Matrices, first_weights
from inrc.latent_layout import latent_layout
from inrc.models.latent_grid.packing import packing_of
from inrc.signal.channels import has_alpha

_SPREAD = {"synthesis_0": 1e-4, "synthesis_1": 0.01, "synthesis_skip": 0.004, "context_out": 0.05, "cross": 0.3}
"""Standard deviations of random weights; all others, and all biases, start at 0. Larger or smaller ones, one at a time,
ended within what two seeds differ by (experiments/NOTES.md, "First weights")."""
_LUMINANCE = 0.04
"""What a latent of any grid adds to all colours at first. A grid that starts with a colour of its own first has to turn
away from it: fits of smooth crops end 4 % lower in loss from a luminance start (experiments/NOTES.md)."""


def first_latent_state(
    problem: LatentProblem,
    mean_values: Float[np.ndarray, " channels"],
    first_step: float,
    start: Start | None,
    seed: int,
) -> LatentState:
    """The state before the first step: latents of 0, and networks that show the picture's mean.

    Args:
      problem: static.
      mean_values: of the picture's channels [C].
      first_step: quantisation step of the networks, where the start does not give one.
      start: networks to start from; random ones if None.
      seed: of random weights, and of the noise of all steps.
    """
    if start is None or start.is_random:
        params = _random_params(problem, jnp.asarray(mean_values, jnp.float32), np.uint32(seed))
    else:
        params = _on_device(start.mean)
    steps = dict.fromkeys(params, first_step) if start is None or start.steps is None else start.steps
    latents = jnp.zeros(packing_of(problem.model, problem.shape).size, jnp.float32)
    return _state(problem, latents, params, steps, seed)


def warm_latent_state(
    problem: LatentProblem,
    latents: Float[np.ndarray, " size"],
    params: Mapping[str, np.ndarray],
    steps: Mapping[str, float],
    seed: int,
) -> LatentState:
    """The state that starts from an earlier fit's latents, as they were before rounding, and networks."""
    return _state(problem, jnp.asarray(latents, jnp.float32), _on_device(params), steps, seed)


def _state(
    problem: LatentProblem, latents: jax.Array, params: Matrices, steps: Mapping[str, float], seed: int
) -> LatentState:
    log_steps = {name: jnp.float32(math.log(steps[name])) for name in params}
    weights = first_weights(stacks_of(problem), problem.optimiser, params, log_steps)
    return init_latent_state(latents, weights, jnp.uint32(seed))


@functools.partial(jax.jit, static_argnums=0)
def _random_params(problem: LatentProblem, mean_values: jax.Array, seed: jax.Array) -> Matrices:
    shapes = latent_layout(problem.model, problem.n_channels)
    skips = ("context_skip", "synthesis_skip")
    params = {}
    for key, (name, (rows, columns)) in zip(
        jax.random.split(jax.random.key(seed, impl="rbg"), len(shapes)), shapes, strict=True
    ):
        spread = _SPREAD.get(name, _SPREAD.get(name.split("_")[0], 0.0))
        matrix = spread * jax.random.normal(key, (rows, columns), jnp.float32)
        params[name] = matrix if name in skips or not spread else matrix.at[:, -1].set(0.0)
    params["synthesis_1"] = params["synthesis_1"].at[:, -1].set(mean_values)
    n_colours = problem.n_channels - has_alpha(problem.n_channels)
    params["synthesis_skip"] = params["synthesis_skip"].at[:n_colours].add(_LUMINANCE)
    return params


def _on_device(tree: Mapping[str, np.ndarray]) -> Matrices:
    return {name: jnp.asarray(matrix, jnp.float32) for name, matrix in tree.items()}
