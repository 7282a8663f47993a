"""A dictionary of small matrices as a few stacks [n, rows, columns], padded with zeros.

One operation on a stack takes the place of one on every matrix: the program of a step compiles in a fraction of the
time. Matrices lie on their longer side, and those of about one shape share a stack.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from inrc.fit.optimiser import OptimiserState
from inrc.latent_layout import Layout

Matrices = Mapping[str, jax.Array]
Stacks = dict[str, jax.Array]

_FEW_ROWS = 10
_FEW_COLUMNS = 40


class Stack(NamedTuple):
    """Which matrices are in a stack.

    Attributes:
      key: of the stack.
      matrices: (name, (rows, columns)) of each, as the layout has them.
      shape: (rows, columns) of the stack.
    """

    key: str
    matrices: Layout
    shape: tuple[int, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the matrices."""
        return tuple(name for name, _ in self.matrices)

    def mask(self) -> np.ndarray:
        """1 where there is a weight, 0 in padding; float32 [n, rows, columns]."""
        result = np.zeros((len(self.matrices), *self.shape), np.float32)
        for matrix, (_, shape) in zip(result, self.matrices, strict=True):
            matrix[: min(shape), : max(shape)] = 1.0
        return result


@functools.cache
def stacks_of(layout: Layout, max_dimension: int) -> tuple[Stack, ...]:
    """The stacks of the matrices of a layout; those with a side above `max_dimension` are by themselves."""
    groups: dict[tuple[bool, ...], list[tuple[str, tuple[int, int]]]] = {}
    for name, shape in layout:
        sides = min(shape), max(shape)
        key = sides[0] > _FEW_ROWS, sides[1] > _FEW_COLUMNS, *(side > max_dimension for side in sides)
        groups.setdefault(key, []).append((name, shape))
    return tuple(
        Stack(
            f"stack_{i}",
            tuple(group),
            (max(min(shape) for _, shape in group), max(max(shape) for _, shape in group)),
        )
        for i, group in enumerate(groups.values())
    )


def stacked(stacks: tuple[Stack, ...], matrices: Matrices, padding: float = 0.0) -> Stacks:
    """The stacks of matrices."""

    def padded(matrix: jax.Array, shape: tuple[int, int]) -> jax.Array:
        lying = matrix.T if _stands(matrix.shape) else matrix
        widths = [(0, size - own) for size, own in zip(shape, lying.shape, strict=True)]
        return jnp.pad(lying, widths, constant_values=padding)

    return {stack.key: jnp.stack([padded(matrices[name], stack.shape) for name in stack.names]) for stack in stacks}


def unstacked(stacks: tuple[Stack, ...], arrays: Stacks) -> dict[str, jax.Array]:
    """The matrices of stacks."""
    return cast(dict[str, jax.Array], _unstacked(stacks, arrays))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unstacked(stacks: tuple[Stack, ...], arrays: Stacks) -> dict[str, jax.Array]:
    result = {}
    for stack in stacks:
        for i, (name, shape) in enumerate(stack.matrices):
            lying = arrays[stack.key][i, : min(shape), : max(shape)]
            result[name] = lying.T if _stands(shape) else lying
    return result


def _pull(stacks: tuple[Stack, ...], saved: None, gradients: dict[str, jax.Array]) -> tuple[Stacks]:
    return (stacked(stacks, gradients),)


# Derived, the gradient would be a sum of as many padded stacks as there are matrices.
_unstacked.defvjp(lambda stacks, arrays: (_unstacked(stacks, arrays), None), _pull)


def stacked_scalars(stacks: tuple[Stack, ...], scalars: Matrices) -> Stacks:
    """Vectors [n] of one number for each matrix."""
    return {stack.key: jnp.stack([scalars[name] for name in stack.names]) for stack in stacks}


def unstacked_scalars(stacks: tuple[Stack, ...], vectors: Stacks) -> dict[str, jax.Array]:
    """Inverse of `stacked_scalars`."""
    return {name: vectors[stack.key][i] for stack in stacks for i, name in enumerate(stack.names)}


def stacked_moments(stacks: tuple[Stack, ...], moments: Mapping[str, OptimiserState]) -> dict[str, OptimiserState]:
    """The optimiser's state of stacks from that of matrices; padding has an empty covariance and its own basis."""
    momenta = stacked(stacks, {name: own.momentum for name, own in moments.items()})
    squares = stacked(stacks, {name: own.second_moment for name, own in moments.items()})

    def padded(matrix: jax.Array, size: int, diagonal: float) -> jax.Array:
        own = len(matrix)
        rest = np.diag(np.where(np.arange(size) < own, 0.0, diagonal)).astype(np.float32)
        return jnp.pad(matrix, (0, size - own)) + rest

    def side(sides: Sequence[tuple[jax.Array, ...]], size: int) -> tuple[jax.Array, ...]:
        if not any(sides):
            return ()
        # A matrix of one row has no basis there.
        pairs = [pair or (jnp.zeros((1, 1), jnp.float32), jnp.ones((1, 1), jnp.float32)) for pair in sides]
        return tuple(jnp.stack([padded(pair[i], size, float(i)) for pair in pairs]) for i in range(2))

    result = {}
    for stack in stacks:
        rows, columns = zip(*(_lying_sides(moments[name], shape) for name, shape in stack.matrices), strict=True)
        result[stack.key] = OptimiserState(
            momenta[stack.key], squares[stack.key], side(rows, stack.shape[0]), side(columns, stack.shape[1])
        )
    return result


def unstacked_moments(
    stacks: tuple[Stack, ...], arrays: Mapping[str, OptimiserState], like: Mapping[str, OptimiserState]
) -> dict[str, OptimiserState]:
    """The optimiser's state of matrices, with the bases that those of `like` have."""
    momenta = unstacked(stacks, {key: own.momentum for key, own in arrays.items()})
    squares = unstacked(stacks, {key: own.second_moment for key, own in arrays.items()})

    def side(pair: tuple[jax.Array, ...], i: int, size: int, wanted: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(x[i, :size, :size] for x in pair) if wanted else ()

    result = {}
    for stack in stacks:
        for i, (name, shape) in enumerate(stack.matrices):
            rows, columns = _lying_sides(like[name], shape)
            own = arrays[stack.key]
            rows, columns = side(own.left, i, min(shape), rows), side(own.right, i, max(shape), columns)
            left, right = (columns, rows) if _stands(shape) else (rows, columns)
            result[name] = OptimiserState(momenta[name], squares[name], left, right)
    return result


def _lying_sides(own: OptimiserState, shape: tuple[int, int]) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
    return (own.right, own.left) if _stands(shape) else (own.left, own.right)


def _stands(shape: tuple[int, ...]) -> bool:
    return shape[0] > shape[1]
