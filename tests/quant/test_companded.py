"""Companded quantisation: powers by hand, integers and back, and finer values near zero."""

import numpy as np
import pytest

from inrc.quant import companded


def test_the_power_follows_the_spread():
    # Half of the numbers at each end: the standard deviation relative to the largest is 1, and 64 / sqrt(2) = 45.25.
    assert companded.power_of(np.array([[1.0, -1.0, 1.0, -1.0]])) == 45
    assert companded.power_of(np.array([[0.1, 0.1, 0.1]])) == 0
    assert companded.power_of(np.zeros((2, 3))) == 0
    assert companded.power_of(np.random.default_rng(0).uniform(-3, 3, 100_000)) == round(64 / np.sqrt(3) / np.sqrt(2))
    assert companded.exponent_of(32) == 1.5


def test_integers_by_hand():
    weights = np.array([[0.0, 0.25, -2.0, 6.75]])  # step 0.25 and s = 1.5: 0, 1, 8 = 4^1.5, 27 = 9^1.5
    np.testing.assert_array_equal(companded.quantise(weights, 0.25, 32), [[0, 1, -4, 9]])
    np.testing.assert_array_equal(companded.dequantise(np.array([[0, 1, -4, 9]]), 0.25, 32), weights)


@pytest.mark.parametrize("weight_bits", [3, 7, 6.5])
def test_so_many_bits_span_the_matrix(weight_bits):
    weights = np.random.default_rng(1).normal(size=(20, 30))
    power = companded.power_of(weights)
    step = np.abs(weights).max() / ((2.0**weight_bits - 1) / 2) ** companded.exponent_of(power)
    integers = companded.quantise(weights, step, power)
    # The largest magnitude is at (2^bits - 1) / 2, which whole bits put between two integers.
    assert np.abs(integers).max() == pytest.approx((2**weight_bits - 1) / 2, abs=0.51)
    back = companded.dequantise(integers, step, power)
    np.testing.assert_array_equal(companded.quantise(back, step, power), integers)
    # Values near zero lie closer together than large ones.
    values = companded.dequantise(np.arange(integers.max()), step, power)
    assert (np.diff(values, 2)[1:] > 0).all()
