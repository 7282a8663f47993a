"""The compiled part of the fit of a coordinate network: one `lax.scan` over groups of steps, pure in its arguments.

A step fits one polyphase sub-signal. Pointwise losses and their gradients are accumulated tile by tile, so that
activations stay in the cache. Structural losses need the whole sub-signal: it is rendered tile by tile and then joined.
All that differs between stages, signals, seeds and lambdas is an array argument. The program compiles once, and
`jax.vmap` maps it over any of them.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, UInt32

from inrc.config import LossConfig, ModelConfig
from inrc.fit.coordinate.minibatches import Phases, open_grid
from inrc.fit.coordinate.schedule import CoordinateSteps
from inrc.fit.loss import pointwise, structural
from inrc.fit.measured import BitWeights, Measured
from inrc.fit.optimiser import Optimiser, OptimiserConfig, refresh_bases
from inrc.fit.stacks import Stack, Stacks
from inrc.fit.weights import (
    Matrices,
    Prior,
    WeightsRates,
    WeightsState,
    log_steps_of_bits,
    moved,
    quantised,
    stacks_for,
)
from inrc.layout import layout
from inrc.models import build


class Problem(NamedTuple):
    """What is static about a fit, hashable.

    Attributes:
      model, shape, n_outputs: the network.
      loss: distortion.
      optimiser: of the weights.
      clip_norm: largest norm of the gradient of all weights.
      step_learning_rate: Adam's rate for the logarithms of quantisation steps.
      weight_bits: levels of a matrix as bits: its step then follows its largest weight and is not learned.
      weight_l1: weight in the loss of the sum of the magnitudes of all differences from the prior's mean.
    """

    model: ModelConfig
    shape: tuple[int, ...]
    n_outputs: int
    loss: LossConfig = LossConfig()
    optimiser: Optimiser = OptimiserConfig()
    clip_norm: float = 1.0
    step_learning_rate: float = 1e-2
    weight_bits: float | None = None
    weight_l1: float = 0.0


class State(NamedTuple):
    """Everything that a step changes.

    Attributes:
      params, log_steps, optimiser, step_moments: as in `WeightsState`.
      step: steps taken, float32.
      seed: uint32, of the surrogate's noise.
    """

    params: Stacks
    log_steps: Stacks
    optimiser: optax.OptState
    step_moments: tuple[Stacks, Stacks]
    step: jax.Array
    seed: jax.Array

    @property
    def weights(self) -> WeightsState:
        """The part that belongs to the weights."""
        return WeightsState(self.params, self.log_steps, self.optimiser, self.step_moments)


class Signal(NamedTuple):
    """What is to be fitted: phases and the affine map from network outputs to unit range.

    Attributes:
      phases: the signal.
      matrix: [C, C] and
      offset: [C]; unit = matrix @ outputs + offset.
    """

    phases: Phases
    matrix: jax.Array | np.ndarray
    offset: jax.Array | np.ndarray


def stacks_of(problem: Problem) -> tuple[Stack, ...]:
    """The stacks of the network's matrices."""
    return stacks_for(layout(problem.model, problem.shape, problem.n_outputs), problem.optimiser)


def init_state(weights: WeightsState, seed: UInt32[Array, ""]) -> State:
    """The state before the first step."""
    return State(*weights, jnp.float32(0), seed)


@functools.partial(jax.jit, static_argnames="problem")
def run_chunk(
    problem: Problem,
    steps: CoordinateSteps,
    state: State,
    signal: Signal,
    prior: Prior,
    bit_weights: BitWeights,
    rate_factor: Float[Array, ""],
) -> tuple[State, Measured]:
    """Takes groups x steps optimiser steps.

    Args:
      problem: static.
      steps: what each step does.
      state: before.
      signal: what to fit.
      prior: of the weights.
      bit_weights: loss per bit.
      rate_factor: of the learning rates.

    Returns:
      (state after, what each step met, arrays [groups, steps per group]).
    """
    steps = steps._replace(learning_rate=steps.learning_rate * rate_factor)
    step = functools.partial(_step, problem, signal, prior, bit_weights)

    def group(state: State, steps: CoordinateSteps):
        return jax.lax.scan(step, state._replace(optimiser=refresh_bases(state.optimiser)), steps)

    return jax.lax.scan(group, state, steps)


@functools.partial(jax.jit, static_argnames="problem")
def distortion(problem: Problem, params: Matrices, signal: Signal) -> Float[Array, ""]:
    """The loss of given weights {name: matrix}, mean over all phases, without a rate term."""

    def phase(index: jax.Array) -> jax.Array:
        return _phase_loss(problem, params, signal, index)

    return jnp.mean(jax.lax.map(phase, jnp.arange(signal.phases.targets.shape[0])))


def steps_of_bits(problem: Problem, params: Stacks, prior: Prior) -> Stacks:
    """Logarithms of the quantisation steps of weights whose levels are fixed (`Problem.weight_bits`)."""
    assert problem.weight_bits is not None
    return log_steps_of_bits(stacks_of(problem), params, prior, problem.weight_bits, problem.model.storage)


def after_inner_steps(problem: Problem, params: Matrices, signal: Signal, rates: Matrices) -> Matrices:
    """Weights {name: matrix} after gradient descent on the mean squared error over all phases.

    These are the inner steps of MAML with a learned rate for every weight and step (Li et al., 2017; Strümpler et al.,
    2022), whatever the loss of the fit.

    Args:
      problem: static.
      params: before.
      signal: what to fit.
      rates: {name: [k, *shape of the matrix]}, of k steps.
    """
    squared = problem._replace(loss=LossConfig())
    n_phases = signal.phases.targets.shape[0]

    def step(params: Matrices, own: Matrices):
        def add(total: Matrices, phase: jax.Array):
            _, gradient = phase_loss_and_gradient(squared, params, signal, phase)
            return jax.tree.map(jnp.add, total, gradient), None

        total, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), jnp.arange(n_phases))
        return {name: matrix - own[name] * total[name] / n_phases for name, matrix in params.items()}, None

    return jax.lax.scan(step, params, rates)[0]


@functools.partial(jax.jit, static_argnames="problem")
def rounded_cost(problem: Problem, state: State, signal: Signal, prior: Prior) -> Measured:
    """What the state's weights come to as a file would hold them."""
    noise, hard = jnp.float32(0), jnp.float32(1)
    params, bits = quantised(stacks_of(problem), state.weights, prior, noise, hard, state.seed, problem.model.storage)
    return Measured(distortion(problem, params, signal), jnp.float32(0), bits)


def _step(
    problem: Problem, signal: Signal, prior: Prior, bit_weights: BitWeights, state: State, steps: CoordinateSteps
) -> tuple[State, Measured]:
    seed = state.seed + state.step.astype(jnp.uint32)

    def forward(params: Stacks, log_steps: Stacks):
        weights = state.weights._replace(params=params, log_steps=log_steps)
        return quantised(stacks_of(problem), weights, prior, steps.noise, steps.hard, seed, problem.model.storage)

    (params, bits), pull = jax.vjp(forward, state.params, state.log_steps)
    loss, gradient = phase_loss_and_gradient(problem, params, signal, steps.phase)
    gradient, step_gradient = pull((gradient, jnp.asarray(bit_weights.networks, jnp.float32)))
    if problem.weight_l1:
        gradient = {
            key: g + problem.weight_l1 * jnp.sign(state.params[key] - prior.mean[key]) for key, g in gradient.items()
        }
    rates = WeightsRates(steps.learning_rate, steps.step_rate * problem.step_learning_rate, problem.clip_norm)
    weights = moved(problem.optimiser, state.weights, gradient, step_gradient, rates, state.step)
    if problem.weight_bits is not None:
        weights = weights._replace(log_steps=steps_of_bits(problem, weights.params, prior))
    return State(*weights, state.step + 1, state.seed), Measured(loss, jnp.float32(0), bits)


def _tiles(signal: Signal, phase: jax.Array):
    """(first axes, targets, first axis valid) of every tile of a phase, and what its tiles share."""
    phases = signal.phases
    shared = tuple(axis[phase] for axis in phases.axes[1:]), tuple(valid[phase] for valid in phases.valid[1:])
    return (phases.axes[0][phase], phases.targets[phase], phases.valid[0][phase]), shared


def _render_tile(
    problem: Problem, params: Matrices, signal: Signal, first: jax.Array, rest: tuple[jax.Array, ...]
) -> jax.Array:
    values = build.apply(problem.model, problem.shape, problem.n_outputs, params, open_grid((first, *rest)))
    flat = jnp.asarray(signal.matrix) @ values.reshape(problem.n_outputs, -1) + signal.offset[:, None]
    return flat.reshape(values.shape)


def _mask(valid: tuple[jax.Array, ...]) -> jax.Array:
    return functools.reduce(jnp.multiply, open_grid(valid))


def _n_values(problem: Problem, signal: Signal, phase: jax.Array) -> jax.Array:
    return functools.reduce(jnp.multiply, _sizes(signal, phase)) * problem.n_outputs


def _sizes(signal: Signal, phase: jax.Array) -> list[jax.Array]:
    """The true number of samples on every axis of a phase."""
    return [jnp.sum(valid[phase]) for valid in signal.phases.valid]


def _tile_loss(problem: Problem, signal: Signal, params: Matrices, tile, shared) -> jax.Array:
    (first, target, valid), (rest, rest_valid) = tile, shared
    error = _render_tile(problem, params, signal, first, rest) - target
    return jnp.sum(_mask((valid, *rest_valid))[None] * pointwise(problem.loss, error))


def phase_loss_and_gradient(
    problem: Problem, params: Matrices, signal: Signal, phase: Int[Array, ""]
) -> tuple[Float[Array, ""], Matrices]:
    """(mean loss of one phase, its gradient with respect to the matrices), accumulated tile by tile."""
    if problem.loss.structural:
        return jax.value_and_grad(lambda p: _phase_loss(problem, p, signal, phase))(params)
    tiles, shared = _tiles(signal, phase)

    def body(total, tile):
        part = jax.value_and_grad(lambda p: _tile_loss(problem, signal, p, tile, shared))(params)
        return jax.tree.map(jnp.add, total, part), None

    zero = jnp.float32(0), jax.tree.map(jnp.zeros_like, params)
    total, _ = jax.lax.scan(body, zero, tiles)
    scale = 1.0 / _n_values(problem, signal, phase)
    return jax.tree.map(lambda x: x * scale, total)


def _phase_loss(problem: Problem, params: Matrices, signal: Signal, phase: jax.Array) -> jax.Array:
    tiles, shared = _tiles(signal, phase)
    if not problem.loss.structural:
        _, losses = jax.lax.scan(lambda _, tile: (None, _tile_loss(problem, signal, params, tile, shared)), None, tiles)
        return jnp.sum(losses) / _n_values(problem, signal, phase)

    @jax.checkpoint
    def render(tile):
        return _render_tile(problem, params, signal, tile[0], shared[0])

    def whole(parts: jax.Array) -> jax.Array:
        joined = jnp.moveaxis(parts, 0, 1)
        return joined.reshape(joined.shape[0], -1, *joined.shape[3:])

    target = whole(tiles[1])
    mask = _mask((tiles[2].reshape(-1), *shared[1]))
    # Where there is padding, the target takes the place of what is rendered: no window then differs because of it.
    decoded = jnp.where(mask[None] > 0, whole(jax.lax.map(render, tiles)), target)
    pointwise_mean = jnp.sum(pointwise(problem.loss, decoded - target)) / _n_values(problem, signal, phase)
    sizes = jnp.stack(_sizes(signal, phase)).astype(jnp.int32)
    return pointwise_mean + structural(problem.loss, decoded, target, sizes)
