"""Integers of variable length: round trips, known bytes, one form only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrc.bitstream.io import ByteReader, write_varint
from inrc.errors import CorruptFileError, TruncatedFileError


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_varints_come_back(value, rest):
    reader = ByteReader(write_varint(value) + rest)
    assert reader.varint() == value
    assert reader.remaining == len(rest)


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001"), (2**32 - 1, "ffffffff0f")],
)
def test_known_varints(value, data):
    assert write_varint(value).hex() == data


@pytest.mark.parametrize(
    "data", ["8000", "ff00", "808000", "8080808010", "ffffffff1f", "808080808000", "ffffffffffff01"]
)
def test_long_forms_and_more_than_32_bits_are_corrupt(data):
    with pytest.raises(CorruptFileError, match="varint"):
        ByteReader(bytes.fromhex(data)).varint()


@pytest.mark.parametrize("data", ["", "80", "ffff"])
def test_varints_that_do_not_end_are_truncated(data):
    with pytest.raises(TruncatedFileError):
        ByteReader(bytes.fromhex(data)).varint()


def test_fixed_integers_are_little_endian():
    reader = ByteReader(bytes.fromhex("2a78563412"))
    assert reader.byte() == 0x2A
    assert reader.uint32() == 0x12345678
    assert reader.remaining == 0


def test_reading_past_the_end_says_how_much_is_missing():
    reader = ByteReader(b"abc")
    reader.take(1)
    with pytest.raises(TruncatedFileError, match=r"3 bytes too early, at byte 3"):
        reader.take(5)
    assert reader.position == 1
