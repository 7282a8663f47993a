"""JPEG XL: samples exactly, the orientation and the colours of the codestream, boxes, and damage."""

import contextlib
import dataclasses

import imagecodecs
import numpy as np
import pytest
from PIL import Image as PillowImage

from inrc.errors import ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from inrc.signal import coded_colours, jxl
from inrc.signal.icc import D65, SRGB_CHROMATICITIES, Chromaticities
from inrc.signal.image import read_image
from inrc.signal.jxl_header import read_header
from tests.signal.boxed import HEADERS, QUARTERS, TURNED, box, jxl_file
from tests.signal.samples import SRGB_PROFILE, exif_bytes, pillow_bytes, random_pixels
from tests.signal.test_heif import expected_range


def lossless(pixels, **options) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, **options))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("container", [False, True])
def test_samples_are_exact_over_the_whole_range(channels, bits, container):
    samples = random_pixels(13, 17, channels, np.uint16) >> (16 - bits)
    samples[0, :2] = [[0], [2**bits - 1]]
    typed = samples.astype(np.uint8 if bits == 8 else np.uint16)
    image = read_image(lossless(typed, bitspersample=bits, usecontainer=container))
    np.testing.assert_array_equal(image.pixels, expected_range(samples, bits))
    linear = coded_colours.of_code_points(1, 8, 0, 1, gray=channels <= 2, bit_depth=16)
    assert image.icc_profile == (b"" if bits == 8 else linear)  # as imagecodecs writes samples of 16 bits


def header_of_bits(*fields):
    """A codestream's beginning of (value, number of bits)."""
    value = position = 0
    for number, n_bits in fields:
        value |= number << position
        position += n_bits
    return b"\xff\x0a" + value.to_bytes(position // 8 + 1, "little")


SMALL = ((1, 1), (0, 5), (1, 3))  # 8 rows, ratio 1
PLAIN = ((0, 1), (0, 1), (0, 1), (0, 2), (1, 1))  # not all default, no extra fields, integers of 8 bits, small buffers


def test_channels_beside_the_colours():
    alpha = ((0, 1), (0, 2), (0, 1), (0, 2), (0, 2), (1, 2), (3, 4), *[(ord(letter), 8) for letter in "mat"])
    for associated in (0, 1):
        header = read_header(header_of_bits(*SMALL, *PLAIN, (1, 2), *alpha, (associated, 1), (0, 1), (1, 1)))
        assert (header.extra_kinds, header.is_premultiplied) == ((0,), bool(associated))
        assert (header.width, header.height, header.bits) == (8, 8, 8)
    black = ((0, 1), (2, 2), (2, 4), (0, 1), (0, 2), (0, 2), (0, 2))
    with pytest.raises(UnsupportedImageError, match="its colours are CMYK"):
        read_image(header_of_bits(*SMALL, *PLAIN, (1, 2), *black, (0, 1), (1, 1)))
    depth = ((0, 1), (1, 2), (0, 1), (0, 2), (0, 2), (0, 2))
    with pytest.raises(UnsupportedImageError, match="it has channels beside colours and alpha"):
        read_image(header_of_bits(*SMALL, *PLAIN, (1, 2), *depth, (0, 1), (1, 1)))


def test_alpha_is_divided_out_of_the_colours(monkeypatch):
    pixels = np.array([[[100, 50, 20, 128], [0, 0, 0, 0]]], np.uint8)
    monkeypatch.setattr(jxl, "read_header", lambda data: dataclasses.replace(read_header(data), is_premultiplied=True))
    assert read_image(lossless(pixels)).pixels.tolist() == [[[199, 100, 40, 128], [0, 0, 0, 0]]]


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (256, 248), (5, 600), (9000, 1), (64, 64), (40, 50), (30, 40)])
def test_sizes(shape):
    header = read_header(lossless(np.zeros((*shape, 3), np.uint8), usecontainer=False))
    assert (header.height, header.width) == shape


def test_the_codestream_turns_the_picture_and_exif_does_not():
    expected = np.rot90(QUARTERS, -1)
    for exif in (b"", *(box(b"Exif", bytes(4) + exif_bytes(orientation)[6:]) for orientation in (1, 3, 6))):
        np.testing.assert_array_equal(read_image(jxl_file(TURNED, exif)).pixels, expected)
    np.testing.assert_array_equal(read_image(TURNED).pixels, expected)


def test_metadata_lies_in_boxes_plain_or_compressed():
    exif, xmp = exif_bytes(6)[6:], b"<x:xmpmeta/>"
    plain = jxl_file(TURNED, box(b"Exif", bytes(4) + exif), box(b"xml ", xmp))
    packed = jxl_file(
        TURNED,
        box(b"brob", b"Exif" + imagecodecs.brotli_encode(bytes(4) + exif)),
        box(b"brob", b"xml " + imagecodecs.brotli_encode(xmp)),
        box(b"brob", b"jumb" + b"of no concern"),
    )
    for data in (plain, packed):
        raster = jxl.decode(data, 2**20)
        assert (raster.exif, raster.xmp) == (exif, xmp)
    damaged = jxl_file(TURNED, box(b"brob", b"Exifnonsense"))
    assert jxl.decode(damaged, 2**20).exif == b""


def test_the_codestream_may_lie_in_parts():
    parts = box(b"jxlp", b"\x00\x00\x00\x00" + TURNED[:30]) + box(b"jxlp", b"\x80\x00\x00\x01" + TURNED[30:])
    data = jxl_file(b"", parts).removesuffix(box(b"jxlc", b""))
    np.testing.assert_array_equal(read_image(data).pixels, np.rot90(QUARTERS, -1))


P3 = Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)
BT2020 = Chromaticities((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65)


@pytest.mark.parametrize(
    ("name", "chromaticities", "transfer"),
    [
        ("RGB_D65_SRG_Rel_SRG", SRGB_CHROMATICITIES, 13),
        ("RGB_D65_SRG_Rel_709", SRGB_CHROMATICITIES, 1),
        ("RGB_D65_SRG_Rel_Lin", SRGB_CHROMATICITIES, 8),
        ("RGB_D65_DCI_Rel_SRG", P3, 13),
        ("RGB_DCI_DCI_Rel_DCI", P3._replace(white=(0.314, 0.351)), 17),
        ("RGB_D65_202_Rel_PeQ", BT2020, 16),
        ("RGB_D65_202_Rel_HLG", BT2020, 18),
        ("RGB_EER_SRG_Rel_SRG", SRGB_CHROMATICITIES._replace(white=(1 / 3, 1 / 3)), 13),
    ],
)
def test_colours_of_the_header(name, chromaticities, transfer):
    header = read_header(HEADERS[name])
    assert (header.width, header.height, header.bits, header.gamma) == (16, 16, 10, None)
    assert (header.chromaticities, header.transfer, header.is_gray) == (chromaticities, transfer, False)


def test_profiles_are_those_of_the_code_points():
    def profile(name):
        return jxl._icc_profile(read_header(HEADERS[name]))

    def of(primaries, transfer, *, gray=False):
        return coded_colours.of_code_points(primaries, transfer, 0, 1, gray=gray, bit_depth=16)

    assert profile("RGB_D65_SRG_Rel_SRG") == b""
    assert profile("RGB_D65_DCI_Rel_SRG") == of(12, 13)
    assert profile("RGB_DCI_DCI_Rel_DCI") == of(11, 17)
    assert profile("RGB_D65_202_Rel_PeQ") == of(9, 16)
    assert profile("Gra_D65_Rel_Lin") == of(1, 8, gray=True)
    assert read_header(HEADERS["RGB_D65_SRG_Rel_g0.4545"]).gamma == 0.4545
    assert profile("RGB_D65_SRG_Rel_g0.4545") == b""  # 1/2.2 stands for sRGB
    own_white = SRGB_CHROMATICITIES._replace(white=(1 / 3, 1 / 3))
    assert profile("RGB_EER_SRG_Rel_SRG") == coded_colours.of_gamma(None, own_white, gray=False)


def test_what_is_refused():
    with pytest.raises(UnsupportedImageError, match=r"an ICC profile inside of a JPEG XL codestream.* with djxl"):
        read_image(HEADERS["an ICC profile"])
    with pytest.raises(UnsupportedImageError, match="its samples are floating-point with 32 bits"):
        read_image(imagecodecs.jpegxl_encode(random_pixels(4, 4, 3).astype(np.float32) / 255))
    with pytest.raises(UnsupportedImageError, match="it is an animated JPEG XL"):
        read_image(lossless(random_pixels(3, 8 * 8, 3).reshape(3, 8, 8, 3)))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_that_was_packed_without_loss_gives_its_profile_too(orientation):
    options = {"icc_profile": SRGB_PROFILE, "exif": exif_bytes(orientation), "quality": 90}
    jpeg = pillow_bytes(PillowImage.fromarray(QUARTERS), "JPEG", **options)
    data = bytes(imagecodecs.jpegxl_encode_jpeg(jpeg))
    assert read_header(jxl._parts_of(data).codestream).has_profile
    expected, image = read_image(jpeg, metadata="keep"), read_image(data, metadata="keep")
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    assert (image.icc_profile, image.exif) == (SRGB_PROFILE, expected.exif)
    plain = pillow_bytes(PillowImage.fromarray(QUARTERS), "JPEG", quality=90)
    read = read_image(bytes(imagecodecs.jpegxl_encode_jpeg(plain))).pixels
    assert np.abs(read.astype(int) - read_image(plain).pixels).max() <= 3  # another inverse DCT


def test_the_size_is_checked_before_decoding(monkeypatch):
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", None)
    # SizeHeader: not small, height 2^30 by 30 bits, ratio 1; then all defaults.
    bits = 0 | 3 << 1 | (2**30 - 1) << 3 | 1 << 33 | 1 << 36
    with pytest.raises(ImageTooLargeError, match="1073741824 x 1073741824"):
        read_image(b"\xff\x0a" + bits.to_bytes(8, "little") + bytes(20))


@pytest.mark.parametrize("container", [False, True])
def test_truncated_files_are_damaged(container):
    data = lossless(random_pixels(13, 17, 3), usecontainer=container)
    assert read_image(data).pixels.shape == (13, 17, 3)
    for length in [*range(16, len(data), 23), len(data) - 1]:
        with pytest.raises(UnreadableImageError, match=r"^cannot read the picture: "):
            read_image(data[:length])


def test_damage_raises_typed_errors_or_reads_as_some_picture():
    data, random = jxl_file(TURNED, box(b"Exif", bytes(4) + exif_bytes(6)[6:])), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for position in random.integers(12, len(data), 2):
            damaged[position] = random.integers(256)
        with contextlib.suppress(UnreadableImageError, UnsupportedImageError, ImageTooLargeError):
            read_image(bytes(damaged), max_pixels=2**16)


def test_a_missing_decoder_is_named(monkeypatch):
    monkeypatch.setattr(imagecodecs.JPEGXL, "available", False)
    with pytest.raises(UnsupportedImageError, match="JPEG XL, which this build of imagecodecs does not read"):
        read_image(TURNED)
