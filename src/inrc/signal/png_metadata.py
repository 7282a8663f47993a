"""What a PNG file says beside its pixels: what its colours mean, and which way up it is.

Section numbers are those of the PNG specification, third edition (https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import binascii
import re
import struct
import zlib

from inrc.signal import coded_colours, icc
from inrc.signal.icc import Chromaticities
from inrc.signal.orientation import stated_orientation

MAX_INFLATED_BYTES = 2**24  # stops a zlib bomb; real profiles have at most a few megabytes
XMP_KEYWORD = b"XML:com.adobe.xmp"
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")  # ImageMagick, ExifTool
_RAW_PROFILE = re.compile(rb"\s{0,4}[A-Za-z0-9]{1,16}\s{1,16}[0-9]{1,10}\s{1,16}([0-9A-Fa-f\s]*)")
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"


class PngMetadata:
    """Collects ancillary chunks, and answers when all of them are read; damaged ones say nothing."""

    def __init__(self) -> None:
        self._colours: dict[bytes, bytes] = {}
        self._exif: list[bytes] = []
        self._raw_exif: list[bytes] = []
        self._xmp: list[bytes] = []

    def take(self, name: bytes, body: bytes) -> None:
        """Notes what a chunk says, if it is about colours or orientation; of several of one name the first counts."""
        if name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            self._colours.setdefault(name, body)
        elif name == b"eXIf":
            self._exif.append(body)
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            self._take_text(name, body)

    def icc_profile(self, *, gray: bool, bit_depth: int) -> bytes:
        """Returns the profile of the colours, empty for sRGB: of cICP, iCCP, sRGB, gAMA with cHRM, in this order (4.3).

        A chunk that is damaged, unknown, or a profile of another colour space than the pixels have, is passed over.

        Args:
            gray: Whether the pixels are gray.
            bit_depth: Bits per sample of the decoded pixels.
        """
        colours = self._colours
        if len(code_points := colours.get(b"cICP", b"")) == 4:
            profile = coded_colours.of_code_points(*code_points, gray=gray, bit_depth=bit_depth)
            if profile is not None:
                return profile
        profile = _inflated(colours.get(b"iCCP", b"").partition(b"\x00")[2][1:])
        if icc.colour_space(profile) in (icc.GRAY, icc.RGB):
            return profile
        if b"sRGB" in colours or not {b"gAMA", b"cHRM"} & set(colours):
            return b""
        gamma, chromaticities = None, None
        if len(body := colours.get(b"gAMA", b"")) == 4:
            gamma = struct.unpack(">I", body)[0] / 100000
        if len(body := colours.get(b"cHRM", b"")) == 32:
            values = [value / 100000 for value in struct.unpack(">8I", body)]
            white, red, green, blue = zip(values[::2], values[1::2], strict=True)
            chromaticities = Chromaticities(red, green, blue, white)
        return coded_colours.of_gamma(gamma, chromaticities, gray=gray)

    def orientation(self) -> int:
        """Returns the orientation, 1 to 8: of EXIF in its chunk, of EXIF in texts, of XMP."""
        return stated_orientation([*self._exif, *self._raw_exif], self._xmp)

    def exif(self) -> bytes:
        """Returns the EXIF block; that of a text only where there is no chunk. Empty where there is none."""
        return next(iter([*self._exif, *self._raw_exif]), b"")

    def xmp(self) -> bytes:
        """Returns the XMP packet; empty where there is none."""
        return next(iter(self._xmp), b"")

    def _take_text(self, name: bytes, body: bytes) -> None:
        """Reads XMP, and the EXIF and XMP that ImageMagick and others hide in texts (11.3.3)."""
        keyword, _, rest = body.partition(b"\x00")
        if keyword != XMP_KEYWORD and keyword not in _RAW_PROFILES:
            return
        text = rest
        if name == b"zTXt":
            text = _inflated(rest[1:])
        elif name == b"iTXt":
            text = rest[2:].partition(b"\x00")[2].partition(b"\x00")[2]  # past a language and a translated keyword
            if rest[:1] == b"\x01":
                text = _inflated(text)
        if keyword == XMP_KEYWORD:
            self._xmp.append(text)
            return
        found = _RAW_PROFILE.match(text[:MAX_INFLATED_BYTES])
        try:
            block = binascii.unhexlify(b"".join(found[1].split())) if found else b""
        except binascii.Error:
            return
        if block.startswith(_JPEG_XMP) or keyword.endswith(b"xmp"):
            self._xmp.append(block)
        else:
            self._raw_exif.append(block)


def _inflated(stream: bytes) -> bytes:
    """Inflates a zlib stream; empty if it is damaged, incomplete or too large."""
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(stream, MAX_INFLATED_BYTES)
    except zlib.error:
        return b""
    return inflated if inflater.eof else b""
