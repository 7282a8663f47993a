"""Numbers in JSON lines: what JSON cannot hold comes back as it was, or as NaN."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrc.json_lines import number_from_json, number_to_json


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_come_back_exactly(value):
    assert number_from_json(number_to_json(value)) == value


def test_numbers_that_json_cannot_hold():
    assert [number_to_json(value) for value in (math.inf, -math.inf, math.nan)] == ["inf", None, None]
    assert number_from_json("inf") == math.inf
    assert math.isnan(number_from_json(None))
    with pytest.raises(ValueError, match="many"):
        number_from_json("many")


def test_digits_are_significant_ones():
    assert number_to_json(12345.678, n_digits=6) == 12345.7
