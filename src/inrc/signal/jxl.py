"""JPEG XL, decoded by imagecodecs; the header of the codestream and the boxes around it are read here.

The decoder turns the picture as its codestream says, which counts alone: EXIF only repeats it (ISO/IEC 18181-2, 9.5).
A file that was made of a JPEG without loss, and has its profile, gives the JPEG back, which is read instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal import coded_colours, jpeg
from inrc.signal.boxes import BoxReader, boxes
from inrc.signal.jxl_header import JxlHeader, read_header
from inrc.signal.raster import Raster, check_size, scaled_to_full_range, unpremultiplied

_CODESTREAM = b"\xff\x0a"
_ALPHA, _BLACK = 0, 4
_MAX_METADATA_BYTES = 2**24
_GAMMAS = {8: 1.0, 13: None}  # of TransferCharacteristics, for primaries of one's own: linear, and that of sRGB
_DJXL = "convert it to PNG with djxl"


class _Parts(NamedTuple):
    """What lies in a file.

    Attributes:
        codestream: Its first part at least.
        exif: The EXIF block.
        xmp: The XMP packet.
        is_jpeg: Whether the file was made of a JPEG without loss, and gives it back.
    """

    codestream: bytes
    exif: bytes = b""
    xmp: bytes = b""
    is_jpeg: bool = False


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a JPEG XL file: samples of up to 8 bits as uint8, of 9 to 16 bits as uint16, full range.

    Args:
        data: The whole file, a bare codestream or boxes.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the file is animated, or has samples or colours that inrc does not hold or read.
        UnreadableImageError: If the file is truncated or damaged.
    """
    import imagecodecs

    parts = _Parts(data) if data.startswith(_CODESTREAM) else _parts_of(data)
    if not parts.codestream.startswith(_CODESTREAM):
        raise UnreadableImageError("the JPEG XL file has no codestream; copy or download it again")
    header = read_header(parts.codestream)
    check_size(header.width, header.height, max_pixels)
    if not imagecodecs.JPEGXL.available:
        raise UnsupportedImageError(
            "its format is JPEG XL, which this build of imagecodecs does not read; install imagecodecs by pip"
        )
    if header.has_profile and parts.is_jpeg:  # which has the profile that the codestream hides
        return jpeg.decode(bytes(imagecodecs.jpegxl_decode_jpeg(data, numthreads=1)), max_pixels)
    _check_kind(header)
    samples = np.asarray(imagecodecs.jpegxl_decode(data))
    pixels = samples.reshape(*samples.shape[:2], -1)
    if pixels.shape[2] != (1 if header.is_gray else 3) + len(header.extra_kinds):
        raise UnreadableImageError("the JPEG XL header is damaged; copy or download it again")
    pixels = scaled_to_full_range(pixels, 2**header.bits - 1, np.uint8 if header.bits <= 8 else np.uint16)
    if header.is_premultiplied:
        pixels = unpremultiplied(pixels)
    return Raster(pixels, _icc_profile(header), exif=parts.exif, xmp=parts.xmp)


def _check_kind(header: JxlHeader) -> None:
    """Raises UnsupportedImageError for what inrc does not hold, or would read with wrong colours."""
    if header.is_animated:
        raise UnsupportedImageError("it is an animated JPEG XL; extract the frame you want to a picture of its own")
    if header.is_float or header.bits > 16:
        kind = "floating-point" if header.is_float else "unsigned"
        raise UnsupportedImageError(
            f"its samples are {kind} with {header.bits} bits; convert it to unsigned 8 or 16 bits first"
        )
    if _BLACK in header.extra_kinds:
        raise UnsupportedImageError("its colours are CMYK; convert it to gray or RGB first")
    if header.extra_kinds not in ((), (_ALPHA,)):
        raise UnsupportedImageError("it has channels beside colours and alpha; keep gray or RGB and one alpha channel")
    if header.has_profile:
        raise UnsupportedImageError(
            f"its colours are an ICC profile inside of a JPEG XL codestream, which inrc does not read; {_DJXL}"
        )


def _icc_profile(header: JxlHeader) -> bytes:
    """Returns the profile of the colours that the header states, empty for sRGB."""
    if header.gamma is not None:
        return coded_colours.of_gamma(header.gamma, header.chromaticities, gray=header.is_gray)
    primaries = coded_colours.primaries_of(header.chromaticities)
    if primaries is None and header.transfer in _GAMMAS:
        return coded_colours.of_gamma(_GAMMAS[header.transfer], header.chromaticities, gray=header.is_gray)
    profile = None
    if primaries is not None:
        profile = coded_colours.of_code_points(primaries, header.transfer, 0, 1, gray=header.is_gray, bit_depth=16)
    if profile is None:
        raise UnsupportedImageError(f"its colours have a curve or primaries that inrc does not know; {_DJXL}")
    return profile


def _parts_of(data: bytes) -> _Parts:
    """Returns what the boxes of a file hold (18181-2, clause 9)."""
    codestream = exif = xmp = b""
    is_jpeg = False
    for box in boxes(data, 0, len(data)):
        reader = BoxReader(data, box)
        kind, body = box.kind, b""
        if kind == b"brob":
            kind = reader.bytes(4)
            if kind in (b"Exif", b"xml "):
                body = _unbrotlied(reader.rest)
        elif kind in (b"Exif", b"xml ", b"jxlc", b"jxlp"):
            body = reader.rest
        if kind == b"Exif" and not exif:
            exif = body[4 + int.from_bytes(body[:4], "big") :]
        elif kind == b"xml " and not xmp:
            xmp = body
        elif kind == b"jxlc" or (kind == b"jxlp" and not codestream):
            codestream = body[4:] if kind == b"jxlp" else body
        is_jpeg |= kind == b"jbrd"
    return _Parts(codestream, exif, xmp, is_jpeg)


def _unbrotlied(stream: bytes) -> bytes:
    """Decompresses metadata; empty where it is damaged or too large."""
    import imagecodecs

    try:
        return bytes(imagecodecs.brotli_decode(stream, out=_MAX_METADATA_BYTES))
    except (RuntimeError, ValueError):
        return b""
