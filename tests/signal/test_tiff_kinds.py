"""TIFF of every depth is exact; frames, volumes and bands in one page are refused with a message that says so."""

import io
import struct

import numpy as np
import pytest
import tifffile

from inrc.errors import UnsupportedImageError
from inrc.signal.image import read_image
from tests.signal.samples import random_pixels, tiff_bytes

FRAMES = random_pixels(4, 6, 5)[..., 0][None].repeat(4, axis=0)  # 4 frames of 4 x 6


def changed_entry(data, code, *, count=None, value=None):
    """Changes the count or the value in the entry of a tag of a little-endian classic TIFF."""
    data = bytearray(data)
    start = struct.unpack_from("<I", data, 4)[0]
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, place)[0] == code:
            if count is not None:
                struct.pack_into("<I", data, place + 4, count)
            if value is not None:
                struct.pack_into("<I", data, place + 8, value)
            return bytes(data)
    raise AssertionError(code)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack", "miniswhite"])
def test_every_depth_is_widened_exactly(bits, photometric):
    channels = 3 if photometric == "rgb" else 1
    samples = np.random.default_rng(bits).integers(0, 2**bits, (5, 7, channels))
    samples = samples.astype(np.uint8 if bits <= 8 else np.uint16)
    data = tiff_bytes(samples.squeeze(), photometric=photometric, bitspersample=bits)
    full = 255 if bits <= 8 else 65535
    expected = np.floor(samples * (full / (2**bits - 1)) + 0.5).astype(int)
    image = read_image(data)
    assert image.bit_depth == (8 if bits <= 8 else 16)
    np.testing.assert_array_equal(image.pixels, full - expected if photometric == "miniswhite" else expected)


@pytest.mark.parametrize("bits", [12, 16])
def test_lossless_jpeg_in_tiff_is_exact(bits):
    samples = np.random.default_rng(0).integers(0, 2**bits, (16, 16, 3)).astype(np.uint16)
    options = {"lossless": True, "bitspersample": bits}
    data = tiff_bytes(samples, photometric="rgb", compression="jpeg", compressionargs=options)
    expected = np.floor(samples * (65535 / (2**bits - 1)) + 0.5).astype(int)
    np.testing.assert_array_equal(read_image(data).pixels, expected)


@pytest.mark.parametrize(
    "compression", ["jpegxl", "webp", "lerc", "zstd", "lzma", "jpeg2000", "jpegxr", "png", "packbits"]
)
def test_rare_compressions_are_decoded(compression):
    pixels = random_pixels(16, 16, 3)
    data = tiff_bytes(pixels, photometric="rgb", compression=compression)
    assert read_image(data).pixels.shape == (16, 16, 3)


def test_compressions_that_no_library_decodes_are_named():
    data = tiff_bytes(random_pixels(4, 6, 3), photometric="rgb")
    for code, name in [(34661, "JBIG"), (32908, "PIXARFILM"), (34713, "NIKON_NEF"), (61234, "61234")]:
        with pytest.raises(UnsupportedImageError, match=rf"compression is {name}, which inrc does not read; .* LZW"):
            read_image(changed_entry(data, 259, value=code))


def stack(description, frames=FRAMES, **options):
    """One page that says by its description that frames follow without pages of their own."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, frames[0], photometric="minisblack", metadata=None, description=description, **options)
    return stream.getvalue() + frames[1:].tobytes()


def test_frames_without_pages_are_refused():
    imagej = "ImageJ=1.54f\nimages=4\nslices=4\n"
    with pytest.raises(UnsupportedImageError, match=r"its one page holds 4 frames; .* as with ImageJ"):
        read_image(stack(imagej))
    with pytest.raises(UnsupportedImageError, match="its one page holds 4 frames"):
        read_image(stack('{"shape": [4, 4, 6]}'))
    for is_imagej in (False, True):
        written = io.BytesIO()
        tifffile.imwrite(written, FRAMES, photometric="minisblack", imagej=is_imagej, truncate=True)
        with pytest.raises(UnsupportedImageError, match="its one page holds 4 frames"):
            read_image(written.getvalue())
    planes = tiff_bytes(FRAMES[0], photometric="minisblack", extratags=[(33629, "2I", 4, tuple(range(8)), True)])
    with pytest.raises(UnsupportedImageError, match="holds 4 frames"):
        read_image(planes)


def test_more_strips_than_the_picture_has_are_frames():
    data = tiff_bytes(FRAMES.reshape(16, 6), photometric="minisblack", rowsperstrip=4)
    np.testing.assert_array_equal(read_image(data).pixels[..., 0], FRAMES.reshape(16, 6))
    with pytest.raises(UnsupportedImageError, match="its one page holds 4 frames"):
        read_image(changed_entry(data, 257, value=4))


def test_a_frame_that_was_taken_out_of_a_stack_is_read():
    for description in ("ImageJ=1.54f\nimages=4\nslices=4\n", '{"shape": [4, 4, 6]}'):
        for options in ({}, {"compression": "zlib"}):
            data = tiff_bytes(FRAMES[0], photometric="minisblack", description=description, **options)
            np.testing.assert_array_equal(read_image(data).pixels[..., 0], FRAMES[0])


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16, 16)}])
def test_volumes_are_named(options):
    data = tiff_bytes(FRAMES, photometric="minisblack", volumetric=True, **options)
    with pytest.raises(UnsupportedImageError, match="it is a volume, 4 slices deep; write the slice you want"):
        read_image(data)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (FRAMES, {"planarconfig": "separate"}, r"4 samples per pixel, more than gray and alpha \(bands, or frames\?\)"),
        (FRAMES[:2], {"planarconfig": "separate"}, "two planes of gray, and does not say that the second is alpha"),
        (
            random_pixels(4, 6, 4)[..., :1].repeat(5, 2),
            {"planarconfig": "contig", "photometric": "rgb"},
            "more than RGB",
        ),
        (np.zeros((4, 4), np.complex64), {}, "samples are complex with 64 bits"),
        (np.zeros((4, 4), np.uint32), {"bitspersample": 24}, "unsigned with 24 bits"),
    ],
)
def test_bands_and_numbers_are_named(samples, options, message):
    with pytest.raises(UnsupportedImageError, match=message):
        read_image(tiff_bytes(samples, **({"photometric": "minisblack"} | options)))


def test_a_second_plane_that_is_alpha_is_read():
    data = tiff_bytes(FRAMES[:2], photometric="minisblack", planarconfig="separate", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(data).pixels, np.moveaxis(FRAMES[:2], 0, -1))


def test_samples_of_different_depths_are_named():
    data = tiff_bytes(random_pixels(4, 6, 3), photometric="rgb")
    place = data.index(struct.pack("<HHI", 258, 3, 3))
    offset = struct.unpack_from("<I", data, place + 8)[0]
    unlike = data[:offset] + struct.pack("<HHH", 5, 6, 5) + data[offset + 6 :]
    with pytest.raises(UnsupportedImageError, match=r"different depths, \(5, 6, 5\) bits; convert it to 8 or 16 bits"):
        read_image(unlike)
