"""The compiled part of a fit of latents: one `lax.scan` over groups of steps, pure in its arguments.

A step fits the whole picture. Soft rounding and noise stand for the rounding of latents, uniform noise for that of the
networks' weights. The loss is the distortion plus bits of latents and of networks, each times its weight. All that
differs between stages, pictures, seeds and lambdas is an array argument; kinds of noise and of rounding are static.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Num, UInt32

from inrc.config import LatentGridConfig, LossConfig
from inrc.fit.latent.adam import LatentAdam, gains_of
from inrc.fit.latent.schedule import LatentSteps
from inrc.fit.loss import distortion
from inrc.fit.measured import BitWeights, Measured
from inrc.fit.optimiser import Optimiser, OptimiserConfig, adam, clip_by_global_norm, refresh_bases
from inrc.fit.stacks import Stack, Stacks
from inrc.fit.weights import Matrices, Prior, WeightsRates, WeightsState, moved, quantised, stacks_for
from inrc.latent_layout import latent_layout
from inrc.models.latent_grid.forward import values_and_bits
from inrc.models.latent_grid.packing import packing_of
from inrc.quant.soft_round import latent_noise, latent_surrogate
from inrc.training import LatentRounding

_LATENTS = "latents"
"""Key of the latents' gradient beside those of the stacks."""


class LatentProblem(NamedTuple):
    """What is static about a fit, hashable.

    Attributes:
      model, shape, n_channels: the networks and the (height, width) of the picture, or of the canvas that holds it.
      optimiser: of the networks.
      clip_norm: largest norm of the gradient of all networks, and of the latents where `latent_adam` says so.
      step_learning_rate: Adam's rate for the logarithms of the networks' quantisation steps.
      loss: distortion.
      rounding: what stands for the rounding of latents.
      latent_adam: of the latents.
    """

    model: LatentGridConfig
    shape: tuple[int, int]
    n_channels: int
    optimiser: Optimiser = OptimiserConfig()
    clip_norm: float = 0.1
    step_learning_rate: float = 1e-2
    loss: LossConfig = LossConfig()
    rounding: LatentRounding = LatentRounding()
    latent_adam: LatentAdam = LatentAdam()


class LatentState(NamedTuple):
    """Everything that a step changes.

    Attributes:
      latents: [packing.size], in units of their quantiser.
      latent_moments: Adam's running means of their gradient and of its square.
      latent_age: steps that these means are of, float32.
      era: as in `LatentSteps`, of the last step.
      params, log_steps, optimiser, step_moments: of the networks, as in `WeightsState`.
      step: steps taken, float32.
      seed: uint32, of all noise.
    """

    latents: jax.Array
    latent_moments: tuple[jax.Array, jax.Array]
    latent_age: jax.Array
    era: jax.Array
    params: Stacks
    log_steps: Stacks
    optimiser: optax.OptState
    step_moments: tuple[Stacks, Stacks]
    step: jax.Array
    seed: jax.Array

    @property
    def weights(self) -> WeightsState:
        """The part that belongs to the networks."""
        return WeightsState(self.params, self.log_steps, self.optimiser, self.step_moments)


class LatentSignal(NamedTuple):
    """A picture, which may lie in the top left corner of a larger canvas.

    Attributes:
      values: [C, height, width] in [0, 1], of the canvas; what lies beyond the picture does not matter.
      mask: of the vector of latents, 0 beyond the picture and in margins.
      sizes: int32 [2], true height and width; None if the picture fills the canvas.
    """

    values: jax.Array | np.ndarray
    mask: jax.Array | np.ndarray
    sizes: jax.Array | np.ndarray | None = None


def stacks_of(problem: LatentProblem) -> tuple[Stack, ...]:
    """The stacks of the networks' matrices."""
    return stacks_for(latent_layout(problem.model, problem.n_channels), problem.optimiser)


def init_latent_state(latents: Float[Array, " size"], weights: WeightsState, seed: UInt32[Array, ""]) -> LatentState:
    """The state before the first step."""
    zeros = jnp.zeros_like(latents)
    none = jnp.float32(0)
    return LatentState(latents, (zeros, zeros), none, none, *weights, none, seed)


@functools.partial(jax.jit, static_argnames="problem")
def run_chunk(
    problem: LatentProblem,
    steps: LatentSteps,
    state: LatentState,
    signal: LatentSignal,
    prior: Prior,
    bit_weights: BitWeights,
    rate_factor: Float[Array, ""],
) -> tuple[LatentState, Measured]:
    """Takes groups x steps optimiser steps.

    Args:
      problem: static.
      steps: what each step does.
      state: before.
      signal: what to fit.
      prior: of the networks' weights.
      bit_weights: loss per bit.
      rate_factor: of the learning rates of latents and networks.

    Returns:
      (state after, what each step met, arrays [groups, steps per group]).
    """
    steps = steps._replace(network_rate=steps.network_rate * rate_factor, latent_rate=steps.latent_rate * rate_factor)
    step = functools.partial(_step, problem, signal, prior, bit_weights)

    def group(state: LatentState, steps: LatentSteps):
        return jax.lax.scan(step, state._replace(optimiser=refresh_bases(state.optimiser)), steps)

    return jax.lax.scan(group, state, steps)


@functools.partial(jax.jit, static_argnames="problem")
def rounded_cost(problem: LatentProblem, state: LatentState, signal: LatentSignal, prior: Prior) -> Measured:
    """What the state's latents and weights come to as a file would hold them."""
    params, bits = quantised(stacks_of(problem), state.weights, prior, jnp.float32(0), jnp.float32(1), state.seed)
    return _measured(problem, params, bits, jnp.round(state.latents), signal)


@functools.partial(jax.jit, static_argnames="problem")
def cost_of_matrices(
    problem: LatentProblem, params: Matrices, latents: Float[Array, " size"], signal: LatentSignal
) -> Measured:
    """What rounded latents come to with the weights of a file, whose own bits are left out."""
    return _measured(problem, params, jnp.float32(0), latents, signal)


def _measured(
    problem: LatentProblem, params: Matrices, network_bits: jax.Array, latents: jax.Array, signal: LatentSignal
) -> Measured:
    packing = packing_of(problem.model, problem.shape)
    reference, mask = jnp.asarray(signal.values), jnp.asarray(signal.mask)
    sizes = None if signal.sizes is None else jnp.asarray(signal.sizes)
    values, latent_bits = values_and_bits(problem.model, packing, params, mask, latents * mask, sizes)
    return Measured(distortion(problem.loss, values, reference, sizes), latent_bits, network_bits)


def _step(
    problem: LatentProblem,
    signal: LatentSignal,
    prior: Prior,
    bit_weights: BitWeights,
    state: LatentState,
    steps: LatentSteps,
) -> tuple[LatentState, Measured]:
    seed, sign = noise_of(state.seed, state.step, problem.rounding.paired)
    bit_weights = bit_weights._replace(latents=bit_weights.latents * steps.rate)

    def loss(latents: jax.Array, params: Stacks, log_steps: Stacks):
        weights = state.weights._replace(params=params, log_steps=log_steps)
        matrices, network_bits = quantised(
            stacks_of(problem), weights, prior, sign * steps.network_noise, steps.network_hard, seed
        )
        noise = latent_noise(problem.rounding.noise, seed + 1, latents.size, steps.noise, sign)
        rounded = latent_surrogate(latents, steps.temperature, noise, steps.hard, problem.rounding)
        measured = _measured(problem, matrices, network_bits, rounded, signal)
        return measured.cost(bit_weights), measured

    gradients, measured = jax.grad(loss, (0, 1, 2), has_aux=True)(state.latents, state.params, state.log_steps)
    latent_gradient, gradient, step_gradient = gradients
    gains = gains_of(problem.latent_adam, packing_of(problem.model, problem.shape))
    latent_gradient = gains * latent_gradient
    if problem.latent_adam.clipped:
        clipped = clip_by_global_norm({**gradient, _LATENTS: latent_gradient}, problem.clip_norm)
        latent_gradient, gradient = clipped[_LATENTS], {key: clipped[key] for key in gradient}
    rates = WeightsRates(steps.network_rate, steps.step_rate * problem.step_learning_rate, problem.clip_norm)
    weights = moved(problem.optimiser, state.weights, gradient, step_gradient, rates, state.step)
    betas = steps.latent_beta_1, steps.latent_beta_2
    continues = steps.era == state.era
    age = jnp.where(continues, state.latent_age, 0.0)
    latents, latent_moments = adam(
        state.latents,
        latent_gradient,
        jax.tree.map(lambda moment: jnp.where(continues, moment, 0.0), state.latent_moments),
        gains * steps.latent_rate,
        age,
        betas,
        problem.latent_adam.epsilon,
    )
    return LatentState(latents, latent_moments, age + 1, steps.era, *weights, state.step + 1, state.seed), measured


def noise_of(
    seed: UInt32[Array, ""], step: Num[Array, ""], paired: bool = True
) -> tuple[UInt32[Array, ""], Float[Array, ""]]:
    """(seed of a step's noise, its sign): every second step repeats the noise of the one before with the other sign.

    The effect of noise on the gradient then cancels, to first order, after two steps. Where steps are not paired, each
    has noise of its own. Seeds are two apart, so that latents and weights never share their noise.
    """
    count = step.astype(jnp.uint32)
    if not paired:
        return seed + 2 * count, jnp.float32(1)
    return seed + 2 * (count // 2), 1.0 - 2.0 * (count % 2).astype(jnp.float32)
