"""What users may give as a picture, beside the paths and bytes of `read_image`."""

import io

import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from inrc.errors import ImageError, UnsupportedImageError
from inrc.signal.image import Image, encode_image, read_image
from inrc.signal.inputs import image_of, is_one_picture
from tests.signal.samples import SRGB_PROFILE

RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (5, 4, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (5, 4, 1)).astype(np.uint16)


class Lent:
    """An array that knows DLPack alone."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnAccelerator:
    def __array__(self, *arguments, **keywords):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.mark.parametrize("wrap", [Image, np.asarray, jnp.asarray, Lent])
def test_arrays_of_any_library_are_pictures(wrap):
    np.testing.assert_array_equal(image_of(wrap(RGB)).pixels, RGB)


def test_samples_of_the_other_byte_order_are_the_same_picture():
    image = image_of(DEEP.astype(">u2"))
    np.testing.assert_array_equal(image.pixels, DEEP)
    assert image.pixels.dtype.isnative
    with pytest.raises(UnsupportedImageError, match=r">u2.*astype\(numpy.uint16\)"):
        Image(DEEP.astype(">u2"))


@pytest.mark.parametrize("source", [[[1, 2], [3, 4]], None, 7, {"a": 1}, object()])
def test_what_is_no_picture_is_refused_by_its_type(source):
    with pytest.raises(UnsupportedImageError, match=f"a {type(source).__name__} is no picture"):
        image_of(source)


@pytest.mark.parametrize(
    ("pixels", "remedy"),
    [
        (RGB / 255, "from_unit"),
        (RGB > 9, "by 255"),
        (RGB.astype(int), "astype"),
        (jnp.zeros((2, 2, 3)), "from_unit"),
        (OnAccelerator(), "copy it to the CPU first"),
    ],
)
def test_arrays_that_are_no_pixels_are_refused_with_a_remedy(pixels, remedy):
    with pytest.raises(UnsupportedImageError, match=remedy):
        image_of(pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16", "I;16B", "I"])
def test_a_pillow_picture_is_read_as_its_png_would_be(mode):
    if mode.startswith("I"):
        picture = PIL.Image.fromarray(DEEP[..., 0])
        if mode == "I;16B":
            picture = PIL.Image.frombytes("I;16B", (4, 5), DEEP.astype(">u2").tobytes())
        elif mode == "I":
            picture = PIL.Image.fromarray(DEEP[..., 0].astype(np.int32))
        np.testing.assert_array_equal(image_of(picture).pixels, DEEP)
        return
    picture = PIL.Image.fromarray(RGB).convert(mode)
    file = io.BytesIO()
    picture.save(file, "PNG")
    np.testing.assert_array_equal(image_of(picture).pixels, read_image(file.getvalue()).pixels)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "F"])
def test_a_pillow_picture_of_other_colours_is_refused(mode):
    with pytest.raises(UnsupportedImageError, match=f"its colours are {mode}; convert it"):
        image_of(PIL.Image.new(mode, (2, 2)))


def test_a_pillow_picture_of_32_bits_is_refused():
    with pytest.raises(UnsupportedImageError, match=r"samples lie in 70000\.\.70000"):
        image_of(PIL.Image.new("I", (2, 2), 70000))


@pytest.mark.parametrize(("mode", "value"), [("L", 0), ("RGB", (0, 0, 0)), ("P", 3), ("I;16", 0)])
def test_the_transparent_colour_of_a_pillow_picture_becomes_alpha(mode, value):
    picture = PIL.Image.new(mode, (2, 1))
    picture.putpixel((1, 0), 3 if mode == "P" else (9, 9, 9) if mode == "RGB" else 9)
    picture.info["transparency"] = value
    alpha = image_of(picture).pixels[0, :, -1]
    opaque = np.iinfo(alpha.dtype).max
    assert alpha.tolist() == ([opaque, 0] if mode == "P" else [0, opaque])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pillow_picture_is_upright_and_keeps_its_profile(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "PNG", exif=exif, icc_profile=SRGB_PROFILE)
    image, whole = image_of(PIL.Image.open(file)), read_image(file.getvalue())
    np.testing.assert_array_equal(image.pixels, whole.pixels)
    assert image.icc_profile == SRGB_PROFILE


def test_open_files_are_read_and_their_faults_are_typed(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(Image(RGB), "png"))
    with path.open("rb") as file:
        np.testing.assert_array_equal(image_of(file).pixels, RGB)
    with pytest.raises(ImageError, match="open it anew"):
        image_of(file)
    path.write_text("text")
    with path.open() as text, pytest.raises(ValueError, match="open it in mode 'rb'"):
        image_of(text)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("a.png", True),
        (b"", True),
        (io.BytesIO(), True),
        (Image(RGB), True),
        (RGB, True),
        (RGB[..., 0], True),
        (PIL.Image.new("L", (2, 2)), True),
        (RGB[None], False),
        (np.array(["a.png", "b.png"]), False),
        (["a.png"], False),
    ],
)
def test_one_picture_is_told_from_several(value, is_one):
    assert is_one_picture(value) is is_one
