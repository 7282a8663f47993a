"""Directories of tags, of which TIFF files and EXIF blocks consist (TIFF 6.0, section 2; EXIF 2.32, section 4.5)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
"""Bytes of a value by its type."""
_ENTRY_BYTES = 12
_MAX_BYTES = 2**24  # of the values of a directory: entries of a hostile file may share theirs
EXIF_POINTER, GPS_POINTER, INTEROPERABILITY_POINTER = 34665, 34853, 40965
EXIF_LAYOUT: dict[int, Any] = {EXIF_POINTER: {INTEROPERABILITY_POINTER: {}}, GPS_POINTER: {}}
"""Tags that point to further directories, and those that these have."""


class Entry(NamedTuple):
    """A tag with its value.

    Attributes:
        tag: Its number.
        kind: Its type.
        n_values: How many values it has.
        content: The bytes of the values; where `is_inline`, the four bytes of the entry, be they a place or the values.
        is_inline: Whether `content` is written as it is.
    """

    tag: int
    kind: int
    n_values: int
    content: bytes
    is_inline: bool = False


@dataclass
class Directory:
    """Tags, and the directories that some of them point to.

    Attributes:
        entries: Entries by their tag, those that point to further directories left out.
        children: Further directories, by the tag that points to them.
        next_place: Where the next directory of the file begins; 0 where there is none.
    """

    entries: dict[int, Entry] = field(default_factory=dict)
    children: dict[int, Directory] = field(default_factory=dict)
    next_place: int = 0


def byte_order(data: bytes) -> str:
    """Returns how `struct` calls the byte order of a TIFF file or EXIF block; empty for what is neither."""
    return {b"II*\x00": "<", b"MM\x00*": ">"}.get(data[:4], "")


def first_place(data: bytes) -> int:
    """Returns where the first directory begins."""
    return struct.unpack_from(byte_order(data) + "I", data, 4)[0]


def read_directory(data: bytes, place: int, layout: Mapping[int, Any], *, keep_places: bool = False) -> Directory:
    """Reads a directory and those below it.

    Args:
        data: A TIFF file or an EXIF block.
        place: Where the directory begins.
        layout: As `EXIF_LAYOUT`: which tags point to further directories.
        keep_places: Whether entries keep the places of their values, for a directory that stays in the same file.

    Returns:
        The directory; without entries whose type is unknown or whose values lie outside of the data or take more than
        16 MiB in all, and without children that cannot be read.

    Raises:
        struct.error: If the directory lies outside of the data.
    """
    order, directory, left = byte_order(data), Directory(), _MAX_BYTES
    (n_entries,) = struct.unpack_from(order + "H", data, place)
    for position in range(place + 2, place + 2 + _ENTRY_BYTES * n_entries, _ENTRY_BYTES):
        tag, kind, count, start = struct.unpack_from(order + "HHII", data, position)
        field_bytes = data[position + 8 : position + 12]
        if tag in layout:
            try:
                directory.children[tag] = read_directory(data, start, layout[tag])
            except struct.error:
                continue
            continue
        n_bytes = _VALUE_BYTES.get(kind, 0) * count
        content = field_bytes[:n_bytes] if n_bytes <= 4 else data[start : start + min(n_bytes, left + 1)]
        if keep_places:
            directory.entries[tag] = Entry(tag, kind, count, field_bytes, True)
        elif len(content) == n_bytes > 0 and n_bytes <= left:
            left -= n_bytes
            directory.entries[tag] = Entry(tag, kind, count, content)
    (directory.next_place,) = struct.unpack_from(order + "I", data, place + 2 + _ENTRY_BYTES * n_entries)
    return directory


def write_directory(directory: Directory, order: str, place: int) -> bytes:
    """Writes a directory, its values and those below it one after the other.

    Args:
        directory: What to write.
        order: The byte order, as `struct` calls it.
        place: Where the bytes will lie, an even number.
    """
    tags = sorted({*directory.entries, *directory.children})
    body, fields = b"", []
    start = place + 2 + _ENTRY_BYTES * len(tags) + 4
    for tag in tags:
        if tag in directory.children:
            fields.append(struct.pack(order + "HHII", tag, 4, 1, start + len(body)))
            body += write_directory(directory.children[tag], order, start + len(body))
            continue
        _, kind, count, content, is_inline = directory.entries[tag]
        if not is_inline and len(content) > 4:
            content, body = struct.pack(order + "I", start + len(body)), body + content + bytes(len(content) % 2)
        fields.append(struct.pack(order + "HHI", tag, kind, count) + content.ljust(4, b"\x00"))
    return struct.pack(order + "H", len(tags)) + b"".join(fields) + bytes(4) + body
