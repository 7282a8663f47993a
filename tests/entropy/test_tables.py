"""The integer tables: they are part of the format, so every one of their counts is frozen."""

import hashlib

import numpy as np
import pytest

from inrc.entropy import tables

ALL = range(tables.N_SCALES)


def test_the_tables_never_change():
    content = b"".join(tables.frequencies(i).astype("<u4").tobytes() for i in ALL)
    assert hashlib.sha256(content).hexdigest() == "2355f0987f8d59658bcd435eb5df354e9eca68c1f42c16344b063cc3879f431a"


@pytest.mark.parametrize("index", ALL)
def test_counts_add_up_and_none_is_zero(index):
    counts = tables.frequencies(index)
    assert counts.sum() == 2**24
    assert counts.min() >= 1
    assert len(counts) == 2 * tables.max_magnitude(index) + 2


@pytest.mark.parametrize("index", ALL)
def test_counts_are_symmetric_and_fall_from_the_centre(index):
    counts, largest = tables.frequencies(index)[:-1], tables.max_magnitude(index)
    np.testing.assert_array_equal(counts, counts[::-1])
    assert (np.diff(counts[largest + 1 :]) <= 0).all()
    assert counts[largest] >= counts[largest + 1]


@pytest.mark.parametrize("index", range(4, 64, 7))
def test_counts_are_the_mass_of_a_laplace_distribution(index):
    scale, largest = 2.0 ** (index / 4 - 4), tables.max_magnitude(index)
    edges = np.arange(largest + 1) + 0.5
    tail = 0.5 * np.exp(-edges / scale)  # mass beyond each edge, one side
    side = tail[:-1] - tail[1:]
    expected = np.concatenate([side[::-1], [1 - 2 * tail[0]], side, [2 * tail[-1]]])
    # Every symbol is given one count of 2^24 and the rest is shared out; rounding down moves at most one more.
    np.testing.assert_allclose(tables.frequencies(index) / 2**24, expected, atol=2.5e-4, rtol=0.03)


def test_scales_span_16_octaves_in_quarters():
    assert float(tables.scale_of_index(0)) == 2.0**-4
    assert float(tables.scale_of_index(63)) == pytest.approx(2.0**11.75, rel=1e-12)
    assert float(tables.scale_of_index(17) / tables.scale_of_index(16)) == pytest.approx(2**0.25, rel=1e-12)


@pytest.mark.parametrize("index", ALL)
def test_a_tables_own_scale_finds_it_again(index):
    fixed_point = int(float(tables.scale_of_index(index)) * 2**16)
    assert tables.index_of_scale(fixed_point) == index


def test_index_of_scale_at_its_ends_and_on_its_thresholds():
    assert tables.index_of_scale(0) == 0
    assert tables.index_of_scale(10**15) == 63
    # Geometric midpoint of scales 2^0 and 2^(1/4): 2^(1/8) 2^16 = 71467.
    assert tables.index_of_scale(71467) == 16
    assert tables.index_of_scale(71468) == 17


def test_the_nearest_scale_is_never_more_than_an_eighth_of_an_octave_away():
    magnitudes = np.unique(np.geomspace(4096, 2**27, 3000).astype(np.int64))
    for magnitude in magnitudes.tolist():
        octaves = np.log2(magnitude / 2**16) - (tables.index_of_scale(magnitude) / 4 - 4)
        assert abs(octaves) < 0.1252


def test_mean_magnitudes_are_those_of_rounded_laplace_variables():
    # Sum over k >= 1 of k t^(k - 1/2) (1 - t) is 1 / (2 sinh(1 / 2b)).
    for index in range(0, 41, 4):
        expected = 0.5 / np.sinh(0.5 / 2.0 ** (index / 4 - 4))
        assert tables.mean_magnitude(index) / 2**16 == pytest.approx(expected, rel=1e-3, abs=2**-16 + 6e-6)
    assert [tables.mean_magnitude(i) for i in (0, 8, 16, 24)] == [22, 9034, 62883, 261466]
