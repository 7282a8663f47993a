"""The search over the networks' quantisation steps once a fit has ended, as COOL-CHIC and C3 do it.

Both papers try every pair of a step for weights and one for biases, and take the one of lowest distortion + lambda *
bits of latents and networks: COOL-CHIC for each of its two networks in turn, C3 for both together. Here a file has one
step for each matrix, in which the biases are a column. So each network is given the best common step first, and then
matrices move by themselves.
"""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from inrc.codec.plan import Plan
from inrc.fit.latent.fitting import LatentFitResult
from inrc.fit.latent.program import rounded_cost, stacks_of
from inrc.fit.latent.start import warm_latent_state
from inrc.fit.stacks import stacked_scalars
from inrc.fit.weights import prior_of
from inrc.quant.search import Indices, search_together
from inrc.quant.uniform import STEPS_PER_OCTAVE, index_of_step, step_of_index

_FINEST, _COARSEST = index_of_step(2.0**-12), index_of_step(1.0)
_CONTEXT = ("context", "cross")
"""How the names of the context network's matrices begin."""
_MAX_EVALUATIONS = 40
"""Measurements for single matrices. With those for the two networks they take the time of some 20 steps of a fit."""


def with_searched_steps(plan: Plan, result: LatentFitResult) -> LatentFitResult:
    """The result with the steps of lowest distortion + lambda * bits, by the differentiable rate model.

    A fit that the user cut short gets one common step for each network and no more.
    """
    problem, names = result.problem, tuple(result.params)
    stacks, n_samples = stacks_of(problem), plan.task.target.n_samples
    prior = prior_of(stacks, plan.task.start)
    state = warm_latent_state(problem, result.state_latents, result.params, result.steps, seed=0)

    def cost(indices: Indices) -> float:
        log_steps = {
            name: jnp.float32(np.log(step_of_index(index))) for name, index in zip(names, indices, strict=True)
        }
        tried = state._replace(log_steps=stacked_scalars(stacks, log_steps))
        measured = rounded_cost(problem, tried, result.signal, prior)
        return float(measured.distortion) + result.lambda_rd * float(measured.bits) / n_samples

    def costs(candidates: Sequence[Indices]) -> list[float]:
        return [cost(indices) for indices in candidates]

    best = (_FINEST,) * len(names)
    for is_context in (False, True):
        members = [name.startswith(_CONTEXT) == is_context for name in names]
        best = min((_moved(best, members, index) for index in _octaves()), key=cost)
    if not result.interrupted:
        ((best, _),) = search_together([best], costs, max_evaluations=_MAX_EVALUATIONS)
    steps = {name: step_of_index(index) for name, index in zip(names, best, strict=True)}
    return dataclasses.replace(result, steps=steps)


def _octaves() -> range:
    return range(_FINEST, _COARSEST + 1, STEPS_PER_OCTAVE)


def _moved(indices: Indices, members: Sequence[bool], index: int) -> Indices:
    return tuple(index if member else own for own, member in zip(indices, members, strict=True))
