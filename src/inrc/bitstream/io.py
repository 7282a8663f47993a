"""Little-endian integers of fixed and variable length, and a reader that checks bounds."""

from inrc.errors import CorruptFileError, TruncatedFileError

_MAX_VARINT_BYTES = 5


def write_varint(value: int) -> bytes:
    """An integer as LEB128: seven bits a byte, least significant first, the top bit set on all bytes but the last."""
    assert value >= 0
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class ByteReader:
    """Reads `data` front to back; every read that would pass its end raises `TruncatedFileError`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self.position

    def take(self, n_bytes: int) -> bytes:
        """The next `n_bytes` bytes."""
        if n_bytes > self.remaining:
            raise TruncatedFileError(
                f"the file ends {n_bytes - self.remaining} bytes too early, at byte {len(self._data)}; get it again"
            )
        self.position += n_bytes
        return self._data[self.position - n_bytes : self.position]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def uint32(self) -> int:
        """The next four bytes, little-endian."""
        return int.from_bytes(self.take(4), "little")

    def varint(self) -> int:
        """The next LEB128 integer, at most 32 bits and in its shortest form."""
        value = 0
        for i in range(_MAX_VARINT_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                if (byte == 0 and i > 0) or value >= 1 << 32:
                    break
                return value
        raise CorruptFileError(f"the integer before byte {self.position} is not a valid varint; get the file again")


def undefined_bits() -> CorruptFileError:
    """The error of a header with bits that have no meaning."""
    return CorruptFileError("the header sets bits that version 1 does not define; get the file again")
