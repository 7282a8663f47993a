"""The whole file: header, weights, checksum, optional sections. See FORMAT.md, section 1."""

import dataclasses
import zlib
from collections.abc import Mapping

from inrc.bitstream import header as headers
from inrc.bitstream.header import Header
from inrc.bitstream.io import ByteReader, write_varint
from inrc.bitstream.limits import DecodeLimits
from inrc.errors import CorruptFileError
from inrc.shared_init import FindInit, SharedInit, find

ICC_PROFILE, EXIF, XMP = 1, 2, 3
"""Tags of the sections that hold an ICC profile, an EXIF block and an XMP packet, each deflated (RFC 1950)."""


@dataclasses.dataclass(frozen=True)
class Container:
    """A parsed file.

    Attributes:
      header: picture and network.
      weights: the range-coded stream.
      sections: {tag: content} of the optional sections, those with unknown tags included.
      init: the shared init that the header names, if it names one.
    """

    header: Header
    weights: bytes
    sections: Mapping[int, bytes]
    init: SharedInit | None = None


def pack(container: Container) -> bytes:
    """The file's bytes."""
    header = dataclasses.replace(container.header, has_sections=bool(container.sections))
    length = b""
    if header.has_sections:
        length = write_varint(len(container.weights)) + write_varint(len(container.sections))
    core = _with_checksum(headers.pack(header) + length + container.weights)
    sections = [
        _with_checksum(write_varint(tag) + write_varint(len(content)) + content)
        for tag, content in container.sections.items()
    ]
    return b"".join([core, *sections])


def unpack(data: bytes, limits: DecodeLimits, find_init: FindInit = find) -> Container:
    """Parses and verifies a file.

    Raises:
      FormatError: The bytes are no sound file; see the subclasses in `inrc.errors`.
      InitMismatchError: The file is sound, but `find_init` does not find the shared init that it names.
    """
    reader = ByteReader(data)
    header = headers.unpack(reader)
    limits.check_pixels(header.width, header.height)
    # Without sections the weights extend to the checksum at the end, and their length is not written.
    n_bytes = reader.varint() if header.has_sections else reader.remaining - 4
    n_sections = reader.varint() if header.has_sections else 0
    weights = reader.take(max(0, n_bytes))
    _check(data, 0, reader)
    sections: dict[int, bytes] = {}
    for _ in range(n_sections):
        start = reader.position
        tag, n_bytes = reader.varint(), reader.varint()
        limits.check_section(n_bytes)
        content = reader.take(n_bytes)
        _check(data, start, reader)
        if tag in sections:
            raise CorruptFileError(f"the file has two sections with tag {tag}; get it again")
        sections[tag] = content
    if reader.remaining:
        raise CorruptFileError(f"{reader.remaining} bytes follow the last section; get the file again")
    # The init is looked up last, so that a damaged file is reported as damaged and not as one whose init is missing.
    init = find_init(header.init_id) if header.init_id else None
    if init is not None:
        header = headers.checked(dataclasses.replace(header, model=init.model))
    return Container(header, weights, sections, init)


def _with_checksum(content: bytes) -> bytes:
    return content + zlib.crc32(content).to_bytes(4, "little")


def _check(data: bytes, start: int, reader: ByteReader) -> None:
    actual = zlib.crc32(data[start : reader.position])
    stated = reader.uint32()
    if actual != stated:
        raise CorruptFileError(
            f"the checksum of bytes {start}..{reader.position - 4} is {actual:08x}, but the file states {stated:08x}; "
            "get the file again"
        )
