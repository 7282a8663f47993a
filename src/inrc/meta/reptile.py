"""Reptile (Nichol et al., 2018): the start moves towards the weights at the end of the inner steps."""

import jax
import jax.numpy as jnp
import optax

from inrc.meta.data import Samples
from inrc.meta.inner import Algorithm, Learned, Loss, Report, psnr_db, split_last, with_objective
from inrc.meta.stages import InnerOptimiser, Learning
from inrc.models.build import Params


def reptile(learning: Learning, loss: Loss) -> Algorithm:
    """An algorithm that moves the start, by the outer rate, towards the mean of the weights after k inner steps.

    Args:
      learning: its `inner_optimiser` takes the steps at `inner_rate`; every task starts with moments of 0.
      loss: of weights on samples.
    """
    objective = with_objective(loss, learning.inner_objective)
    take = optax.adam if learning.inner_optimiser is InnerOptimiser.ADAM else optax.sgd
    optimiser = take(learning.inner_rate)

    def adapt(learned: Learned, task: Samples) -> tuple[Params, Report]:
        def step(state: tuple[Params, optax.OptState], samples: Samples):
            params, moments = state
            slope, mse = jax.grad(objective, has_aux=True)(params, samples)
            updates, moments = optimiser.update(slope, moments)
            return (jax.tree.map(jnp.add, params, updates), moments), mse

        seen, unseen = split_last(task)
        start = learned.params, optimiser.init(learned.params)
        (params, _), errors = jax.lax.scan(step, start, seen)
        value, mse = objective(params, unseen)
        return params, Report(value, psnr_db(errors[0]), psnr_db(mse))

    def gradient(learned: Learned, task: Samples) -> tuple[Learned, Report]:
        end, report = adapt(learned, task)
        away = jax.tree.map(jnp.subtract, learned.params, end)
        return Learned(away, jax.tree.map(jnp.zeros_like, learned.log_rates)), report

    return Algorithm(adapt, gradient, optax.identity())
