"""Zero lines of weight matrices: rows and columns that hold nothing but zeros, which one flag each stands for.

Fits leave inputs and units without a use, and the rate of their weights draws all of them to 0. The adaptive contexts
of `weight_scales` pay a tenth of a bit and more for every such integer. A flag for the whole line costs less, and the
integers of the other lines are then expected to be larger. FORMAT.md, section 6, is normative.
"""

from typing import NamedTuple

import numpy as np

from inrc.shapes import Bool, Float64, Int

MIN_LENGTH = 3
"""Integers of a line from which it has a flag: shorter ones hardly cost more than their flag."""
FIRST_ZEROS, FIRST_LINES = 1, 4
"""Counts of zero lines and of all lines with which every matrix begins."""


class ZeroLines(NamedTuple):
    """The zero lines of the matrices of several files.

    Attributes:
      rows: whether all integers of a row are 0.
      columns: whether all of a column are 0, except in rows of zeros, which do not count.
      has_columns: whether columns have flags: files with enough other rows.
    """

    rows: Bool[np.ndarray, "files rows"]
    columns: Bool[np.ndarray, "files columns"]
    has_columns: Bool[np.ndarray, " files"]

    @property
    def coded(self) -> Bool[np.ndarray, "files rows columns"]:
        """Which integers lie in no zero line: the others are not coded."""
        return ~(self.rows[:, :, None] | self.columns[:, None, :])


def find(matrices: Int[np.ndarray, "files rows columns"]) -> ZeroLines:
    """The zero lines of matrices. Lines without a flag are none."""
    is_zero = matrices == 0
    rows = is_zero.all(axis=2) & has_flags(matrices.shape[2])
    has_columns = (~rows).sum(axis=1) >= MIN_LENGTH
    columns = is_zero.all(axis=1) & has_columns[:, None]
    return ZeroLines(rows, columns, has_columns)


def has_flags(length: int) -> bool:
    """Whether lines of so many integers have flags; of columns, those in rows that are no zero lines count."""
    return length >= MIN_LENGTH


def flag_bits(lines: ZeroLines) -> Float64[np.ndarray, " files"]:
    """Code length of the flags of a matrix, in bits."""
    n_files, n_columns = lines.columns.shape
    bits = np.zeros(n_files)
    if has_flags(n_columns):
        bits += _adaptive_bits(lines.rows)
    return bits + np.where(lines.has_columns, _adaptive_bits(lines.columns), 0.0)


def _adaptive_bits(flags: Bool[np.ndarray, "files lines"]) -> Float64[np.ndarray, " files"]:
    """Code length of flags whose probability is the share of zero lines so far."""
    zeros = FIRST_ZEROS + np.cumsum(flags, axis=1) - flags
    lines = FIRST_LINES + np.arange(flags.shape[1])
    return -np.log2(np.where(flags, zeros, lines - zeros) / lines).sum(axis=1)
