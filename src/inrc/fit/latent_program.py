"""The compiled part of a fit of latents: one `lax.scan` over groups of steps, pure in its arguments.

A step sees the whole picture: latents through soft rounding with noise, networks through the noise of their quantiser,
and the loss is distortion + (bits of latents, bits of networks) x their weights. Everything that differs between
stages, images, seeds and lambdas is an array argument.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import LatentGridConfig
from inrc.entropy.rate import stacked_bits
from inrc.fit import optimiser
from inrc.fit.loss import LossConfig, distortion
from inrc.fit.optimiser import OptimiserConfig, OptimiserState
from inrc.fit.program import Params, Prior
from inrc.fit.stacks import (
    Stack,
    stacked,
    stacked_moments,
    stacked_scalars,
    stacks_of,
    unstacked,
    unstacked_moments,
    unstacked_scalars,
)
from inrc.latent_layout import latent_layout
from inrc.models.latent_grid.forward import values_and_bits
from inrc.models.latent_grid.packing import packing_of
from inrc.quant.soft_round import gaussian_noise, latent_surrogate
from inrc.quant.surrogate import on_ladder, surrogate, uniform_noise


class LatentProblem(NamedTuple):
    """What is static about a fit, hashable.

    Attributes:
      model, shape, n_channels: the networks and the picture's (height, width).
      optimiser: constants of the networks' optimiser.
      clip_norm: largest norm of the gradient of all networks.
      step_learning_rate: Adam's rate for the logarithms of the networks' quantisation steps.
      loss: distortion.
    """

    model: LatentGridConfig
    shape: tuple[int, int]
    n_channels: int
    optimiser: OptimiserConfig = OptimiserConfig()
    clip_norm: float = 0.1
    step_learning_rate: float = 1e-2
    loss: LossConfig = LossConfig()


class LatentState(NamedTuple):
    """Everything that a step changes.

    Attributes:
      latents: [packing.size], in units of their quantiser.
      latent_moments: Adam's (mean, mean square) of their gradient.
      params: {name: matrix}.
      log_steps: {name: natural logarithm of the matrix's quantisation step}.
      moments: optimiser state of `params`.
      step_moments: Adam's (mean, mean square) of `log_steps`.
      step: steps taken, float32.
      seed: uint32, of all noise.
    """

    latents: jax.Array
    latent_moments: tuple[jax.Array, jax.Array]
    params: Params
    log_steps: Params
    moments: dict[str, OptimiserState]
    step_moments: tuple[Params, Params]
    step: jax.Array
    seed: jax.Array


class LatentSignal(NamedTuple):
    """A picture: values [C, h, w] in [0, 1], and the mask of the latents' vector."""

    values: jax.Array | np.ndarray
    mask: jax.Array | np.ndarray


class BitWeights(NamedTuple):
    """Loss per bit of latents and of networks: lambda over the number of pixels."""

    latents: jax.Array
    networks: jax.Array


class LatentPlan(NamedTuple):
    """What each step of a chunk does; arrays [groups, steps per group].

    Attributes:
      network_rate, latent_rate, step_rate: learning rates; of the steps relative to `step_learning_rate`.
      latent_beta_1, latent_beta_2: memories of Adam for latents.
      rate: what a bit of the latents weighs, as a multiple of its weight.
      temperature, noise: of the latents' soft rounding, and the deviation of its noise.
      hard: whether latents are rounded instead.
      network_noise, network_hard: the same for the networks' weights.
    """

    network_rate: jax.Array
    latent_rate: jax.Array
    latent_beta_1: jax.Array
    latent_beta_2: jax.Array
    step_rate: jax.Array
    rate: jax.Array
    temperature: jax.Array
    noise: jax.Array
    hard: jax.Array
    network_noise: jax.Array
    network_hard: jax.Array


class Measured(NamedTuple):
    """What was seen.

    Attributes:
      mse: mean squared error.
      latent_bits: bits of latents.
      network_bits: bits of networks.
      distortion: by the loss of the fit.
    """

    mse: jax.Array
    latent_bits: jax.Array
    network_bits: jax.Array
    distortion: jax.Array

    def cost(self, weights: BitWeights) -> jax.Array:
        """The loss."""
        return self.distortion + weights.latents * self.latent_bits + weights.networks * self.network_bits


def init_latent_state(
    problem: LatentProblem, latents: jax.Array, params: Params, log_steps: Params, seed: jax.Array
) -> LatentState:
    """State before the first step."""
    zeros = jax.tree.map(jnp.zeros_like, log_steps)
    nothing = jnp.zeros_like(latents)
    return LatentState(
        latents,
        (nothing, nothing),
        params,
        log_steps,
        optimiser.init(problem.optimiser, params),
        (zeros, zeros),
        jnp.float32(0),
        seed,
    )


@functools.partial(jax.jit, static_argnames="problem")
def run_latent_chunk(
    problem: LatentProblem,
    state: LatentState,
    signal: LatentSignal,
    prior: Prior,
    plan: LatentPlan,
    weights: BitWeights,
) -> tuple[LatentState, Measured]:
    """Takes groups x steps optimiser steps.

    Args:
      problem: static.
      state: before.
      signal: what to fit.
      prior: of the networks' weights.
      plan: per step.
      weights: of the bits in the loss.

    Returns:
      (state after, what each step met, arrays [groups, steps per group]).
    """
    stacks = _stacks(problem)
    step = functools.partial(_step, problem, signal, _stacked_prior(stacks, prior), weights)

    def group(state: LatentState, plan: LatentPlan):
        state = state._replace(moments=optimiser.refresh_stacks(problem.optimiser, state.moments))
        return jax.lax.scan(step, state, plan)

    within, measured = jax.lax.scan(group, _in_stacks(stacks, state), plan)
    after = LatentState(
        within.latents,
        within.latent_moments,
        unstacked(stacks, within.params),
        unstacked_scalars(stacks, within.log_steps),
        unstacked_moments(stacks, within.moments, state.moments),
        (unstacked_scalars(stacks, within.step_moments[0]), unstacked_scalars(stacks, within.step_moments[1])),
        within.step,
        within.seed,
    )
    return after, measured


@functools.partial(jax.jit, static_argnames="problem")
def rounded_latent_cost(problem: LatentProblem, state: LatentState, signal: LatentSignal, prior: Prior) -> Measured:
    """What a file with the state's latents and weights, rounded, would come to."""
    stacks = _stacks(problem)
    params, bits = _quantised(
        stacks,
        stacked(stacks, state.params),
        _stacked_prior(stacks, prior),
        stacked_scalars(stacks, state.log_steps),
        (jnp.float32(0), jnp.float32(1)),
        state.seed,
    )
    return _measured(problem, params, bits, jnp.round(state.latents), signal)


def _stacks(problem: LatentProblem) -> tuple[Stack, ...]:
    return stacks_of(latent_layout(problem.model, problem.n_channels), problem.optimiser.max_dimension)


def _in_stacks(stacks: tuple[Stack, ...], state: LatentState) -> LatentState:
    """A state whose dictionaries of matrices and numbers are of stacks and vectors."""
    return state._replace(
        params=stacked(stacks, state.params),
        log_steps=stacked_scalars(stacks, state.log_steps),
        moments=stacked_moments(stacks, state.moments),
        step_moments=(stacked_scalars(stacks, state.step_moments[0]), stacked_scalars(stacks, state.step_moments[1])),
    )


def _stacked_prior(stacks: tuple[Stack, ...], prior: Prior) -> Prior:
    return Prior(stacked(stacks, prior.mean), stacked(stacks, prior.scale, padding=1.0))


def _quantised(
    stacks: tuple[Stack, ...],
    params: Params,
    prior: Prior,
    log_steps: Params,
    noise_and_hard: tuple[jax.Array, jax.Array],
    seed: jax.Array,
) -> tuple[Params, jax.Array]:
    """`program.quantised` of stacks: (matrices with the surrogate applied, their bits)."""
    noise, hard = noise_and_hard
    draw = noise * uniform_noise(seed, sum(p.size for p in params.values()))
    seen, bits, first = {}, jnp.float32(0), 0
    for stack in stacks:
        x, log_step, mean = params[stack.key], log_steps[stack.key], prior.mean[stack.key]
        step = jnp.exp(jnp.where(hard > 0, on_ladder(log_step), log_step))[:, None, None]
        mask = jnp.asarray(stack.mask())
        part = mask * draw[first : first + x.size].reshape(x.shape)
        rounded = surrogate((x - mean) / step, part, hard)
        bits += stacked_bits(rounded, prior.scale[stack.key] / step, mask, hard)
        seen[stack.key] = mean + rounded * step
        first += x.size
    return unstacked(stacks, seen), bits


def _measured(
    problem: LatentProblem, params: Params, network_bits: jax.Array, latents: jax.Array, signal: LatentSignal
) -> Measured:
    packing = packing_of(problem.model, problem.shape)
    reference, mask = jnp.asarray(signal.values), jnp.asarray(signal.mask)
    values, latent_bits = values_and_bits(problem.model, packing, params, mask, latents * mask)
    mse = distortion(LossConfig(), values, reference)
    return Measured(mse, latent_bits, network_bits, distortion(problem.loss, values, reference))


def _step(
    problem: LatentProblem,
    signal: LatentSignal,
    prior: Prior,
    weights: BitWeights,
    state: LatentState,
    plan: LatentPlan,
) -> tuple[LatentState, Measured]:
    stacks = _stacks(problem)
    seed, sign = noise_of(state.seed, state.step)
    weights = weights._replace(latents=weights.latents * plan.rate)

    def loss(latents: jax.Array, params: Params, log_steps: Params):
        noise_and_hard = sign * plan.network_noise, plan.network_hard
        seen, network_bits = _quantised(stacks, params, prior, log_steps, noise_and_hard, seed)
        noise = sign * plan.noise * gaussian_noise(seed + 1, latents.size)
        rounded = latent_surrogate(latents, plan.temperature, noise, plan.hard)
        measured = _measured(problem, seen, network_bits, rounded, signal)
        return measured.cost(weights), measured

    gradients, measured = jax.grad(loss, (0, 1, 2), has_aux=True)(state.latents, state.params, state.log_steps)
    latent_gradient, gradient, step_gradient = gradients

    gradient = optimiser.clip_by_global_norm(gradient, problem.clip_norm)
    directions, moments = optimiser.update(problem.optimiser, gradient, state.moments, state.step)
    params = {name: p - plan.network_rate * directions[name] for name, p in state.params.items()}

    betas = plan.latent_beta_1, plan.latent_beta_2
    latents, latent_moments = adam(
        state.latents, latent_gradient, state.latent_moments, plan.latent_rate, state.step, betas
    )
    rate = plan.step_rate * problem.step_learning_rate
    updates = {
        name: adam(state.log_steps[name], step_gradient[name], (m, v), rate, state.step, (0.9, 0.99))
        for name, m, v in ((n, state.step_moments[0][n], state.step_moments[1][n]) for n in state.log_steps)
    }
    log_steps = {name: update[0] for name, update in updates.items()}
    step_moments = {n: u[1][0] for n, u in updates.items()}, {n: u[1][1] for n, u in updates.items()}
    new = LatentState(latents, latent_moments, params, log_steps, moments, step_moments, state.step + 1, state.seed)
    return new, measured


def noise_of(seed: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(seed of a step's noise, its sign): every other step has the noise of the one before, with the other sign.

    So what noise does to a gradient is gone, to first order, after two steps. Seeds are two apart: latents and weights
    never share their noise.
    """
    count = step.astype(jnp.uint32)
    return seed + 2 * (count // 2), 1.0 - 2.0 * (count % 2).astype(jnp.float32)


def adam(
    x: jax.Array,
    gradient: jax.Array,
    moments: tuple[jax.Array, jax.Array],
    rate: jax.Array,
    step: jax.Array,
    betas: tuple[float | jax.Array, float | jax.Array],
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """One bias-corrected step of Adam (Kingma and Ba, 2015): (x after, moments after); `step` were taken before."""
    mean = betas[0] * moments[0] + (1 - betas[0]) * gradient
    square = betas[1] * moments[1] + (1 - betas[1]) * gradient * gradient
    corrected = mean / (1 - betas[0] ** (step + 1)), square / (1 - betas[1] ** (step + 1))
    return x - rate * corrected[0] / (jnp.sqrt(corrected[1]) + 1e-12), (mean, square)
