"""The adaptive range coder for weight matrices.

Each integer is coded with a Laplace table whose scale index follows from what is already coded of its output unit (a
row) and of its input (a column). Both differ much in a fitted network, and following them costs no side information.
All of it is integer arithmetic, so encoder and decoder agree on every machine.

It codes into a stream of its own, or into one that others share.
"""

import dataclasses
import functools
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
        for i, matrix in enumerate(matrices):
            n_units, n_inputs = matrix.shape
            context.start_matrix(n_units)
            for position in range(n_inputs):
                known = None if exponents is None else exponents[i][:, position].tolist()
                context.start_input()
                for unit in range(n_units):
                    expectation = _NOTHING_KNOWN if known is None else _expectation(known[unit])
                    value = _decode_integer(decoder, context.index(unit, expectation))
                    context.add(unit, expectation, abs(value))
                    matrix[unit, position] = value
    except AssertionError as error:
        raise CorruptFileError("the coded weights are damaged; get the file again") from error
    return side, matrices


def ideal_bits(
    side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None = None
) -> float:
    """Code length of the integers under the tables that `encode` uses: -sum log2 (frequency / 2^24)."""
    ones = [matrix[None] for matrix in matrices]
    return side_bits(side) + float(ideal_bits_of_many(ones, exponents and [e[None] for e in exponents])[0])


def side_bits(side: Sequence[tuple[int, int]]) -> float:
    """Code length of the side values."""
    return sum(float(_integers_bits(np.array([value]), index)[0]) for value, index in side)


def ideal_bits_of_many(matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """`ideal_bits` of several files at once, without side values.

    Args:
      matrices: integer arrays [files, rows, columns].
      exponents: likewise, where a prior is known.

    Returns:
      Bits [files], float64.
    """
    total = np.zeros(len(matrices[0]) if matrices else 1)
    for matrix, indices in zip(matrices, scale_indices(matrices, exponents), strict=True):
        bits = np.empty(matrix.shape)
        for index in np.unique(indices):
            chosen = indices == index
            bits[chosen] = _integers_bits(matrix[chosen], int(index))
        total += bits.sum(axis=(1, 2))
    return total


def _with_scales(
    side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None
) -> Iterator[tuple[int, int]]:
    """All (integer, scale index) pairs of a stream, in its order."""
    yield from side
    found = scale_indices([matrix[None] for matrix in matrices], exponents and [e[None] for e in exponents])
    for matrix, (indices,) in zip(matrices, found, strict=True):
        yield from zip(matrix.T.ravel().tolist(), indices.T.ravel().tolist(), strict=True)


def scale_indices(matrices: Sequence[np.ndarray], exponents: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
    """What `_ScaleContext` says of every integer of several files, for those who know them all beforehand.

    All that the context has seen before an integer are running sums, so that no loop over integers is needed.

    Args:
      matrices: integer arrays [files, rows, columns].
      exponents: likewise, where a prior is known.

    Returns:
      Scale indices, integer arrays of the shapes of `matrices`.
    """
    trust = _UNKNOWN if exponents is None else _LEARNED
    shrinkage, first_count = trust.unit << trust.places, trust.matrix << trust.places
    total, count = np.array([[trust.mean * first_count]]), np.array([[first_count]])
    found = []
    for i, matrix in enumerate(matrices):
        # One column after the other, as they are coded: [files, columns, rows].
        magnitudes = np.abs(matrix.swapaxes(1, 2).astype(np.int64))
        scales, weights, awaited = (
            (np.full_like(magnitudes, part) for part in _NOTHING_KNOWN)
            if exponents is None
            else _expectations(exponents[i].swapaxes(1, 2))
        )
        counted = _product(magnitudes, weights)
        total = np.maximum(1, _product(total, np.array(first_count)) // count)
        totals, total = _running(total, counted)
        counts, count = _running(np.full_like(count, first_count), awaited)

        unit_sums, unit_counts = (np.cumsum(part, axis=1) - part for part in (counted, awaited))
        unit_means = _shifted_quotient(
            _product(unit_sums, counts) + _product(totals, np.array(shrinkage)),
            _product(unit_counts + shrinkage, counts),
            trust.mean_places,
        )
        belief = np.array(trust.half_inputs << trust.mean_places - 1)
        first = np.maximum(1, _product(totals[:, :, :1], belief) // counts[:, :, :1])
        seen = first + _before(counted << trust.mean_places - trust.places)
        expected = first + _before(_product(unit_means, awaited) >> trust.places)
        means = (_product(unit_means, seen) << tables.FRACTION_BITS - trust.mean_places) // expected
        fixed = _product(means, scales) >> _SCALE_PLACES
        found.append(tables.indices_of_scales(fixed).swapaxes(1, 2))
    return found


def _expectations(exponents: np.ndarray) -> Iterator[np.ndarray]:
    """Scale, weight and count of the `_expectation` of every exponent."""
    table = np.array([_expectation(e) for e in range(-MAX_EXPONENT, MAX_EXPONENT + 1)], np.int64)
    return (part[exponents + MAX_EXPONENT] for part in table.T)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The exact product: where 64 bits might not hold it, or what it is soon multiplied by, of Python's integers."""
    if a.dtype == object or b.dtype == object or float(a.max(initial=0)) * float(b.max(initial=0)) >= 2.0**53:
        return a.astype(object) * b.astype(object)
    return a * b


def _running(start: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(start [files, 1] + the sum of all values [files, columns, rows] before each, the sum with all of them)."""
    flat = values.reshape(len(values), -1)
    sums = start + np.cumsum(flat, axis=1)
    return (sums - flat).reshape(values.shape), sums[:, -1:]


def _before(values: np.ndarray) -> np.ndarray:
    """Sum of what comes before each value in its column."""
    return np.cumsum(values, axis=2) - values


def _shifted_quotient(numerator: np.ndarray, denominator: np.ndarray, places: int) -> np.ndarray:
    """(numerator << places) // denominator for denominators below 2^53, by long division, eight places at a time."""
    quotient, rest = numerator // denominator, numerator % denominator
    for _ in range(places // 8):
        rest = rest << 8
        quotient, rest = (quotient << 8) + rest // denominator, rest % denominator
    return quotient


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


def _integers_bits(values: np.ndarray, index: int) -> np.ndarray:
    """Code length of each of `values` under one table."""
    largest = tables.max_magnitude(index)
    bits = _table_bits(index)[np.clip(values, -largest, largest + 1) + largest]
    beyond = np.abs(values) > largest
    if beyond.any():
        excess = np.abs(values[beyond]) - largest
        bits[beyond] = _table_bits(index)[-1] + 2 * (np.floor(np.log2(excess)) + 1)
    return bits


@functools.cache
def _table_bits(index: int) -> np.ndarray:
    return tables.PRECISION_BITS - np.log2(tables.frequencies(index))
