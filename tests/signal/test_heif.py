"""AVIF and HEIF: samples exactly, orientation once, colours, damage, and what is missing."""

import contextlib
import dataclasses
import io
import struct
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image as PillowImage

from inrc.errors import ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from inrc.signal import coded_colours, heif, heif_items
from inrc.signal.image import read_image
from inrc.signal.raster import upright
from tests.signal.boxed import PREMULTIPLIED_AVIF, avif_bytes, box, heic_bytes, patched
from tests.signal.samples import SRGB_PROFILE, exif_bytes, random_pixels

try:
    import pillow_heif
except ImportError:
    pillow_heif = None

needs_heif = pytest.mark.skipif(pillow_heif is None, reason="pillow-heif is missing (pip install 'inrc[heif]')")
QUARTERS = random_pixels(2, 2, 3, seed=4).repeat(8, 0).repeat(12, 1)


def lossless_avif(pixels, bits, **options) -> bytes:
    plane = pixels.squeeze(2) if pixels.shape[2] == 1 else pixels
    return bytes(imagecodecs.avif_encode(plane, level=100, bitspersample=bits, **options))


def exif_of_camera(orientation):
    exif = PillowImage.Exif()
    exif[0x010F], exif[0x0112] = "a maker of many cameras", orientation
    return exif.tobytes()


def expected_range(samples, bits):
    full = 255 if bits == 8 else 65535
    return ((samples.astype(np.int64) * 2 * full + 2**bits - 1) // (2 * (2**bits - 1))).astype(
        np.uint8 if bits == 8 else np.uint16
    )


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_samples_of_avif_are_exact_over_the_whole_range(channels, bits):
    samples = random_pixels(13, 17, channels, np.uint16) >> (16 - bits)
    samples[0, :2] = [[0], [2**bits - 1]]
    data = lossless_avif(samples.astype(np.uint8 if bits == 8 else np.uint16), bits)
    image = read_image(data)
    np.testing.assert_array_equal(image.pixels, expected_range(samples, bits))
    assert (image.pixels[0, 0].max(), image.pixels[0, 1].min()) == (0, 255 if bits == 8 else 65535)
    assert image.icc_profile == b""


@needs_heif
@pytest.mark.parametrize(("channels", "tolerance"), [(1, 0), (3, 2), (4, 2)])
def test_samples_of_heic(channels, tolerance):
    pixels = random_pixels(16, 24, channels)
    read = read_image(heic_bytes(pixels)).pixels
    assert read.shape == pixels.shape
    assert np.abs(read.astype(int) - pixels).max() <= tolerance  # colours pass through YCbCr of 8 bits


@needs_heif
@pytest.mark.parametrize("shape", [(16, 24), (13, 17), (1, 1)])
def test_gray_of_10_bits_in_heic_fills_16(shape):
    pixels = random_pixels(shape[0], shape[1], 1, np.uint16)
    pixels[0, 0] = 65535
    image = read_image(heic_bytes(pixels))
    np.testing.assert_array_equal(image.pixels, expected_range(pixels >> 6, 10))
    assert image.pixels[0, 0, 0] == 65535


def test_alpha_is_divided_out_of_the_colours():
    pixels = read_image(PREMULTIPLIED_AVIF).pixels
    assert [pixels[0, 0].tolist(), pixels[7, 0].tolist(), pixels[7, 7].tolist()] == [
        [200, 100, 40, 255],
        [200, 100, 40, 128],
        [200, 100, 40, 64],
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("encode", [avif_bytes, pytest.param(heic_bytes, marks=needs_heif)])
def test_a_picture_is_turned_once_by_its_boxes_alone(encode, orientation):
    """Both writers put the orientation into irot and imir, and leave that of EXIF out or set it to 1."""
    data = encode(QUARTERS, exif=exif_of_camera(orientation))
    expected = upright(QUARTERS, orientation)
    read = read_image(data).pixels
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= 3

    exif = heif_items.primary_picture(data).exif
    for other in range(1, 9):
        contradicting = patched(data, exif, exif_bytes(other).removeprefix(b"Exif\x00\x00").ljust(len(exif), b"\x00"))
        np.testing.assert_array_equal(read_image(contradicting).pixels, read)


def test_metadata_of_the_primary_picture():
    picture = heif_items.primary_picture(avif_bytes(QUARTERS, exif=exif_of_camera(6), xmp=b"<x:xmpmeta/>"))
    assert (picture.coding, picture.width, picture.height, picture.bits) == ("av01", 24, 16, 8)
    assert picture.transforms == (("irot", 3),)
    assert picture.exif.startswith(b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x0f")  # the orientation is in irot alone
    assert picture.exif.endswith(b"a maker of many cameras\x00")
    assert picture.xmp == b"<x:xmpmeta/>"


@pytest.mark.parametrize("encode", [avif_bytes, pytest.param(heic_bytes, marks=needs_heif)])
def test_profiles(encode):
    assert read_image(encode(QUARTERS, icc_profile=SRGB_PROFILE)).icc_profile == SRGB_PROFILE


@needs_heif
def test_the_profile_of_srgb_on_gray_is_none():
    assert read_image(heic_bytes(random_pixels(16, 24, 1), icc_profile=SRGB_PROFILE)).icc_profile == b""


@pytest.mark.parametrize(
    ("points", "understood"),
    [
        ((1, 13), (1, 13)),
        ((2, 2), (1, 13)),
        ((12, 13), (12, 13)),
        ((12, 2), (12, 13)),
        ((9, 16), (9, 16)),
        ((9, 18), (9, 18)),
    ],
)
def test_code_points_become_the_equal_profile(points, understood):
    data = lossless_avif(random_pixels(4, 4, 3), 8, primaries=points[0], transfer=points[1])
    expected = coded_colours.of_code_points(understood[0], understood[1], 0, 1, gray=False, bit_depth=8)
    assert read_image(data).icc_profile == expected
    assert (expected == b"") == (understood == (1, 13))


def test_the_narrow_range_is_undone_by_the_decoder():
    """avifenc -r limited --cicp 12/13/6 of white and black: the profile says nothing of the range."""
    stream = io.BytesIO()
    pixels = np.repeat(np.array([[[0], [255]]], np.uint8), 3, 2).repeat(8, 0).repeat(8, 1)
    PillowImage.fromarray(pixels).save(stream, "AVIF", range="limited", quality=100)
    image = read_image(stream.getvalue())
    assert (image.pixels.min(), image.pixels.max(), image.icc_profile) == (0, 255, b"")


AVIF = lossless_avif(random_pixels(13, 17, 3), 8)
HEIC = heic_bytes(random_pixels(13, 17, 3)) if pillow_heif is not None else b""


@pytest.mark.parametrize("data", [AVIF, pytest.param(HEIC, marks=needs_heif)], ids=["avif", "heic"])
def test_truncated_files_are_damaged(data):
    assert read_image(data).pixels.shape == (13, 17, 3)
    for length in [*range(16, len(data), 23), len(data) - 1]:
        with pytest.raises(UnreadableImageError, match=r"^cannot read the picture: "):
            read_image(data[:length])


@pytest.mark.parametrize("data", [AVIF, pytest.param(HEIC, marks=needs_heif)], ids=["avif", "heic"])
def test_damaged_boxes_raise_typed_errors_or_read_as_some_picture(data):
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(data)
        for position in random.integers(12, min(len(data), 500), 3):
            damaged[position] = random.integers(256)
        with contextlib.suppress(UnreadableImageError, UnsupportedImageError, ImageTooLargeError):
            read_image(bytes(damaged), max_pixels=2**16)


def test_the_size_is_checked_before_decoding(monkeypatch):
    ispe = b"ispe" + bytes(4)
    start = AVIF.index(ispe) + len(ispe)
    bomb = AVIF[:start] + struct.pack(">II", 2**31, 2**31) + AVIF[start + 8 :]
    monkeypatch.setattr(imagecodecs, "avif_decode", None)
    with pytest.raises(ImageTooLargeError, match=r"its header says 2147483648 x 2147483648"):
        read_image(bomb)


@pytest.mark.parametrize("brand", [b"mif1", b"heic", b"miaf"])
def test_the_coding_counts_and_not_the_brand(brand):
    np.testing.assert_array_equal(read_image(AVIF[:8] + brand + AVIF[12:]).pixels, read_image(AVIF).pixels)


def test_what_is_refused(monkeypatch):
    with pytest.raises(UnsupportedImageError, match="it is an animation; extract the frame"):
        read_image(AVIF + box(b"moov", b""))
    frames = [PillowImage.fromarray(random_pixels(8, 8, 3, seed=seed)) for seed in range(2)]
    stream = io.BytesIO()
    frames[0].save(stream, "AVIF", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match="it is an animation; extract the frame"):
        read_image(stream.getvalue())
    picture = dataclasses.replace(heif_items.primary_picture(AVIF), transforms=(("irot", 1), ("clap", 0)))
    monkeypatch.setattr(heif, "primary_picture", lambda data: picture)
    with pytest.raises(UnsupportedImageError, match=r"a part is to be cut out of it \(clap\)"):
        read_image(AVIF)
    monkeypatch.undo()
    with pytest.raises(UnreadableImageError, match="it has no meta box"):
        read_image(AVIF[:32] if AVIF[:4] == b"\x00\x00\x00\x20" else AVIF[: struct.unpack(">I", AVIF[:4])[0]])


@needs_heif
def test_a_coding_that_is_unknown_is_named():
    coding = patched(HEIC, b"infe\x02\x00\x00\x00\x00\x01\x00\x00hvc1", b"infe\x02\x00\x00\x00\x00\x01\x00\x00vvc1")
    with pytest.raises(UnsupportedImageError, match="it is a HEIF picture in vvc1, which inrc does not read"):
        read_image(coding)


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = patched(AVIF, b"av01\x00", b"hvc1\x00") if AVIF.count(b"av01\x00") == 1 else AVIF.replace(b"av01", b"hvc1")
    with pytest.raises(
        UnsupportedImageError, match=r"HEIF, for which inrc needs pillow-heif; pip install 'inrc\[heif\]'"
    ):
        read_image(data)
    monkeypatch.setattr(imagecodecs.AVIF, "available", False)
    with pytest.raises(UnsupportedImageError, match="AVIF, which this build of imagecodecs does not read"):
        read_image(AVIF)
