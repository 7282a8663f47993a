"""The adaptive range coder for weight matrices.

Each integer is coded with a Laplace table whose scale index follows from what is already coded of its output unit (a
row) and of its input (a column). Both differ much in a fitted network, and following them costs no side information.
All of it is integer arithmetic, so encoder and decoder agree on every machine.

The range coder is constriction's (Bamler, 2022).
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import constriction
import numpy as np

from inrc.entropy import tables
from inrc.errors import CorruptFileError, LimitExceededError

_UNIT_SHRINKAGE = 4
"""A unit's running mean begins with the weight of this many average integers, an input's ratio with half of one."""
_PRIOR_MAGNITUDE = 3
_PRIOR_COUNT = 4
MAX_MAGNITUDE = 1 << 20
"""Integers beyond this are refused by the encoder and by the decoder."""

# constriction is a compiled module without type stubs.
_stream: Any = constriction.stream  # pyright: ignore[reportAttributeAccessIssue]
_BIT = _stream.model.Uniform(2)


@functools.cache
def _model(index: int) -> Any:
    return _stream.model.Categorical(tables.coder_weights(index), perfect=False)


class _ScaleContext:
    """Scale indices from running sums of magnitudes; one object serves all matrices of a file.

    Integers come input by input, and within an input output unit by output unit. The expected magnitude of the next
    one is its unit's mean over the inputs so far, times the ratio of what this input's integers have been to what was
    expected of them. Both are shrunk towards the matrix mean.
    """

    def __init__(self) -> None:
        self.total = _PRIOR_MAGNITUDE * _PRIOR_COUNT
        self.count = _PRIOR_COUNT
        self.units: list[int] = []
        self.n_inputs = 0
        self.seen = self.expected = self.unit_mean = 0

    def start_matrix(self, n_units: int) -> None:
        # The matrices before are a prior worth a few integers.
        self.total = max(1, self.total * _PRIOR_COUNT // self.count)
        self.count = _PRIOR_COUNT
        self.units = [0] * n_units
        self.n_inputs = 0

    def start_input(self) -> None:
        self.seen = self.expected = max(1, (self.total << 7) // self.count)

    def index(self, unit: int) -> int:
        """Scale index for the integer of `unit` in this input."""
        unit_sum = self.units[unit] * self.count + _UNIT_SHRINKAGE * self.total
        self.unit_mean = (unit_sum << 8) // ((self.n_inputs + _UNIT_SHRINKAGE) * self.count)
        return tables.index_of_scale((self.unit_mean * self.seen << 8) // self.expected)

    def add(self, unit: int, magnitude: int) -> None:
        self.seen += magnitude << 8
        self.expected += self.unit_mean
        self.units[unit] += magnitude
        self.total += magnitude
        self.count += 1

    def end_input(self) -> None:
        self.n_inputs += 1


def encode(side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray]) -> bytes:
    """Codes small side values and then integer matrices into one range-coded stream.

    Args:
      side: (integer, scale index) pairs.
      matrices: integer arrays [rows, columns], |value| <= MAX_MAGNITUDE.

    Returns:
      The stream, cut to the shortest form that decodes to the same integers when zeros follow.
    """
    encoder = _stream.queue.RangeEncoder()
    for value, index in _with_scales(side, matrices):
        _encode_integer(encoder, value, index)
    words = encoder.get_compressed()
    shapes = [matrix.shape for matrix in matrices]
    return _shortest(_to_bytes(words), [index for _, index in side], shapes, [value for value, _ in side], matrices)


def decode(
    stream: bytes, side_indices: Sequence[int], shapes: Sequence[tuple[int, int]]
) -> tuple[list[int], list[np.ndarray]]:
    """Inverse of `encode`.

    Raises:
      CorruptFileError: The stream cannot have been written by `encode`.
    """
    decoder = _stream.queue.RangeDecoder(_to_words(stream))
    try:
        side = [_decode_integer(decoder, index) for index in side_indices]
        context = _ScaleContext()
        matrices = []
        for n_rows, n_columns in shapes:
            context.start_matrix(n_rows)
            columns = []
            for _ in range(n_columns):
                context.start_input()
                column = []
                for unit in range(n_rows):
                    value = _decode_integer(decoder, context.index(unit))
                    context.add(unit, abs(value))
                    column.append(value)
                context.end_input()
                columns.append(column)
            matrices.append(np.array(columns, np.int32).T)
    except AssertionError as error:
        raise CorruptFileError("the coded weights are damaged; get the file again") from error
    return side, matrices


def ideal_bits(side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray]) -> float:
    """Code length of the integers under the tables that `encode` uses: -sum log2 (frequency / 2^24)."""
    return sum(_integer_bits(value, index) for value, index in _with_scales(side, matrices))


def _with_scales(side: Sequence[tuple[int, int]], matrices: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """All (integer, scale index) pairs of a stream, in its order."""
    yield from side
    context = _ScaleContext()
    for matrix in matrices:
        context.start_matrix(matrix.shape[0])
        for column in matrix.T.tolist():
            context.start_input()
            for unit, value in enumerate(column):
                yield value, context.index(unit)
                context.add(unit, abs(value))
            context.end_input()


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


def _to_bytes(words: np.ndarray) -> bytes:
    # constriction's words are consumed most significant bit first.
    return np.asarray(words).astype(">u4").tobytes()


def _to_words(stream: bytes) -> np.ndarray:
    padded = stream + bytes(-len(stream) % 4 + 4)
    return np.frombuffer(padded, ">u4").astype(np.uint32)


def _shortest(
    stream: bytes,
    side_indices: Sequence[int],
    shapes: Sequence[tuple[int, int]],
    side: Sequence[int],
    matrices: Sequence[np.ndarray],
) -> bytes:
    """Drops trailing bytes as long as the stream, followed by zeros, still decodes to the same integers.

    The encoder's last words pin down an interval far finer than needed; a point with trailing zeros inside it is
    found by also trying the next larger value of a cut prefix.
    """

    def same(candidate: bytes) -> bool:
        try:
            got_side, got = decode(candidate, side_indices, shapes)
        except CorruptFileError:
            return False
        return got_side == list(side) and all(np.array_equal(a, b) for a, b in zip(got, matrices, strict=True))

    best = stream.rstrip(b"\0")
    for length in range(len(best) - 1, max(len(best) - 8, -1), -1):
        prefix = best[:length]
        above = (int.from_bytes(prefix, "big") + 1).to_bytes(length + 1, "big")[1:] if length else b""
        for candidate in (prefix, above):
            if same(candidate):
                best = candidate.rstrip(b"\0")
                break
        else:
            break
    return best
