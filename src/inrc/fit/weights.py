"""The weights of the networks as every fit treats them: quantised by a surrogate, paid for by their rate, optimised.

Weights and everything that belongs to them are stacks (`inrc.fit.stacks`). The weights are moved by the optimiser of
the fit, the logarithms of their quantisation steps by Adam. The families differ only in the loss that both follow.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt32

from inrc.config import WeightStorage
from inrc.entropy.rate import stacked_bits
from inrc.fit.optimiser import Optimiser, OptimiserConfig, adam, clip_by_global_norm, transformation_of
from inrc.fit.stacks import Stack, Stacks, stacked, stacked_scalars, stacks_of, unstacked
from inrc.fit.task import Start
from inrc.layout import Layout
from inrc.quant.surrogate import (
    companded,
    expanded,
    exponents_of,
    nearest_half,
    on_ladder,
    straight_through,
    surrogate,
    uniform_noise,
)

Matrices = dict[str, jax.Array]

_FLAT_SCALE = 1e6
"""Scale of all weights where nothing is known of them. It is far above any step, so that each matrix is coded by its
own mean magnitude."""
_STEP_BETAS = (0.9, 0.99)
"""Adam's betas for the logarithms of quantisation steps: their gradients are sums over whole matrices and vary little,
so that a short memory lets steps follow the stages of a fit."""


class Prior(NamedTuple):
    """Where weights are expected: a file holds their differences from `mean`, which have a Laplace distribution.

    Attributes:
      mean: stacks of the expected weights.
      scale: stacks of mean absolute differences, positive. Where all of a matrix are far above its step, only their
        ratios matter.
    """

    mean: Stacks
    scale: Stacks


class WeightsState(NamedTuple):
    """What a fit changes of the networks' weights.

    Attributes:
      params: stacks of weights.
      log_steps: for each stack a vector of natural logarithms of quantisation steps, one per matrix.
      optimiser: state of the optimiser of `params`.
      step_moments: Adam's running means of the gradient of `log_steps` and of its square.
    """

    params: Stacks
    log_steps: Stacks
    optimiser: optax.OptState
    step_moments: tuple[Stacks, Stacks]


class WeightsRates(NamedTuple):
    """Learning rates and limits of one step.

    Attributes:
      weights: learning rate of the weights.
      steps: learning rate of the logarithms of quantisation steps.
      clip_norm: largest norm of the gradient of all weights.
    """

    weights: Float[Array, ""]
    steps: Float[Array, ""]
    clip_norm: float


def stacks_for(layout: Layout, optimiser: Optimiser) -> tuple[Stack, ...]:
    """The stacks of a network's matrices."""
    constants = optimiser if isinstance(optimiser, OptimiserConfig) else OptimiserConfig()
    return stacks_of(layout, constants.max_dimension)


def prior_of(stacks: tuple[Stack, ...], start: Start | None) -> Prior:
    """What weights are coded against: the start's means and scales; without a start, zero and one large scale."""
    if start is not None:
        mean, scale = ({n: jnp.asarray(m, jnp.float32) for n, m in tree.items()} for tree in (start.mean, start.scale))
        return Prior(stacked(stacks, mean), stacked(stacks, scale, padding=1.0))
    zeros = {name: jnp.zeros(shape, jnp.float32) for stack in stacks for name, shape in stack.matrices}
    scale = {name: jnp.full_like(matrix, _FLAT_SCALE) for name, matrix in zeros.items()}
    return Prior(stacked(stacks, zeros), stacked(stacks, scale, padding=1.0))


def first_weights(
    stacks: tuple[Stack, ...], optimiser: Optimiser, params: Mapping[str, jax.Array], log_steps: Mapping[str, jax.Array]
) -> WeightsState:
    """The state before the first step.

    Args:
      stacks: of the matrices.
      optimiser: of the weights.
      params: {name: matrix}.
      log_steps: {name: natural logarithm of the matrix's first quantisation step}.
    """
    in_stacks, vectors = stacked(stacks, params), stacked_scalars(stacks, log_steps)
    zeros = jax.tree.map(jnp.zeros_like, vectors)
    return WeightsState(in_stacks, vectors, transformation_of(optimiser).init(in_stacks), (zeros, zeros))


def quantised(
    stacks: tuple[Stack, ...],
    state: WeightsState,
    prior: Prior,
    noise: Float[Array, ""],
    hard: Float[Array, ""],
    seed: UInt32[Array, ""],
    storage: WeightStorage = WeightStorage.INTEGERS,
) -> tuple[Matrices, Float[Array, ""]]:
    """The weights with the surrogate of rounding applied, and what they cost.

    Where weights are rounded, their steps are those of the file's ladder: the weights adapt to what is stored. Weights
    that files do not hold as integers are no differences from the prior's mean. Binary16 numbers have neither steps nor
    noise, and the rate model knows nothing of them: they cost no bits.

    Args:
      stacks: of the matrices.
      state: only `params` and `log_steps` are used, and have a gradient.
      prior: what the weights are coded against.
      noise: factor of the uniform noise that stands for rounding: 0 for none, a sign otherwise.
      hard: above 0 where weights are rounded instead.
      seed: uint32, of the noise.
      storage: how files hold the weights.

    Returns:
      ({name: matrix}, bits of all matrices).
    """
    if storage is WeightStorage.HALF:
        halves = {key: straight_through(p, _half_if(hard, p)) for key, p in state.params.items()}
        return unstacked(stacks, halves), jnp.float32(0)
    draw = noise * uniform_noise(seed, sum(p.size for p in state.params.values()))
    rounded, bits, first = {}, jnp.float32(0), 0
    for stack in stacks:
        x, log_step, mean = state.params[stack.key], state.log_steps[stack.key], prior.mean[stack.key]
        step = jnp.exp(jnp.where(hard > 0, on_ladder(log_step), log_step))[:, None, None]
        mask = jnp.asarray(stack.mask())
        part = mask * draw[first : first + x.size].reshape(x.shape)
        # XLA and the sums of gradients follow the order of operations: it decides the bytes of files.
        exponent = exponents_of(x, mask)[:, None, None] if storage is WeightStorage.COMPANDED else None
        scaled = (x - mean) / step if exponent is None else companded(x / step, exponent)
        integers = surrogate(scaled, part, hard)
        bits += stacked_bits(integers, prior.scale[stack.key] / step, mask, hard, by_column=not stack.has_tables)
        if exponent is None:
            rounded[stack.key] = mean + integers * step
        else:
            still = surrogate(companded(jax.lax.stop_gradient(x) / step, exponent), part, hard)
            rounded[stack.key] = straight_through(x, expanded(still, exponent) * step)
        first += x.size
    return unstacked(stacks, rounded), bits


def _half_if(hard: Float[Array, ""], x: jax.Array) -> jax.Array:
    still = jax.lax.stop_gradient(x)
    return jnp.where(hard > 0, nearest_half(still), still)


def moved(
    optimiser: Optimiser,
    state: WeightsState,
    gradient: Stacks,
    step_gradient: Stacks,
    rates: WeightsRates,
    count: Float[Array, ""],
) -> WeightsState:
    """The state after one step of the optimiser and one step of Adam on the quantisation steps.

    Args:
      optimiser: of the weights.
      state: before.
      gradient: of the loss with respect to `state.params`.
      step_gradient: with respect to `state.log_steps`.
      rates: of this step.
      count: steps taken before this one.
    """
    gradient = clip_by_global_norm(gradient, rates.clip_norm)
    directions, moments = transformation_of(optimiser).update(gradient, state.optimiser, state.params)
    params = {key: p - rates.weights * cast(Stacks, directions)[key] for key, p in state.params.items()}
    log_steps, means, squares = {}, {}, {}
    for key, log_step in state.log_steps.items():
        own = state.step_moments[0][key], state.step_moments[1][key]
        log_steps[key], (means[key], squares[key]) = adam(
            log_step, step_gradient[key], own, rates.steps, count, _STEP_BETAS
        )
    return WeightsState(params, log_steps, moments, (means, squares))


def log_steps_of_bits(
    stacks: tuple[Stack, ...],
    params: Stacks,
    prior: Prior,
    weight_bits: float,
    storage: WeightStorage = WeightStorage.INTEGERS,
) -> Stacks:
    """Logarithms of the steps at which 2^weight_bits levels span what a file holds of a matrix, from -m to m."""
    levels = 2.0**weight_bits - 1.0
    if storage is WeightStorage.COMPANDED:
        masks = {stack.key: jnp.asarray(stack.mask()) for stack in stacks}
        spans = {key: (0.5 * levels) ** exponents_of(x, masks[key]) for key, x in params.items()}
        return {key: jnp.log(jnp.max(jnp.abs(x), axis=(1, 2)) / spans[key] + 1e-9) for key, x in params.items()}
    differences = jax.tree.map(jnp.subtract, params, prior.mean)
    return {key: jnp.log(2.0 * jnp.max(jnp.abs(x), axis=(1, 2)) / levels + 1e-9) for key, x in differences.items()}


def matrices_of(
    stacks: tuple[Stack, ...], names: tuple[str, ...], params: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """{name: matrix} of stacks, in the order of `names`."""
    matrices = unstacked(stacks, {key: jnp.asarray(x) for key, x in params.items()})
    return {name: np.asarray(matrices[name]) for name in names}


def steps_of(
    stacks: tuple[Stack, ...], names: tuple[str, ...], log_steps: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """{name: quantisation step}, in the order of `names`."""
    steps = {
        name: step
        for stack in stacks
        for name, step in zip(stack.names, np.exp(log_steps[stack.key]).tolist(), strict=True)
    }
    return {name: steps[name] for name in names}
