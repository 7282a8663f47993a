"""JPEG beyond 8 bits and Huffman coding: exact where it is lossless, named where nothing at hand decodes it."""

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image as PillowImage

from inrc.errors import ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from inrc.signal.image import read_image
from tests.signal.samples import SRGB_PROFILE, exif_bytes, pillow_bytes, random_pixels

# 8x8 gray, the left half 200, the right half 40, by libjpeg-turbo with arithmetic coding, sequential and progressive.
_ARITHMETIC_TABLES = (
    "ffd8ffe000104a46494600010100000100010000ffdb0043000201010101010201010102020202020403020202020504040304060506060605"
    "060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0aff"
)
ARITHMETIC = {
    "sequential": "c9000b080008000801011100ffcc000600101005ffda0008010100003f00ff0003d23bcf93aa617467a88448ffd9",
    "progressive": (
        "ca000b080008000801011100ffcc00040010ffda0008010100000001feffcc00041005ffda00080101000105023bac40ffcc00041005ffda"
        "0008010100063f02165b26ff000fadc0ffcc00041005ffda0008010100013f21516aa110ffda0008010100000010ffcc00041005ffda0008"
        "010100013f104bc60028ffd9"
    ),
}


def samples_of(bits, channels, height=20, width=24):
    high = 2**bits
    dtype = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(bits).integers(0, high, (height, width, channels)).astype(dtype).squeeze()


def widened(samples, bits):
    """Samples over the whole range of 8 or 16 bits, by exact fractions."""
    full = 255 if bits <= 8 else 65535
    return np.floor(samples.astype(np.float64) * full / (2**bits - 1) + 0.5).astype(int)


@pytest.mark.parametrize("bits", [2, 5, 8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_jpeg_is_exact_at_every_depth(bits, channels):
    samples = samples_of(bits, channels)
    image = read_image(imagecodecs.jpeg8_encode(samples, lossless=True, bitspersample=bits))
    assert image.bit_depth == (8 if bits <= 8 else 16)
    np.testing.assert_array_equal(image.pixels, widened(samples, bits).reshape(20, 24, channels))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_ls_is_exact(bits, channels):
    samples = samples_of(bits, channels)
    image = read_image(imagecodecs.jpegls_encode(samples))
    assert image.bit_depth == bits
    np.testing.assert_array_equal(image.pixels, samples.reshape(20, 24, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_12_bit_jpeg_keeps_its_depth(channels):
    ramp = np.linspace(0, 4095, 32 * 32).reshape(32, 32).astype(np.uint16)
    samples = ramp if channels == 1 else np.stack([ramp, ramp[::-1], ramp.T], axis=-1)
    image = read_image(imagecodecs.jpeg8_encode(samples, 100, bitspersample=12, subsampling="444"))
    expected = widened(samples, 12).reshape(32, 32, channels)
    assert image.bit_depth == 16
    assert np.abs(image.pixels - expected).max() < 120  # 7 of 4095; 8 bits could not be nearer than 128
    assert len(np.unique(image.pixels)) > 256


@pytest.mark.parametrize("kind", ARITHMETIC)
def test_arithmetic_coding_is_decoded(kind):
    pixels = read_image(bytes.fromhex(_ARITHMETIC_TABLES + ARITHMETIC[kind])).pixels
    assert pixels.shape == (8, 8, 1)
    assert np.unique(pixels[:, :4]).tolist() == [200]
    assert np.unique(pixels[:, 4:]).tolist() == [40]


def test_profile_and_orientation_of_a_deep_jpeg_are_kept():
    data = imagecodecs.jpeg8_encode(samples_of(12, 3, 4, 6), lossless=True, bitspersample=12)
    halves = [SRGB_PROFILE[:300], SRGB_PROFILE[300:]]
    bodies = [b"ICC_PROFILE\x00" + bytes([number + 1, 2]) + halves[number] for number in (1, 0)]  # in any order
    bodies = [(0xE2, body) for body in bodies] + [(0xE1, exif_bytes(6))]
    extra = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in bodies)
    image = read_image(data[:2] + extra + data[2:])
    assert image.icc_profile == SRGB_PROFILE
    assert image.pixels.shape == (6, 4, 3)
    np.testing.assert_array_equal(image.pixels, np.rot90(read_image(data).pixels, -1))


def frame_changed(data, **fields):
    """Changes the frame header of a JPEG: marker, precision, height, components."""
    data = bytearray(data)
    start = next(data.index(bytes([0xFF, marker])) for marker in (0xC0, 0xC1, 0xC3) if bytes([0xFF, marker]) in data)
    if "marker" in fields:
        data[start + 1] = fields["marker"]
    if "size" in fields:
        data[start + 5 : start + 9] = struct.pack(">HH", *fields["size"])
    if "components" in fields:
        data[start + 9] = fields["components"]
    return bytes(data)


BASELINE = pillow_bytes(PillowImage.fromarray(random_pixels(8, 8, 3)), "JPEG")


@pytest.mark.parametrize("marker", [0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF])
def test_hierarchical_jpeg_is_named(marker):
    with pytest.raises(UnsupportedImageError, match=r"hierarchical JPEG, .* reference software of jpeg\.org"):
        read_image(frame_changed(BASELINE, marker=marker))


def test_other_whole_files_are_named():
    announced = b"\xff\xd8\xff\xde\x00\x11\x08\x00\x08\x00\x08\x03" + bytes(9) + BASELINE[2:]
    with pytest.raises(UnsupportedImageError, match="hierarchical JPEG"):
        read_image(announced)
    with pytest.raises(UnsupportedImageError, match="lossless JPEG with arithmetic coding"):
        read_image(frame_changed(BASELINE, marker=0xCB))
    with pytest.raises(UnsupportedImageError, match="height comes after its pixels"):
        read_image(frame_changed(BASELINE, size=(0, 8)))
    with pytest.raises(UnsupportedImageError, match="2 components, neither gray nor RGB"):
        read_image(frame_changed(BASELINE, components=2))
    cmyk = imagecodecs.jpeg8_encode(samples_of(12, 4), lossless=True, bitspersample=12)
    with pytest.raises(UnsupportedImageError, match="CMYK; convert it to gray or RGB first"):
        read_image(cmyk)
    palette = b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xf8\x00\x08\x02\x01\x03\x00\x00\x00"
    with pytest.raises(UnsupportedImageError, match="JPEG-LS file with a palette"):
        read_image(palette + b"\xff\xda\x00\x08\x01\x01\x01\x00\x00\x00\xff\xd9")


DEEP = {
    "12 bits": imagecodecs.jpeg8_encode(samples_of(12, 3), bitspersample=12),
    "lossless": imagecodecs.jpeg8_encode(samples_of(16, 1), lossless=True, bitspersample=16),
    "JPEG-LS": imagecodecs.jpegls_encode(samples_of(16, 3)),
}


@pytest.mark.parametrize("kind", DEEP)
def test_truncated_and_large_deep_files_are_refused(kind):
    data = DEEP[kind]
    for length in [*range(3, len(data) - 2, max(len(data) // 40, 1)), len(data) - 2]:
        with pytest.raises(UnreadableImageError, match=r"truncated|damaged"):
            read_image(data[:length])
    read_image(data, max_pixels=480)
    with pytest.raises(ImageTooLargeError, match="24 x 20 = 480 pixels, more than the limit of 479"):
        read_image(data, max_pixels=479)
    if kind != "JPEG-LS":
        with pytest.raises(ImageTooLargeError, match="65535 x 65535"):
            read_image(frame_changed(data, size=(65535, 65535)))
