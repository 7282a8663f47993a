"""The file as a whole: checksums, sections, truncations, limits."""

import dataclasses
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.bitstream import container
from inrc.bitstream import header as headers
from inrc.bitstream.container import Container
from inrc.bitstream.header import Header
from inrc.bitstream.io import write_varint
from inrc.bitstream.limits import DecodeLimits
from inrc.config import ModelConfig
from inrc.errors import CorruptFileError, FormatError, LimitExceededError
from inrc.signal.colour import ColourTransform

HEADER = Header(30, 20, 3, 8, ColourTransform.YCBCR, ModelConfig(widths=(9, 5)))
LIMITS = DecodeLimits()
SECTIONS = st.dictionaries(st.integers(0, 2**32 - 1), st.binary(max_size=40), max_size=4)


@settings(deadline=None)
@given(st.binary(max_size=300), SECTIONS)
def test_weights_and_sections_come_back(weights, sections):
    back = container.unpack(container.pack(Container(HEADER, weights, sections)), LIMITS)
    assert back.weights == weights
    assert back.sections == sections
    assert back.header == dataclasses.replace(HEADER, has_sections=bool(sections))


@pytest.mark.parametrize("sections", [{}, {1: b"icc"}, {1: b"", 77: b"other"}, {5: b"a", 6: b"b", 7: b"c"}])
def test_every_truncation_is_a_typed_error(sections):
    data = container.pack(Container(HEADER, bytes(range(1, 60)), sections))
    for length in range(len(data)):
        with pytest.raises(FormatError):
            container.unpack(data[:length], LIMITS)


@pytest.mark.parametrize("sections", [{}, {1: b"icc", 2: b""}])
def test_every_flipped_bit_is_a_typed_error(sections):
    data = container.pack(Container(HEADER, bytes(range(1, 30)), sections))
    for position in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(FormatError):
            container.unpack(bytes(damaged), LIMITS)


@pytest.mark.parametrize("sections", [{}, {1: b"icc"}])
def test_bytes_after_the_end_are_refused(sections):
    data = container.pack(Container(HEADER, b"weights", sections))
    for rest in (b"\0", b"rest", bytes(40)):
        with pytest.raises(FormatError):
            container.unpack(data + rest, LIMITS)


def test_the_checksum_is_that_of_zlib_over_all_before_it():
    data = container.pack(Container(HEADER, b"weights", {}))
    assert data == headers.pack(HEADER) + b"weights" + zlib.crc32(data[:-4]).to_bytes(4, "little")


def test_a_checksum_error_states_both_values():
    data = container.pack(Container(HEADER, b"weights", {}))
    with pytest.raises(CorruptFileError, match=rf"{zlib.crc32(data[:-4]):08x}.*00000000"):
        container.unpack(data[:-4] + bytes(4), LIMITS)


def test_unknown_sections_are_kept_apart_and_cost_their_bytes_only():
    plain = container.pack(Container(HEADER, b"weights", {}))
    more = container.pack(Container(HEADER, b"weights", {1000: b"x" * 50}))
    back = container.unpack(more, LIMITS)
    assert back.weights == b"weights"
    # Length of the stream, number of sections; tag, length, content, checksum.
    assert len(more) - len(plain) == 1 + 1 + 2 + 1 + 50 + 4


def test_a_tag_that_comes_twice_is_refused():
    data = container.pack(Container(HEADER, b"weights", {3: b"one", 4: b"two"}))
    first, second = (container._with_checksum(write_varint(3) + b"\x03" + text) for text in (b"one", b"two"))
    tagged_4 = container._with_checksum(write_varint(4) + b"\x03" + b"two")
    assert data.endswith(first + tagged_4)
    with pytest.raises(CorruptFileError, match="two sections with tag 3"):
        container.unpack(data[: -len(tagged_4)] + second, LIMITS)


class TestLimits:
    def test_pixels_are_checked_before_anything_else_is_read(self):
        huge = dataclasses.replace(HEADER, width=2**31, height=2**31)
        with pytest.raises(LimitExceededError, match="max_pixels"):
            container.unpack(headers.pack(huge), LIMITS)

    def test_pixels_at_the_limit_pass(self):
        data = container.pack(Container(HEADER, b"weights", {}))
        assert container.unpack(data, DecodeLimits(max_pixels=600)).weights == b"weights"
        with pytest.raises(LimitExceededError, match=r"600 pixels; the limit is 599"):
            container.unpack(data, DecodeLimits(max_pixels=599))

    def test_sections_are_checked_before_they_are_read(self):
        data = container.pack(Container(HEADER, b"weights", {9: b"x" * 100}))
        assert container.unpack(data, DecodeLimits(max_section_bytes=100)).sections[9] == b"x" * 100
        with pytest.raises(LimitExceededError, match=r"100 bytes in a section; the limit is 99"):
            container.unpack(data, DecodeLimits(max_section_bytes=99))

    @pytest.mark.parametrize(
        ("check", "arguments", "name"),
        [
            ("check_pixels", (1000, 1001), "max_pixels"),
            ("check_parameters", (1001,), "max_parameters"),
            ("check_render", (1_000_001, 1), "max_pixels"),
            ("check_render", (10_000, 10_001), "max_multiplications"),
            ("check_section", (1001,), "max_section_bytes"),
            ("check_latents", (1, 5001), "max_context_multiplications"),
        ],
    )
    def test_messages_name_the_value_the_limit_and_the_remedy(self, check, arguments, name):
        limits = DecodeLimits(1_000_000, 1000, 100_000_000, 1000, 500, 5000)
        with pytest.raises(LimitExceededError, match=rf"the limit is \d+: raise {name}"):
            getattr(limits, check)(*arguments)
        smaller = (*arguments[:-1], arguments[-1] - 1) if name != "max_pixels" else (1000, 1000)
        getattr(limits, check)(*smaller)

    def test_latents_are_counted_before_what_they_cost(self):
        limits = DecodeLimits(max_latents=500)
        limits.check_latents(500, 1)
        with pytest.raises(LimitExceededError, match="501 latents; the limit is 500: raise max_latents"):
            limits.check_latents(501, 1 << 60)
