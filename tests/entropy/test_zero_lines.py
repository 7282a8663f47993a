"""Zero lines of matrices: which there are, what their flags cost, and that files with them come back."""

import numpy as np
import pytest

from inrc.entropy import coder, zero_lines
from tests.entropy import weight_stream
from tests.entropy.priors import with_prior


def sparse(seed: int = 0, *, n_rows: int = 2, n_columns: int = 3) -> np.ndarray:
    """A matrix [12, 10] with so many rows and columns of zeros and no other zeros."""
    generator = np.random.default_rng(seed)
    matrix = generator.choice([-4, -3, -2, -1, 1, 2, 3, 4], (12, 10)).astype(np.int32)
    matrix[generator.permutation(12)[:n_rows]] = 0
    matrix[:, generator.permutation(10)[:n_columns]] = 0
    return matrix


def test_rows_and_columns_of_zeros_are_found():
    matrix = sparse()
    lines = zero_lines.find(matrix[None])
    np.testing.assert_array_equal(lines.rows[0], ~matrix.any(axis=1))
    np.testing.assert_array_equal(lines.columns[0], ~matrix.any(axis=0))
    np.testing.assert_array_equal(lines.coded[0], matrix != 0)


@pytest.mark.parametrize(("shape", "has_rows", "has_columns"), [((5, 2), False, True), ((2, 5), True, False)])
def test_lines_of_two_integers_have_no_flag(shape, has_rows, has_columns):
    matrix = np.zeros((1, *shape), np.int32)
    matrix[0, :, 0] = matrix[0, 0] = 1
    matrix[0, -1, 0] = 0 if has_rows else 1
    lines = zero_lines.find(matrix)
    assert zero_lines.has_flags(shape[1]) == has_rows == lines.rows.any()
    assert lines.has_columns[0] == has_columns


def test_columns_have_no_flags_where_too_few_rows_are_left():
    matrix = np.zeros((12, 10), np.int32)
    matrix[:2, :4] = 1
    lines = zero_lines.find(matrix[None])
    assert lines.rows[0].sum() == 10
    assert not lines.columns.any()
    assert lines.coded.sum() == 20


def test_flags_cost_what_their_counts_say():
    lines = zero_lines.find(sparse()[None])
    bits = 0.0
    for flags in (lines.rows[0], lines.columns[0]):
        zeros, n = zero_lines.FIRST_ZEROS, zero_lines.FIRST_LINES
        for flag in flags:
            bits -= np.log2((zeros if flag else n - zeros) / n)
            zeros, n = zeros + flag, n + 1
    assert zero_lines.flag_bits(lines)[0] == pytest.approx(bits)


def test_zero_lines_save_bits():
    """Half of the units and of the inputs have no use: their integers cost next to nothing."""
    dense, used = sparse(n_rows=6, n_columns=5), sparse(n_rows=6, n_columns=5)
    used = used[used.any(axis=1)][:, used.any(axis=0)]
    assert coder.ideal_bits([], [dense]) < coder.ideal_bits([], [used]) + 25


@pytest.mark.parametrize("seed", range(5))
def test_files_with_zero_lines_come_back(seed):
    matrices = [sparse(seed, n_rows=seed, n_columns=4 - seed), np.zeros((7, 5), np.int32), sparse(seed + 9)]
    stream = weight_stream.encode([], matrices)
    _, back = weight_stream.decode(stream, [], [matrix.shape for matrix in matrices])
    for matrix, got in zip(matrices, back, strict=True):
        np.testing.assert_array_equal(got, matrix)
    assert len(stream) == pytest.approx(coder.ideal_bits([], matrices) / 8, abs=2)


def test_files_with_zero_lines_and_a_prior_come_back():
    matrices, exponents = with_prior(0.4, seed=3)
    for matrix in matrices:
        matrix[::3] = 0
        matrix[:, 1::4] = 0
    stream = weight_stream.encode([], matrices, exponents)
    _, back = weight_stream.decode(stream, [], [matrix.shape for matrix in matrices], exponents)
    for matrix, got in zip(matrices, back, strict=True):
        np.testing.assert_array_equal(got, matrix)
    assert len(stream) == pytest.approx(coder.ideal_bits([], matrices, exponents) / 8, abs=2)
