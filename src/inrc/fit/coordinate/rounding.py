"""Rounding every weight of a fitted network up or down so that its layers' outputs change the least.

This is AdaRound (Nagel et al., 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization"), as Strümpler et
al. (2022) use it for coordinate networks. Matrices are rounded in the order of the network. Let x be what enters matrix
W in the fitted network, and y what enters it where the matrices before it are rounded. The rounded matrix is
W~ = step * (floor(W / step) + h(V)), where the rectified sigmoid h takes V to 0..1. Adam minimises

    sum over samples of ||W x - W~ y||^2 + regularisation * sum over weights of 1 - |2 h(V) - 1|^beta

over V, from the V at which W~ is W. As beta falls, the second term moves h to 0 or 1. The paper compares outputs behind
the activation (equation 25); here they are compared before it, where they are linear in W~. The error is then a
quadratic form of the change D = W~ - W:

    sum ||W x - W~ y||^2 = constant - 2 <W sum (x - y) y^T, D> + <D sum y y^T, D>

Its two matrices are summed over the samples once for each layer. A step of Adam costs one product with D, whatever the
number of samples, and the thousand steps of a layer take milliseconds.

The error is divided by step^2 and by the mean diagonal of sum y y^T, so that one regularisation suits all networks. The
published 1e-4 is one of undivided mean errors. It does for a SIREN what 1 does here, but leaves a third of the weights
of a ReLU network, whose steps are larger, between two integers (experiments/NOTES.md, row 5.10).
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inrc.checks import checked_number
from inrc.config import ModelConfig
from inrc.fit.coordinate.minibatches import Phases, open_grid
from inrc.fit.coordinate.program import Problem, Signal
from inrc.fit.coordinate.schedule import minibatch_order
from inrc.fit.optimiser import adam
from inrc.fit.weights import Matrices
from inrc.layout import layout
from inrc.models import build

_GAMMA, _ZETA = -0.1, 1.1
"""What the sigmoid is stretched to before it is clipped to 0..1 (section 3.3 of the paper): h reaches both ends."""
_BETAS = (0.9, 0.999)
_N_SAMPLES = 1 << 14
"""Samples that are looked at, at least, where a signal has them: many times more than a matrix has columns."""


@dataclasses.dataclass(frozen=True)
class AdaRoundConfig:
    """Constants of AdaRound; those of the two papers, except for the unit of the regularisation.

    Attributes:
      n_steps: steps of Adam for each matrix.
      regularisation: weight of the term that moves weights to integers; see the module's docstring for its unit.
      learning_rate: of Adam.
      beta_first: exponent of that term at the end of the warm start,
      beta_last: and in the last step, along a cosine: a large one leaves weights that are far from integers alone.
      warm_start: share of the steps without that term.
    """

    n_steps: int = 1000
    regularisation: float = 1.0
    learning_rate: float = 1e-2
    beta_first: float = 20.0
    beta_last: float = 2.0
    warm_start: float = 0.2

    def __post_init__(self) -> None:
        checked_number("n_steps", self.n_steps, 1, 1_000_000, whole=True)
        checked_number("regularisation", self.regularisation, 0)
        checked_number("learning_rate", self.learning_rate, 0, 1, above=True)
        checked_number("beta_last", self.beta_last, 1)
        checked_number("beta_first", self.beta_first, self.beta_last)
        checked_number("warm_start", self.warm_start, 0, 1)


class Samples(NamedTuple):
    """Where networks are compared: tiles of samples, each a regular grid.

    Attributes:
      axes: coordinates of every axis [tiles, n].
      valid: 1 for real samples and 0 for padding, shaped like `axes`.
    """

    axes: tuple[Float[Array, "tiles _"], ...]
    valid: tuple[Float[Array, "tiles _"], ...]


class Moments(NamedTuple):
    """What the samples say about the columns of a matrix, or of several: see the module's docstring.

    Attributes:
      square: sum of y y^T, over the mean of its diagonal.
      drift: sum of (x - y) y^T, over the same number.
    """

    square: Float[Array, "*matrices columns columns"]
    drift: Float[Array, "*matrices columns columns"]


def samples_of(phases: Phases) -> Samples:
    """All samples of one phase of a signal, and of as many more as a small signal needs to have enough."""
    n_phases, n_tiles, _, *tile = phases.targets.shape
    n_chosen = min(n_phases, math.ceil(_N_SAMPLES / (n_tiles * math.prod(tile))))
    chosen = minibatch_order(n_phases, n_chosen, seed=0, chunk=0)

    def tiles(axes: tuple[jax.Array | np.ndarray, ...]) -> tuple[jax.Array, ...]:
        first, *others = (jnp.asarray(axis)[chosen] for axis in axes)
        return first.reshape(n_chosen * n_tiles, -1), *(jnp.repeat(axis, n_tiles, axis=0) for axis in others)

    return Samples(tiles(phases.axes), tiles(phases.valid))


def rounded_for_signal(
    problem_and_config: tuple[Problem, AdaRoundConfig],
    params: Matrices,
    steps: dict[str, Float[Array, ""]],
    means: Matrices,
    signal: Signal,
) -> Matrices:
    """`rounded` where a fit has seen its signal; the arguments are those of `Lanes.each`."""
    problem, config = problem_and_config
    samples = samples_of(signal.phases)
    return rounded(problem.model, problem.shape, problem.n_outputs, config, params, steps, means, samples)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def rounded(
    model: ModelConfig,
    shape: tuple[int, ...],
    n_outputs: int,
    config: AdaRoundConfig,
    params: Matrices,
    steps: dict[str, Float[Array, ""]],
    means: Matrices,
    samples: Samples,
) -> Matrices:
    """Rounds all matrices of a network.

    Args:
      model: the network,
      shape: its signal's samples per axis,
      n_outputs: and its outputs.
      config: constants.
      params: {name: fitted matrix}.
      steps: {name: quantisation step}.
      means: {name: matrix that a file holds the differences from}; zeros where there is no shared init.
      samples: where the networks are compared.

    Returns:
      {name: means + steps * integers}, each integer the floor or the ceiling of (params - means) / steps. Matrices that
      are no layers, such as tables, are rounded to the nearest integers before all layers.
    """
    moments_now = functools.partial(moments_of, model, shape, n_outputs, samples, params)
    noted = jax.eval_shape(moments_now, params)
    # A modulator acts within the layers, so its matrices come first.
    names = sorted((n for n, _ in layout(model, shape, n_outputs) if n in noted), key=lambda n: n.startswith("layer"))
    rows, columns = (max(params[name].shape[axis] for name in names) for axis in (0, 1))

    # All matrices have one padded size, so that one program rounds them: compiling takes longer than running.
    def stacked(tree: Matrices, *size: int) -> jax.Array:
        missing = {name: np.subtract(size, tree[name].shape).tolist() for name in names}
        return jnp.stack([jnp.pad(tree[name], [(0, n) for n in missing[name]]) for name in names])

    positions = stacked({name: params[name] / steps[name] for name in names}, rows, columns)
    origins = stacked({name: means[name] / steps[name] for name in names}, rows, columns)

    def nearest(name: str) -> jax.Array:
        return means[name] + steps[name] * jnp.round((params[name] - means[name]) / steps[name])

    def round_next(current: Matrices, i: jax.Array) -> tuple[Matrices, None]:
        moments = moments_now(current)
        squares = stacked({name: own.square for name, own in moments.items()}, columns, columns)
        drifts = stacked({name: own.drift for name, own in moments.items()}, columns, columns)
        integers = rounded_matrix(config, positions[i], origins[i], Moments(squares[i], drifts[i]))

        def updated(place: int, name: str) -> jax.Array:
            n_rows, n_columns = current[name].shape
            own = means[name] + steps[name] * integers[:n_rows, :n_columns]
            return jnp.where(i == place, own, current[name])

        return {**current, **{name: updated(place, name) for place, name in enumerate(names)}}, None

    first = {name: matrix if name in noted else nearest(name) for name, matrix in params.items()}
    return jax.lax.scan(round_next, first, jnp.arange(len(names)))[0]


def moments_of(
    model: ModelConfig,
    shape: tuple[int, ...],
    n_outputs: int,
    samples: Samples,
    params: Matrices,
    rounded_params: Matrices,
) -> dict[str, Moments]:
    """{name: moments} of what enters each layer by the fitted weights and by those that are rounded so far."""
    both = {name: jnp.stack([params[name], rounded_params[name]]) for name in params}

    def inputs_of(coordinates: list[jax.Array]) -> Matrices:
        return jax.vmap(lambda own: build.matrix_inputs(model, shape, n_outputs, own, coordinates))(both)

    def add(total: dict[str, jax.Array], tile: Samples) -> tuple[dict[str, jax.Array], None]:
        coordinates = open_grid(tile.axes)
        valid = functools.reduce(jnp.multiply, open_grid(tile.valid)).reshape(1, -1)
        inputs = inputs_of(coordinates)

        def moments(x: jax.Array, y: jax.Array) -> jax.Array:
            return jnp.stack([y, x - y]) @ (valid * y).T

        return {name: own + moments(*inputs[name]) for name, own in total.items()}, None

    inputs = jax.eval_shape(inputs_of, open_grid([axis[0] for axis in samples.axes]))
    zeros = {name: jnp.zeros((2, own.shape[1], own.shape[1]), jnp.float32) for name, own in inputs.items()}
    sums, _ = jax.lax.scan(add, zeros, samples)

    def in_units(square: jax.Array, drift: jax.Array) -> Moments:
        unit = jnp.mean(jnp.diagonal(square)) + 1e-30
        return Moments(square / unit, drift / unit)

    return {name: in_units(*own) for name, own in sums.items()}


def excess_error(
    moments: Moments, matrix: Float[Array, "rows columns"], change: Float[Array, "rows columns"]
) -> Float[Array, ""]:
    """Sum over samples of ||W x - (W + D) y||^2, less what it is where the change D is zero, over the mean of y^2."""
    return jnp.sum((change @ moments.square - 2.0 * (matrix @ moments.drift)) * change)


def rounded_matrix(
    config: AdaRoundConfig,
    position: Float[Array, "rows columns"],
    origin: Float[Array, "rows columns"],
    moments: Moments,
) -> Float[Array, "rows columns"]:
    """Rounds one matrix.

    Args:
      config: constants.
      position: the fitted weights, in steps.
      origin: what a file holds the differences from, in steps.
      moments: of what enters the matrix.

    Returns:
      Integers: the floor or the ceiling of position - origin.
    """
    exact = position - origin
    floor = jnp.floor(exact)
    span = jnp.ceil(exact) - floor  # 0 for a weight that is an integer: it stays one

    def loss(v: jax.Array, beta: jax.Array, weight: jax.Array) -> jax.Array:
        h = _rectified_sigmoid(v)
        error = excess_error(moments, position, floor + span * h - exact)
        return error + weight * jnp.sum(1.0 - jnp.abs(2.0 * h - 1.0) ** beta)

    def move(carry, own):
        v, running = carry
        count, beta, weight = own
        gradient = jax.grad(loss)(v, beta, weight)
        return adam(v, gradient, running, jnp.float32(config.learning_rate), count, _BETAS), None

    count = jnp.arange(config.n_steps, dtype=jnp.float32)
    first = config.warm_start * config.n_steps
    progress = jnp.clip((count - first) / max(1.0, config.n_steps - first), 0.0, 1.0)
    beta = config.beta_last + (config.beta_first - config.beta_last) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
    weight = jnp.where(count < first, 0.0, config.regularisation)
    v = jax.scipy.special.logit((exact - floor - _GAMMA) / (_ZETA - _GAMMA))
    zeros = jnp.zeros_like(v)
    (v, _), _ = jax.lax.scan(move, (v, (zeros, zeros)), (count, beta, weight))
    return floor + span * (_rectified_sigmoid(v) >= 0.5)


def _rectified_sigmoid(v: jax.Array) -> jax.Array:
    return jnp.clip(jax.nn.sigmoid(v) * (_ZETA - _GAMMA) + _GAMMA, 0.0, 1.0)
