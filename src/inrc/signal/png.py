"""PNG at 8 and 16 bits per sample.

imagecodecs decodes and encodes the pixels, because Pillow silently halves the depth of 16-bit RGB and misreads the
transparent value of 2- and 4-bit gray. It is given the chunks that pixels are made of and no others, because libpng
prints complaints about others. Those (profile, EXIF, animation) are read here and in `png_metadata`. Section numbers
are those of the PNG specification, third edition (https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal import icc, png_interlace
from inrc.signal.png_metadata import XMP_KEYWORD, PngMetadata
from inrc.signal.raster import Raster, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION_LEVEL = 4  # on Kodak 0.07 s and 1 % larger than level 6, which takes 0.10 s (0.22 s at 16 bits)
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # of each colour type (11.2.1)
_COLOURS = (2, 6)  # colour types that are RGB in the file; a palette (3) becomes RGB


class _Chunk(NamedTuple):
    name: bytes
    body: memoryview
    is_sound: bool  # whether its checksum is right


class _Header(NamedTuple):
    """The fields of IHDR (11.2.1)."""

    width: int
    height: int
    depth: int
    colour_type: int
    compression: int
    filter_method: int
    interlace: int


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a PNG file: palettes and transparent colours expanded, 1, 2 and 4 bits widened to 8, 16 bits kept.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the file is animated, or needs an extension of PNG.
        UnreadableImageError: If the file is truncated or damaged.
    """
    header, parts, metadata, complete = None, [], PngMetadata(), False
    for chunk in _chunks(data):
        name, body = chunk.name, chunk.body
        if not name.isalpha():
            raise UnreadableImageError(f"truncated or damaged (a chunk is called {name!r}); copy or download it again")
        shown, is_critical = name.decode("ascii"), not name[0] & 0x20  # 5.4
        if is_critical and not chunk.is_sound:
            raise UnreadableImageError(f"truncated or damaged ({shown}: wrong checksum); copy or download it again")
        if header is None:
            header = _checked_header(name, body, max_pixels)
            parts.append(chunk)
        elif name == b"acTL" and struct.unpack(">I", body[:4])[0] > 1:
            raise UnsupportedImageError("it is an animated PNG; extract the frame you want to a PNG of its own")
        elif name == b"IEND":
            complete = True
        elif name == b"IDAT" or _shapes_pixels(chunk, header.colour_type):
            parts.append(chunk)
        elif not is_critical:
            metadata.take(name, bytes(body))
        elif name != b"PLTE":
            raise UnsupportedImageError(
                f"it needs {shown}, an extension of PNG that inrc lacks; convert it to PNG first"
            )
    if header is None or not complete:
        raise UnreadableImageError("the file is truncated: it has no IEND chunk; copy or download it again")
    pixels = png_interlace.decode(header, parts, _decode_parts) if header.interlace else _decode_parts(parts)
    gray = header.colour_type not in (*_COLOURS, 3)
    icc_profile = metadata.icc_profile(gray=gray, bit_depth=8 * pixels.itemsize)
    return Raster(pixels, icc_profile, metadata.orientation(), metadata.exif(), metadata.xmp())


def encode(pixels: np.ndarray, icc_profile: bytes, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """Encodes samples [H, W, C], uint8 or uint16, C from 1 to 4, as a PNG file.

    A profile that holds code points of ITU-T H.273 is followed by them in a chunk of their own, cICP, because that is
    where programs look for PQ and HLG.
    """
    import imagecodecs

    n_filtered = pixels.shape[0] * (
        1 + pixels[0].nbytes
    )  # a byte for the filter of each row, which imagecodecs forgets
    space = n_filtered + n_filtered // 64 + 1024  # zlib and chunks add less than that
    data = bytes(imagecodecs.png_encode(pixels, level=COMPRESSION_LEVEL, out=space))
    extra = b""
    if icc_profile:
        extra = png_chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc_profile))  # 11.3.2.3
        if code_points := icc.tag(icc_profile, b"cicp")[8:12]:
            extra = png_chunk(b"cICP", code_points) + extra
    if exif:
        extra += png_chunk(b"eXIf", exif)  # 11.3.4.4
    if xmp:
        extra += png_chunk(b"iTXt", XMP_KEYWORD + bytes(5) + xmp)  # 11.3.3.4, not compressed, of no language
    after_header = len(SIGNATURE) + 25  # 12 bytes of framing and 13 of IHDR, which comes first (5.6)
    return data[:after_header] + extra + data[after_header:]


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Frames the body of a chunk (5.3)."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yields each whole chunk (5.3), up to IEND."""
    view, position = memoryview(data), len(SIGNATURE)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            return
        checksum = zlib.crc32(view[position + 4 : end - 4])
        yield _Chunk(name, view[position + 8 : end - 4], checksum == struct.unpack_from(">I", data, end - 4)[0])
        if name == b"IEND":
            return
        position = end


def _checked_header(name: bytes, body: memoryview, max_pixels: int) -> _Header:
    """Reads the first chunk, and refuses what is none of PNG's pictures before a pixel is decoded."""
    if name == b"CgBI":
        raise UnsupportedImageError(
            "it is a PNG of an iPhone app (CgBI); turn it into a plain one with "
            "`xcrun pngcrush -revert-iphone-optimizations`"
        )
    if name != b"IHDR" or len(body) != 13:
        raise UnreadableImageError("the PNG file does not begin with its header; copy or download it again")
    header = _Header(*struct.unpack(">IIBBBBB", body))
    check_size(header.width, header.height, max_pixels)
    if header.compression or header.filter_method:
        raise UnsupportedImageError(
            f"it is a PNG of compression {header.compression} and filter {header.filter_method}, of which the standard "
            "has only 0; convert it to an ordinary PNG first"
        )
    if header.depth not in _DEPTHS.get(header.colour_type, ()) or header.interlace > 1:
        raise UnreadableImageError("the PNG header is damaged; copy or download it again")
    return header


def _shapes_pixels(chunk: _Chunk, colour_type: int) -> bool:
    """Whether a palette or a transparent colour has an effect; libpng ignores the others, with a complaint."""
    if chunk.name == b"PLTE":
        return colour_type == 3
    allowed = {0: (2,), 2: (6,), 3: range(1, 257)}
    return chunk.name == b"tRNS" and chunk.is_sound and len(chunk.body) in allowed.get(colour_type, ())


def _decode_parts(parts: Iterable[_Chunk]) -> np.ndarray:
    """Decodes a file of the given chunks to [H, W, C]."""
    import imagecodecs

    chunks = [png_chunk(part.name, bytes(part.body)) for part in parts]
    pixels = imagecodecs.png_decode(b"".join([SIGNATURE, *chunks, png_chunk(b"IEND", b"")]))
    return pixels.reshape(*pixels.shape[:2], -1)
