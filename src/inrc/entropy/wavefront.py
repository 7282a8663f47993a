"""Codes all grids of latents into one stream and back, many latents at a time.

The distribution of a latent depends on latents before it. Latents of equal t = x + skew * y, a wavefront, do not depend
on each other if the skew is large enough for the neighbours in the context. A decoder decodes a wavefront at once. An
encoder knows all latents and codes a whole grid at once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import constriction
import numpy as np

from inrc.entropy import context
from inrc.entropy import latent_tables as tables
from inrc.entropy.context import ContextNetwork, GridPlan, Offsets
from inrc.errors import CorruptFileError, LimitExceededError
from inrc.shapes import Int, Int32, Integer

MAX_LATENT = 1 << 15
"""Encoder and decoder refuse latents of a larger magnitude."""
MAX_STEPS = 1 << 20
"""The largest number of wavefronts of all grids together; it bounds the time of a decoder."""

# constriction is a compiled module without type stubs.
_model: Any = constriction.stream.model  # pyright: ignore[reportAttributeAccessIssue]
_TABLES = _model.Categorical(perfect=False)
_CHUNK = 1 << 14
_RING_STEPS = 64
_N_PHASES = 3 + tables.N_OVERFLOW_DIGITS


def skew_of(offsets: Offsets) -> int:
    """The smallest skew for which all neighbours (dy, dx) of a latent are in earlier wavefronts t = x + skew y."""
    return max([0, *(dx // -dy + 1 for dy, dx in offsets if dy < 0)])


def n_steps(shape: tuple[int, int], skew: int) -> int:
    """Number of wavefronts of a grid of (height, width)."""
    return shape[1] + skew * (shape[0] - 1)


def _check_steps(network: ContextNetwork, plans: Sequence[GridPlan]) -> None:
    skew = skew_of(network.offsets)
    total = sum(n_steps(plan.shape, skew) for plan in plans)
    if total > MAX_STEPS:
        raise LimitExceededError(
            f"the latents have {total} wavefronts; the limit is {MAX_STEPS}: use a smaller picture"
        )


# Encoding --------------------------------------------------------------------------------------------------------


class Events(NamedTuple):
    """Symbols in the order of the stream, and the row of the table that codes each."""

    rows: Int[np.ndarray, " n"]
    symbols: Int32[np.ndarray, " n"]


def encode_latents(
    encoder: Any,
    network: ContextNetwork,
    plans: Sequence[GridPlan],
    latents: Sequence[Integer[np.ndarray, "_height _width"]],
) -> None:
    """Codes all latents into a stream.

    Args:
      encoder: from `stream.new_encoder`.
      network: the context network.
      plans: all grids, in coding order.
      latents: integer arrays [H, W] in the same order, |value| <= MAX_LATENT.

    Raises:
      LimitExceededError: A latent is too large, or there are too many wavefronts.
    """
    _check_steps(network, plans)
    weights = tables.coder_weights()
    for i in range(len(plans)):
        rows, symbols = events_of(network, plans, latents, i)
        for first in range(0, len(rows), _CHUNK):
            part = slice(first, first + _CHUNK)
            encoder.encode(symbols[part], _TABLES, weights[rows[part]])


def events_of(
    network: ContextNetwork,
    plans: Sequence[GridPlan],
    latents: Sequence[Integer[np.ndarray, "_height _width"]],
    index: int,
) -> Events:
    """The symbols that grid `index` is coded as.

    Raises:
      LimitExceededError: A latent is too large.
    """
    grid = np.asarray(latents[index])
    largest = int(np.abs(grid).max(initial=0))
    if largest > MAX_LATENT:
        raise LimitExceededError(f"a latent is {largest}; the limit is {MAX_LATENT}: use larger steps")
    if largest == 0:
        return Events(np.array([tables.FLAG]), np.ones(1, np.int32))
    rows, bases = context.table_rows(network, plans, latents, index)
    height, width = grid.shape
    skew = skew_of(network.offsets)
    times = (np.arange(width) + skew * np.arange(height)[:, None]).ravel()
    # A stable sort keeps latents of one wavefront in the order of their rows. Keys of 16 bits sort fastest.
    order = np.argsort(times.astype(np.uint16) if times[-1] < 1 << 16 else times, kind="stable")
    rows, differences = rows.ravel()[order], (grid - bases).ravel()[order] - tables.LARGEST
    symbols = np.clip(differences, -tables.LARGEST, tables.LARGEST) + tables.LARGEST
    outside = np.flatnonzero(np.abs(differences) > tables.LARGEST)
    if len(outside):
        symbols[outside] = np.where(differences[outside] < 0, tables.BELOW, tables.ABOVE)
        keys = [_N_PHASES * times[order]]
        excess = np.abs(differences[outside]) - (tables.LARGEST + 1)
        parts = [(rows, symbols)]
        phases = _excess_events(rows[outside] >> tables.FRACTION_BITS, excess)
        for phase, (escaped, phase_rows, phase_symbols) in enumerate(phases, 1):
            keys.append(keys[0][outside[escaped]] + phase)
            parts.append((phase_rows, phase_symbols))
        order = np.argsort(np.concatenate(keys), kind="stable")
        rows, symbols = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    flag = np.zeros(1, np.int32)
    return Events(np.concatenate([[tables.FLAG], rows]), np.concatenate([flag, symbols]).astype(np.int32))


def _excess_events(scales: np.ndarray, excess: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The symbols of escaped latents, by phase: (indices of the latents that have a symbol in it, rows, symbols)."""
    all_escaped = np.arange(len(excess))
    high, low = excess // tables.BASE, excess % tables.BASE
    phases = [
        (all_escaped, tables.FIRST_HIGH + scales, np.minimum(high, tables.N_SYMBOLS - 1)),
        (all_escaped, tables.FIRST_LOW + scales, low),
    ]
    overflow = np.flatnonzero(high >= tables.N_SYMBOLS - 1)
    rest = high[overflow] - (tables.N_SYMBOLS - 1)
    for place in reversed(range(tables.N_OVERFLOW_DIGITS)):
        digits = rest // tables.BASE**place % tables.BASE
        phases.append((overflow, np.full(len(rest), tables.DIGIT), digits))
    return phases


# Decoding --------------------------------------------------------------------------------------------------------


def decode_latents(
    decoder: Any,
    network: ContextNetwork,
    plans: Sequence[GridPlan],
    needed: tuple[int, int] | None = None,
) -> list[Int32[np.ndarray, "_height _width"]]:
    """Inverse of `encode_latents`.

    Args:
      decoder: from `stream.new_decoder`.
      network: the context network.
      plans: all grids, in coding order.
      needed: number of the first rows and columns of the last grid that are wanted; all if not given. Latents after the
        last of these in coding order are not decoded and stay 0.

    Returns:
      The latents of all grids, int32 [H, W].

    Raises:
      CorruptFileError: The stream cannot have been written by `encode_latents`.
      LimitExceededError: There are too many wavefronts.
    """
    _check_steps(network, plans)
    latents: list[np.ndarray] = []
    try:
        for i, plan in enumerate(plans):
            flag = _decode(decoder, np.array([tables.FLAG]))[0]
            if flag > 1:
                raise CorruptFileError("a flag of a grid is damaged; get the file again")
            if flag:
                latents.append(np.zeros(plan.shape, np.int32))
            else:
                features = context.cross_features(network, plans, latents, i) if plan.references else None
                rows, columns = needed if needed is not None and i == len(plans) - 1 else plan.shape
                part = min(rows, plan.shape[0]), min(columns, plan.shape[1])
                latents.append(_decode_grid(decoder, network, plan.shape, features, part))
    except AssertionError as error:
        raise CorruptFileError("the coded latents are damaged; get the file again") from error
    return latents


def _decode(decoder: Any, rows: np.ndarray) -> np.ndarray:
    return decoder.decode(_TABLES, tables.coder_weights().take(rows, axis=0))


def _decode_grid(
    decoder: Any,
    network: ContextNetwork,
    shape: tuple[int, int],
    features: np.ndarray | None,
    part: tuple[int, int],
) -> np.ndarray:
    """The latents of a grid; those after its first `part` = (rows, columns) in coding order stay 0."""
    height, width = shape
    skew = skew_of(network.offsets)
    firsts, lasts = (rows[: n_steps(part, skew)] for rows in _rows_of_steps(shape, skew))
    window = _Window(network.offsets, skew, height)
    crossed = _Features(features, skew, height)
    n_neighbours, n_offsets = len(window.columns), len(network.offsets)
    columns = [*window.columns, *range(n_offsets, n_offsets + crossed.n), network.n_inputs]
    evaluation = context.Evaluation(network, columns, int((lasts - firsts).max()))
    neighbour_inputs = evaluation.inputs[:n_neighbours].reshape(*window.shape, -1)
    feature_inputs = evaluation.inputs[n_neighbours : n_neighbours + crossed.n]
    latents = np.zeros(height * width, np.int32)
    # The next latent of a wavefront is one row down and `skew` columns to the left. In narrow grids there is none.
    stride = max(1, width - skew)
    for time, (first, last) in enumerate(zip(firsts.tolist(), lasts.tolist(), strict=True)):
        n = last - first
        if n > 0:
            neighbour_inputs[:, :, :n] = window.contexts(first, last)
            crossed.copy(time, first, last, feature_inputs[:, :n])
            rows, values = evaluation.run(n)
            symbols = _decode(decoder, rows)
            values += symbols
            if symbols.max() >= tables.BELOW:
                _add_excess(decoder, rows, symbols, values)
            window.write(first, last, values)
            start = first * (width - skew) + time
            latents[start : start + (n - 1) * stride + 1 : stride] = values
        window.next()
    return latents.reshape(shape)


def _rows_of_steps(shape: tuple[int, int], skew: int) -> tuple[np.ndarray, np.ndarray]:
    """First row of every wavefront, and one more than its last row; both are equal where it has none."""
    height, width = shape
    times = np.arange(n_steps(shape, skew))
    if skew == 0:
        return 0 * times, 0 * times + height
    return np.maximum(0, -((width - 1 - times) // skew)), np.minimum(height, times // skew + 1)


def _add_excess(decoder: Any, rows: np.ndarray, symbols: np.ndarray, values: np.ndarray) -> None:
    """Decodes the excess of escaped latents and replaces their values."""
    outside = np.flatnonzero(symbols >= tables.BELOW)
    scales = rows[outside] >> tables.FRACTION_BITS
    high = _decode(decoder, tables.FIRST_HIGH + scales).astype(np.int64)
    low = _decode(decoder, tables.FIRST_LOW + scales)
    largest_digit = low.max()
    overflow = np.flatnonzero(high == tables.N_SYMBOLS - 1)
    if len(overflow):
        rest = np.zeros(len(overflow), np.int64)
        for _ in range(tables.N_OVERFLOW_DIGITS):
            digits = _decode(decoder, np.full(len(overflow), tables.DIGIT))
            largest_digit = max(largest_digit, digits.max())
            rest = rest * tables.BASE + digits
        high[overflow] += rest
    distance = high * tables.BASE + low + (tables.LARGEST + 1)
    below = symbols[outside] == tables.BELOW
    centre = values[outside] - symbols[outside] + tables.LARGEST
    values[outside] = np.where(below, centre - distance, centre + distance)
    if largest_digit >= tables.BASE or np.abs(values[outside]).max() > MAX_LATENT:
        raise CorruptFileError("a coded latent is too large; get the file again")


class _Features:
    """Features of coarser grids, by wavefront.

    Attributes:
      n: number of features; 0 for a grid without references.
    """

    def __init__(self, features: np.ndarray | None, skew: int, height: int) -> None:
        """Takes features [n, ceil(H / 2), ceil(W / 2)] of a grid of H = height rows, or None."""
        self.n = 0 if features is None else len(features)
        if features is not None:
            self._features = features.reshape(self.n, -1)
            # The latent of row y in wavefront t has the features at (y // 2, (t - skew y) // 2). These are the indices
            # without t // 2, for even and for odd t.
            rows = np.arange(height)
            self._places = [(rows >> 1) * features.shape[2] + (odd - skew * rows >> 1) for odd in (0, 1)]

    def copy(self, time: int, first: int, last: int, out: np.ndarray) -> None:
        """Copies the features of rows first..last - 1 of a wavefront to `out`, [n, rows]."""
        if self.n:
            places = self._places[time & 1][first:last] + (time >> 1)
            self._features.take(places, axis=1, out=out, mode="clip")


class _Window:
    """The latents of the latest wavefronts of a grid, as an array [wavefronts, rows] that contexts are copied from.

    In this arrangement the neighbour (dy, dx) of all latents of a wavefront is one slice, offset by dx + skew dy
    wavefronts and by dy rows. The smallest box with all neighbours is copied at once; the network ignores the other
    elements in it.

    Attributes:
      shape: (wavefronts, rows) of the box.
      columns: for each element of the box the index of the neighbour that it is, or -1.
    """

    def __init__(self, offsets: Offsets, skew: int, height: int) -> None:
        places = {(dx + skew * dy, dy): column for column, (dy, dx) in enumerate(offsets)}
        n_times = max((-time for time, _ in places), default=0)
        n_rows = max((-dy for _, dy in places), default=0) + 1
        self.shape = (n_times, n_rows)
        self.columns = [places.get((time, dy), -1) for time in range(-n_times, 0) for dy in range(1 - n_rows, 1)]
        self._latents = np.zeros((n_times + _RING_STEPS, height + n_rows - 1), np.float32)
        step, item = self._latents.strides
        self._boxes = np.lib.stride_tricks.as_strided(
            self._latents, (_RING_STEPS, n_times, n_rows, height), (step, step, item, item), writeable=False
        )
        self._current = self._latents[n_times:, n_rows - 1 :]
        self._step = 0

    def contexts(self, first: int, last: int) -> np.ndarray:
        """The boxes of rows first..last - 1 of this wavefront, [*shape, rows]."""
        return self._boxes[self._step, :, :, first:last]

    def write(self, first: int, last: int, values: np.ndarray) -> None:
        """Stores the latents of rows first..last - 1 of this wavefront."""
        limit = float(context.LARGEST_INPUT)
        values.clip(-limit, limit, out=self._current[self._step, first:last], casting="same_kind")

    def next(self) -> None:
        """Moves on to the next wavefront."""
        self._step += 1
        if self._step == _RING_STEPS:
            n_times = self.shape[0]
            self._latents[:n_times] = self._latents[_RING_STEPS:].copy()
            self._latents[n_times:] = 0.0
            self._step = 0
