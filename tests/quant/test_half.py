"""Binary16 numbers in two parts: every finite one comes back, and the first part is small."""

import numpy as np

from inrc.quant import half


def test_every_finite_binary16_number_comes_back():
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = bits[(bits >> 10 & 31) != 31].view(np.float16).astype(np.float32).reshape(2, -1)
    largest, offsets, tails = half.split(finite)
    assert largest == 30
    back = half.joined(largest, offsets, tails)
    np.testing.assert_array_equal(back.view(np.uint32), finite.view(np.uint32))  # the two zeros are told apart


def test_parts_by_hand():
    # 0.15625 = 1.25 * 2^-3, exponent bits 12, significand 256; -0.3125 has 13; 0.5 has 14.
    largest, offsets, tails = half.split(np.array([[0.15625, -0.3125, 0.5, -0.5]], np.float32))
    assert largest == 14
    np.testing.assert_array_equal(offsets, [[2, -1, 0, 0]])
    np.testing.assert_array_equal(tails, [[256, 256, 0, 1024]])
    np.testing.assert_array_equal(half.tail_bits(offsets), [[10, 10, 11, 11]])


def test_numbers_beyond_the_range_become_its_largest():
    back = half.joined(*half.split(np.array([[1e9, -np.inf, 65504.0]], np.float32)))
    np.testing.assert_array_equal(back, [[65504.0, -65504.0, 65504.0]])
