"""The adaptive range coder for weight matrices.

Each integer is coded with a Laplace table whose scale index follows from what is already coded of its output unit (a
row) and of its input (a column). Both differ much in a fitted network, and following them costs no side information.
All of it is integer arithmetic, so encoder and decoder agree on every machine.

It codes into a stream of its own, or into one that others share.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import constriction
import numpy as np

from inrc.entropy import stream, tables
from inrc.errors import CorruptFileError, LimitExceededError

MAX_MAGNITUDE = 1 << 20
"""Integers beyond this are refused by the encoder and by the decoder."""
MAX_EXPONENT = 64
"""Scales of a prior, in steps, lie within 2^-8..2^8."""

# constriction is a compiled module without type stubs.
_stream: Any = constriction.stream  # pyright: ignore[reportAttributeAccessIssue]
_BIT = _stream.model.Uniform(2)


def exponents_of(scale_indices: np.ndarray, step_index: int) -> np.ndarray:
    """Exponents of a matrix from its prior scales and its step, both indices of one ladder of eighths of an octave."""
    return np.clip(scale_indices.astype(np.int32) - step_index, -MAX_EXPONENT, MAX_EXPONENT)


@functools.cache
def _model(index: int) -> Any:
    return _stream.model.Categorical(tables.coder_weights(index), perfect=False)


@dataclasses.dataclass(frozen=True)
class _Trust:
    """How magnitudes are counted, and what the context believes before it has seen any.

    Attributes:
      places: binary places of what is counted.
      mean_places: binary places of a running mean; at least `places`.
      mean: first mean.
      matrix: integers that the mean of what came before a matrix is worth.
      unit: average integers that a unit's running mean begins with.
      half_inputs: half integers that an input's ratio begins with.
    """

    places: int
    mean_places: int
    mean: int
    matrix: int
    unit: int
    half_inputs: int


_UNKNOWN = _Trust(places=0, mean_places=8, mean=3, matrix=4, unit=4, half_inputs=1)
_LEARNED = _Trust(places=16, mean_places=16, mean=1, matrix=64, unit=16, half_inputs=16)
_SCALE_PLACES = 24


class _Expectation(NamedTuple):
    """What is known of an integer before any other.

    Attributes:
      scale: its mean magnitude in units of a running mean, with `_SCALE_PLACES` binary places.
      weight: what one of magnitude 1 counts.
      counted: what is expected to be counted, where the running mean is 1.
    """

    scale: int
    weight: int
    counted: int


_NOTHING_KNOWN = _Expectation(scale=1 << _SCALE_PLACES, weight=1, counted=1)


@functools.cache
def _expectation(exponent: int) -> _Expectation:
    """Of an integer whose prior is a Laplace distribution of scale 2^(exponent / 8).

    Large magnitudes count relative to their scale, so that integers weigh about the same, whatever it is. Below a
    scale of 1 nearly all integers are 0 and say little: there they count as they are, against the mean magnitude of
    the table, which falls much faster than the scale.
    """
    places = _LEARNED.places
    weight = _power(-max(exponent, 0), places)
    table = tables.index_of_scale(_power(exponent, tables.FRACTION_BITS))
    return _Expectation(
        _power(exponent, _SCALE_PLACES), weight, tables.mean_magnitude(table) * weight >> tables.FRACTION_BITS
    )


def _power(exponent: int, places: int) -> int:
    """2^(exponent / 8) with binary places, rounded down: the integer eighth root of 2^(8 places + exponent)."""
    return math.isqrt(math.isqrt(math.isqrt(1 << 8 * places + exponent)))


class _ScaleContext:
    """Scale indices from running sums of magnitudes; one object serves all matrices of a file.

    Integers come input by input, and within an input output unit by output unit. The expected magnitude of the next
    one is its unit's mean over the inputs so far, times the ratio of what this input's integers have been to what was
    expected of them. Both are shrunk towards the matrix mean. Where there is a prior, magnitudes are counted, and means
    taken, relative to what it expects.
    """

    def __init__(self, trust: _Trust) -> None:
        self._trust = trust
        self._count = trust.matrix << trust.places
        self._total = trust.mean * self._count
        self._unit_sums: list[int] = []
        self._unit_counts: list[int] = []
        self._seen = self._expected = self._unit_mean = 0

    def start_matrix(self, n_units: int) -> None:
        # The matrices before are a prior worth a few integers.
        count = self._trust.matrix << self._trust.places
        self._total = max(1, self._total * count // self._count)
        self._count = count
        self._unit_sums, self._unit_counts = [0] * n_units, [0] * n_units

    def start_input(self) -> None:
        half = self._total << self._trust.mean_places - 1
        self._seen = self._expected = max(1, half * self._trust.half_inputs // self._count)

    def index(self, unit: int, expectation: _Expectation) -> int:
        """Scale index for the integer of `unit` in this input."""
        trust = self._trust
        shrinkage = trust.unit << trust.places
        unit_sum = self._unit_sums[unit] * self._count + shrinkage * self._total
        self._unit_mean = (unit_sum << trust.mean_places) // ((self._unit_counts[unit] + shrinkage) * self._count)
        mean = (self._unit_mean * self._seen << tables.FRACTION_BITS - trust.mean_places) // self._expected
        return tables.index_of_scale(mean * expectation.scale >> _SCALE_PLACES)

    def add(self, unit: int, expectation: _Expectation, magnitude: int) -> None:
        trust = self._trust
        counted = magnitude * expectation.weight
        self._seen += counted << trust.mean_places - trust.places
        self._expected += self._unit_mean * expectation.counted >> trust.places
        self._unit_sums[unit] += counted
        self._unit_counts[unit] += expectation.counted
        self._total += counted
        self._count += expectation.counted


def encode(
    side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None = None
) -> bytes:
    """Codes small side values and then integer matrices into one range-coded stream.

    Args:
      side: (integer, scale index) pairs.
      matrices: integer arrays [rows, columns], |value| <= MAX_MAGNITUDE.
      exponents: integer arrays of the same shapes where a prior is known: Laplace scales of 2^(exponent / 8), each
        exponent within -MAX_EXPONENT..MAX_EXPONENT.

    Returns:
      The stream, cut to the shortest form that decodes to the same integers when zeros follow.

    Raises:
      LimitExceededError: An integer is beyond MAX_MAGNITUDE.
    """
    encoder = stream.new_encoder()
    encode_weights(encoder, side, matrices, exponents)
    return stream.finish(encoder)


def encode_weights(
    encoder: Any,
    side: Sequence[tuple[int, int]],
    matrices: Sequence[np.ndarray],
    exponents: Sequence[np.ndarray] | None = None,
) -> None:
    """What `encode` does, into an encoder of `stream.new_encoder` that others use too."""
    for value, index in _with_scales(side, matrices, exponents):
        _encode_integer(encoder, value, index)


def decode(
    data: bytes,
    side_indices: Sequence[int],
    shapes: Sequence[tuple[int, int]],
    exponents_of: Callable[[Sequence[int]], Sequence[np.ndarray] | None] = lambda _: None,
) -> tuple[list[int], list[np.ndarray]]:
    """Inverse of `encode`.

    Args:
      data: from `encode`.
      side_indices: scale indices of the side values.
      shapes: of the matrices.
      exponents_of: the exponents that `encode` was given, from the side values.

    Raises:
      CorruptFileError: The stream cannot have been written by `encode`.
    """
    return decode_weights(stream.new_decoder(data), side_indices, shapes, exponents_of)


def decode_weights(
    decoder: Any,
    side_indices: Sequence[int],
    shapes: Sequence[tuple[int, int]],
    exponents_of: Callable[[Sequence[int]], Sequence[np.ndarray] | None] = lambda _: None,
) -> tuple[list[int], list[np.ndarray]]:
    """What `decode` does, from a decoder of `stream.new_decoder` that others use too."""
    try:
        side = [_decode_integer(decoder, index) for index in side_indices]
        matrices = [np.zeros(shape, np.int32) for shape in shapes]
        exponents = exponents_of(side)
        context = _ScaleContext(_UNKNOWN if exponents is None else _LEARNED)
        for matrix, columns in zip(matrices, _columns(matrices, exponents), strict=True):
            context.start_matrix(matrix.shape[0])
            for position, (column, expectations) in enumerate(columns):
                context.start_input()
                for unit, expectation in enumerate(expectations):
                    column[unit] = _decode_integer(decoder, context.index(unit, expectation))
                    context.add(unit, expectation, abs(column[unit]))
                matrix[:, position] = column
    except AssertionError as error:
        raise CorruptFileError("the coded weights are damaged; get the file again") from error
    return side, matrices


def ideal_bits(
    side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None = None
) -> float:
    """Code length of the integers under the tables that `encode` uses: -sum log2 (frequency / 2^24)."""
    return sum(_integer_bits(value, index) for value, index in _with_scales(side, matrices, exponents))


def _with_scales(
    side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None
) -> Iterator[tuple[int, int]]:
    """All (integer, scale index) pairs of a stream, in its order."""
    yield from side
    context = _ScaleContext(_UNKNOWN if exponents is None else _LEARNED)
    for matrix, columns in zip(matrices, _columns(matrices, exponents), strict=True):
        context.start_matrix(matrix.shape[0])
        for column, expectations in columns:
            context.start_input()
            for unit, (value, expectation) in enumerate(zip(column, expectations, strict=True)):
                yield value, context.index(unit, expectation)
                context.add(unit, expectation, abs(value))


def _columns(
    matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None
) -> Iterator[Iterator[tuple[list[int], list[_Expectation]]]]:
    """For every matrix its columns, as lists, with what is expected of their integers."""
    for i, matrix in enumerate(matrices):
        if exponents is None:
            expectations = itertools.repeat([_NOTHING_KNOWN] * matrix.shape[0], matrix.shape[1])
        else:
            expectations = ([_expectation(e) for e in column] for column in exponents[i].T.tolist())
        yield zip(matrix.T.tolist(), expectations, strict=True)


def _encode_integer(encoder: Any, value: int, index: int) -> None:
    largest = tables.max_magnitude(index)
    if -largest <= value <= largest:
        encoder.encode(value + largest, _model(index))
        return
    if abs(value) > MAX_MAGNITUDE:
        raise LimitExceededError(f"a quantised weight is {value}; the limit is {MAX_MAGNITUDE}: use larger steps")
    encoder.encode(2 * largest + 1, _model(index))
    # Exponential Golomb code of the excess, then the sign.
    excess = abs(value) - largest
    length = excess.bit_length()
    for bit in [1] * (length - 1) + [0]:
        encoder.encode(bit, _BIT)
    for position in range(length - 2, -1, -1):
        encoder.encode(excess >> position & 1, _BIT)
    encoder.encode(int(value < 0), _BIT)


def _decode_integer(decoder: Any, index: int) -> int:
    largest = tables.max_magnitude(index)
    symbol = int(decoder.decode(_model(index)))
    if symbol <= 2 * largest:
        return symbol - largest
    length = 1
    while decoder.decode(_BIT):
        length += 1
        if length > MAX_MAGNITUDE.bit_length():
            raise CorruptFileError("a coded weight is too large; get the file again")
    excess = 1
    for _ in range(length - 1):
        excess = excess << 1 | int(decoder.decode(_BIT))
    magnitude = largest + excess
    if magnitude > MAX_MAGNITUDE:
        raise CorruptFileError("a coded weight is too large; get the file again")
    return -magnitude if decoder.decode(_BIT) else magnitude


def _integer_bits(value: int, index: int) -> float:
    largest = tables.max_magnitude(index)
    frequencies = tables.frequencies(index)
    if -largest <= value <= largest:
        return float(tables.PRECISION_BITS - np.log2(frequencies[value + largest]))
    length = (abs(value) - largest).bit_length()
    return float(tables.PRECISION_BITS - np.log2(frequencies[-1])) + 2 * length
