"""One rule for orientation in every format: EXIF, then XMP; damaged and hostile blocks state nothing."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage

from inrc.signal.image import read_image
from inrc.signal.inputs import image_of
from inrc.signal.orientation import stated_orientation
from tests.signal.samples import chunk, exif_bytes, hand_made_png, pillow_bytes, random_pixels, tiff_bytes

PIXELS = random_pixels(2, 3, 3)
TURNED = {6: np.rot90(PIXELS, -1), 3: np.rot90(PIXELS, 2), None: PIXELS}
BARE = {6: exif_bytes(6).removeprefix(b"Exif\x00\x00"), 3: exif_bytes(3).removeprefix(b"Exif\x00\x00")}


def xmp(orientation, *, element=False):
    name = "tiff:Orientation"
    inner = f"<{name}>{orientation}</{name}>" if element else ""
    attribute = "" if element else f' {name}="{orientation}"'
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{attribute}>{inner}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def png(extra=b""):
    return hand_made_png(3, 2, 8, 2, [row.tobytes() for row in PIXELS], extra)


def raw_profile(kind, block, *, name=b"tEXt"):
    hexadecimal = b"\n".join(block.hex().encode()[start : start + 72] for start in range(0, 2 * len(block), 72))
    text = b"\n%s\n%8d\n%s\n" % (kind, len(block), hexadecimal)
    keyword = b"Raw profile type " + kind + b"\x00"
    if name == b"iTXt":
        return chunk(name, keyword + b"\x01\x00en\x00\x00" + zlib.compress(text))
    return chunk(name, keyword + (b"\x00" + zlib.compress(text) if name == b"zTXt" else text))


def png_xmp(packet, *, compressed=False):
    body = zlib.compress(packet) if compressed else packet
    return chunk(b"iTXt", b"XML:com.adobe.xmp\x00" + bytes([compressed, 0]) + b"\x00\x00" + body)


def tiff_xmp(packet, orientation=None, **options):
    tags = [(700, "B", len(packet), packet, True)]
    tags += [(0x0112, "H", 1, orientation, True)] if orientation is not None else []
    return tiff_bytes(PIXELS, photometric="rgb", extratags=tags, **options)


PNG_WAYS = {
    "eXIf": chunk(b"eXIf", BARE[6]),
    "exif in tEXt": raw_profile(b"exif", exif_bytes(6)),
    "exif in zTXt": raw_profile(b"exif", exif_bytes(6), name=b"zTXt"),
    "exif in iTXt": raw_profile(b"exif", BARE[6], name=b"iTXt"),
    "APP1 with exif": raw_profile(b"APP1", exif_bytes(6), name=b"zTXt"),
    "APP1 with XMP": raw_profile(b"APP1", b"http://ns.adobe.com/xap/1.0/\x00" + xmp(6)),
    "raw xmp": raw_profile(b"xmp", xmp(6), name=b"zTXt"),
    "XMP attribute": png_xmp(xmp(6)),
    "XMP element, deflated": png_xmp(xmp(6, element=True), compressed=True),
    "EXIF before XMP": png_xmp(xmp(3)) + chunk(b"eXIf", BARE[6]),
    "eXIf before texts": raw_profile(b"exif", exif_bytes(3)) + chunk(b"eXIf", BARE[6]),
    "impossible EXIF, then XMP": chunk(b"eXIf", exif_bytes(0).removeprefix(b"Exif\x00\x00")) + png_xmp(xmp(6)),
}


@pytest.mark.parametrize("way", PNG_WAYS)
def test_png_is_turned_by_all_that_states_an_orientation(way):
    np.testing.assert_array_equal(read_image(png(PNG_WAYS[way])).pixels, TURNED[6])


@pytest.mark.parametrize(
    "extra",
    [
        raw_profile(b"exif", b"no EXIF"),
        chunk(b"zTXt", b"Raw profile type exif\x00\x00no zlib"),
        chunk(b"tEXt", b"Raw profile type exif\x00\nexif\n  4\nabc"),
        chunk(b"tEXt", b"Raw profile type exif\x00" + b" " * 60000),
        chunk(b"iTXt", b"XML:com.adobe.xmp"),
        chunk(b"tEXt", b"Comment\x00" + xmp(6)),
    ],
)
def test_damaged_texts_state_nothing(extra):
    np.testing.assert_array_equal(read_image(png(extra)).pixels, PIXELS)


@pytest.mark.parametrize(
    ("exif", "packet", "expected"),
    [
        (6, b"", 6),
        (None, xmp(6), 6),
        (None, xmp(6, element=True), 6),
        (6, xmp(3), 6),
        (0, xmp(3), 3),
        (None, xmp(9), None),
    ],
)
def test_every_format_follows_the_same_rule(exif, packet, expected):
    picture = PillowImage.fromarray(PIXELS)
    block = b"" if exif is None else exif_bytes(exif)
    files = {
        "png": png((chunk(b"eXIf", block.removeprefix(b"Exif\x00\x00")) if block else b"") + png_xmp(packet)),
        "webp": pillow_bytes(picture, "WEBP", lossless=True, exif=block, xmp=packet),
        "tiff": tiff_xmp(packet, exif),
        "tiff lzw big-endian": tiff_xmp(packet, exif, compression="lzw", byteorder=">"),
        "bigtiff": tiff_xmp(packet, exif, bigtiff=True),
    }
    for name, data in files.items():
        np.testing.assert_array_equal(read_image(data).pixels, TURNED[expected], err_msg=name)
    large = picture.resize((48, 32), PillowImage.Resampling.NEAREST)
    jpeg = pillow_bytes(large, "JPEG", quality=100, subsampling=0, exif=block, xmp=packet)
    upright = read_image(pillow_bytes(large, "JPEG", quality=100, subsampling=0)).pixels
    turns = {6: -1, 3: 2, None: 0}[expected]
    np.testing.assert_array_equal(read_image(jpeg).pixels, np.rot90(upright, turns))


@pytest.mark.parametrize("exif", [None, 6])
def test_tiff_that_pillow_decodes_is_turned_once(exif):
    indexed = PillowImage.fromarray(PIXELS).quantize(6)
    info = {700: xmp(6)} | ({} if exif is None else {0x0112: exif})
    data = pillow_bytes(indexed, "TIFF", tiffinfo=info)
    np.testing.assert_array_equal(read_image(data).pixels, np.rot90(np.array(indexed.convert("RGB")), -1))


def test_xmp_before_exif_in_a_jpeg_does_not_hide_it():
    plain = pillow_bytes(PillowImage.new("RGB", (16, 8)), "JPEG")
    blocks = [b"http://ns.adobe.com/xap/1.0/\x00" + xmp(1), exif_bytes(6)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block for block in blocks)
    assert read_image(plain[:2] + segments + plain[2:]).pixels.shape == (16, 8, 3)


def test_hostile_xmp_costs_nothing():
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 50) for level in range(20)
    )
    laughs += b"]><x tiff:Orientation='&t;'>&t;</x>"
    near_misses = b"tiff:Orientation" + b" " * 50
    start = time.perf_counter()
    for packet in (laughs, near_misses * 20000, b"tiff:Orientation=" * 10**6, bytes(10**7), b"tiff:Orientation='61'"):
        assert stated_orientation(xmp=[packet]) == 1
    assert time.perf_counter() - start < 2
    assert stated_orientation(xmp=["<tiff:Orientation>8</tiff:Orientation>".encode("utf-16")]) == 8


def test_pillow_pictures_follow_the_rule_too():
    packets = {"PNG": png(png_xmp(xmp(6))), "PNG with both": png(PNG_WAYS["EXIF before XMP"]), "TIFF": tiff_xmp(xmp(6))}
    packets |= {"TIFF with both": tiff_xmp(xmp(3), 6), "PNG with a text": png(PNG_WAYS["exif in zTXt"])}
    for name, data in packets.items():
        with PillowImage.open(io.BytesIO(data)) as picture:
            np.testing.assert_array_equal(image_of(picture).pixels, TURNED[6], err_msg=name)
    with PillowImage.open(io.BytesIO(tiff_xmp(xmp(6), 1))) as picture:
        np.testing.assert_array_equal(image_of(picture).pixels, PIXELS)
