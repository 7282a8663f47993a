"""XMP packets of pictures that have been turned upright. No XML parser reads them."""

from __future__ import annotations

from inrc.signal.orientation import XMP_ORIENTATION

_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_STARTS = {b"<\x00\x00\x00": "utf-32-le", b"\x00\x00\x00<": "utf-32-be", b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}


def upright_xmp(packet: bytes) -> bytes:
    """Returns an XMP packet as UTF-8, with the orientation 1 wherever it states one.

    Args:
        packet: In any encoding of Unicode, as TIFF allows.

    Returns:
        The packet; empty where it is no text.
    """
    encodings = {**_MARKS, **_STARTS}
    encoding = next((name for start, name in encodings.items() if packet.startswith(start)), "utf-8")
    try:
        text = packet.decode(encoding).rstrip("\x00").encode()
    except UnicodeDecodeError:
        return b""
    upright = bytearray(text)
    for found in XMP_ORIENTATION.finditer(text):
        upright[found.start(1) : found.end(1)] = b"1"
    return bytes(upright)
