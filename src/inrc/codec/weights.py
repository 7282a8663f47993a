"""The quantised weights of a file: integers, steps, and what the coder expects of them. Needs NumPy alone."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.codec.reference import Reference
from inrc.config import WeightStorage
from inrc.entropy import coder
from inrc.errors import CorruptFileError
from inrc.layout import Layout
from inrc.quant import companded, half, uniform

_FIRST_STEP = 128
"""Expected index of the first matrix's step (2^-8)."""
_FIRST_DELTA_SCALE, _NEXT_DELTA_SCALE = 32, 28
"""Scale indices of the tables that code the step of the first matrix and the differences between the others: Laplace
scales 16 and 8 in eighths of an octave. They are part of the format."""

_FIRST_POWER, _POWER_SCALE = 24, 28
"""Expected power of the first companded matrix, and the scale index of the tables that code powers; as above."""


@dataclasses.dataclass(frozen=True)
class QuantisedWeights:
    """The weights of a network as a file holds them.

    Attributes:
      step_indices: index of every matrix's step on the ladder of `quant.uniform`, in the order of the layout; of
        binary16 numbers, the largest exponent of every matrix.
      integers: int32 matrices, in the same order; of binary16 numbers, their signed exponent offsets (`quant.half`).
      reference: what the weights are differences from, and how large these are expected to be; zero and unknown if
        None.
      powers: of companded matrices (`quant.companded`).
      tails: int32 matrices of the other bits of binary16 numbers.
    """

    step_indices: tuple[int, ...]
    integers: tuple[np.ndarray, ...]
    reference: Reference | None = None
    powers: tuple[int, ...] = ()
    tails: tuple[np.ndarray, ...] = ()

    @property
    def n_weights(self) -> int:
        """Number of weights."""
        return sum(matrix.size for matrix in self.integers)

    @property
    def storage(self) -> WeightStorage:
        """How the file holds them."""
        if self.tails:
            return WeightStorage.HALF
        return WeightStorage.COMPANDED if self.powers else WeightStorage.INTEGERS

    @property
    def steps(self) -> tuple[float, ...]:
        """Quantisation step of every matrix; of no meaning for binary16 numbers."""
        return tuple(uniform.step_of_index(index) for index in self.step_indices)

    def step_deltas(self) -> list[tuple[int, int]]:
        """The steps, and powers, as (difference from the one before, scale index) pairs for the coder."""
        n = len(self.step_indices)
        deltas = _differences(self.step_indices, _FIRST_STEP) + _differences(self.powers, _FIRST_POWER)
        return list(zip(deltas, step_delta_scales(n, self.storage), strict=True))

    def exponents(self) -> list[np.ndarray] | None:
        """What the coder expects of the integers, if there is a reference."""
        return None if self.reference is None else self.reference.exponents(self.step_indices)

    def ideal_bits(self) -> float:
        """Code length under the coder's own tables."""
        tail_bits = sum(int(widths.sum()) for widths in tail_widths(self.integers)) if self.tails else 0
        return coder.ideal_bits(self.step_deltas(), self.integers, self.exponents()) + tail_bits


def _differences(values: Sequence[int], first: int) -> list[int]:
    return [value - before for value, before in zip(values, (first, *values), strict=False)]


def step_delta_scales(n_matrices: int, storage: WeightStorage = WeightStorage.INTEGERS) -> list[int]:
    """Scale indices of the tables that code the steps, and powers, of so many matrices."""
    steps = ([_FIRST_DELTA_SCALE] + [_NEXT_DELTA_SCALE] * (n_matrices - 1))[:n_matrices]
    return steps + [_POWER_SCALE] * (n_matrices if storage is WeightStorage.COMPANDED else 0)


def steps_and_powers_of(deltas: Sequence[int], storage: WeightStorage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The indices of steps, and the powers, from their coded differences.

    Raises:
      CorruptFileError: One is beyond its range.
    """
    n = len(deltas) // 2 if storage is WeightStorage.COMPANDED else len(deltas)
    last = half.MAX_EXPONENT if storage is WeightStorage.HALF else uniform.N_STEPS - 1
    steps, powers = (
        tuple(np.cumsum([first, *part])[1:].tolist())
        for first, part in ((_FIRST_STEP, deltas[:n]), (_FIRST_POWER, deltas[n:]))
    )
    if min(steps) < 0 or max(steps) > last:
        raise CorruptFileError(
            f"quantisation steps have indices {min(steps)}..{max(steps)}, not within 0..{last}; get the file again"
        )
    if powers and not 0 <= min(powers) <= max(powers) <= companded.MAX_POWER:
        raise CorruptFileError(
            f"powers are {min(powers)}..{max(powers)}, not within 0..{companded.MAX_POWER}; get the file again"
        )
    return steps, powers


def tail_widths(integers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Bits of every tail of binary16 numbers, from their offsets."""
    return [half.tail_bits(offsets) for offsets in integers]


def check_offsets(step_indices: Sequence[int], integers: Sequence[np.ndarray]) -> None:
    """Refuses exponents of binary16 numbers that lie below 0.

    Raises:
      CorruptFileError: One does.
    """
    for largest, offsets in zip(step_indices, integers, strict=True):
        if np.max(np.abs(offsets)) > largest:
            raise CorruptFileError("a coded weight is no binary16 number; get the file again")


def quantise(
    params: Mapping[str, np.ndarray],
    steps: Mapping[str, float],
    reference: Reference | None = None,
    storage: WeightStorage = WeightStorage.INTEGERS,
) -> QuantisedWeights:
    """Rounds every matrix of `params` by the step of the ladder that is nearest to its own in `steps`."""
    return round_by(params, tuple(uniform.index_of_step(steps[name]) for name in params), reference, storage)


def round_by(
    params: Mapping[str, np.ndarray],
    step_indices: tuple[int, ...],
    reference: Reference | None = None,
    storage: WeightStorage = WeightStorage.INTEGERS,
) -> QuantisedWeights:
    """Rounds every matrix of `params`, or its difference from the reference, by the step of its index.

    Binary16 numbers have no steps. Only integers can be differences from a reference.
    """
    if storage is WeightStorage.HALF:
        exponents, offsets, tails = zip(*(half.split(matrix) for matrix in params.values()), strict=True)
        return QuantisedWeights(exponents, offsets, tails=tails)
    steps = [uniform.step_of_index(index) for index in step_indices]
    if storage is WeightStorage.COMPANDED:
        powers = tuple(companded.power_of(matrix) for matrix in params.values())
        rows = zip(params.values(), steps, powers, strict=True)
        return QuantisedWeights(step_indices, tuple(companded.quantise(*row) for row in rows), powers=powers)
    integers = (
        uniform.quantise(matrix, step, _origin(reference, name))
        for (name, matrix), step in zip(params.items(), steps, strict=True)
    )
    return QuantisedWeights(step_indices, tuple(integers), reference)


def dequantise(layout: Layout, weights: QuantisedWeights) -> dict[str, np.ndarray]:
    """{name: float32 matrix} of the network that a decoder sees."""
    names, steps, integers = [name for name, _ in layout], weights.steps, weights.integers
    if weights.storage is WeightStorage.HALF:
        matrices = map(half.joined, weights.step_indices, integers, weights.tails)
    elif weights.storage is WeightStorage.COMPANDED:
        matrices = map(companded.dequantise, integers, steps, weights.powers)
    else:
        origins = [_origin(weights.reference, name) for name in names]
        matrices = map(uniform.dequantise, integers, steps, origins)
    return dict(zip(names, matrices, strict=True))


def ideal_bits_of_many(files: Sequence[QuantisedWeights]) -> np.ndarray:
    """`ideal_bits` [files] of networks of one layout, all with references or none."""
    integers = [np.stack(matrices) for matrices in zip(*(weights.integers for weights in files), strict=True)]
    known = [exponents for exponents in (weights.exponents() for weights in files) if exponents is not None]
    exponents = [np.stack(matrices) for matrices in zip(*known, strict=True)] or None
    delta_bits = [coder.step_delta_bits(weights.step_deltas()) for weights in files]
    return np.array(delta_bits) + coder.ideal_bits_of_many(integers, exponents)


def _origin(reference: Reference | None, name: str) -> np.ndarray | float:
    return 0.0 if reference is None else reference.mean[name]
