"""The inner loop of meta-learning: a few steps of gradient descent on one task, and the loss after them."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inrc.config import ModelConfig
from inrc.meta.data import N_CHANNELS, Samples, output_transform
from inrc.meta.stages import Objective
from inrc.models import build
from inrc.models.build import Params

Loss = Callable[[Params, Samples], jax.Array]
"""(weights, samples) -> scalar."""


class Learned(NamedTuple):
    """What the outer loop learns.

    Attributes:
      params: {name: matrix [out, in (+ 1)]}: the start of every task.
      log_rates: {name: logarithms of the rates of k inner steps, [k, out, in (+ 1)], or [k, 1, 1] for one rate per
        step}.
    """

    params: Params
    log_rates: Params


class Report(NamedTuple):
    """The losses of a task, or means over several tasks.

    Attributes:
      loss: the outer objective after k steps.
      psnr_before: in dB, on the first samples, before any step.
      psnr_after: in dB, on the last samples, which no step has seen, after all steps.
    """

    loss: jax.Array
    psnr_before: jax.Array
    psnr_after: jax.Array


class Algorithm(NamedTuple):
    """A way to learn a start.

    Attributes:
      adapt: (learned, task) -> (weights after k steps, their report).
      gradient: (learned, task) -> (direction to move against, report).
      optimiser: what turns the mean of directions into an update, up to the outer rate.
    """

    adapt: Callable[[Learned, Samples], tuple[Params, Report]]
    gradient: Callable[[Learned, Samples], tuple[Learned, Report]]
    optimiser: optax.GradientTransformation


def squared_error(model: ModelConfig, shape: tuple[int, int]) -> Loss:
    """Mean squared error in RGB of unit range, of a network whose outputs are in the codec's colour space."""
    matrix, offset = (jnp.asarray(part, jnp.float32) for part in output_transform(model, shape))

    def loss(params: Params, samples: Samples) -> jax.Array:
        outputs = build.apply(model, shape, N_CHANNELS, params, [samples.rows, samples.columns])
        values = matrix @ outputs.reshape(N_CHANNELS, -1) + offset[:, None]
        return jnp.mean((values.reshape(outputs.shape) - samples.targets) ** 2)

    return loss


def outputs_of_mean(model: ModelConfig, shape: tuple[int, int]) -> Callable[[Samples], jax.Array]:
    """task -> the network outputs [3] that show the task's mean colour."""
    matrix, offset = output_transform(model, shape)
    inverse = jnp.asarray(np.linalg.inv(matrix), jnp.float32)

    def outputs(task: Samples) -> jax.Array:
        colour = jnp.mean(jnp.moveaxis(task.targets, 1, 0).reshape(N_CHANNELS, -1), axis=1)
        return inverse @ (colour - jnp.asarray(offset, jnp.float32))

    return outputs


def with_objective(loss: Loss, objective: Objective) -> Callable[[Params, Samples], tuple[jax.Array, jax.Array]]:
    """(params, samples) -> (value of the objective, mean squared error)."""

    def value(params: Params, samples: Samples) -> tuple[jax.Array, jax.Array]:
        mse = loss(params, samples)
        return (jnp.log(mse) if objective is Objective.LOG_MSE else mse), mse

    return value


def psnr_db(mse: jax.Array) -> jax.Array:
    """-10 log10(mse), for errors in units of the range."""
    return (-10.0 / math.log(10.0)) * jnp.log(mse)


def descend(
    objective: Callable[[Params, Samples], tuple[jax.Array, jax.Array]], learned: Learned, samples: Samples
) -> tuple[Params, jax.Array]:
    """k steps of gradient descent: params <- params - exp(log_rates[i]) * gradient of objective(params, samples[i]).

    Differentiable with respect to `learned`. The backward pass computes activations again, so that every step adds the
    memory of its weights only, not that of its pixels.

    Args:
      objective: (params, samples of one step) -> (value, mse).
      learned: start and rates.
      samples: k of them, stacked.

    Returns:
      (weights after k steps, mean squared error before each step [k]).
    """

    def step(params: Params, inputs: tuple[Samples, Params]):
        part, log_rates = inputs
        gradients, mse = jax.grad(objective, has_aux=True)(params, part)
        return {name: p - jnp.exp(log_rates[name]) * gradients[name] for name, p in params.items()}, mse

    return jax.lax.scan(jax.checkpoint(step, prevent_cse=False), learned.params, (samples, learned.log_rates))


def split_last(task: Samples) -> tuple[Samples, Samples]:
    """(samples of the k inner steps, samples of the loss after them) of k + 1 stacked samples."""
    return jax.tree.map(lambda leaf: leaf[:-1], task), jax.tree.map(lambda leaf: leaf[-1], task)
