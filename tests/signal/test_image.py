"""Pictures in memory and in files of inrc: exact in exact formats, and refused where a format cannot hold them."""

import io
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from inrc.errors import ConfigError, UnsupportedImageError, UnwritableImageError
from inrc.signal import icc
from inrc.signal.curves import Curve, parametric_tag
from inrc.signal.image import Image, encode_image, from_unit, read_image, to_unit, write_image
from inrc.signal.raster import scaled_to_full_range
from tests.conftest import COFFEE
from tests.signal.samples import SRGB_PROFILE, random_pixels

SIZES = [(1, 1), (1, 7), (9, 1), (13, 17), (40, 3)]
GRAY_PROFILE = icc.gray_profile(parametric_tag(Curve(1.8)))
PROFILES = {1: GRAY_PROFILE, 2: GRAY_PROFILE, 3: SRGB_PROFILE, 4: SRGB_PROFILE}


@pytest.mark.parametrize(("channels", "has_alpha"), [(1, False), (2, True), (3, False), (4, True)])
@pytest.mark.parametrize(("dtype", "bit_depth"), [(np.uint8, 8), (np.uint16, 16)])
def test_image_describes_itself(channels, has_alpha, dtype, bit_depth):
    image = Image(np.zeros((5, 7, channels), dtype))
    assert (image.height, image.width, image.channels) == (5, 7, channels)
    assert (image.bit_depth, image.has_alpha, image.icc_profile) == (bit_depth, has_alpha, b"")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32, not uint8 or uint16"),
        (np.zeros((4, 4, 3), np.int64), "int64, not uint8 or uint16"),
        (np.zeros((4, 4, 3), ">u2"), ">u2, not uint8|>u2"),
        ([[1, 2]], "list, not uint8"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), "at least 1 x 1"),
    ],
)
def test_image_refuses_other_arrays(pixels, message):
    with pytest.raises(UnsupportedImageError, match=message):
        Image(pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_sample_value_survives_the_unit_interval(dtype):
    samples = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    unit = to_unit(samples)
    assert unit.dtype == np.float32
    assert (unit[0], unit[-1]) == (0.0, 1.0)
    np.testing.assert_array_equal(from_unit(unit, 8 * samples.itemsize), samples)


def test_samples_of_any_maximum_are_scaled_to_the_full_range():
    scaled = scaled_to_full_range(np.array([0, 1, 2, 3, 9], np.uint8), 3, np.uint8)
    assert scaled.tolist() == [0, 85, 170, 255, 255]
    assert scaled_to_full_range(np.array([1], np.uint16), 2, np.uint16).tolist() == [32768]  # 32767.5 is rounded up
    maxima = np.array([0, 1, 65535], np.uint16)
    assert scaled_to_full_range(np.array([0, 1, 65534], np.uint16), maxima, np.uint16).tolist() == [0, 65535, 65534]


def test_from_unit_clips_and_rounds_halves_up():
    values = np.array([-1.0, 0.4999 / 255, 0.5 / 255, 1.5 / 255, 2.5 / 255, 254.4 / 255, 254.6 / 255, 7.0])
    assert from_unit(values, 8).tolist() == [0, 0, 1, 2, 3, 254, 255, 255]
    assert from_unit(np.array([np.nan, np.inf, -np.inf], np.float32), 8).tolist() == [0, 255, 0]
    assert from_unit(np.array([0.5], np.float16), 16).tolist() == [32768]
    with pytest.raises(ConfigError, match="bit_depth is 12"):
        from_unit(values, 12)
    with pytest.raises(UnsupportedImageError, match="float64"):
        to_unit(values)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_png_and_tiff_hold_everything(tmp_path, height, width, dtype, channels, extension):
    image = Image(random_pixels(height, width, channels, dtype), PROFILES[channels])
    write_image(tmp_path / f"a.{extension}", image)
    back = read_image(tmp_path / f"a.{extension}")
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, image.pixels)
    assert back.icc_profile == image.icc_profile


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("channels", "extension"), [(1, "pgm"), (1, "ppm"), (3, "ppm")])
def test_pgm_and_ppm_are_exact(tmp_path, height, width, dtype, channels, extension):
    image = Image(random_pixels(height, width, channels, dtype))
    write_image(tmp_path / f"a.{extension}", image)
    expected = image.pixels if extension == "pgm" else np.broadcast_to(image.pixels, (height, width, 3))
    back = read_image(tmp_path / f"a.{extension}").pixels
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, expected)


def test_ppm_bytes_are_those_of_the_standard():
    pixels = np.array([[[1, 2, 3], [256, 257, 65535]]], np.uint16)
    expected = b"P6\n2 1\n65535\n" + bytes([0, 1, 0, 2, 0, 3, 1, 0, 1, 1, 255, 255])
    assert encode_image(Image(pixels), "ppm") == expected


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_webp_without_quality_is_lossless(tmp_path, height, width, channels):
    image = Image(random_pixels(height, width, channels), SRGB_PROFILE)
    if image.has_alpha:
        image.pixels[0, 0, -1] = 0  # colours under full transparency are kept too
        image.pixels[-1, -1, -1] = 7
    write_image(tmp_path / "a.webp", image)
    back = read_image(tmp_path / "a.webp")
    expected = image.pixels
    if channels <= 2:
        expected = np.concatenate([np.repeat(expected[..., :1], 3, axis=2), expected[..., 1:]], axis=2)
    np.testing.assert_array_equal(back.pixels, expected)
    assert back.icc_profile == SRGB_PROFILE


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_quality_moves_size_and_error(tmp_path, coffee_small, channels):
    image = Image(coffee_small[:63, :95, :channels].copy(), PROFILES[channels])
    sizes, errors = [], []
    for quality in (10, 60, None, 100):
        write_image(tmp_path / "a.jpg", image, quality=quality)
        back = read_image(tmp_path / "a.jpg")
        assert back.pixels.shape == image.pixels.shape
        assert back.icc_profile == image.icc_profile
        sizes.append((tmp_path / "a.jpg").stat().st_size)
        errors.append(np.mean((back.pixels.astype(float) - image.pixels) ** 2))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 12 < 100 < errors[0]


def test_lossy_webp_is_smaller(coffee_small):
    image = Image(coffee_small)
    assert len(encode_image(image, "webp", quality=50)) < len(encode_image(image, "webp")) / 3


@pytest.mark.parametrize(
    ("dtype", "channels", "format_name", "message"),
    [
        (np.uint16, 3, "jpg", "jpeg holds 8 bits per sample, the picture has 16; write .png or .tiff"),
        (np.uint16, 3, "webp", "webp holds 8 bits per sample"),
        (np.uint8, 4, "jpeg", "jpeg holds no alpha channel, the picture has 4 channels; write .png, .tiff or .webp"),
        (np.uint8, 2, "ppm", "ppm holds no alpha channel"),
        (np.uint16, 4, "ppm", "write .png or .tiff$"),
        (np.uint8, 3, "pgm", "pgm holds no colour, the picture has 3 channels"),
        (np.uint8, 3, "gif", "the output format 'gif' is unknown; use png, tif, tiff, jpg, jpeg, webp, ppm or pgm"),
        (np.uint8, 3, "", "the output format '' is unknown"),
    ],
)
def test_formats_refuse_what_they_cannot_hold(dtype, channels, format_name, message):
    with pytest.raises(UnsupportedImageError, match=message):
        encode_image(Image(np.zeros((2, 2, channels), dtype)), format_name)


def test_webp_and_jpeg_refuse_sides_that_are_too_long():
    with pytest.raises(UnsupportedImageError, match="20000 x 1, but WebP holds at most 16383 a side"):
        encode_image(Image(np.zeros((1, 20000, 3), np.uint8)), "webp")
    with pytest.raises(UnsupportedImageError, match="1 x 65501, but JPEG"):
        encode_image(Image(np.zeros((65501, 1, 1), np.uint8)), "jpg")
    longest = Image(np.zeros((65500, 1, 1), np.uint8))
    assert read_image(encode_image(longest, "jpg")).height == 65500


@pytest.mark.parametrize(("format_name", "quality"), [("jpg", 0), ("jpg", 101), ("png", 90), ("tiff", 90)])
def test_quality_is_checked(format_name, quality):
    with pytest.raises(ConfigError, match=f"quality is {quality}"):
        encode_image(Image(np.zeros((2, 2, 3), np.uint8)), format_name, quality=quality)


def test_extensions_are_read_in_any_case_and_written_by_name(tmp_path):
    image = Image(random_pixels(3, 4, 3))
    for extension, signature in [("PNG", b"\x89PNG"), ("TIFF", b"II*\0"), ("JPeG", b"\xff\xd8"), ("tif", b"II*\0")]:
        write_image(tmp_path / f"a.{extension}", image)
        assert (tmp_path / f"a.{extension}").read_bytes().startswith(signature)


def test_an_unknown_extension_names_the_path(tmp_path):
    with pytest.raises(
        UnsupportedImageError, match=r"cannot write .*a\.xyz: the output format 'xyz' is unknown; use png"
    ):
        write_image(tmp_path / "a.xyz", Image(np.zeros((2, 2, 3), np.uint8)))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(UnwritableImageError, match=r"a\.png: No space left on device"):
        write_image(path, Image(random_pixels(3, 4, 3)))
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a.png", b"old")]


def test_writing_replaces_files_follows_links_and_refuses_folders(tmp_path):
    image = Image(random_pixels(3, 4, 3))
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    write_image(tmp_path / "link.png", image)
    assert (tmp_path / "link.png").is_symlink()
    np.testing.assert_array_equal(read_image(tmp_path / "real.png").pixels, image.pixels)
    (tmp_path / "folder.png").mkdir()
    for place in ("folder.png", "missing/a.png"):
        with pytest.raises(UnwritableImageError, match="choose a folder"):
            write_image(tmp_path / place, image)
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "real.png").stat().st_mode & 0o777 == 0o666 & ~umask


def test_other_programs_read_our_16_bit_png_profile():
    data = encode_image(Image(random_pixels(6, 5, 3, np.uint16), SRGB_PROFILE), "png")
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert picture.info["icc_profile"] == SRGB_PROFILE
        picture.load()


def test_a_kodak_sized_png_is_written_quickly():
    with PillowImage.open(COFFEE) as picture:
        pixels = np.asarray(picture.resize((768, 512)))
    encode_image(Image(pixels[:1, :1]), "png")  # imports
    start = time.perf_counter()
    data = encode_image(Image(pixels), "png")
    assert time.perf_counter() - start < 1.0  # 0.07 s on a quiet machine
    assert len(data) < 0.6 * pixels.size


def test_importing_stays_light():
    code = "import sys, inrc.signal.image; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"PIL", "imageio", "tifffile", "imagecodecs", "skimage", "jax"} & set(modules)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 4),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from(["png", "tiff"]),
    st.booleans(),
)
def test_lossless_formats_round_trip(height, width, channels, dtype, format_name, has_profile):
    profile = PROFILES[channels] if has_profile else b""
    image = Image(random_pixels(height, width, channels, dtype, seed=height * width), profile)
    back = read_image(encode_image(image, format_name))
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, image.pixels)
    assert back.icc_profile == profile
