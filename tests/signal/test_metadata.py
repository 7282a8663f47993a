"""EXIF and XMP: from every format that is read into every format that holds them, upright, and only if asked for."""

import io
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as PillowImage
from PIL.TiffImagePlugin import IFDRational

from inrc.errors import ConfigError
from inrc.signal import formats
from inrc.signal.directories import EXIF_LAYOUT, first_place, read_directory
from inrc.signal.exif import exif_of_tiff, into_tiff, upright_exif
from inrc.signal.image import Image, encode_image, read_image
from inrc.signal.inputs import image_of
from inrc.signal.orientation import stated_orientation
from inrc.signal.xmp import upright_xmp
from tests.signal.boxed import avif_bytes, box, heic_bytes, jxl_file
from tests.signal.samples import chunk, hand_made_png, pillow_bytes, random_pixels, tiff_bytes
from tests.signal.test_heif import needs_heif
from tests.signal.test_jxl import lossless

PIXELS = random_pixels(6, 8, 3)
PREFIX = b"Exif\x00\x00"
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'tiff:Orientation="%d" dc:source="S\xc3\xa3o"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def camera_exif(orientation=6, *, order=">", thumbnail=b""):
    """An EXIF block as of a camera: with a place, a maker note, and a thumbnail at the end of the block."""
    exif = PillowImage.Exif()
    exif.endian = order
    exif[ExifTags.Base.Make] = "a maker"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = IFDRational(300, 1)
    exif[ExifTags.Base.ResolutionUnit] = 2
    exif[ExifTags.Base.Copyright] = "somebody"
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {0x829A: IFDRational(1, 250), 0x927C: b"a maker note", 0x9003: "2026:11:28 12:00:00"}
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 51.0, 30.0)})
    block = bytearray(exif.tobytes().removeprefix(PREFIX))
    if thumbnail:
        end = struct.unpack_from(order + "I", block, 4)[0]
        end += 2 + 12 * struct.unpack_from(order + "H", block, end)[0]
        struct.pack_into(order + "I", block, end, len(block))
        start = len(block) + 2 + 3 * 12 + 4
        entries = [(0x0112, 3, 1, orientation << 16 if order == ">" else orientation), (0x0201, 4, 1, start)]
        block += struct.pack(order + "H", 3)
        for entry in [*entries, (0x0202, 4, 1, len(thumbnail))]:
            block += struct.pack(order + "HHII", *entry)
        block += bytes(4) + thumbnail
    return bytes(block)


def tags_of(exif: bytes) -> dict:
    """All tags of a block by Pillow, which is none of ours."""
    tags = PillowImage.Exif()
    tags.load(PREFIX + exif)
    inside = {name: dict(tags.get_ifd(name)) for name in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.IFD1)}
    return {name: tag for name, tag in tags.items() if name not in inside} | inside


# Blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", PREFIX])
def test_only_the_orientation_of_a_block_changes(order, prefix):
    for orientation in range(1, 9):
        block = camera_exif(orientation, order=order)
        turned = upright_exif(prefix + block)
        assert len(turned) == len(block)
        assert sum(a != b for a, b in zip(turned, block, strict=True)) == (orientation != 1)
        assert tags_of(turned) == tags_of(block) | {ExifTags.Base.Orientation: 1}
        assert upright_exif(turned) == turned


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_of_a_block_is_left_out(order):
    thumbnail = b"\xff\xd8 as it was \xff\xd9"
    block = camera_exif(6, order=order, thumbnail=thumbnail)
    assert tags_of(block)[ExifTags.IFD.IFD1][0x0202] == len(thumbnail)
    turned = upright_exif(block)
    assert b"as it was" not in turned
    assert len(turned) == len(block) - len(thumbnail)
    assert tags_of(turned) == tags_of(block) | {ExifTags.Base.Orientation: 1, ExifTags.IFD.IFD1: {}}
    within = upright_exif(block + b"behind it")
    assert b"as it was" not in within
    assert within.endswith(bytes(len(thumbnail)) + b"behind it")


@pytest.mark.parametrize(
    "block", [b"", b"?", b"II*\x00", b"II*\x00\xff\xff\xff\xff", b"MM\x00*\x00\x00\x00\x08\x00\x09", PREFIX]
)
def test_damaged_blocks_are_none(block):
    assert upright_exif(block) == b""
    assert exif_of_tiff(block) == b""


def test_any_damage_of_a_block_is_survived():
    random, block = np.random.default_rng(0), camera_exif(6, thumbnail=b"thumbnail")
    tiff = encode_image(Image(PIXELS), "tiff")
    for _ in range(500):
        damaged = bytearray(block)
        for position in random.integers(4, len(block), 2):
            damaged[position] = random.integers(256)
        turned = upright_exif(bytes(damaged))
        assert len(turned) <= len(block)
        assert len(exif_of_tiff(turned)) <= 4 * len(block)
        if turned:
            encode_image(Image(PIXELS, exif=turned), "tiff")
    assert len(into_tiff(tiff, b"", b"")) > len(tiff)


def test_values_that_entries_share_take_no_endless_memory():
    n_entries, size = 5000, 2**20
    entries = b"".join(struct.pack("<HHII", 0xA000 + i, 7, size, 4096) for i in range(n_entries))
    exif_place = 8 + 2 + 12 + 4
    data = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIII", 1, 34665, 4, 1, exif_place, 0)
    data += struct.pack("<H", n_entries) + entries + bytes(4) + bytes(size + 4096)
    assert len(exif_of_tiff(data)) < 2**24 + 2**10


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_packet_becomes_upright_utf_8(encoding):
    packet = (XMP % 6).decode().encode(encoding)
    assert upright_xmp(packet) == XMP % 1
    element = b"<a><tiff:Orientation>8</tiff:Orientation><b tiff:Orientation = '3'/><c tiff:Orientations='3'/></a>"
    assert upright_xmp(element) == element.replace(b">8<", b">1<").replace(b"= '3'", b"= '1'")
    assert upright_xmp(b"\xff\xff no text") == b""


# Formats in ------------------------------------------------------------------------------------------------------


def jpeg_segment(body):
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def sources(exif, xmp):
    jpeg = pillow_bytes(PillowImage.fromarray(PIXELS), "JPEG", quality=95)
    xmp_text = chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp)
    rows = [row.tobytes() for row in PIXELS]
    raw = b"\nexif\n%8d\n" % (len(exif) + 6) + (PREFIX + exif).hex().encode() + b"\n"
    yield (
        "jpeg",
        jpeg[:2] + jpeg_segment(PREFIX + exif) + jpeg_segment(b"http://ns.adobe.com/xap/1.0/\x00" + xmp) + jpeg[2:],
    )
    yield "png", hand_made_png(8, 6, 8, 2, rows, chunk(b"eXIf", exif) + xmp_text)
    yield "png of texts", hand_made_png(8, 6, 8, 2, rows, chunk(b"tEXt", b"Raw profile type exif\x00" + raw) + xmp_text)
    yield "webp", pillow_bytes(PillowImage.fromarray(PIXELS), "WEBP", lossless=True, exif=exif, xmp=xmp)
    plain = tiff_bytes(PIXELS, photometric="rgb", software=False, byteorder=">" if exif[:1] == b"M" else "<")
    yield "tiff", into_tiff(plain, exif, xmp)
    yield "jxl", jxl_file(lossless(PIXELS, usecontainer=False), box(b"Exif", bytes(4) + exif), box(b"xml ", xmp))


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_format_gives_them_upright_and_only_if_asked(order):
    for name, data in sources(camera_exif(6, order=order), XMP % 6):
        stripped, kept = read_image(data), read_image(data, metadata="keep")
        assert (stripped.exif, stripped.xmp) == (b"", b""), name
        np.testing.assert_array_equal(kept.pixels, stripped.pixels)
        expected = tags_of(camera_exif(6, order=order)) | {ExifTags.Base.Orientation: 1}
        if name == "tiff":  # in which the orientation is a tag of the file itself
            expected.pop(ExifTags.Base.Orientation)
        assert tags_of(kept.exif) == expected, name
        assert stated_orientation([kept.exif], [kept.xmp]) == 1
        assert kept.xmp == XMP % 1, name


@pytest.mark.parametrize("encode", [avif_bytes, pytest.param(heic_bytes, marks=needs_heif)])
def test_avif_and_heic_give_them(encode):
    pixels = PIXELS.repeat(4, 0).repeat(4, 1)
    image = read_image(encode(pixels, exif=PREFIX + camera_exif(6), xmp=XMP % 6), metadata="keep")
    assert image.pixels.shape == (32, 24, 3)
    tags = tags_of(image.exif)
    assert (tags[ExifTags.Base.Make], tags[ExifTags.IFD.GPSInfo][1]) == ("a maker", "N")
    assert tags.get(ExifTags.Base.Orientation, 1) == 1
    assert image.xmp == XMP % 1


def test_pictures_of_pillow_give_them():
    for name, data in sources(camera_exif(6), XMP % 6):
        if name in ("jxl", "png of texts"):  # which Pillow does not read
            continue
        with PillowImage.open(io.BytesIO(data)) as picture:
            kept = image_of(picture, metadata="keep")
            assert (image_of(picture).exif, image_of(picture).xmp) == (b"", b"")
        assert tags_of(kept.exif)[ExifTags.IFD.GPSInfo][2] == (48.0, 51.0, 30.0), name
        assert kept.xmp == XMP % 1 or name == "tiff", name  # of which Pillow takes the orientation out
        assert b"W5M0MpCehiHzreSzNTczkc9d" in kept.xmp


def test_a_picture_without_either_has_none():
    for format_name in ("png", "tiff", "jpeg", "webp", "ppm"):
        image = read_image(encode_image(Image(PIXELS), format_name), metadata="keep")
        assert (image.exif, image.xmp) == (b"", b""), format_name
    assert (image_of(PIXELS, metadata="keep").exif, image_of(Image(PIXELS), metadata="keep").xmp) == (b"", b"")
    with pytest.raises(ConfigError, match="there is no metadata 'all'; there are strip, keep"):
        read_image(encode_image(Image(PIXELS), "png"), metadata="all")


def test_what_programs_write_into_descriptions_of_tiff_is_no_metadata():
    data = tiff_bytes(PIXELS, photometric="rgb", software=False, description='{"shape": [6, 8, 3]}')
    assert read_image(data, metadata="keep").exif == b""
    data = tiff_bytes(PIXELS, photometric="rgb", software=False, description="the harbour")
    assert tags_of(read_image(data, metadata="keep").exif)[ExifTags.Base.ImageDescription] == "the harbour"


# Formats out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format_name", ["png", "tiff", "jpeg", "webp"])
def test_formats_that_hold_them_give_them_back(format_name, order):
    exif, xmp = upright_exif(camera_exif(6, order=order)), XMP % 1
    image = Image(PIXELS, exif=exif, xmp=xmp)
    data = encode_image(image, format_name)
    again = read_image(data, metadata="keep")
    assert again.xmp == xmp
    np.testing.assert_array_equal(again.pixels, read_image(encode_image(Image(PIXELS), format_name)).pixels)
    if format_name == "tiff":
        tags, expected = tags_of(again.exif), tags_of(exif)
        expected.pop(ExifTags.Base.Orientation)
        assert tags == expected
    else:
        assert again.exif == exif  # byte for byte
    with PillowImage.open(io.BytesIO(data)) as picture:
        tags = picture.getexif()
        assert tags[ExifTags.Base.Make] == "a maker"
        assert tags.get_ifd(ExifTags.IFD.Exif)[0x927C] == b"a maker note"
        assert tags.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
        assert tags.get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_stays_whole_with_a_second_directory(dtype, channels):
    pixels = random_pixels(5, 7, channels, dtype)
    again = read_image(encode_image(Image(pixels, exif=camera_exif(1), xmp=XMP % 1), "tiff"), metadata="keep")
    np.testing.assert_array_equal(again.pixels, pixels)
    directory = read_directory(again.exif, first_place(again.exif), EXIF_LAYOUT)
    assert sorted(directory.children) == [34665, 34853]
    assert again.xmp == XMP % 1


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is missing (libimage-exiftool-perl)")
@pytest.mark.parametrize("format_name", ["png", "tiff", "jpeg", "webp"])
def test_exiftool_reads_them(format_name, tmp_path):
    path = tmp_path / f"out.{format_name}"
    path.write_bytes(encode_image(Image(PIXELS, exif=upright_exif(camera_exif(6)), xmp=XMP % 1), format_name))
    command = ["exiftool", "-json", "-n", "-a", "-G1", str(path)]
    (tags,) = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert tags["IFD0:Make"] == "a maker"
    assert tags["ExifIFD:ExposureTime"] == 0.004
    assert tags["GPS:GPSLatitude"] == pytest.approx(48.858333)
    assert tags["XMP-dc:Source"] == "São"
    assert tags["XMP-tiff:Orientation"] == 1
    assert tags.get("IFD0:Orientation", 1) == 1


def test_what_formats_do_not_hold_is_said_and_left_out():
    exif, xmp = camera_exif(1), XMP % 1
    assert [formats.left_out(name, exif, xmp) for name in ("png", "tif", "jpg", "webp")] == [()] * 4
    assert [formats.left_out(name, exif, xmp) for name in ("ppm", "pgm")] == [("EXIF", "XMP")] * 2
    assert formats.left_out("ppm", b"", xmp) == ("XMP",)
    most = xmp + b" " * (65504 - len(xmp))
    for packet, lost in ((most, ()), (most + b" ", ("XMP",))):
        assert formats.left_out("jpg", exif, packet) == lost
        again = read_image(encode_image(Image(PIXELS, exif=exif, xmp=packet), "jpg"), metadata="keep")
        assert (again.exif, again.xmp) == (exif, b"" if lost else packet)
    assert encode_image(Image(PIXELS, exif=exif, xmp=xmp), "ppm") == encode_image(Image(PIXELS), "ppm")


def test_files_without_metadata_are_the_same_bytes_as_ever():
    for name in ("png", "tiff", "jpeg", "webp"):
        assert encode_image(Image(PIXELS, exif=b"", xmp=b""), name) == encode_image(Image(PIXELS), name)
