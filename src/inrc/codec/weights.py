"""The quantised weights of a file: integers, steps, and what the coder expects of them. Needs NumPy alone."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.codec.reference import Reference
from inrc.entropy import coder
from inrc.errors import CorruptFileError
from inrc.layout import Layout
from inrc.quant import uniform

_FIRST_STEP = 128
"""Expected index of the first matrix's step (2^-8)."""
_FIRST_DELTA_SCALE, _NEXT_DELTA_SCALE = 32, 28
"""Scale indices of the tables that code the step of the first matrix and the differences between the others: Laplace
scales 16 and 8 in eighths of an octave. They are part of the format."""


@dataclasses.dataclass(frozen=True)
class QuantisedWeights:
    """The weights of a network as a file holds them.

    Attributes:
      step_indices: index of every matrix's step on the ladder of `quant.uniform`, in the order of the layout.
      integers: int32 matrices, in the same order.
      reference: what the weights are differences from, and how large these are expected to be; zero and unknown if
        None.
    """

    step_indices: tuple[int, ...]
    integers: tuple[np.ndarray, ...]
    reference: Reference | None = None

    @property
    def n_weights(self) -> int:
        """Number of weights."""
        return sum(matrix.size for matrix in self.integers)

    @property
    def steps(self) -> tuple[float, ...]:
        """Quantisation step of every matrix."""
        return tuple(uniform.step_of_index(index) for index in self.step_indices)

    def step_deltas(self) -> list[tuple[int, int]]:
        """The steps as (difference from the one before, scale index) pairs for the coder."""
        expected = [_FIRST_STEP, *self.step_indices][: len(self.step_indices)]
        deltas = (index - before for index, before in zip(self.step_indices, expected, strict=True))
        return list(zip(deltas, step_delta_scales(len(expected)), strict=True))

    def exponents(self) -> list[np.ndarray] | None:
        """What the coder expects of the integers, if there is a reference."""
        return None if self.reference is None else self.reference.exponents(self.step_indices)

    def ideal_bits(self) -> float:
        """Code length under the coder's own tables."""
        return coder.ideal_bits(self.step_deltas(), self.integers, self.exponents())


def step_delta_scales(n_matrices: int) -> list[int]:
    """Scale indices of the tables that code the steps of so many matrices."""
    return ([_FIRST_DELTA_SCALE] + [_NEXT_DELTA_SCALE] * (n_matrices - 1))[:n_matrices]


def step_indices_of(deltas: Sequence[int]) -> tuple[int, ...]:
    """The indices of steps from their coded differences.

    Raises:
      CorruptFileError: One lies beyond the ladder.
    """
    indices = np.cumsum([_FIRST_STEP, *deltas])[1:].tolist()
    if min(indices) < 0 or max(indices) >= uniform.N_STEPS:
        raise CorruptFileError(
            f"quantisation steps have indices {min(indices)}..{max(indices)}, not within 0..255; get the file again"
        )
    return tuple(indices)


def quantise(
    params: Mapping[str, np.ndarray], steps: Mapping[str, float], reference: Reference | None = None
) -> QuantisedWeights:
    """Rounds every matrix of `params` by the step of the ladder that is nearest to its own in `steps`."""
    return round_by(params, tuple(uniform.index_of_step(steps[name]) for name in params), reference)


def round_by(
    params: Mapping[str, np.ndarray], step_indices: tuple[int, ...], reference: Reference | None = None
) -> QuantisedWeights:
    """Rounds every matrix of `params`, or its difference from the reference, by the step of its index."""
    integers = (
        uniform.quantise(matrix, uniform.step_of_index(index), _origin(reference, name))
        for (name, matrix), index in zip(params.items(), step_indices, strict=True)
    )
    return QuantisedWeights(step_indices, tuple(integers), reference)


def dequantise(layout: Layout, weights: QuantisedWeights) -> dict[str, np.ndarray]:
    """{name: float32 matrix} of the network that a decoder sees."""
    return {
        name: uniform.dequantise(integers, uniform.step_of_index(index), _origin(weights.reference, name))
        for (name, _), index, integers in zip(layout, weights.step_indices, weights.integers, strict=True)
    }


def ideal_bits_of_many(files: Sequence[QuantisedWeights]) -> np.ndarray:
    """`ideal_bits` [files] of networks of one layout, all with references or none."""
    integers = [np.stack(matrices) for matrices in zip(*(weights.integers for weights in files), strict=True)]
    known = [exponents for exponents in (weights.exponents() for weights in files) if exponents is not None]
    exponents = [np.stack(matrices) for matrices in zip(*known, strict=True)] or None
    delta_bits = [coder.step_delta_bits(weights.step_deltas()) for weights in files]
    return np.array(delta_bits) + coder.ideal_bits_of_many(integers, exponents)


def _origin(reference: Reference | None, name: str) -> np.ndarray | float:
    return 0.0 if reference is None else reference.mean[name]
