"""Boxes, of which files of ISO/IEC 14496-12 consist: HEIF, AVIF, and the container of JPEG XL."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from inrc.errors import UnreadableImageError


class Box(NamedTuple):
    """A box: its type, and where its body lies in the file.

    Attributes:
        kind: Four characters.
        start: The first byte of the body.
        end: The first byte after it.
    """

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Yields the boxes that lie one after the other in a part of a file (14496-12, 4.2).

    Raises:
        UnreadableImageError: If one is longer than what is left.
    """
    position = start
    while position + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if size == 1 and position + 16 <= end:
            size, header = struct.unpack_from(">Q", data, position + 8)[0], 16
        elif size == 0:  # up to the end
            size = end - position
        if size < header or position + size > end:
            shown = kind.decode("ascii", "replace")
            raise UnreadableImageError(f"truncated or damaged (the box {shown!r} ends too late); copy it again")
        yield Box(kind, position + header, position + size)
        position += size


class BoxReader:
    """Reads the fields of a box, numbers most significant byte first.

    Reading past the end raises UnreadableImageError.
    """

    def __init__(self, data: bytes, box: Box) -> None:
        self._data = data
        self._position = box.start
        self._end = box.end

    @property
    def rest(self) -> bytes:
        """All bytes that are left."""
        return self._data[self._position : self._end]

    def bytes(self, n_bytes: int) -> bytes:
        """The next bytes."""
        start, self._position = self._position, self._position + n_bytes
        if self._position > self._end:
            raise UnreadableImageError("truncated or damaged (a box is too short); copy or download it again")
        return self._data[start : self._position]

    def number(self, n_bytes: int) -> int:
        """The next unsigned number; 0 for a field of no bytes."""
        return int.from_bytes(self.bytes(n_bytes), "big")

    def text(self) -> bytes:
        """The next text, which a zero ends."""
        text, _, _ = self.rest.partition(b"\x00")
        self._position = min(self._position + len(text) + 1, self._end)
        return text

    def version(self) -> tuple[int, int]:
        """Version and flags, with which many boxes begin."""
        return self.number(1), self.number(3)
