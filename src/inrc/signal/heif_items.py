"""What a HEIF or AVIF file says of its primary picture (ISO/IEC 23008-12; AVIF 1.1, https://aomediacodec.github.io/av1-avif/).

Such a file holds items, which have properties and refer to one another. The boxes are read here, so that the size is
known before a library decodes a pixel, and so that both formats follow the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal.boxes import Box, BoxReader, boxes

_MAX_METADATA_BYTES = 2**24
_XMP_TYPE = b"application/rdf+xml"
_DERIVED = (b"grid", b"iovl", b"iden")  # pictures that are made of others


@dataclass
class _Item:
    kind: bytes = b""
    content_type: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)
    properties: list[Box] = field(default_factory=list)


@dataclass
class _Meta:
    """The `meta` box (23008-12, 6.2).

    Attributes:
        primary: Id of the primary item.
        items: Items by their id.
        references: {kind: [(from, to)]}.
    """

    primary: int = 0
    items: dict[int, _Item] = field(default_factory=dict)
    references: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class HeifPicture:
    """The primary picture of a file.

    Attributes:
        coding: How its samples are coded, or those of its first tile: `av01`, `hvc1`, ...
        bits: Of a sample, as far as AV1 says so: 8, 10 or 12.
        width: Before it is turned, in pixels.
        height: Likewise.
        icc_profile: The profile; empty where there is none.
        code_points: Primaries, transfer, matrix and range of ITU-T H.273, where they are stated.
        transforms: What a viewer does to the samples, in this order: ("irot", quarter turns to the left), ("imir", 0
            exchanges top and bottom, 1 left and right), ("clap", 0 for an area to be cut out).
        exif: The EXIF block; empty where there is none.
        xmp: The XMP packet; empty where there is none.
    """

    coding: str
    bits: int
    width: int
    height: int
    icc_profile: bytes
    code_points: tuple[int, int, int, int] | None
    transforms: tuple[tuple[str, int], ...]
    exif: bytes
    xmp: bytes


def primary_picture(data: bytes) -> HeifPicture:
    """Reads the boxes of a file.

    Raises:
        UnsupportedImageError: If it is a sequence.
        UnreadableImageError: If it is truncated or damaged.
    """
    top = {box.kind: box for box in boxes(data, 0, len(data))}
    if b"moov" in top:
        raise UnsupportedImageError("it is an animation; extract the frame you want to a picture of its own")
    if b"meta" not in top:
        raise UnreadableImageError("truncated or damaged (it has no meta box); copy or download it again")
    meta = _meta(data, top[b"meta"])
    item = meta.items.get(meta.primary)
    if item is None:
        raise UnreadableImageError("truncated or damaged (it has no primary picture); copy or download it again")
    source, icc_profile, code_points = item, b"", None
    if item.kind in _DERIVED:
        parts = [to for start, to in meta.references.get(b"dimg", []) if start == meta.primary]
        source = meta.items.get(parts[0], item) if parts else item
    for part in (item, source):  # phones state colours of tiles too
        if not icc_profile and code_points is None:
            icc_profile, code_points = _colours(data, part)
    size = next((box for box in item.properties if box.kind == b"ispe"), None)
    if size is None:
        raise UnreadableImageError("truncated or damaged (its size is missing); copy or download it again")
    reader = BoxReader(data, size)
    reader.version()
    width, height = reader.number(4), reader.number(4)
    exif, xmp = _metadata(data, meta)
    transforms = tuple(_transform(data, box) for box in item.properties if box.kind in (b"irot", b"imir", b"clap"))
    coding = source.kind.decode("ascii", "replace")
    bits = next((_av1_bits(data, box) for box in source.properties if box.kind == b"av1C"), 8)
    return HeifPicture(coding, bits, width, height, icc_profile, code_points, transforms, exif, xmp)


def _meta(data: bytes, box: Box) -> _Meta:
    inside = {part.kind: part for part in boxes(data, box.start + 4, box.end)}
    meta = _Meta()
    if b"pitm" in inside:
        reader = BoxReader(data, inside[b"pitm"])
        version, _ = reader.version()
        meta.primary = reader.number(2 if version == 0 else 4)
    if b"iinf" in inside:
        _read_infos(data, inside[b"iinf"], meta)
    if b"iloc" in inside:
        _read_locations(data, inside[b"iloc"], inside.get(b"idat"), meta)
    if b"iprp" in inside:
        _read_properties(data, inside[b"iprp"], meta)
    if b"iref" in inside:
        _read_references(data, inside[b"iref"], meta)
    return meta


def _read_infos(data: bytes, box: Box, meta: _Meta) -> None:
    """Reads what kinds of items there are (14496-12, 8.11.6)."""
    reader = BoxReader(data, box)
    version, _ = reader.version()
    start = box.start + 4 + (2 if version == 0 else 4)
    for entry in boxes(data, start, box.end):
        reader = BoxReader(data, entry)
        version, _ = reader.version()
        if entry.kind != b"infe" or version < 2:
            continue
        number = reader.number(2 if version == 2 else 4)
        reader.bytes(2)  # protection
        item = meta.items.setdefault(number, _Item())
        item.kind = reader.bytes(4)
        reader.text()
        if item.kind == b"mime":
            item.content_type = reader.text()


def _read_locations(data: bytes, box: Box, inside: Box | None, meta: _Meta) -> None:
    """Reads where the bytes of items lie (14496-12, 8.11.3)."""
    reader = BoxReader(data, box)
    version, _ = reader.version()
    sizes = reader.number(2)
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    for _ in range(reader.number(4 if version == 2 else 2)):
        item = meta.items.setdefault(reader.number(4 if version == 2 else 2), _Item())
        method = reader.number(2) & 15 if version else 0
        reader.bytes(2)  # the file: always this one
        base = reader.number(base_bytes)
        if method == 1 and inside is not None:
            base += inside.start
        for _ in range(reader.number(2)):
            reader.bytes(index_bytes)
            item.extents.append((base + reader.number(offset_bytes), reader.number(length_bytes)))


def _read_properties(data: bytes, box: Box, meta: _Meta) -> None:
    """Reads which properties items have (23008-12, 9.3)."""
    properties: list[Box] = []
    for part in boxes(data, box.start, box.end):
        if part.kind == b"ipco":
            properties += boxes(data, part.start, part.end)
        elif part.kind == b"ipma":
            reader = BoxReader(data, part)
            version, flags = reader.version()
            for _ in range(reader.number(4)):
                item = meta.items.setdefault(reader.number(2 if version == 0 else 4), _Item())
                for _ in range(reader.number(1)):
                    index = reader.number(2) & 0x7FFF if flags & 1 else reader.number(1) & 0x7F
                    if 1 <= index <= len(properties):
                        item.properties.append(properties[index - 1])


def _read_references(data: bytes, box: Box, meta: _Meta) -> None:
    """Reads which items refer to which (14496-12, 8.11.12)."""
    reader = BoxReader(data, box)
    version, _ = reader.version()
    n_bytes = 2 if version == 0 else 4
    for part in boxes(data, box.start + 4, box.end):
        reader = BoxReader(data, part)
        source = reader.number(n_bytes)
        targets = [reader.number(n_bytes) for _ in range(reader.number(2))]
        meta.references.setdefault(part.kind, []).extend((source, target) for target in targets)


def _colours(data: bytes, item: _Item) -> tuple[bytes, tuple[int, int, int, int] | None]:
    """Returns the profile and the code points of an item (14496-12, 12.1.5)."""
    icc_profile, code_points = b"", None
    for box in item.properties:
        if box.kind != b"colr":
            continue
        reader = BoxReader(data, box)
        kind = reader.bytes(4)
        if kind in (b"prof", b"rICC"):
            icc_profile = icc_profile or reader.rest
        elif kind == b"nclx" and code_points is None:
            code_points = reader.number(2), reader.number(2), reader.number(2), reader.number(1) >> 7
    return icc_profile, code_points


def _av1_bits(data: bytes, box: Box) -> int:
    """Returns the bits of a sample from the configuration of AV1 (AV1-ISOBMFF, 2.3.3)."""
    flags = BoxReader(data, box).bytes(3)[2]
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def _transform(data: bytes, box: Box) -> tuple[str, int]:
    reader = BoxReader(data, box)
    if box.kind == b"clap":
        return "clap", 0
    return box.kind.decode(), reader.number(1) & (3 if box.kind == b"irot" else 1)


def _metadata(data: bytes, meta: _Meta) -> tuple[bytes, bytes]:
    """Returns the EXIF block and the XMP packet that describe the primary item."""
    exif = xmp = b""
    for source, target in meta.references.get(b"cdsc", []):
        item = meta.items.get(source)
        if item is None or target != meta.primary:
            continue
        if item.kind == b"Exif" and not exif:
            block = _content(data, item)
            exif = block[4 + int.from_bytes(block[:4], "big") :]  # 23008-12, annex A.2.1
        elif item.kind == b"mime" and item.content_type == _XMP_TYPE and not xmp:
            xmp = _content(data, item)
    return exif, xmp


def _content(data: bytes, item: _Item) -> bytes:
    """Returns the bytes of an item; empty where they are more than allowed, or lie outside of the file."""
    total = sum(length for _, length in item.extents)
    if total > _MAX_METADATA_BYTES:
        return b""
    return b"".join(data[start : start + length] for start, length in item.extents)
