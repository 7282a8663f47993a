"""Optimisers for many small dense layers: Adam, and SOAP, which runs Adam in Shampoo's eigenbasis.

SOAP (Vyas et al., 2024): for a gradient G [m, n] keep running L = E[G G^T] and R = E[G^T G], rotate G into their
eigenbases, take Adam's step there, rotate back. The bases are refreshed now and then by one step of orthogonal
iteration. The refresh is a function of its own, so that a scan calls it once per group of steps and no branch is
evaluated under vmap.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

Tree = dict[str, jax.Array]

_SMALL_BASIS = 16


class OptimiserState(NamedTuple):
    """State of one matrix; `left` and `right` hold (covariance, basis) and are empty under Adam."""

    momentum: jax.Array
    second_moment: jax.Array
    left: tuple[jax.Array, ...]
    right: tuple[jax.Array, ...]


class OptimiserConfig(NamedTuple):
    """Adam's and SOAP's constants; `preconditioned` chooses between the two."""

    preconditioned: bool = True
    beta_1: float = 0.95
    beta_2: float = 0.95
    beta_shampoo: float = 0.95
    epsilon: float = 1e-8
    max_dimension: int = 512


def init(config: OptimiserConfig, params: Tree) -> dict[str, OptimiserState]:
    """Zero state for every matrix [m, n]; sides longer than `max_dimension` stay in their own basis."""

    def side(size: int) -> tuple[jax.Array, ...]:
        if not config.preconditioned or size > config.max_dimension or size < 2:
            return ()
        return (jnp.zeros((size, size), jnp.float32), jnp.eye(size, dtype=jnp.float32))

    return {
        name: OptimiserState(jnp.zeros_like(p), jnp.zeros_like(p), side(p.shape[0]), side(p.shape[1]))
        for name, p in params.items()
    }


def refresh(config: OptimiserConfig, state: dict[str, OptimiserState]) -> dict[str, OptimiserState]:
    """One step of orthogonal iteration on every basis.

    Bases are padded to one of two sizes and decomposed together: that compiles several times faster than one
    decomposition per size.
    """
    if not config.preconditioned:
        return state
    pairs = [side for s in state.values() for side in (s.left, s.right) if side]
    sizes = [covariance.shape[0] for covariance, _ in pairs]
    fresh: dict[int, jax.Array] = {}
    for small in (True, False):
        places = [i for i, size in enumerate(sizes) if (size <= _SMALL_BASIS) == small]
        if places:
            largest = max(sizes[i] for i in places)
            bases = _orthonormal(jnp.stack([_iterate(pairs[i][0], pairs[i][1], largest) for i in places]))
            fresh |= {i: bases[place, : sizes[i], : sizes[i]] for place, i in enumerate(places)}
    renewed = iter([(covariance, fresh[i]) for i, (covariance, _) in enumerate(pairs)])

    def side(pair: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return next(renewed) if pair else pair

    return {name: s._replace(left=side(s.left), right=side(s.right)) for name, s in state.items()}


def refresh_stacks(config: OptimiserConfig, state: dict[str, OptimiserState]) -> dict[str, OptimiserState]:
    """`refresh` of stacks of matrices, whose padding is a part of the basis that nothing else mixes with."""
    if not config.preconditioned:
        return state

    def side(pair: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        if not pair:
            return pair
        covariance, basis = pair
        scale = jnp.maximum(jnp.trace(covariance, axis1=1, axis2=2), 1e-30)[:, None, None]
        return covariance, _orthonormal((covariance / scale) @ basis + 1e-7 * basis)

    return {name: s._replace(left=side(s.left), right=side(s.right)) for name, s in state.items()}


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


def _iterate(covariance: jax.Array, basis: jax.Array, size: int) -> jax.Array:
    """The next basis before it is made orthonormal, [size, size], the identity beyond its own size."""
    scale = jnp.maximum(jnp.trace(covariance), 1e-30)
    # The identity's share keeps the product of full rank while the covariance is still empty.
    product = (covariance / scale) @ basis + 1e-7 * basis
    own = covariance.shape[0]
    return jnp.eye(size, dtype=product.dtype).at[:own, :own].set(product)


def update(
    config: OptimiserConfig, gradients: Tree, state: dict[str, OptimiserState], step: jax.Array
) -> tuple[Tree, dict[str, OptimiserState]]:
    """One bias-corrected step.

    Args:
      config: constants.
      gradients: {name: [m, n] or, stacked, [..., m, n]}.
      state: from `init` or the previous call.
      step: number of steps taken before this one.

    Returns:
      (directions to subtract after scaling by the learning rate, new state).
    """
    correction_1 = 1.0 - config.beta_1 ** (step + 1.0)
    correction_2 = 1.0 - config.beta_2 ** (step + 1.0)
    directions, new_state = {}, {}
    for name, gradient in gradients.items():
        s = state[name]
        momentum = config.beta_1 * s.momentum + (1 - config.beta_1) * gradient
        rotated = _rotate(gradient, s.left, s.right)
        second = config.beta_2 * s.second_moment + (1 - config.beta_2) * rotated * rotated
        direction = _rotate(momentum, s.left, s.right) / correction_1
        direction = direction / (jnp.sqrt(second / correction_2) + config.epsilon)
        directions[name] = _rotate_back(direction, s.left, s.right)
        left = s.left and (_average(config, s.left[0], gradient @ gradient.mT), s.left[1])
        right = s.right and (_average(config, s.right[0], gradient.mT @ gradient), s.right[1])
        new_state[name] = OptimiserState(momentum, second, left, right)
    return directions, new_state


def clip_by_global_norm(gradients: Tree, limit: float) -> Tree:
    """Scales the whole gradient so that its Euclidean norm is at most `limit`."""
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients.values()))
    factor = jnp.minimum(1.0, limit / jnp.maximum(norm, 1e-30))
    return {name: g * factor for name, g in gradients.items()}


def _average(config: OptimiserConfig, old: jax.Array, new: jax.Array) -> jax.Array:
    return config.beta_shampoo * old + (1 - config.beta_shampoo) * new


def _rotate(x: jax.Array, left: tuple[jax.Array, ...], right: tuple[jax.Array, ...]) -> jax.Array:
    x = left[1].mT @ x if left else x
    return x @ right[1] if right else x


def _rotate_back(x: jax.Array, left: tuple[jax.Array, ...], right: tuple[jax.Array, ...]) -> jax.Array:
    x = left[1] @ x if left else x
    return x @ right[1].mT if right else x
