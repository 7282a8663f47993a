"""EXIF blocks: made upright, taken out of TIFF files, and put into them (EXIF 2.32, CIPA DC-008-2019)."""

from __future__ import annotations

import struct

from inrc.signal.directories import (
    EXIF_LAYOUT,
    Directory,
    Entry,
    byte_order,
    first_place,
    read_directory,
    write_directory,
)
from inrc.signal.orientation import ORIENTATION_TAG

_PREFIX = b"Exif\x00\x00"
_SHORT, _BYTE, _XMP_TAG, _DESCRIPTION_TAG = 3, 1, 700, 270
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))  # place and length: of JPEG, of a single strip
_IN_TIFF = {
    *(270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432),  # EXIF 2.32, table 4, beside the shape of samples
    *(18246, 18249, 33723, 34377, 50341, *range(40091, 40096)),  # ratings, IPTC, Photoshop, PrintIM, titles of Windows
}
"""Tags of the first directory that describe a picture; the others of a TIFF file say how its samples lie."""
_RESOLUTION = _, _, _RESOLUTION_UNIT = 282, 283, 296
_NO_UNIT, _INCHES = 1, 2  # inches where no unit is given
_NO_DESCRIPTIONS = (b"ImageJ=", b'{"shape"')  # by which programs find further frames
_HEADER_BYTES = 8


def upright_exif(block: bytes) -> bytes:
    """Returns an EXIF block of a picture that has been turned upright: its orientation is 1.

    The thumbnail is left out, since it shows the picture as it was. Everything else stays, byte for byte and in its
    place, maker notes included.

    Args:
        block: With or without its `Exif` prefix.

    Returns:
        The block without its prefix; empty where it is damaged.
    """
    block = block.removeprefix(_PREFIX)
    order = byte_order(block)
    if not order:
        return b""
    upright = bytearray(block)
    try:
        place = first_place(block)
        (n_entries,) = struct.unpack_from(order + "H", block, place)
        for position in range(place + 2, place + 2 + 12 * n_entries, 12):
            if struct.unpack_from(order + "H", block, position)[0] == ORIENTATION_TAG:
                struct.pack_into(order + "HIHH", upright, position + 2, _SHORT, 1, 1, 0)
        end = place + 2 + 12 * n_entries
        thumbnail = struct.unpack_from(order + "I", block, end)[0]
        if thumbnail >= _HEADER_BYTES:
            struct.pack_into(order + "I", upright, end, 0)
            _clear_thumbnail(upright, thumbnail)
    except struct.error:
        return b""
    return bytes(upright)


def exif_of_tiff(data: bytes) -> bytes:
    """Returns what a TIFF file says of its picture as an EXIF block; empty where it says nothing.

    Args:
        data: The file. Of a BigTIFF nothing is taken.
    """
    if not byte_order(data):
        return b""
    try:
        directory = _descriptive(read_directory(data, first_place(data), EXIF_LAYOUT))
    except struct.error:
        return b""
    unit = directory.entries.get(_RESOLUTION_UNIT)
    if unit is not None and unit.content == struct.pack(byte_order(data) + "H", _NO_UNIT):
        for tag in _RESOLUTION:  # it says how long pixels are beside their width, and not how large the picture is
            directory.entries.pop(tag, None)
    if not directory.entries and not directory.children:
        return b""
    start = data[:4] + struct.pack(byte_order(data) + "I", _HEADER_BYTES)
    return start + write_directory(directory, byte_order(data), _HEADER_BYTES)


def into_tiff(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """Puts an EXIF block and an XMP packet into a TIFF file: a new first directory at its end.

    Args:
        data: The file, of the block's byte order, with one directory.
        exif: The block; empty for none.
        xmp: The packet; empty for none.
    """
    order = byte_order(data)
    directory = read_directory(data, first_place(data), {}, keep_places=True)
    if exif:
        described = _descriptive(read_directory(exif, first_place(exif), EXIF_LAYOUT))
        if not described.entries.keys().isdisjoint(_RESOLUTION):
            inches = Entry(_RESOLUTION_UNIT, _SHORT, 1, struct.pack(order + "H", _INCHES))
            described.entries.setdefault(_RESOLUTION_UNIT, inches)
        directory.entries |= described.entries
        directory.children = described.children
    if xmp:
        directory.entries[_XMP_TAG] = Entry(_XMP_TAG, _BYTE, len(xmp), xmp)
    place = len(data) + len(data) % 2
    extended = data.ljust(place, b"\x00") + write_directory(directory, order, place)
    return extended[:4] + struct.pack(order + "I", place) + extended[8:]


def _descriptive(directory: Directory) -> Directory:
    """Leaves out tags that say how samples lie, and descriptions that are meant for programs."""
    entries = {
        tag: entry
        for tag, entry in directory.entries.items()
        if tag in _IN_TIFF and not (tag == _DESCRIPTION_TAG and entry.content.startswith(_NO_DESCRIPTIONS))
    }
    return Directory(entries, {tag: child for tag, child in directory.children.items() if child.entries})


def _clear_thumbnail(block: bytearray, place: int) -> None:
    """Overwrites a thumbnail and its directory with zeros, or cuts it off where the block ends with it.

    Raises:
        struct.error: If the directory lies outside of the block.
    """
    order = byte_order(bytes(block[:4]))
    (n_entries,) = struct.unpack_from(order + "H", block, place)
    values = {}
    for position in range(place + 2, place + 2 + 12 * n_entries, 12):
        tag, kind = struct.unpack_from(order + "HH", block, position)
        (values[tag],) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), block, position + 8)
    end = min(place + 2 + 12 * n_entries + 4, len(block))
    block[place:end] = bytes(end - place)
    for start_tag, length_tag in _THUMBNAILS:
        start, length = values.get(start_tag, 0), values.get(length_tag, 0)
        if _HEADER_BYTES < start <= start + length <= len(block):
            block[start : start + length] = bytes(length)
            if start + length == len(block):
                del block[start:]
