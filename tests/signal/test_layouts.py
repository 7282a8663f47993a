"""Every writer takes every shape and every layout of an array, and writes the same bytes for the same samples."""

import numpy as np
import pytest

from inrc.signal.image import Image, encode_image, read_image
from inrc.signal.raster import packed, upright
from tests.signal.samples import random_pixels

SHAPES = [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (3, 5), (17, 16)]
HELD = {
    "png": [(1, 8), (2, 8), (3, 8), (4, 8), (1, 16), (2, 16), (3, 16), (4, 16)],
    "tiff": [(1, 8), (2, 8), (3, 8), (4, 8), (1, 16), (2, 16), (3, 16), (4, 16)],
    "jpeg": [(1, 8), (3, 8)],
    "webp": [(1, 8), (2, 8), (3, 8), (4, 8)],
    "ppm": [(1, 8), (3, 8), (1, 16), (3, 16)],
    "pgm": [(1, 8), (1, 16)],
}


def read_only(pixels):
    view = pixels.view()
    view.flags.writeable = False
    return view


LAYOUTS = {
    "C": lambda pixels: pixels.copy(order="C"),
    "Fortran": np.asfortranarray,
    "planes": lambda pixels: np.moveaxis(np.moveaxis(pixels, -1, 0).copy(), 0, -1),
    "transposed": lambda pixels: pixels.swapaxes(0, 1).copy().swapaxes(0, 1),
    "negative strides": lambda pixels: pixels[::-1, ::-1].copy()[::-1, ::-1],
    "negative channels": lambda pixels: pixels[..., ::-1].copy()[..., ::-1],
    "part of a larger array": lambda pixels: np.pad(pixels, ((2, 3), (1, 2), (0, 0)))[2:-3, 1:-2],
    "every other sample": lambda pixels: pixels.repeat(2, axis=0).repeat(3, axis=1)[::2, ::3],
    "some of more channels": lambda pixels: np.pad(pixels, ((0, 0), (0, 0), (1, 1)))[..., 1:-1],
    "read-only": read_only,
    "subclass": lambda pixels: pixels.copy().view(np.recarray).view(np.ndarray).view(type("Other", (np.ndarray,), {})),
    "unaligned": lambda pixels: np.frombuffer(b"?" + pixels.tobytes(), pixels.dtype, offset=1).reshape(pixels.shape),
    "axes of length 1 with odd strides": lambda pixels: np.lib.stride_tricks.as_strided(
        pixels.copy(),
        pixels.shape,
        [12345 if side == 1 else stride for side, stride in zip(pixels.shape, pixels.copy().strides, strict=True)],
    ),
}


@pytest.mark.parametrize(
    ("format_name", "channels", "bits"), [(name, *kind) for name, kinds in HELD.items() for kind in kinds]
)
def test_every_writer_takes_every_shape_and_layout(format_name, channels, bits):
    for height, width in SHAPES:
        pixels = random_pixels(height, width, channels, np.uint8 if bits == 8 else np.uint16)
        expected = encode_image(Image(pixels), format_name)
        back = read_image(expected).pixels
        assert back.shape[:2] == (height, width)
        if format_name not in ("jpeg", "webp", "ppm"):
            np.testing.assert_array_equal(back, pixels)
        for name, layout in LAYOUTS.items():
            laid_out = layout(pixels)
            np.testing.assert_array_equal(laid_out, pixels, err_msg=name)
            assert encode_image(Image(laid_out), format_name) == expected, (name, height, width)


def test_one_pixel_wide_pictures_of_portrait_files_are_written():
    """The pixels of a portrait file are those of a landscape picture with its axes swapped."""
    tall = random_pixels(1, 20000, 3).swapaxes(0, 1)
    np.testing.assert_array_equal(read_image(encode_image(Image(tall), "png")).pixels, tall)
    column = random_pixels(200, 50, 3).swapaxes(0, 1)[:, 5:6]
    np.testing.assert_array_equal(read_image(encode_image(Image(column), "png")).pixels, column)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_pictures_have_plain_strides(orientation):
    for shape in [(1, 7, 3), (7, 1, 3), (1, 1, 1), (4, 5, 1)]:
        turned = upright(random_pixels(*shape), orientation)
        assert turned.strides == (turned.shape[1] * shape[2], shape[2], 1)


def test_packing_copies_only_what_needs_it_and_keeps_values():
    pixels = random_pixels(5, 4, 3, np.uint16)
    assert packed(pixels) is pixels
    swapped = pixels.astype(">u2")
    assert packed(swapped).dtype == np.dtype(np.uint16)
    assert packed(swapped).dtype.isnative
    np.testing.assert_array_equal(packed(swapped), pixels)
