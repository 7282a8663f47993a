"""The range coder for weight matrices and for the step deltas before them.

The quantisation steps of a file come first, each as a *step delta*: its difference from the step before it. The weight
matrices follow: of each the flags of its zero lines (`zero_lines`), and then its other integers, each coded with a
Laplace table whose scale index `weight_scales` predicts from the integers before it. Encoder and decoder work on a
coder of `stream` that other parts of the file share.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import constriction
import numpy as np

from inrc.entropy import tables, weight_scales, zero_lines
from inrc.errors import CorruptFileError, LimitExceededError
from inrc.shapes import Float64, Int, Int32, Integer

MAX_MAGNITUDE = 1 << 20
"""Encoder and decoder refuse integers beyond this."""
MAX_EXPONENT = weight_scales.MAX_EXPONENT
"""Exponents of prior scales lie within -MAX_EXPONENT..MAX_EXPONENT."""

# constriction is a compiled module without type stubs.
_model_types: Any = constriction.stream.model  # pyright: ignore[reportAttributeAccessIssue]
_BIT = _model_types.Uniform(2)

_Widths = Sequence[Integer[np.ndarray, "_rows _columns"]]


@functools.cache
def _model(index: int) -> Any:
    return _model_types.Categorical(tables.coder_weights(index), perfect=False)


@functools.cache
def _uniform(width: int) -> Any:
    return _model_types.Uniform(1 << width)


@functools.lru_cache(maxsize=4096)
def _flag_model(n_zeros: int, n_lines: int) -> Any:
    return _model_types.Categorical(tables.flag_weights(n_zeros, n_lines), perfect=False)


def exponents_of(
    scale_indices: Integer[np.ndarray, "rows columns"], step_index: int
) -> Int32[np.ndarray, "rows columns"]:
    """Exponents of a matrix, as the functions below take them, from the scale indices of its prior and its step index.

    Both are indices into one ladder of eighths of an octave, so that their difference is the scale in steps.
    """
    return np.clip(scale_indices.astype(np.int32) - step_index, -MAX_EXPONENT, MAX_EXPONENT)


def encode_weights(
    encoder: Any,
    step_deltas: Sequence[tuple[int, int]],
    matrices: Sequence[Int[np.ndarray, "_rows _columns"]],
    exponents: Sequence[Int[np.ndarray, "_rows _columns"]] | None = None,
) -> None:
    """Codes step deltas and then integer matrices.

    Args:
      encoder: from `stream.new_encoder`.
      step_deltas: (integer, scale index) pairs.
      matrices: integer arrays [rows, columns], |value| <= MAX_MAGNITUDE.
      exponents: integer arrays of the same shapes where there is a learned prior: it expects Laplace distributions of
        scale 2^(exponent / 8), each exponent within -MAX_EXPONENT..MAX_EXPONENT.

    Raises:
      LimitExceededError: An integer is beyond MAX_MAGNITUDE.
    """
    for value, index in step_deltas:
        _encode_integer(encoder, value, index)
    files_of_one = [matrix[None] for matrix in matrices]
    indices_of_files = weight_scales.scale_indices(files_of_one, exponents and [e[None] for e in exponents])
    for matrix, (indices,) in zip(matrices, indices_of_files, strict=True):
        lines = zero_lines.find(matrix[None])
        if zero_lines.has_flags(matrix.shape[1]):
            _encode_flags(encoder, lines.rows[0].tolist())
        if lines.has_columns[0]:
            _encode_flags(encoder, lines.columns[0].tolist())
        coded = lines.coded[0].T
        for value, index in zip(matrix.T[coded].tolist(), indices.T[coded].tolist(), strict=True):
            _encode_integer(encoder, value, index)


def decode_step_deltas(decoder: Any, scale_indices: Sequence[int]) -> list[int]:
    """Decodes the integers of the step deltas.

    Args:
      decoder: from `stream.new_decoder`.
      scale_indices: the scale index that each was coded with.

    Raises:
      CorruptFileError: `encode_weights` cannot have written the stream.
    """
    with _damage_is_typed():
        return [_decode_integer(decoder, index) for index in scale_indices]


def decode_matrices(
    decoder: Any,
    shapes: Sequence[tuple[int, int]],
    exponents: Sequence[Int[np.ndarray, "_rows _columns"]] | None = None,
) -> list[Int32[np.ndarray, "_rows _columns"]]:
    """Decodes the matrices that follow the step deltas.

    Args:
      decoder: the one that `decode_step_deltas` was given.
      shapes: (rows, columns) of every matrix.
      exponents: those that `encode_weights` was given.

    Returns:
      int32 arrays of these shapes.

    Raises:
      CorruptFileError: `encode_weights` cannot have written the stream.
    """
    matrices = [np.zeros(shape, np.int32) for shape in shapes]
    context = weight_scales.ScaleContext(has_prior=exponents is not None)
    with _damage_is_typed():
        for i, matrix in enumerate(matrices):
            n_units, n_inputs = matrix.shape
            zero_rows = [False] * n_units
            if zero_lines.has_flags(n_inputs):
                zero_rows = _decode_flags(decoder, n_units)
            units = [unit for unit, is_zero in enumerate(zero_rows) if not is_zero]
            zero_columns = [False] * n_inputs
            if zero_lines.has_flags(len(units)):
                zero_columns = _decode_flags(decoder, n_inputs)
            context.start_matrix(n_units)
            for position in (p for p, is_zero in enumerate(zero_columns) if not is_zero):
                column = None if exponents is None else exponents[i][:, position].tolist()
                context.start_input()
                for unit in units:
                    expectation = weight_scales.expectation_of(None if column is None else column[unit])
                    value = _decode_integer(decoder, context.index(unit, expectation))
                    context.add(unit, expectation, abs(value))
                    matrix[unit, position] = value
    return matrices


def encode_tails(encoder: Any, tails: Sequence[Int[np.ndarray, "_rows _columns"]], widths: _Widths) -> None:
    """Codes matrices of whole numbers, each in 0..2^width - 1 and as likely as any other, column by column.

    Args:
      encoder: the one that `encode_weights` was given.
      tails: the numbers.
      widths: bits of each, at most 16, in matrices of the same shapes.
    """
    for matrix, bits in zip(tails, widths, strict=True):
        for value, width in zip(matrix.T.ravel().tolist(), bits.T.ravel().tolist(), strict=True):
            encoder.encode(value, _uniform(width))


def decode_tails(decoder: Any, widths: _Widths) -> list[Int32[np.ndarray, "_rows _columns"]]:
    """Inverse of `encode_tails`.

    Raises:
      CorruptFileError: `encode_tails` cannot have written the stream.
    """
    tails = []
    with _damage_is_typed():
        for bits in widths:
            values = [int(decoder.decode(_uniform(width))) for width in bits.T.ravel().tolist()]
            tails.append(np.array(values, np.int32).reshape(bits.T.shape).T)
    return tails


def ideal_bits(
    step_deltas: Sequence[tuple[int, int]],
    matrices: Sequence[Int[np.ndarray, "_rows _columns"]],
    exponents: Sequence[Int[np.ndarray, "_rows _columns"]] | None = None,
) -> float:
    """Code length of what `encode_weights` codes: the sum of -log2 (frequency / 2^24) over its tables, in bits."""
    files_of_one = [matrix[None] for matrix in matrices]
    matrix_bits = ideal_bits_of_many(files_of_one, exponents and [e[None] for e in exponents])
    return step_delta_bits(step_deltas) + float(matrix_bits[0])


def step_delta_bits(step_deltas: Sequence[tuple[int, int]]) -> float:
    """Code length of (integer, scale index) pairs, in bits."""
    return sum((float(_integers_bits(np.array([value]), index)[0]) for value, index in step_deltas), start=0.0)


def ideal_bits_of_many(
    matrices: Sequence[Int[np.ndarray, "files _rows _columns"]],
    exponents: Sequence[Int[np.ndarray, "files _rows _columns"]] | None = None,
) -> Float64[np.ndarray, " files"]:
    """Code lengths of the matrices of several files, without step deltas.

    Args:
      matrices: integer arrays [files, rows, columns].
      exponents: integer arrays of the same shapes where there is a learned prior.

    Returns:
      Bits [files], float64.
    """
    total = np.zeros(len(matrices[0]) if matrices else 1)
    for matrix, indices in zip(matrices, weight_scales.scale_indices(matrices, exponents), strict=True):
        lines = zero_lines.find(matrix)
        coded, bits = lines.coded, np.zeros(matrix.shape)
        for index in np.unique(indices[coded]):
            chosen = (indices == index) & coded
            bits[chosen] = _integers_bits(matrix[chosen], int(index))
        total += zero_lines.flag_bits(lines) + bits.sum(axis=(1, 2))
    return total


@contextlib.contextmanager
def _damage_is_typed() -> Iterator[None]:
    """Turns the assertion by which constriction reports invalid streams into a `CorruptFileError`."""
    try:
        yield
    except AssertionError as error:
        raise CorruptFileError("the coded weights are damaged; get the file again") from error


def _encode_flags(encoder: Any, flags: Sequence[bool]) -> None:
    zeros = zero_lines.FIRST_ZEROS
    for n_before, flag in enumerate(flags):
        encoder.encode(int(flag), _flag_model(zeros, zero_lines.FIRST_LINES + n_before))
        zeros += flag


def _decode_flags(decoder: Any, n_flags: int) -> list[bool]:
    zeros, flags = zero_lines.FIRST_ZEROS, []
    for n_before in range(n_flags):
        flags.append(bool(decoder.decode(_flag_model(zeros, zero_lines.FIRST_LINES + n_before))))
        zeros += flags[-1]
    return flags


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
