"""BMP: decoded by Pillow; a JPEG or PNG inside of one by the module of its format.

The header (https://learn.microsoft.com/windows/win32/gdi/bitmap-header-types) is read here for the kinds that Pillow
does not know and for the colours, which it leaves out.
"""

from __future__ import annotations

import struct

from inrc.errors import UnsupportedImageError
from inrc.signal import coded_colours, icc, jpeg, pillow, png
from inrc.signal.icc import Chromaticities
from inrc.signal.raster import Raster

_INFO_BYTES, _OS2_BYTES, _V4_BYTES, _V5_BYTES = 40, 64, 108, 124  # of the headers that are told apart by their length
_BITFIELDS, _JPEG, _PNG, _ALPHA_BITFIELDS = 3, 4, 5, 6
_OS2_NAMES = {3: "Huffman coding of OS/2", 4: "24-bit run lengths of OS/2"}
_NAMES = {11: "CMYK", 12: "CMYK in run lengths", 13: "CMYK in run lengths"}
_DEPTHS = (1, 4, 8, 16, 24, 32)
_CALIBRATED_RGB, _EMBEDDED_PROFILE = 0, 0x4D424544  # LCS_CALIBRATED_RGB, "MBED"


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a BMP file at 8 bits per sample, with its profile.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the samples are packed in a way that no library at hand knows.
        UnreadableImageError: If the file is truncated or damaged.
    """
    start, length = struct.unpack_from("<II", data, 10)
    if length < _INFO_BYTES:  # the first BMP of all; some of the later headers are shortened, but not below this
        return pillow.decode(data, "BMP", max_pixels)
    depth, compression, size = struct.unpack_from("<HII", data, 28)
    if compression in (_JPEG, _PNG) and length != _OS2_BYTES:
        module = jpeg if compression == _JPEG else png
        return module.decode(data[start : start + size] if size else data[start:], max_pixels)
    name = _OS2_NAMES.get(compression) if length == _OS2_BYTES else _NAMES.get(compression)
    if compression > _ALPHA_BITFIELDS or name:
        raise UnsupportedImageError(f"it is a BMP in {name or f'compression {compression}'}; convert it to PNG first")
    if depth not in _DEPTHS:
        raise UnsupportedImageError(f"it is a BMP of {depth} bits per pixel; convert it to 24 bits or to PNG first")
    return pillow.decode(data, "BMP", max_pixels)._replace(icc_profile=_icc_profile(data, length))


def _icc_profile(data: bytes, length: int) -> bytes:
    """Returns the embedded profile, or one of the header's primaries and gamma; empty where it has neither."""
    header = data[14 : 14 + length]
    if len(header) < _V4_BYTES:
        return b""
    space = struct.unpack_from("<I", header, 56)[0]
    if space == _EMBEDDED_PROFILE and len(header) >= _V5_BYTES:
        start, size = struct.unpack_from("<II", header, 112)
        return data[14 + start : 14 + start + size]
    values = [value / 2**30 for value in struct.unpack_from("<9i", header, 60)]  # XYZ of red, green and blue
    sums = [sum(values[index : index + 3]) for index in (0, 3, 6)]
    if space != _CALIBRATED_RGB or min(sums) <= 0:
        return b""
    xy = [(values[3 * index] / sums[index], values[3 * index + 1] / sums[index]) for index in range(3)]
    white = [sum(values[axis::3]) for axis in range(3)]
    gammas = [value / 2**16 for value in struct.unpack_from("<3I", header, 96)]
    if sum(white) <= 0 or min(gammas) <= 0:
        return b""
    chromaticities = Chromaticities(xy[0], xy[1], xy[2], (white[0] / sum(white), white[1] / sum(white)))
    return coded_colours.of_gamma(1 / gammas[1], chromaticities if icc.is_usable(chromaticities) else None, gray=False)
