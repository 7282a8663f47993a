"""Files and bytes: steps, integers and profiles come back; shared inits, limits and hostile sections."""

import dataclasses
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inrc
from inrc.bitstream import container
from inrc.bitstream.container import ICC_PROFILE, Container
from inrc.bitstream.header import Header
from inrc.codec import file as files
from inrc.codec.weights import QuantisedWeights
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import CorruptFileError, FormatError, InitMismatchError, LimitExceededError
from inrc.signal.colour import ColourTransform
from tests.entropy import weight_stream

HEADER = Header(
    9, 7, 3, 8, ColourTransform.YCBCR, ModelConfig(widths=(4, 3), encoding=EncodingConfig(EncodingKind.NONE))
)
SHAPES = [shape for _, shape in files.layout_of(HEADER)]
LIMITS = inrc.DecodeLimits()


def weights(seed: int = 0, steps: tuple[int, ...] = (120, 131, 90)) -> QuantisedWeights:
    generator = np.random.default_rng(seed)
    return QuantisedWeights(steps, tuple(generator.integers(-9, 10, shape).astype(np.int32) for shape in SHAPES))


def packed() -> bytes:
    """The bytes of a sound file."""
    return files.pack(files.make(HEADER, weights()))


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 99), st.binary(max_size=200))
def test_steps_integers_and_profile_come_back(steps, seed, profile):
    sent = weights(seed, steps)
    made = files.make(HEADER, sent, icc_profile=profile)
    got = files.unpack(files.pack(made), LIMITS)
    assert got.header == dataclasses.replace(HEADER, has_sections=bool(profile))
    assert got.layout == made.layout
    assert got.weights.step_indices == steps
    for a, b in zip(got.weights.integers, sent.integers, strict=True):
        np.testing.assert_array_equal(a, b)
    assert list(got.params) == list(made.params) == ["layer_0", "layer_1", "layer_2"]
    for a, b in zip(got.params.values(), made.params.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert got.latents == ()
    assert got.icc_profile == profile


def test_a_file_that_needs_a_shared_init_says_which():
    data = container.pack(
        Container(dataclasses.replace(HEADER, init_id=bytes(range(8))), b"", {})
    )  # fmt: skip
    with pytest.raises(InitMismatchError, match="0001020304050607"):
        inrc.decode(data)


def test_networks_are_checked_before_they_are_decoded():
    wide = dataclasses.replace(HEADER, model=ModelConfig(widths=(4096,) * 31))
    data = container.pack(Container(wide, b"", {}))
    with pytest.raises(LimitExceededError, match="max_parameters"):
        inrc.info(data)
    n_weights = sum(rows * columns for rows, columns in SHAPES)
    data = packed()
    assert inrc.info(data, limits=inrc.DecodeLimits(max_parameters=n_weights)).n_weights == n_weights
    with pytest.raises(LimitExceededError, match=f"{n_weights} weights; the limit is {n_weights - 1}"):
        inrc.info(data, limits=inrc.DecodeLimits(max_parameters=n_weights - 1))


def test_renders_are_checked_before_they_are_made():
    data = packed()
    with pytest.raises(LimitExceededError, match="max_pixels"):
        inrc.decode(data, size=(2**20, 2**20))
    with pytest.raises(LimitExceededError, match="max_multiplications"):
        inrc.decode(data, limits=inrc.DecodeLimits(max_multiplications=63 * 20))


def with_sections(sections: dict[int, bytes]) -> bytes:
    parsed = container.unpack(packed(), LIMITS)
    return container.pack(Container(HEADER, parsed.weights, sections))


class TestProfiles:
    def test_an_unknown_section_changes_nothing(self):
        plain = inrc.decode(packed())
        more = inrc.decode(with_sections({77: b"anything", 1: zlib.compress(b"profile")}))
        np.testing.assert_array_equal(plain.pixels, more.pixels)
        assert more.icc_profile == b"profile"

    @pytest.mark.parametrize(
        "content",
        [b"not deflated", zlib.compress(b"profile" * 50)[:-3], zlib.compress(b"profile") + b"more", b"\x78"],
    )
    def test_damaged_deflate_is_corrupt(self, content):
        with pytest.raises(CorruptFileError, match="ICC profile"):
            inrc.info(with_sections({ICC_PROFILE: content}))

    def test_a_bomb_is_refused(self):
        bomb = with_sections({ICC_PROFILE: zlib.compress(bytes(10**7), 9)})
        assert len(bomb) < 10_500
        with pytest.raises(LimitExceededError, match="max_section_bytes"):
            inrc.info(bomb, limits=inrc.DecodeLimits(max_section_bytes=1 << 16))
        assert inrc.info(bomb).icc_profile_bytes == 10**7

    def test_a_profile_of_just_the_limit_passes(self):
        data = with_sections({ICC_PROFILE: zlib.compress(bytes(1000))})
        assert inrc.info(data, limits=inrc.DecodeLimits(max_section_bytes=1000)).icc_profile_bytes == 1000
        with pytest.raises(LimitExceededError):
            inrc.info(data, limits=inrc.DecodeLimits(max_section_bytes=999))


def test_steps_off_the_ladder_are_corrupt():
    for step_deltas in ([(200, 32), (0, 28), (0, 28)], [(-129, 32), (0, 28), (0, 28)], [(100, 32), (100, 28), (0, 28)]):
        stream = weight_stream.encode(step_deltas, weights().integers)
        with pytest.raises(FormatError, match="step"):
            files.unpack(container.pack(Container(HEADER, stream, {})), LIMITS)
