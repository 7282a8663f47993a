"""JPEG of every kind that a library at hand decodes: 8 to 16 bits, lossy and lossless, and JPEG-LS.

Pillow decodes 8 bits, imagecodecs all other depths and JPEG-LS. The markers before the pixels (ITU-T T.81, annex B) are
read here, because they say which of the two it is, which kinds neither reads, and what lies beside the pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal import pillow
from inrc.signal.orientation import stated_orientation
from inrc.signal.raster import Raster, check_size, scaled_to_full_range

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE)  # differential frames, and the DHP that announces them
_LOSSLESS_ARITHMETIC = 0xCB
_JPEG_LS, _JPEG_LS_PARAMETERS = 0xF7, 0xF8  # SOF55 and LSE of ITU-T T.87, annex C
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, _LOSSLESS_ARITHMETIC, *_HIERARCHICAL, _JPEG_LS)
_WITHOUT_BODY = (0x01, *range(0xD0, 0xD9))  # TEM, RST0 to RST7, SOI
_EXIF, _XMP, _ICC = b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/\x00", b"ICC_PROFILE\x00"
MAX_EXIF_BYTES, MAX_XMP_BYTES = 65533 - len(_EXIF), 65533 - len(_XMP)
"""What one segment holds."""
_REFERENCE = "convert it to PNG with the reference software of jpeg.org, which reads it"


@dataclass
class _Header:
    """What the markers of a file say.

    Attributes:
        frame: The marker of its frame, 0xC0 for baseline; 0 if there is none.
        body: The frame's parameters: precision, height, width, number of components (T.81, B.2.2).
        scan: Where the first scan begins, in bytes; 0 if there is none.
        exif: EXIF blocks.
        xmp: XMP packets.
        icc_parts: The parts of the ICC profile by their number.
        has_mapping: Whether JPEG-LS samples are indices of a palette.
    """

    frame: int = 0
    body: bytes = b""
    scan: int = 0
    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    icc_parts: dict[int, bytes] = field(default_factory=dict)
    has_mapping: bool = False


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a JPEG or JPEG-LS file: gray or colour of up to 8 bits as uint8, of 9 to 16 bits as uint16, full range.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the file is hierarchical, lossless with arithmetic coding, or CMYK.
        UnreadableImageError: If the file is truncated or damaged.
    """
    header = _header(data)
    if not header.frame or len(header.body) < 6:
        raise UnreadableImageError("the JPEG file is truncated: it has no frame header; copy or download it again")
    precision, height, width, components = struct.unpack(">BHHB", header.body[:6])
    _check_kind(header, height, components)
    check_size(width, height, max_pixels)
    if precision == 8 and header.frame != _JPEG_LS:
        pixels = pillow.decode(data, "JPEG", max_pixels).pixels
    else:
        pixels = _imagecodecs_decode(data, header, precision)
    icc_profile = b"".join(part for _, part in sorted(header.icc_parts.items()))
    orientation = stated_orientation(header.exif, header.xmp)
    return Raster(pixels, icc_profile, orientation, next(iter(header.exif), b""), next(iter(header.xmp), b""))


def with_metadata(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """Puts an EXIF block and an XMP packet into a JPEG file, behind its JFIF header."""
    position = 2
    if data[2:4] == b"\xff\xe0":
        position += 2 + struct.unpack_from(">H", data, 4)[0]
    segments = b""
    for prefix, body in ((_EXIF, exif), (_XMP, xmp)):
        if body:
            segments += b"\xff\xe1" + struct.pack(">H", 2 + len(prefix) + len(body)) + prefix + body
    return data[:position] + segments + data[position:]


def _header(data: bytes) -> _Header:
    """Reads the segments before the first scan; bytes between them are skipped, as libjpeg does."""
    header, position = _Header(), 2
    while 0 <= (position := data.find(b"\xff", position)) < len(data) - 3:
        marker = data[position + 1]
        if marker in (0x00, 0xFF) or marker in _WITHOUT_BODY:
            position += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        if marker == _END_OF_IMAGE or length < 2:
            break
        if marker == _START_OF_SCAN:
            header.scan = position
            break
        _take(header, marker, data[position + 4 : position + 2 + length])
        position += 2 + length
    return header


def _take(header: _Header, marker: int, body: bytes) -> None:
    """Notes what one segment says."""
    if marker in _FRAMES and not header.frame:
        header.frame, header.body = marker, body
    elif marker == 0xE1 and body.startswith(_EXIF):
        header.exif.append(body)
    elif marker == 0xE1 and body.startswith(_XMP):
        header.xmp.append(body.removeprefix(_XMP))
    elif marker == 0xE2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
        header.icc_parts.setdefault(body[len(_ICC)], body[len(_ICC) + 2 :])  # ICC.1:2022, B.4
    elif marker == _JPEG_LS_PARAMETERS and body[:1] in (b"\x02", b"\x03"):
        header.has_mapping = True


def _check_kind(header: _Header, height: int, components: int) -> None:
    """Raises UnsupportedImageError for what no library at hand decodes, or decodes to wrong colours."""
    if header.frame in _HIERARCHICAL:
        raise UnsupportedImageError(f"it is a hierarchical JPEG, which inrc does not read; {_REFERENCE}")
    if header.frame == _LOSSLESS_ARITHMETIC:
        raise UnsupportedImageError(f"it is a lossless JPEG with arithmetic coding; {_REFERENCE}")
    if height == 0:
        raise UnsupportedImageError(
            f"it is a JPEG whose height comes after its pixels (a DNL marker), which inrc does not read; {_REFERENCE}"
        )
    if header.has_mapping:
        raise UnsupportedImageError(f"it is a JPEG-LS file with a palette, which inrc does not read; {_REFERENCE}")
    if components not in (1, 3):
        colours = "CMYK" if components == 4 else f"{components} components, neither gray nor RGB"
        raise UnsupportedImageError(f"its colours are {colours}; convert it to gray or RGB first")


def _imagecodecs_decode(data: bytes, header: _Header, precision: int) -> np.ndarray:
    """Decodes samples of `precision` bits to [H, W, C] over the whole range of uint8 or uint16."""
    import imagecodecs

    if data.rfind(bytes([0xFF, _END_OF_IMAGE])) < header.scan or not header.scan:  # libjpeg would fill up with gray
        raise UnreadableImageError("the JPEG file is truncated: it has no end marker; copy or download it again")
    read = imagecodecs.jpegls_decode if header.frame == _JPEG_LS else imagecodecs.jpeg8_decode
    samples = np.asarray(read(data))
    dtype = np.uint8 if precision <= 8 else np.uint16
    return scaled_to_full_range(samples.reshape(*samples.shape[:2], -1), 2**precision - 1, dtype)
