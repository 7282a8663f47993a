"""A dictionary of small matrices as a few stacks [n, rows, columns], padded with zeros.

One operation on a stack replaces one on every matrix, so that the program of a fitting step compiles in a fraction of
the time. Matrices are transposed where they have more rows than columns, and those of about one shape share a stack.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inrc.layout import TABLE, Layout, is_table

Matrices = Mapping[str, jax.Array]
Stacks = dict[str, jax.Array]

_FEW_ROWS, _FEW_COLUMNS = 10, 40
"""Matrices on the same side of both limits share a stack: more limits would mean less padding and more operations. The
matrices of latent grids fall into three stacks, whose padding takes less time than the operations that it saves."""


class Stack(NamedTuple):
    """Which matrices are in a stack.

    Attributes:
      key: the stack's name in dictionaries of stacks.
      matrices: (name, (rows, columns)) of each matrix, as the layout has them.
      shape: (rows, columns) that all of them are padded to.
    """

    key: str
    matrices: Layout
    shape: tuple[int, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the matrices."""
        return tuple(name for name, _ in self.matrices)

    @property
    def has_tables(self) -> bool:
        """Whether the matrices are tables of hash grids."""
        return is_table(self.key)

    def mask(self) -> Float[np.ndarray, "matrices rows columns"]:
        """1 where there is a weight, 0 in padding; float32."""
        result = np.zeros((len(self.matrices), *self.shape), np.float32)
        for matrix, (_, shape) in zip(result, self.matrices, strict=True):
            matrix[: min(shape), : max(shape)] = 1.0
        return result


@functools.cache
def stacks_of(layout: Layout, max_dimension: int) -> tuple[Stack, ...]:
    """The stacks of a layout's matrices.

    Matrices with a side above `max_dimension` share none with smaller ones, nor tables with other matrices.
    """
    groups: dict[tuple[bool, ...], list[tuple[str, tuple[int, int]]]] = {}
    for name, shape in layout:
        sides = min(shape), max(shape)
        key = sides[0] > _FEW_ROWS, sides[1] > _FEW_COLUMNS, *(side > max_dimension for side in sides), is_table(name)
        groups.setdefault(key, []).append((name, shape))
    return tuple(
        Stack(
            f"{TABLE if is_table(group[0][0]) else 'stack_'}{i}",
            tuple(group),
            (max(min(shape) for _, shape in group), max(max(shape) for _, shape in group)),
        )
        for i, group in enumerate(groups.values())
    )


def stacked(stacks: tuple[Stack, ...], matrices: Matrices, padding: float = 0.0) -> Stacks:
    """The stacks of matrices."""

    def padded(matrix: jax.Array, shape: tuple[int, int]) -> jax.Array:
        wide = matrix.T if _is_tall(matrix.shape) else matrix
        widths = [(0, size - own) for size, own in zip(shape, wide.shape, strict=True)]
        return jnp.pad(wide, widths, constant_values=padding)

    return {stack.key: jnp.stack([padded(matrices[name], stack.shape) for name in stack.names]) for stack in stacks}


def unstacked(stacks: tuple[Stack, ...], arrays: Stacks) -> dict[str, jax.Array]:
    """The matrices of stacks."""
    return cast(dict[str, jax.Array], _unstacked(stacks, arrays))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unstacked(stacks: tuple[Stack, ...], arrays: Stacks) -> dict[str, jax.Array]:
    result = {}
    for stack in stacks:
        for i, (name, shape) in enumerate(stack.matrices):
            wide = arrays[stack.key][i, : min(shape), : max(shape)]
            result[name] = wide.T if _is_tall(shape) else wide
    return result


def _pull(stacks: tuple[Stack, ...], saved: None, gradients: dict[str, jax.Array]) -> tuple[Stacks]:
    return (stacked(stacks, gradients),)


# Derived automatically, the gradient would be a sum of as many padded stacks as there are matrices.
_unstacked.defvjp(lambda stacks, arrays: (_unstacked(stacks, arrays), None), _pull)


def stacked_scalars(stacks: tuple[Stack, ...], scalars: Matrices) -> Stacks:
    """Vectors [n] of one number for each matrix."""
    return {stack.key: jnp.stack([scalars[name] for name in stack.names]) for stack in stacks}


def unstacked_scalars(stacks: tuple[Stack, ...], vectors: Stacks) -> dict[str, jax.Array]:
    """Inverse of `stacked_scalars`."""
    return {name: vectors[stack.key][i] for stack in stacks for i, name in enumerate(stack.names)}


def _is_tall(shape: tuple[int, ...]) -> bool:
    return shape[0] > shape[1]
