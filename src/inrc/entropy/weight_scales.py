"""Scale indices of the tables that weights are coded with: an adaptive context model, in integer arithmetic.

Magnitudes differ much between the output units (rows) of a fitted network, and between its inputs (columns). The
expected magnitude of an integer therefore follows from the integers of its row and of its column that are already
coded, which costs no side information. All arithmetic is on integers, so encoder and decoder agree on every machine.

`ScaleContext` goes from integer to integer, as a decoder must. `scale_indices` computes the same for integers that are
all known, by running sums instead of a loop. FORMAT.md, section 6, is normative.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from inrc.entropy import tables, zero_lines
from inrc.shapes import Int, Int64

MAX_EXPONENT = 64
"""The scales of a learned prior, in units of the quantisation step, lie within 2^-8..2^8."""


@dataclasses.dataclass(frozen=True)
class _PriorStrength:
    """How magnitudes are counted, and how many observations the initial estimates are worth.

    Attributes:
      places: binary places of the counted magnitudes.
      mean_places: binary places of a running mean; at least `places`.
      mean: the first mean.
      matrix: number of integers that the mean of all earlier matrices is worth in the next one.
      unit: number of average integers that the running mean of a unit begins with.
      half_inputs: half the number of integers that the ratio of an input begins with.
    """

    places: int
    mean_places: int
    mean: int
    matrix: int
    unit: int
    half_inputs: int


_WITHOUT_PRIOR = _PriorStrength(places=0, mean_places=8, mean=3, matrix=4, unit=4, half_inputs=4)
_WITH_PRIOR = _PriorStrength(places=16, mean_places=16, mean=1, matrix=64, unit=16, half_inputs=16)
_SCALE_PLACES = 24


class Expectation(NamedTuple):
    """What a learned prior expects of an integer.

    Attributes:
      scale: its mean magnitude in units of the running mean, with `_SCALE_PLACES` binary places.
      weight: what a magnitude of 1 adds to the counted magnitudes.
      counted: the expected addition to the counted magnitudes where the running mean is 1.
    """

    scale: int
    weight: int
    counted: int


_NO_EXPECTATION = Expectation(scale=1 << _SCALE_PLACES, weight=1, counted=1)


@functools.cache
def expectation_of(exponent: int | None) -> Expectation:
    """The expectation of a Laplace prior of scale 2^(exponent / 8); without a prior (None) all integers are alike.

    Large magnitudes are counted relative to their scale, so that all integers have about the same influence. Below a
    scale of 1 nearly all integers are 0 and carry little information. There, magnitudes are counted as they are and
    compared with the mean magnitude of the table, which falls much faster than the scale.
    """
    if exponent is None:
        return _NO_EXPECTATION
    places = _WITH_PRIOR.places
    weight = power(-max(exponent, 0), places)
    table = tables.index_of_scale(power(exponent, tables.FRACTION_BITS))
    return Expectation(
        power(exponent, _SCALE_PLACES), weight, tables.mean_magnitude(table) * weight >> tables.FRACTION_BITS
    )


def power(exponent: int, places: int) -> int:
    """2^(exponent / 8) with binary places, rounded down: the integer eighth root of 2^(8 places + exponent)."""
    return math.isqrt(math.isqrt(math.isqrt(1 << 8 * places + exponent)))


class ScaleContext:
    """Scale indices from running sums of magnitudes; one object serves all matrices of a file.

    Integers come input by input, and within an input output unit by output unit, but for those of zero lines. The
    expected magnitude of the next integer is the mean of its unit over the inputs so far, times a ratio: the magnitudes
    observed in this input, divided by those that were expected of them. Mean and ratio are both shrunk towards the
    matrix mean. Where there is a learned prior, magnitudes are counted, and means taken, relative to the magnitudes
    that it expects.
    """

    def __init__(self, *, has_prior: bool) -> None:
        self._strength = strength = _WITH_PRIOR if has_prior else _WITHOUT_PRIOR
        self._count = strength.matrix << strength.places
        self._total = strength.mean * self._count
        self._unit_sums: list[int] = []
        self._unit_counts: list[int] = []
        self._observed = self._expected = self._unit_mean = 0

    def start_matrix(self, n_units: int) -> None:
        """Begins a matrix of `n_units` rows; all earlier matrices together are a prior worth a few integers."""
        count = self._strength.matrix << self._strength.places
        self._total = max(1, self._total * count // self._count)
        self._count = count
        self._unit_sums, self._unit_counts = [0] * n_units, [0] * n_units

    def start_input(self) -> None:
        """Begins a column."""
        half = self._total << self._strength.mean_places - 1
        self._observed = self._expected = max(1, half * self._strength.half_inputs // self._count)

    def index(self, unit: int, expectation: Expectation) -> int:
        """Scale index for the integer of `unit` in this input; `add` must follow before the next unit."""
        strength = self._strength
        shrinkage = strength.unit << strength.places
        unit_sum = self._unit_sums[unit] * self._count + shrinkage * self._total
        self._unit_mean = (unit_sum << strength.mean_places) // ((self._unit_counts[unit] + shrinkage) * self._count)
        mean = (self._unit_mean * self._observed << tables.FRACTION_BITS - strength.mean_places) // self._expected
        return tables.index_of_scale(mean * expectation.scale >> _SCALE_PLACES)

    def add(self, unit: int, expectation: Expectation, magnitude: int) -> None:
        """Counts the magnitude of the integer that `index` was called for."""
        strength = self._strength
        counted = magnitude * expectation.weight
        self._observed += counted << strength.mean_places - strength.places
        self._expected += self._unit_mean * expectation.counted >> strength.places
        self._unit_sums[unit] += counted
        self._unit_counts[unit] += expectation.counted
        self._total += counted
        self._count += expectation.counted


def scale_indices(
    matrices: Sequence[Int[np.ndarray, "files _rows _columns"]],
    exponents: Sequence[Int[np.ndarray, "files _rows _columns"]] | None = None,
) -> list[Int64[np.ndarray, "files _rows _columns"]]:
    """The scale indices that `ScaleContext` gives to every integer of several files.

    The context depends on earlier integers through running sums alone, so that no loop over integers is needed.

    Args:
      matrices: integer arrays [files, rows, columns].
      exponents: integer arrays of the same shapes where there is a learned prior, as for `expectation_of`.

    Returns:
      Scale indices, integer arrays of the shapes of `matrices`; of no meaning in zero lines, which are not coded.
    """
    strength = _WITHOUT_PRIOR if exponents is None else _WITH_PRIOR
    shrinkage, first_count = strength.unit << strength.places, strength.matrix << strength.places
    total, count = np.array([[strength.mean * first_count]]), np.array([[first_count]])
    indices = []
    for i, matrix in enumerate(matrices):
        # One column after the other, as they are coded: [files, columns, rows].
        magnitudes = np.abs(matrix.swapaxes(1, 2).astype(np.int64))
        scales, weights, expected_counts = (
            (np.full_like(magnitudes, part) for part in _NO_EXPECTATION)
            if exponents is None
            else _expectations(exponents[i].swapaxes(1, 2))
        )
        expected_counts = expected_counts * zero_lines.find(matrix).coded.swapaxes(1, 2)
        counted = _product(magnitudes, weights)
        total = np.maximum(1, _product(total, np.array(first_count)) // count)
        totals, total = _running(total, counted)
        counts, count = _running(np.full_like(count, first_count), expected_counts)

        unit_sums, unit_counts = (np.cumsum(part, axis=1) - part for part in (counted, expected_counts))
        unit_means = _shifted_quotient(
            _product(unit_sums, counts) + _product(totals, np.array(shrinkage)),
            _product(unit_counts + shrinkage, counts),
            strength.mean_places,
        )
        half_inputs = np.array(strength.half_inputs << strength.mean_places - 1)
        first = np.maximum(1, _product(totals[:, :, :1], half_inputs) // counts[:, :, :1])
        observed = first + _before(counted << strength.mean_places - strength.places)
        expected = first + _before(_product(unit_means, expected_counts) >> strength.places)
        means = (_product(unit_means, observed) << tables.FRACTION_BITS - strength.mean_places) // expected
        fixed_point = _product(means, scales) >> _SCALE_PLACES
        indices.append(tables.indices_of_scales(fixed_point).swapaxes(1, 2))
    return indices


def _expectations(exponents: np.ndarray) -> Iterator[np.ndarray]:
    """Scale, weight and count of the expectation of every exponent."""
    table = np.array([expectation_of(e) for e in range(-MAX_EXPONENT, MAX_EXPONENT + 1)], np.int64)
    return (part[exponents + MAX_EXPONENT] for part in table.T)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The exact product, as Python's integers where 64 bits might not hold it or a later multiple of it."""
    if a.dtype == object or b.dtype == object or float(a.max(initial=0)) * float(b.max(initial=0)) >= 2.0**53:
        return a.astype(object) * b.astype(object)
    return a * b


def _running(start: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Running sums of values in coding order.

    Args:
      start: where the sums begin, [files or 1, 1].
      values: [files, columns, rows].

    Returns:
      (the sum before each value, of the shape of `values`; the sum after the last value, [files, 1]).
    """
    flat = values.reshape(len(values), -1)
    sums = start + np.cumsum(flat, axis=1)
    return (sums - flat).reshape(values.shape), sums[:, -1:]


def _before(values: np.ndarray) -> np.ndarray:
    """The sum of all values before each one in its column; values are [files, columns, rows]."""
    return np.cumsum(values, axis=2) - values


def _shifted_quotient(numerator: np.ndarray, denominator: np.ndarray, places: int) -> np.ndarray:
    """(numerator << places) // denominator for denominators below 2^53, by long division, eight places at a time."""
    quotient, rest = numerator // denominator, numerator % denominator
    for _ in range(places // 8):
        rest = rest << 8
        quotient, rest = (quotient << 8) + rest // denominator, rest % denominator
    return quotient
