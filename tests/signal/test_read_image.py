"""Reading pictures of other programs: exact values, orientation, and files that must be refused."""

import contextlib
import io
import logging
import struct
import time
import warnings
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from inrc.errors import ImageError, ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from inrc.signal.image import Image, encode_image, read_image
from tests.signal.samples import (
    SRGB_PROFILE,
    chunk,
    exif_bytes,
    hand_made_png,
    pillow_bytes,
    random_pixels,
    tiff_bytes,
)

# Upright, the marker is red, green, blue above white, black, gray. What each orientation stores (EXIF 2.32, tag 274):
UPRIGHT = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 255], [0, 0, 0], [128, 128, 128]]], np.uint8)
R, G, B, W, K, M = UPRIGHT.reshape(6, 3)
STORED = {
    1: [[R, G, B], [W, K, M]],
    2: [[B, G, R], [M, K, W]],  # mirrored left to right
    3: [[M, K, W], [B, G, R]],  # turned by 180 degrees
    4: [[W, K, M], [R, G, B]],  # mirrored top to bottom
    5: [[R, W], [G, K], [B, M]],  # rows and columns swapped
    6: [[B, M], [G, K], [R, W]],  # to be turned by 90 degrees clockwise
    7: [[M, B], [K, G], [W, R]],  # rows and columns swapped about the other diagonal
    8: [[W, R], [K, G], [M, B]],  # to be turned by 90 degrees anticlockwise
}


# PNG -------------------------------------------------------------------------------------------------------------


def test_16_bit_rgb_png_by_hand():
    samples = [[0x0102, 0x0304, 0xFFFE], [0x8001, 0x00FF, 0x7FFF]]
    rows = [b"".join(struct.pack(">HHH", *pixel) for pixel in samples)]
    image = read_image(hand_made_png(2, 1, 16, 2, rows))
    assert image.bit_depth == 16
    assert image.pixels.tolist() == [samples]


@pytest.mark.parametrize(("bits", "scale"), [(1, 255), (2, 85), (4, 17)])
@pytest.mark.parametrize("transparent", [None, 1])
def test_narrow_gray_png_is_widened_and_its_transparent_value_found(bits, scale, transparent):
    n_values = 2**bits
    values = np.arange(8) % n_values
    row = np.packbits((values[:, None] >> np.arange(bits)[::-1] & 1).astype(np.uint8)).tobytes()
    extra = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    pixels = read_image(hand_made_png(8, 1, bits, 0, [row], extra)).pixels
    assert pixels[0, :, 0].tolist() == (values * scale).tolist()
    if transparent is None:
        assert pixels.shape == (1, 8, 1)
    else:
        assert pixels[0, :, 1].tolist() == [0 if value == transparent else 255 for value in values]


def test_transparent_colours_become_alpha():
    row = bytes([10, 20, 30, 10, 20, 31])
    extra = chunk(b"tRNS", struct.pack(">HHH", 10, 20, 30))
    assert read_image(hand_made_png(2, 1, 8, 2, [row], extra)).pixels.tolist() == [[[10, 20, 30, 0], [10, 20, 31, 255]]]
    row = struct.pack(">HH", 1000, 1001)
    extra = chunk(b"tRNS", struct.pack(">H", 1000))
    assert read_image(hand_made_png(2, 1, 16, 0, [row], extra)).pixels.tolist() == [[[1000, 0], [1001, 65535]]]


@pytest.mark.parametrize(("bits", "row"), [(8, bytes([2, 0, 1])), (4, bytes([0x20, 0x10])), (2, bytes([0b10000100]))])
def test_palette_png_is_expanded(bits, row):
    palette = chunk(b"PLTE", bytes([1, 2, 3, 40, 50, 60, 250, 251, 252]))
    opaque = read_image(hand_made_png(3, 1, bits, 3, [row], palette)).pixels
    assert opaque.tolist() == [[[250, 251, 252], [1, 2, 3], [40, 50, 60]]]
    alphas = chunk(b"tRNS", bytes([0, 128]))  # shorter than the palette: the rest is opaque
    transparent = read_image(hand_made_png(3, 1, bits, 3, [row], palette + alphas)).pixels
    assert transparent.tolist() == [[[250, 251, 252, 255], [1, 2, 3, 0], [40, 50, 60, 128]]]


def test_animated_png_is_refused():
    frames = [PillowImage.fromarray(random_pixels(8, 8, 3, seed=seed)) for seed in range(3)]
    data = pillow_bytes(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match="animated PNG"):
        read_image(data)


def test_a_damaged_profile_or_exif_block_is_left_out():
    pixels = random_pixels(4, 5, 3)
    data = encode_image(Image(pixels), "png")
    extra = chunk(b"iCCP", b"name\x00\x00not zlib") + chunk(b"eXIf", b"II*\x00\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(data[:33] + extra + data[33:])
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.icc_profile == b""


def test_a_profile_that_inflates_without_end_is_left_out():
    data = encode_image(Image(random_pixels(4, 5, 3)), "png")
    extra = chunk(b"iCCP", b"name\x00\x00" + zlib.compress(bytes(2**25)))
    assert read_image(data[:33] + extra + data[33:]).icc_profile == b""


# Orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "png16", "webp", "tiff", "tiff16", "tiff_palette"])
def test_orientation_is_applied_exactly(orientation, kind):
    stored = np.array(STORED[orientation], np.uint8)
    picture, exif, expected = PillowImage.fromarray(stored), exif_bytes(orientation), UPRIGHT
    if kind == "png":
        data = pillow_bytes(picture, "PNG", exif=exif)
    elif kind == "png16":
        expected = UPRIGHT.astype(np.uint16) * 257
        data = imagecodecs.png_encode(stored.astype(np.uint16) * 257)
        after_pixels = chunk(b"eXIf", exif.removeprefix(b"Exif\x00\x00"))  # it may follow IDAT too
        data = data[:-12] + after_pixels + data[-12:]
    elif kind == "webp":
        data = pillow_bytes(picture, "WEBP", lossless=True, exif=exif)
    elif kind == "tiff_palette":
        data = pillow_bytes(picture.quantize(6), "TIFF", tiffinfo={0x0112: orientation})
    else:
        expected = UPRIGHT if kind == "tiff" else UPRIGHT.astype(np.uint16) * 257
        samples = stored if kind == "tiff" else stored.astype(np.uint16) * 257
        data = tiff_bytes(samples, photometric="rgb", extratags=[(0x0112, "H", 1, orientation, True)])
    np.testing.assert_array_equal(read_image(data).pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_jpeg(orientation):
    blocks = np.array(STORED[orientation], np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    data = pillow_bytes(PillowImage.fromarray(blocks), "JPEG", quality=100, subsampling=0, exif=exif_bytes(orientation))
    pixels = read_image(data).pixels
    assert pixels.shape == (32, 48, 3)
    assert np.abs(pixels[8::16, 8::16].astype(int) - UPRIGHT).max() < 6


@pytest.mark.parametrize("orientation", [0, 9])
def test_impossible_orientations_are_ignored(orientation):
    data = pillow_bytes(PillowImage.fromarray(UPRIGHT), "PNG", exif=exif_bytes(orientation))
    np.testing.assert_array_equal(read_image(data).pixels, UPRIGHT)


# JPEG, WebP, BMP -------------------------------------------------------------------------------------------------


def test_profiles_of_other_programs_are_kept():
    picture = PillowImage.fromarray(random_pixels(8, 8, 3))
    for format_name in ("PNG", "JPEG", "WEBP", "TIFF"):
        assert read_image(pillow_bytes(picture, format_name, icc_profile=SRGB_PROFILE)).icc_profile == SRGB_PROFILE
    indexed = pillow_bytes(picture.quantize(8), "TIFF", icc_profile=SRGB_PROFILE)
    assert read_image(indexed).icc_profile == SRGB_PROFILE


def test_jpeg_pixels_are_those_of_libjpeg():
    for channels in (1, 3):
        pixels = random_pixels(17, 23, channels)
        data = pillow_bytes(PillowImage.fromarray(pixels.squeeze()), "JPEG", quality=80)
        expected = imagecodecs.jpeg_decode(data).reshape(17, 23, channels)
        np.testing.assert_array_equal(read_image(data).pixels, expected)


def test_cmyk_jpeg_is_refused():
    data = pillow_bytes(PillowImage.new("CMYK", (8, 8)), "JPEG")
    with pytest.raises(UnsupportedImageError, match="CMYK; convert it to gray or RGB first"):
        read_image(data)


def test_the_primary_picture_of_a_multi_picture_jpeg_is_read():
    first = PillowImage.new("RGB", (16, 8), (200, 200, 200))
    data = pillow_bytes(first, "MPO", save_all=True, append_images=[PillowImage.new("RGB", (4, 4))])
    image = read_image(data)
    assert (image.width, image.height) == (16, 8)
    assert np.abs(image.pixels.astype(int) - 200).max() <= 1


def test_animated_webp_is_refused():
    frames = [PillowImage.fromarray(random_pixels(8, 8, 3, seed=seed)) for seed in range(2)]
    with pytest.raises(UnsupportedImageError, match="animated WebP"):
        read_image(pillow_bytes(frames[0], "WEBP", save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp(mode):
    picture = PillowImage.fromarray(random_pixels(9, 13, 3)).convert(mode)
    expected = np.array(picture.convert("RGB" if mode in ("P", "RGB") else "L"))
    np.testing.assert_array_equal(read_image(pillow_bytes(picture, "BMP")).pixels.squeeze(), expected)


# TIFF ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (16, 16), "compression": "zlib"}])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_layouts(dtype, options, byteorder):
    pixels = random_pixels(21, 35, 3, dtype)
    data = tiff_bytes(pixels, photometric="rgb", byteorder=byteorder, **options)
    image = read_image(data)
    assert image.pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.pixels, pixels)
    planes = tiff_bytes(np.moveaxis(pixels, -1, 0), photometric="rgb", planarconfig="separate", byteorder=byteorder)
    np.testing.assert_array_equal(read_image(planes).pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_where_white_is_zero(dtype):
    pixels = random_pixels(5, 6, 1, dtype)
    inverted = np.iinfo(dtype).max - pixels[..., 0]
    np.testing.assert_array_equal(read_image(tiff_bytes(inverted, photometric="miniswhite")).pixels, pixels)


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_premultiplied_tiff_alpha_is_divided_out(dtype, full):
    samples = np.array([[[100, 50, 0, 100], [10, 20, 30, 60], [7, 7, 7, 0], [full, 3, 2, full]]], dtype)
    straight = [[full, (full + 1) // 2, 0, 100], [(full + 3) // 6, full // 3, (full + 1) // 2, 60]]
    straight += [[0, 0, 0, 0], [full, 3, 2, full]]
    data = tiff_bytes(samples, photometric="rgb", extrasamples=["assocalpha"])
    assert read_image(data).pixels.tolist() == [straight]
    unspecified = tiff_bytes(samples, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(unspecified).pixels, samples)


@pytest.mark.parametrize(("mode", "compression"), [("1", "group4"), ("1", None), ("P", "tiff_lzw"), ("P", None)])
def test_tiff_bitmaps_and_palettes(mode, compression):
    picture = PillowImage.fromarray(random_pixels(9, 13, 3)).convert(mode)
    expected = np.array(picture.convert("RGB" if mode == "P" else "L"))
    np.testing.assert_array_equal(
        read_image(pillow_bytes(picture, "TIFF", compression=compression)).pixels.squeeze(), expected
    )


def test_jpeg_compressed_tiff_in_ycbcr():
    picture = PillowImage.new("RGB", (32, 32), (200, 100, 50))
    pixels = read_image(pillow_bytes(picture.convert("YCbCr"), "TIFF", compression="jpeg")).pixels
    assert np.abs(pixels.astype(int) - [200, 100, 50]).max() <= 3


def test_tiff_pages():
    pixels = random_pixels(8, 8, 3)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(pixels, photometric="rgb", metadata=None)
        writer.write(pixels[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_image(stream.getvalue()).pixels, pixels)  # a thumbnail is no page
    with pytest.raises(UnsupportedImageError, match="several pages"):
        read_image(tiff_bytes(np.stack([pixels, pixels]), photometric="rgb"))
    with pytest.raises(UnsupportedImageError, match="thumbnail"):
        read_image(tiff_bytes(pixels, photometric="rgb", subfiletype=1))


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros((4, 4), np.float32), {"photometric": "minisblack"}, "floating-point with 32 bits"),
        (np.zeros((4, 4), np.int16), {"photometric": "minisblack"}, "signed with 16 bits"),
        (np.zeros((4, 4), np.uint32), {"photometric": "minisblack"}, "unsigned with 32 bits"),
        (np.zeros((4, 4, 4), np.uint8), {"photometric": "separated"}, "colours are SEPARATED"),
        (np.zeros((4, 4, 3), np.uint8), {"photometric": "cielab"}, "colours are CIELAB"),
        (np.zeros((4, 4, 6), np.uint8), {"photometric": "rgb", "planarconfig": "contig"}, "6 samples per pixel"),
    ],
)
def test_tiff_of_other_kinds_is_refused(samples, options, message):
    with pytest.raises(UnsupportedImageError, match=message):
        read_image(tiff_bytes(samples, **options))


# PPM and PGM -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "expected"),
    [
        (b"P5\n# by hand\n2 1\n255\n\x00\xff", np.uint8, [[[0], [255]]]),
        (b"P5 2 1 #c\n 65535\n\x01\x02\xff\xff", np.uint16, [[[258], [65535]]]),
        (b"P5 3 1 1023\n\x00\x00\x02\x00\x03\xff", np.uint16, [[[0], [32800], [65535]]]),
        (b"P5 3 1 3\n\x00\x01\x03", np.uint8, [[[0], [85], [255]]]),
        (b"P6 1 2 255\nabcdef", np.uint8, [[[97, 98, 99]], [[100, 101, 102]]]),
        (b"P3\n1 1\n65535\n1 #c\n256 65535\n", np.uint16, [[[1, 256, 65535]]]),
        (b"P2 2 2 255 1 2\n3 4 5 6", np.uint8, [[[1], [2]], [[3], [4]]]),
        (b"P1 3 1\n101", np.uint8, [[[0], [255], [0]]]),
        (b"P4 3 1\n\xa0", np.uint8, [[[0], [255], [0]]]),
    ],
)
def test_netpbm_by_hand(data, dtype, expected):
    image = read_image(data)
    assert image.pixels.dtype == dtype
    assert image.pixels.tolist() == expected


@pytest.mark.parametrize(
    "data",
    [
        b"P5 2 1 255\n\x00",
        b"P6 2 1 65535\n" + bytes(11),
        b"P2 2 1 255 7",
        b"P2 2 1 255",
        b"P2 2 1 255 7 300",
        b"P2 2 1 255 7 x",
        b"P2 1 1 255 -1",
        b"P5 2 1 0\n\x00\x00",
        b"P5 2 1 70000\n\x00\x00\x00\x00",
        b"P5 3 1 3\n\x00\x01\x04",
        b"P5 0 1 255\n",
        b"P5 two 1 255\n",
        b"P4 30 10\n\xa0",
    ],
)
def test_damaged_netpbm_is_refused(data):
    with pytest.raises(UnreadableImageError, match="cannot read the picture: "):
        read_image(data)


# Sources, limits and damage --------------------------------------------------------------------------------------


def test_sources(tmp_path):
    pixels = random_pixels(5, 6, 3, np.uint16)
    data = encode_image(Image(pixels), "png")
    path = tmp_path / "misnamed.jpg"  # contents decide, not names
    path.write_bytes(data)
    with path.open("rb") as file:
        for source in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), file):
            np.testing.assert_array_equal(read_image(source).pixels, pixels)


@pytest.mark.parametrize(
    ("contents", "error", "message"),
    [
        (b"", UnreadableImageError, "the file is empty"),
        (b"hello, world, this is text", UnreadableImageError, "not a picture that inrc reads; use PNG"),
        (
            b"GIF89a" + bytes(20),
            UnsupportedImageError,
            "its format is GIF, which inrc does not read; convert it to PNG",
        ),
        (bytes(3) + b"\x20ftypavif" + bytes(20), UnreadableImageError, "truncated or damaged"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(20), UnsupportedImageError, "JPEG 2000"),
        (b"PF\n1 1\n-1\n" + bytes(12), UnsupportedImageError, "PFM"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, contents, error, message):
    path = tmp_path / "in.png"
    path.write_bytes(contents)
    with pytest.raises(error, match=rf"cannot read .*in\.png: .*{message}") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_typed_errors(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"absent\.png: No such file or directory; check the path"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(UnreadableImageError, match="Is a directory"):
        read_image(tmp_path)


def bombs():
    yield "png", hand_made_png(60000, 60000, 8, 2, [b"\x00" * 10])
    yield "png16", hand_made_png(2**31 - 1, 2**31 - 1, 16, 6, [b"\x00" * 10])
    jpeg = bytearray(pillow_bytes(PillowImage.new("RGB", (8, 8)), "JPEG"))
    frame_header = jpeg.index(b"\xff\xc0")
    jpeg[frame_header + 5 : frame_header + 9] = b"\xff\xff\xff\xff"
    yield "jpeg", bytes(jpeg)
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\x00" + b"\xff\xff\x00"
    yield "webp extended", b"RIFF" + struct.pack("<I", 22) + b"WEBP" + extended
    lossless = bytearray(pillow_bytes(PillowImage.new("RGB", (8, 8)), "WEBP", lossless=True))
    lossless[21:25] = struct.pack("<I", struct.unpack("<I", lossless[21:25])[0] | 0x0FFFFFFF)
    yield "webp lossless", bytes(lossless)
    lossy = bytearray(pillow_bytes(PillowImage.new("RGB", (8, 8)), "WEBP"))
    lossy[26:30] = b"\xff\x3f\xff\x3f"
    yield "webp lossy", bytes(lossy)
    yield "bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, 60000, 60000, 1, 24, *[0] * 6)
    yield "ppm", b"P6 60000 60000 255\n" + bytes(100)
    yield "pbm", b"P4 60000 60000\n" + bytes(100)
    tiff = bytearray(tiff_bytes(np.zeros((2, 2), np.uint8), photometric="minisblack"))
    for tag in (256, 257):
        place = tiff.index(struct.pack("<HHI", tag, 4, 1))
        tiff[place + 8 : place + 12] = struct.pack("<I", 60000)
    yield "tiff", bytes(tiff)
    tiled = bytearray(tiff_bytes(np.zeros((2, 2), np.uint8), photometric="minisblack", tile=(16, 16)))
    for tag in (322, 323):
        place = tiled.index(struct.pack("<H", tag))
        tiled[place : place + 12] = struct.pack("<HHII", tag, 4, 1, 60000)
    yield "tiff tiles", bytes(tiled)


@pytest.mark.parametrize(("name", "data"), list(bombs()), ids=[name for name, _ in bombs()])
def test_bombs_are_refused_from_their_header(name, data):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageTooLargeError, match=r"more than the limit of 200000000; raise max_pixels"):
            read_image(data, max_pixels=200_000_000)
    assert time.perf_counter() - start < 1.0, name


def test_the_limit_is_exact():
    for format_name in ("png", "tiff", "jpeg", "webp", "ppm"):
        data = encode_image(Image(random_pixels(10, 7, 3)), format_name)
        assert read_image(data, max_pixels=70).width == 7
        with pytest.raises(ImageTooLargeError, match="7 x 10 = 70 pixels, more than the limit of 69"):
            read_image(data, max_pixels=69)


def sound_files():
    pixels = random_pixels(48, 40, 3)
    picture = PillowImage.fromarray(pixels)
    yield "png", encode_image(Image(pixels), "png")
    yield "png16", encode_image(Image(random_pixels(48, 40, 4, np.uint16)), "png")
    yield "tiff", encode_image(Image(pixels), "tiff")
    yield "tiff raw", tiff_bytes(random_pixels(48, 40, 3, np.uint16), photometric="rgb", rowsperstrip=8)
    yield "tiff lzw", tiff_bytes(pixels, photometric="rgb", rowsperstrip=8, compression="lzw")
    yield "tiff palette", pillow_bytes(picture.quantize(16), "TIFF", compression="tiff_lzw")
    yield "jpeg", pillow_bytes(picture, "JPEG")
    yield "jpeg progressive", pillow_bytes(picture, "JPEG", progressive=True)
    deep = random_pixels(48, 40, 3, np.uint16)
    yield "jpeg 12 bits", imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12)
    yield "jpeg lossless", imagecodecs.jpeg8_encode(deep, lossless=True, bitspersample=16)
    yield "jpeg-ls", imagecodecs.jpegls_encode(deep)
    yield "tiff 12 bits", tiff_bytes(deep >> 4, photometric="rgb", bitspersample=12)
    yield "webp", pillow_bytes(picture, "WEBP")
    yield "webp lossless", pillow_bytes(picture, "WEBP", lossless=True)
    yield "bmp", pillow_bytes(picture, "BMP")
    yield "ppm", encode_image(Image(pixels), "ppm")


SOUND_FILES = dict(sound_files())


@pytest.mark.parametrize("name", SOUND_FILES)
def test_truncated_files_are_refused(name, capfd):
    data = SOUND_FILES[name]
    whole = read_image(data).pixels
    lengths = [round(len(data) * part / 12) for part in range(1, 12)] + [len(data) - 40, len(data) - 1]
    for length in lengths:
        try:
            pixels = read_image(data[:length]).pixels
        except UnreadableImageError:
            continue
        assert length == len(data) - 1, f"{length} of {len(data)} bytes gave a picture"
        np.testing.assert_array_equal(pixels, whole)  # a byte that holds no pixel: padding, or an end marker
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["png", "png16"])
def test_damaged_png_is_refused(name):
    data = bytearray(SOUND_FILES[name])
    data[len(data) // 2] ^= 0x10
    with pytest.raises(UnreadableImageError, match=r"truncated or damaged \(IDAT: .*\); copy or download it again"):
        read_image(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SOUND_FILES)), st.integers(0, 2**32), st.lists(st.integers(0, 255), max_size=6))
def test_damaged_headers_give_a_picture_or_a_typed_error(name, place, replacement):
    data = bytearray(SOUND_FILES[name])
    start = place % min(len(data), 400)
    data[start : start + len(replacement)] = bytes(replacement)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(ImageError):
            image = read_image(bytes(data), max_pixels=2**20)
            assert image.height * image.width <= 2**20


def test_tiff_complaints_stay_out_of_stderr(capfd):
    logging.getLogger("tifffile").handlers.clear()
    with pytest.raises(UnreadableImageError):
        read_image(SOUND_FILES["tiff"][:60])
    assert capfd.readouterr().err == ""
