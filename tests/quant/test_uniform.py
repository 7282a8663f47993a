"""The ladder of steps, and rounding on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrc.quant import uniform

INDICES = st.integers(0, uniform.N_STEPS - 1)


def test_landmarks_of_the_ladder():
    assert uniform.step_of_index(0) == 2.0**-24
    assert uniform.step_of_index(128) == 2.0**-8
    assert uniform.step_of_index(192) == 1.0
    assert uniform.step_of_index(255) == np.float32(2.0**7.875)
    assert uniform.step_of_index(196) == np.float32(np.sqrt(2))


@given(INDICES)
def test_steps_are_float32_and_indices_come_back(index):
    step = uniform.step_of_index(index)
    assert step == float(np.float32(step))
    assert step == pytest.approx(2.0 ** (index / 8 - 24), rel=6e-8)
    assert uniform.index_of_step(step) == index


@given(st.floats(1e-7, 230))
def test_the_nearest_step_is_at_most_a_sixteenth_of_an_octave_away(step):
    found = uniform.step_of_index(uniform.index_of_step(step))
    assert abs(np.log2(found / step)) <= 1 / 16 + 1e-6


@pytest.mark.parametrize(("step", "index"), [(0.0, 0), (-1.0, 0), (1e-30, 0), (1e9, 255)])
def test_steps_off_the_ladder_go_to_its_ends(step, index):
    assert uniform.index_of_step(step) == index


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20), st.integers(100, 255))
def test_rounding_errs_by_at_most_half_a_step(weights, index):
    step = uniform.step_of_index(index)
    values = np.array(weights, np.float32)
    integers = uniform.quantise(values, step)
    assert integers.dtype == np.int32
    back = uniform.dequantise(integers, step)
    assert back.dtype == np.float32
    assert (np.abs(back - values) <= step / 2 + 1e-6 * np.abs(values)).all()


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=20), INDICES)
def test_integers_survive_a_second_rounding(integers, index):
    step = uniform.step_of_index(index)
    exact = np.array(integers, np.int32)
    np.testing.assert_array_equal(uniform.quantise(uniform.dequantise(exact, step), step), exact)


def test_dequantising_is_one_float32_product():
    integers = np.array([[3, -7], [1000003, 0]], np.int32)
    step = uniform.step_of_index(77)
    expected = integers.astype(np.float32) * np.float32(step)
    np.testing.assert_array_equal(uniform.dequantise(integers, step), expected)


def test_indices_of_many_steps_are_those_of_each():
    steps = np.array([[0.0, 1e-30, 0.126], [1.03, 55.0, 1e9]])
    indices = uniform.indices_of_steps(steps)
    assert indices.dtype == np.int32
    assert indices.tolist() == [[uniform.index_of_step(float(step)) for step in row] for row in steps]


def test_steps_of_many_indices_are_those_of_each_and_lead_back():
    indices = np.arange(uniform.N_STEPS, dtype=np.uint8).reshape(16, 16)
    steps = uniform.steps_of_indices(indices)
    assert steps.dtype == np.float32
    assert steps.ravel().tolist() == [uniform.step_of_index(index) for index in range(uniform.N_STEPS)]
    np.testing.assert_array_equal(uniform.indices_of_steps(steps), indices)


def test_an_origin_is_subtracted_before_and_added_after():
    weights = np.array([1.3, 0.9, -2.0], np.float32)
    origin = np.array([1.0, 1.0, -2.0], np.float32)
    integers = uniform.quantise(weights, 0.125, origin)
    assert integers.tolist() == [2, -1, 0]
    assert uniform.dequantise(integers, 0.125, origin).tolist() == [1.25, 0.875, -2.0]


def test_the_product_is_rounded_before_the_sum_is():
    # f32(1048577 f32(2^(1/8))) + f32(1 / 3): in one rounding the last bit would be another.
    step, origin = uniform.step_of_index(193), np.array(1 / 3, np.float32)
    values = np.arange(1_000_000, 1_000_100, dtype=np.int32)
    twice = uniform.dequantise(values, step, origin)
    once = (values.astype(np.float64) * step + origin).astype(np.float32)
    assert twice.dtype == np.float32
    assert (twice != once).any()
    np.testing.assert_array_equal(twice, (values.astype(np.float64) * step).astype(np.float32) + origin)
