"""MAML of first and second order (Finn et al., 2017) and Meta-SGD (Li et al., 2017)."""

import jax
import jax.numpy as jnp
import optax

from inrc.meta.data import Samples
from inrc.meta.inner import Algorithm, Learned, Loss, Report, descend, psnr_db, split_last, with_objective
from inrc.meta.stages import Learning, Method
from inrc.models.build import Params


def maml(learning: Learning, loss: Loss) -> Algorithm:
    """An algorithm that lowers, by Adam, the outer objective after k inner steps.

    Args:
      learning: its `method` decides the gradient. MAML's is exact, through the inner steps, with respect to the start.
        META_SGD's is also with respect to the logarithms of the rates, which keeps rates positive. FOMAML's is the
        gradient with respect to the adapted weights.
      loss: of weights on samples.
    """
    inner, outer = (with_objective(loss, o) for o in (learning.inner_objective, learning.outer_objective))

    def adapt(learned: Learned, task: Samples) -> tuple[Params, Report]:
        seen, unseen = split_last(task)
        params, errors = descend(inner, learned, seen)
        value, mse = outer(params, unseen)
        return params, Report(value, psnr_db(errors[0]), psnr_db(mse))

    def gradient(learned: Learned, task: Samples) -> tuple[Learned, Report]:
        def after(point: Learned) -> tuple[jax.Array, Report]:
            report = adapt(point, task)[1]
            return report.loss, report

        match learning.method:
            case Method.META_SGD:
                return jax.grad(after, has_aux=True)(learned)
            case Method.FOMAML:
                adapted, report = adapt(learned, task)
                slope, _ = jax.grad(outer, has_aux=True)(adapted, split_last(task)[1])
            case _:
                slope, report = jax.grad(lambda start: after(learned._replace(params=start)), has_aux=True)(
                    learned.params
                )
        return Learned(slope, jax.tree.map(jnp.zeros_like, learned.log_rates)), report

    optimiser = optax.chain(optax.clip_by_global_norm(learning.clip_norm), optax.scale_by_adam())
    return Algorithm(adapt, gradient, optimiser)
