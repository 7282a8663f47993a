"""The optimiser of many small dense layers, as an optax transformation: SOAP, or plain Adam.

SOAP (Vyas et al., 2024) runs Adam in Shampoo's eigenbasis: for a gradient G [m, n] it keeps running averages
L = E[G G^T] and R = E[G^T G], rotates G into their eigenbases, takes Adam's step there and rotates the step back.

`scale_by_soap` follows optax's protocol: `init(params)`, `update(gradients, state, params)`. Like optax's own
`scale_by_` transformations it returns a direction; the fit multiplies it by the learning rate of its schedule and
subtracts it. Any optax transformation of that kind may take its place. Refreshing the eigenbases is a function of its
own, `refresh_bases`, that a fit calls once per group of steps: inside `update` it would be a branch, and under `vmap`
both sides of a branch are evaluated at every step.
"""

import functools
import math
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from inrc.errors import ConfigError
from inrc.layout import is_table

Tree = dict[str, jax.Array]

_BASIS_FLOOR = 1e-7
"""Share of the old basis in an orthogonal iteration: it keeps the product of full rank while a covariance is empty."""
_LARGEST_STEP = 10.0
"""Largest entry of Adam's step in an eigenbasis. In a basis that stays, no entry exceeds 1 where both betas are equal
(the square of a mean is at most the mean of squares). After a turn of the basis, an entry's second moment is that of
another direction, which can be nearly 0: without a limit, gradients near 0 then throw weights out of all proportion."""


class OptimiserConfig(NamedTuple):
    """Constants of SOAP and of Adam.

    Attributes:
      preconditioned: whether Adam's step is taken in Shampoo's eigenbasis (SOAP) or in the weights' own (Adam).
      beta_1, beta_2: decay of Adam's running means of the gradient and of its square.
      beta_shampoo: decay of the running covariances.
      epsilon: added to the root of Adam's second moment.
      max_dimension: sides of matrices above this stay in their own basis, and so do the entries of tables: a sample
        has a gradient at a few of them.
      weight_decay: of every weight per unit of learning rate, decoupled from the gradient (AdamW, Loshchilov and
        Hutter, 2019).
    """

    preconditioned: bool = True
    beta_1: float = 0.95
    beta_2: float = 0.95
    beta_shampoo: float = 0.95
    epsilon: float = 1e-8
    max_dimension: int = 512
    weight_decay: float = 0.0


Optimiser = OptimiserConfig | optax.GradientTransformation
"""What a fit's configuration may name: constants of ours, or an optax transformation of the `scale_by_` kind."""

Side = tuple[jax.Array, ...]
"""(covariance, basis) of one side of a matrix, both [..., m, m]; empty where the side stays in its own basis."""


class MatrixState(NamedTuple):
    """The optimiser's state of one matrix, or of a stack of matrices.

    Attributes:
      momentum: running mean of the gradient [..., m, n].
      second_moment: running mean of its square in the eigenbasis [..., m, n].
      left, right: see `Side`.
    """

    momentum: jax.Array
    second_moment: jax.Array
    left: Side
    right: Side


class SoapState(NamedTuple):
    """The state of `scale_by_soap`.

    Attributes:
      n_updates: updates so far, float32.
      matrices: {name: state of a matrix or stack}.
    """

    n_updates: jax.Array
    matrices: dict[str, MatrixState]


def transformation_of(optimiser: Optimiser) -> optax.GradientTransformation:
    """The optax transformation of a configuration; a transformation of the user's own is returned as it is.

    Equal constants give the same object, so that it can be a static argument of a compiled function.
    """
    return scale_by_soap(optimiser) if isinstance(optimiser, OptimiserConfig) else optimiser


@functools.cache
def scale_by_soap(config: OptimiserConfig) -> optax.GradientTransformation:
    """SOAP for dictionaries of matrices [m, n] or stacks of matrices [..., m, n], bias-corrected."""

    def init(params: optax.Params) -> SoapState:
        def matrix_state(name: str, x: jax.Array) -> MatrixState:
            left, right = (_empty_side(config, x.shape[:-2], size) for size in x.shape[-2:])
            return MatrixState(jnp.zeros_like(x), jnp.zeros_like(x), left, () if is_table(name) else right)

        return SoapState(jnp.float32(0), {name: matrix_state(name, x) for name, x in cast(Tree, params).items()})

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, SoapState]:
        assert isinstance(state, SoapState)
        if config.weight_decay and params is None:
            raise ConfigError("an optimiser with weight decay moves weights by their size; give it the weights")
        correction_1 = 1.0 - config.beta_1 ** (state.n_updates + 1.0)
        correction_2 = 1.0 - config.beta_2 ** (state.n_updates + 1.0)
        directions, matrices = {}, {}
        for name, gradient in cast(Tree, updates).items():
            s = state.matrices[name]
            momentum = config.beta_1 * s.momentum + (1 - config.beta_1) * gradient
            rotated = _rotate(gradient, s.left, s.right)
            second = config.beta_2 * s.second_moment + (1 - config.beta_2) * rotated * rotated
            direction = _rotate(momentum, s.left, s.right) / correction_1
            direction = direction / (jnp.sqrt(second / correction_2) + config.epsilon)
            if s.left or s.right:
                direction = jnp.clip(direction, -_LARGEST_STEP, _LARGEST_STEP)
            directions[name] = _rotate_back(direction, s.left, s.right)
            if config.weight_decay:
                directions[name] += config.weight_decay * cast(Tree, params)[name]
            left = s.left and (_average(config, s.left[0], gradient @ gradient.mT), s.left[1])
            right = s.right and (_average(config, s.right[0], gradient.mT @ gradient), s.right[1])
            matrices[name] = MatrixState(momentum, second, left, right)
        return directions, SoapState(state.n_updates + 1, matrices)

    return optax.GradientTransformation(init, update)


def refresh_bases(state: optax.OptState) -> optax.OptState:
    """The state with one step of orthogonal iteration taken on every eigenbasis of every `SoapState` in it."""

    def refreshed(part: optax.OptState) -> optax.OptState:
        if not isinstance(part, SoapState):
            return part
        matrices = {
            name: own._replace(left=_iterated(own.left), right=_iterated(own.right))
            for name, own in part.matrices.items()
        }
        return part._replace(matrices=matrices)

    return jax.tree.map(refreshed, state, is_leaf=lambda part: isinstance(part, SoapState))


def clip_by_global_norm(gradients: Tree, limit: float) -> Tree:
    """Scales the whole gradient so that its Euclidean norm is at most `limit`, which may be infinite."""
    if math.isinf(limit):
        return gradients
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients.values()))
    factor = jnp.minimum(1.0, limit / jnp.maximum(norm, 1e-30))
    return {name: g * factor for name, g in gradients.items()}


def adam(
    x: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    moments: tuple[Float[Array, "*shape"], Float[Array, "*shape"]],
    learning_rate: Float[Array, ""] | Float[Array, "*shape"],
    count: Float[Array, ""],
    betas: tuple[float | Float[Array, ""], float | Float[Array, ""]],
    epsilon: float = 1e-12,
) -> tuple[Float[Array, "*shape"], tuple[Float[Array, "*shape"], Float[Array, "*shape"]]]:
    """One bias-corrected step of Adam (Kingma and Ba, 2015) whose betas may be values of a schedule.

    Args:
      x: what is optimised.
      gradient: of the loss with respect to it.
      moments: running means of the gradient and of its square.
      learning_rate: of this step, for all or for each.
      count: steps taken before this one.
      betas: decays of the two means.
      epsilon: added to the root of the second mean.

    Returns:
      (x after the step, moments after it).
    """
    mean = betas[0] * moments[0] + (1 - betas[0]) * gradient
    square = betas[1] * moments[1] + (1 - betas[1]) * gradient * gradient
    corrected = mean / (1 - betas[0] ** (count + 1)), square / (1 - betas[1] ** (count + 1))
    return x - learning_rate * corrected[0] / (jnp.sqrt(corrected[1]) + epsilon), (mean, square)


def _empty_side(config: OptimiserConfig, stack: tuple[int, ...], size: int) -> Side:
    if not config.preconditioned or size > config.max_dimension or size < 2:
        return ()
    shape = *stack, size, size
    return jnp.zeros(shape, jnp.float32), jnp.broadcast_to(jnp.eye(size, dtype=jnp.float32), shape)


def _iterated(side: Side) -> Side:
    """The next basis. Padding of a stack is a part of the basis that nothing else mixes with."""
    if not side:
        return side
    covariance, basis = side
    scale = jnp.maximum(jnp.trace(covariance, axis1=-2, axis2=-1), 1e-30)[..., None, None]
    product = (covariance / scale) @ basis + _BASIS_FLOOR * basis
    return covariance, _orthonormal(product.reshape(-1, *product.shape[-2:])).reshape(product.shape)


def _orthonormal(matrices: jax.Array) -> jax.Array:
    """Q [n, m, m] of the QR decompositions of matrices [n, m, m]."""
    if jax.default_backend() != "cpu":
        return _householder(matrices)
    # One by one: LAPACK's batches wait for the threads on which other devices of this process are running, for ever.
    return jax.lax.map(_orthonormal_alone, matrices)


def _householder(matrices: jax.Array) -> jax.Array:
    """Q [..., m, m] by reflections of all matrices at once: an accelerator's own decompositions take them in turn."""
    size = matrices.shape[-1]
    rows = jnp.arange(size)

    def reflect(x: jax.Array, v: jax.Array) -> jax.Array:
        return x - 2.0 * v[..., :, None] * jnp.sum(v[..., :, None] * x, axis=-2, keepdims=True)

    def forth(rest: jax.Array, j: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = jnp.where(rows >= j, jnp.take(rest, j, axis=-1), 0.0)
        first = jnp.take(x, j, axis=-1)[..., None]
        length = jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True))
        v = x + jnp.where(rows == j, jnp.where(first < 0, -length, length), 0.0)
        v = v / jnp.maximum(jnp.sqrt(jnp.sum(v * v, axis=-1, keepdims=True)), 1e-30)
        return reflect(rest, v), v

    _, vectors = jax.lax.scan(forth, matrices, rows)
    identity = jnp.broadcast_to(jnp.eye(size, dtype=matrices.dtype), matrices.shape)
    return jax.lax.scan(lambda q, v: (reflect(q, v), None), identity, vectors, reverse=True)[0]


@jax.custom_batching.sequential_vmap
def _orthonormal_alone(matrix: jax.Array) -> jax.Array:
    return jnp.linalg.qr(matrix)[0]


def _average(config: OptimiserConfig, old: jax.Array, new: jax.Array) -> jax.Array:
    return config.beta_shampoo * old + (1 - config.beta_shampoo) * new


def _rotate(x: jax.Array, left: Side, right: Side) -> jax.Array:
    x = left[1].mT @ x if left else x
    return x @ right[1] if right else x


def _rotate_back(x: jax.Array, left: Side, right: Side) -> jax.Array:
    x = left[1] @ x if left else x
    return x @ right[1].mT if right else x
