"""The compiled part of a fit: one `lax.scan` over groups of steps, pure in its arguments.

A step sees one polyphase sub-signal. Pointwise losses are accumulated over its tiles, gradient and all, so that
activations stay in cache; structural losses render the sub-signal tile by tile and look at the whole of it.
Everything that differs between stages, images, seeds and lambdas is an array argument: the program compiles once and
maps (`jax.vmap`) over any of them.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import ModelConfig
from inrc.entropy.rate import total_bits
from inrc.fit import optimiser
from inrc.fit.data import Phases, open_grid
from inrc.fit.loss import LossConfig, pointwise, structural
from inrc.fit.optimiser import OptimiserConfig, OptimiserState
from inrc.models import build
from inrc.quant.surrogate import on_ladder, surrogate, uniform_noise

Params = dict[str, jax.Array]

_FLAT_SCALE = 1e6


class Problem(NamedTuple):
    """What is static about a fit, hashable.

    Attributes:
      model, shape, n_outputs: the network.
      loss: distortion.
      optimiser: its constants.
      clip_norm: largest norm of the gradient of all weights.
      step_learning_rate: Adam's rate for the logarithms of the quantiser's steps.
      weight_bits: levels of a matrix as bits: its step then follows its largest weight and is not learned.
    """

    model: ModelConfig
    shape: tuple[int, ...]
    n_outputs: int
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    clip_norm: float = 1.0
    step_learning_rate: float = 1e-2
    weight_bits: int | None = None


class Prior(NamedTuple):
    """Where weights are expected: a file holds their differences from `mean`, which have a Laplace distribution.

    Attributes:
      mean: {name: matrix}.
      scale: {name: mean absolute difference}, positive. Where all of a matrix are far above its step, only their ratios
        matter.
    """

    mean: Params
    scale: Params


class State(NamedTuple):
    """Everything that a step changes.

    Attributes:
      params: {name: matrix}.
      log_steps: {name: natural logarithm of the matrix's quantisation step}.
      moments: optimiser state of `params`.
      step_moments: Adam's (mean, mean square) of `log_steps`.
      step: steps taken, float32.
      seed: uint32, of the surrogate's noise.
    """

    params: Params
    log_steps: Params
    moments: dict[str, OptimiserState]
    step_moments: tuple[Params, Params]
    step: jax.Array
    seed: jax.Array


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


class StepPlan(NamedTuple):
    """What each step of a chunk does; arrays [groups, steps per group]."""

    phase: jax.Array
    learning_rate: jax.Array
    step_rate: jax.Array
    noise: jax.Array
    hard: jax.Array


def init_state(problem: Problem, params: Params, log_steps: Params, seed: jax.Array) -> State:
    """State before the first step."""
    zeros = jax.tree.map(jnp.zeros_like, log_steps)
    return State(params, log_steps, optimiser.init(problem.optimiser, params), (zeros, zeros), jnp.float32(0), seed)


def flat_prior(params: Params) -> Prior:
    """No knowledge: weights around 0, all of one scale, which is far above any step."""
    return Prior(
        jax.tree.map(jnp.zeros_like, params), jax.tree.map(lambda matrix: jnp.full_like(matrix, _FLAT_SCALE), params)
    )


def log_steps_of_bits(params: Params, prior: Prior, weight_bits: int) -> Params:
    """Logarithms of the steps at which 2^weight_bits levels span what a file holds of a matrix, from -m to m."""
    levels = 2.0**weight_bits - 1.0
    differences = jax.tree.map(jnp.subtract, params, prior.mean)
    return {name: jnp.log(2.0 * jnp.max(jnp.abs(matrix)) / levels + 1e-9) for name, matrix in differences.items()}


@functools.partial(jax.jit, static_argnames="problem")
def run_chunk(
    problem: Problem, state: State, signal: Signal, prior: Prior, plan: StepPlan, bits_weight: jax.Array
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    """Takes groups x steps optimiser steps.

    Args:
      problem: static.
      state: before.
      signal: what to fit.
      prior: of the weights.
      plan: per step.
      bits_weight: loss per bit (lambda over the number of samples).

    Returns:
      (state after, (distortion, bits)), the latter two [groups, steps per group] as each step met them.
    """

    def group(state: State, plan: StepPlan):
        state = state._replace(moments=optimiser.refresh(problem.optimiser, state.moments))
        return jax.lax.scan(functools.partial(_step, problem, signal, prior, bits_weight), state, plan)

    return jax.lax.scan(group, state, plan)


@functools.partial(jax.jit, static_argnames="problem")
def distortion(problem: Problem, params: Params, signal: Signal) -> jax.Array:
    """The loss of given weights, mean over all phases: what they would be judged by, without a rate term."""

    def phase(index: jax.Array) -> jax.Array:
        return _phase_loss(problem, params, signal, index)

    return jnp.mean(jax.lax.map(phase, jnp.arange(signal.phases.targets.shape[0])))


@functools.partial(jax.jit, static_argnames="problem")
def rounded_cost(problem: Problem, state: State, signal: Signal, prior: Prior) -> tuple[jax.Array, jax.Array]:
    """(distortion, bits) of a state's weights as a file would hold them."""
    params, bits = quantised(state.params, prior, state.log_steps, jnp.float32(0), jnp.float32(1), state.seed)
    return distortion(problem, params, signal), bits


def quantised(
    params: Params, prior: Prior, log_steps: Params, noise: jax.Array, hard: jax.Array, seed: jax.Array
) -> tuple[Params, jax.Array]:
    """(weights with the surrogate applied, their bits).

    Where they are rounded, steps are those of the file's ladder, so that what the weights adapt to is what is stored.
    """
    steps = {name: jnp.exp(jnp.where(hard > 0, on_ladder(value), value)) for name, value in log_steps.items()}
    draw = noise * uniform_noise(seed, sum(p.size for p in params.values()))
    seen, start = {}, 0
    for name, matrix in params.items():
        part = draw[start : start + matrix.size].reshape(matrix.shape)
        seen[name] = surrogate((matrix - prior.mean[name]) / steps[name], part, hard)
        start += matrix.size
    bits = total_bits(seen.values(), [prior.scale[name] / steps[name] for name in seen], hard)
    return {name: prior.mean[name] + x * steps[name] for name, x in seen.items()}, bits


def _step(problem: Problem, signal: Signal, prior: Prior, bits_weight: jax.Array, state: State, plan: StepPlan):
    def forward(params: Params, log_steps: Params):
        return quantised(params, prior, log_steps, plan.noise, plan.hard, state.seed + state.step.astype(jnp.uint32))

    (params, bits), pull = jax.vjp(forward, state.params, state.log_steps)
    loss, gradient = phase_loss_and_gradient(problem, params, signal, plan.phase)
    gradient, step_gradient = pull((gradient, jnp.asarray(bits_weight, jnp.float32)))

    gradient = optimiser.clip_by_global_norm(gradient, problem.clip_norm)
    directions, moments = optimiser.update(problem.optimiser, gradient, state.moments, state.step)
    new_params = {name: p - plan.learning_rate * directions[name] for name, p in state.params.items()}

    rate = plan.step_rate * problem.step_learning_rate
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.step_moments[0], step_gradient)
    square = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, state.step_moments[1], step_gradient)
    log_steps = jax.tree.map(lambda s, m, v: s - rate * m / (jnp.sqrt(v) + 1e-12), state.log_steps, mean, square)
    if problem.weight_bits is not None:
        log_steps = log_steps_of_bits(new_params, prior, problem.weight_bits)

    return State(new_params, log_steps, moments, (mean, square), state.step + 1, state.seed), (loss, bits)


def _tiles(signal: Signal, phase: jax.Array):
    """(first axes, targets, first axis valid) of every tile of a phase, and what its tiles share."""
    phases = signal.phases
    shared = tuple(axis[phase] for axis in phases.axes[1:]), tuple(valid[phase] for valid in phases.valid[1:])
    return (phases.axes[0][phase], phases.targets[phase], phases.valid[0][phase]), shared


def _render_tile(
    problem: Problem, params: Params, signal: Signal, first: jax.Array, rest: tuple[jax.Array, ...]
) -> jax.Array:
    values = build.apply(problem.model, problem.shape, problem.n_outputs, params, open_grid((first, *rest)))
    flat = jnp.asarray(signal.matrix) @ values.reshape(problem.n_outputs, -1) + signal.offset[:, None]
    return flat.reshape(values.shape)


def _mask(valid: tuple[jax.Array, ...]) -> jax.Array:
    return functools.reduce(jnp.multiply, open_grid(valid))


def _n_values(problem: Problem, signal: Signal, phase: jax.Array) -> jax.Array:
    counts = [jnp.sum(valid[phase]) for valid in signal.phases.valid]
    return functools.reduce(jnp.multiply, counts) * problem.n_outputs


def _tile_loss(problem: Problem, signal: Signal, params: Params, tile, shared) -> jax.Array:
    (first, target, valid), (rest, rest_valid) = tile, shared
    error = _render_tile(problem, params, signal, first, rest) - target
    return jnp.sum(_mask((valid, *rest_valid))[None] * pointwise(problem.loss, error))


def phase_loss_and_gradient(
    problem: Problem, params: Params, signal: Signal, phase: jax.Array
) -> tuple[jax.Array, Params]:
    """(mean loss of one phase, its gradient), accumulated tile by tile."""
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


def _phase_loss(problem: Problem, params: Params, signal: Signal, phase: jax.Array) -> jax.Array:
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
    # Padding repeats real samples; showing the target there keeps it out of every window's difference.
    decoded = jnp.where(mask[None] > 0, whole(jax.lax.map(render, tiles)), target)
    pointwise_mean = jnp.sum(pointwise(problem.loss, decoded - target)) / _n_values(problem, signal, phase)
    return pointwise_mean + structural(problem.loss, decoded, target)
