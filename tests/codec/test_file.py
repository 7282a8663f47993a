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
from inrc.codec.sections import Sections, sections_of
from inrc.codec.weights import QuantisedWeights
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import CorruptFileError, FormatError, InitMismatchError, LimitExceededError, UnsupportedImageError
from inrc.signal import exif
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
    made = files.make(HEADER, sent, sections=Sections(profile))
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
    assert got.sections.icc_profile == profile


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


class TestMetadata:
    EXIF = exif.upright_exif(bytes.fromhex("4d4d002a00000008000101120003000000010001000000000000"))
    XMP = b"<x:xmpmeta/>"

    def test_they_come_back_and_change_no_pixel(self):
        data = with_sections({3: zlib.compress(self.XMP), 2: zlib.compress(self.EXIF)})
        image = inrc.decode(data)
        assert (image.icc_profile, image.exif, image.xmp) == (b"", self.EXIF, self.XMP)
        np.testing.assert_array_equal(image.pixels, inrc.decode(packed()).pixels)
        made = files.make(HEADER, weights(), sections=Sections(exif=self.EXIF, xmp=self.XMP))
        parsed = container.unpack(files.pack(made), LIMITS)
        assert list(parsed.sections) == [2, 3]
        assert [zlib.decompress(content) for content in parsed.sections.values()] == [self.EXIF, self.XMP]
        assert len(files.pack(made)) == files.overhead(HEADER, made.sections) + len(parsed.weights)

    def test_without_them_no_byte_changes(self):
        assert files.pack(files.make(HEADER, weights(), sections=Sections())) == packed()

    def test_the_bytes_of_each_are_told(self):
        stored = {1: zlib.compress(b"profile" * 9), 2: zlib.compress(self.EXIF), 3: zlib.compress(self.XMP), 9: b"new"}
        info = inrc.info(with_sections(stored))
        assert (info.icc_profile_bytes, info.exif_bytes, info.xmp_bytes) == (63, len(self.EXIF), len(self.XMP))
        expected = {"icc_profile": len(stored[1]), "exif": len(stored[2]), "xmp": len(stored[3]), "unknown": 3}
        assert info.section_bytes == expected
        assert inrc.info(packed()).section_bytes == {}

    def test_another_orientation_is_taken_for_upright(self):
        turned = self.EXIF.replace(b"\x00\x01\x00\x01\x00\x00", b"\x00\x01\x00\x06\x00\x00")
        assert turned != self.EXIF
        data = with_sections({2: zlib.compress(turned), 3: zlib.compress(b"<a tiff:Orientation='6'/>")})
        image = inrc.decode(data)
        assert (image.exif, image.xmp) == (self.EXIF, b"<a tiff:Orientation='1'/>")

    def test_what_is_neither_is_left_out_and_the_picture_stays(self):
        image = inrc.decode(with_sections({2: zlib.compress(b"no exif"), 3: zlib.compress(b"\xff\xff")}))
        assert (image.exif, image.xmp) == (b"", b"")
        assert image.pixels.shape == (7, 9, 3)

    @pytest.mark.parametrize(("tag", "words"), [(2, "EXIF block"), (3, "XMP packet")])
    def test_damage_and_bombs_are_refused(self, tag, words):
        with pytest.raises(CorruptFileError, match=f"the {words} is damaged"):
            inrc.decode(with_sections({tag: b"not deflated"}))
        with pytest.raises(CorruptFileError, match=f"the {words} does not end where its section does"):
            inrc.decode(with_sections({tag: zlib.compress(b"more" * 99) + b"behind"}))
        bomb = with_sections({tag: zlib.compress(bytes(10**7), 9)})
        with pytest.raises(LimitExceededError, match="max_section_bytes"):
            inrc.decode(bomb, limits=inrc.DecodeLimits(max_section_bytes=1 << 16))


@pytest.mark.parametrize(
    ("name", "words"), [("icc_profile", "ICC profile"), ("exif", "EXIF block"), ("xmp", "XMP packet")]
)
def test_more_than_decoders_accept_is_not_encoded(name, words):
    image = inrc.Image(np.zeros((2, 2, 3), np.uint8), **{name: bytes(2**24 + 1)})
    with pytest.raises(
        UnsupportedImageError, match=f"its {words} has 16,777,217 bytes; a file holds at most 16,777,216"
    ):
        sections_of(image, "keep")
    if name != "icc_profile":
        assert sections_of(image, "strip") == Sections()


def test_steps_off_the_ladder_are_corrupt():
    for step_deltas in ([(200, 32), (0, 28), (0, 28)], [(-129, 32), (0, 28), (0, 28)], [(100, 32), (100, 28), (0, 28)]):
        stream = weight_stream.encode(step_deltas, weights().integers)
        with pytest.raises(FormatError, match="step"):
            files.unpack(container.pack(Container(HEADER, stream, {})), LIMITS)
