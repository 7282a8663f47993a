"""Files that are whole but not for inrc: the message says what they are, and never that they are damaged."""

import struct

import numpy as np
import pytest
from PIL import Image as PillowImage

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal.image import read_image
from tests.signal.samples import chunk, hand_made_png, pillow_bytes, random_pixels

PICTURE = PillowImage.fromarray(random_pixels(16, 16, 3))
PNG = pillow_bytes(PICTURE, "PNG")


@pytest.mark.parametrize(
    ("format_name", "shown"),
    [
        ("DDS", "DDS"),
        ("GIF", "GIF"),
        ("ICO", "Windows icon"),
        ("JPEG2000", "JPEG 2000"),
        ("PDF", "PDF"),
        ("EPS", "PostScript"),
        ("SGI", "SGI"),
        ("TGA", "Targa"),
    ],
)
def test_files_of_other_formats_are_named(format_name, shown):
    with pytest.raises(
        UnsupportedImageError, match=f"its format is .*{shown}, which inrc does not read; convert it to PNG"
    ):
        read_image(pillow_bytes(PICTURE, format_name))


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        (b"\x00\x00\x00\x18ftypcrx ", "Canon raw"),
        (b"\x00\x00\x00\x18ftypdash", "a video or another file of ISO boxes"),
        (b"\x00\x00\x00\x18ftypisom", "MP4 video"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"II\xbc\x01", "JPEG XR"),
        (b"\x00\x00\x00\x0cJXS \r\n\x87\n", "JPEG XS"),
        (b"qoif", "QOI"),
        (b"\x8aMNG\r\n\x1a\n", "MNG"),
        (b"SIMPLE  =      T", "FITS"),
        (b"IIU\x00", "Panasonic raw"),
        (b"BA", "OS/2 bitmap array"),
        (b"icns", "ICNS icon"),
    ],
)
def test_other_signatures_are_named(start, shown):
    with pytest.raises(UnsupportedImageError, match=f"its format is {shown}, which inrc does not read"):
        read_image(start.ljust(64, b"\x00"))


def header_png(body):
    return PNG[:8] + chunk(b"IHDR", body) + PNG[33:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PNG[:8] + chunk(b"CgBI", b"P\x00 \x06") + PNG[8:], r"PNG of an iPhone app \(CgBI\).*pngcrush -revert"),
        (PNG[:33] + chunk(b"ABCD", b"?") + PNG[33:], "it needs ABCD, an extension of PNG"),
        (header_png(struct.pack(">IIBBBBB", 16, 16, 8, 2, 1, 0, 0)), "PNG of compression 1 and filter 0"),
        (header_png(struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 64, 0)), "PNG of compression 0 and filter 64"),
    ],
)
def test_png_with_extensions_is_named(data, message, capfd):
    with pytest.raises(UnsupportedImageError, match=message):
        read_image(data)
    assert capfd.readouterr() == ("", "")


def test_what_damages_a_png_is_said():
    with pytest.raises(UnreadableImageError, match="changes line ends; copy it again in binary mode"):
        read_image(PNG.replace(b"\r\n", b"\n", 1))
    with pytest.raises(UnreadableImageError, match="PNG header is damaged"):
        read_image(header_png(struct.pack(">IIBBBBB", 16, 16, 7, 2, 0, 0, 0)))
    with pytest.raises(UnreadableImageError, match=r"truncated or damaged \(IHDR: wrong checksum\)"):
        read_image(PNG[:17] + b"\x01" + PNG[18:])
    with pytest.raises(UnreadableImageError, match=r"a chunk is called b'A\\n\\x1b\["):
        read_image(PNG[:33] + chunk(b"A\n\x1b[", b"") + PNG[33:])


def test_libpng_prints_no_complaints(capfd):
    """Beside the pixels: a wrong checksum, a profile that is none, a colour that no palette has, and interlacing."""
    extras = [
        chunk(b"tEXt", b"a\x00b")[:-1] + b"!",
        chunk(b"iCCP", b"name\x00\x00" + b"no zlib"),
        chunk(b"gAMA", struct.pack(">I", 0)) + chunk(b"gAMA", b"?"),
        chunk(b"cHRM", bytes(32)),
        chunk(b"tRNS", b"?"),
        chunk(b"PLTE", bytes(4)),
        chunk(b"bKGD", b"????????"),
    ]
    pixels = random_pixels(4, 5, 3)
    rows = [row.tobytes() for row in pixels]
    for extra in extras:
        np.testing.assert_array_equal(read_image(hand_made_png(5, 4, 8, 2, rows, extra)).pixels, pixels)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "data", [b"P6 1 1 255\nabcP6 1 1 255\nabc", b"P5 1 1 65535\nab\nP5 1 1 255\na", b"P4 9 1\nab P4 1 1\na"]
)
def test_several_netpbm_pictures_in_a_file_are_refused(data):
    with pytest.raises(UnsupportedImageError, match="several pictures; split it, for example with pamsplit"):
        read_image(data)


def test_a_library_that_says_unsupported_is_not_taken_for_damage():
    masks = struct.pack("<III", 0x3FF00000, 0xFFC00, 0x3FF)
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 74, 0, 0, 66) + header + masks + bytes(8)
    with pytest.raises(
        UnsupportedImageError, match=r"asks for what inrc does not read \(Unsupported BMP bitfields layout\)"
    ):
        read_image(data)
