"""Which way up a picture is: one rule for every format that can say so.

The orientation in EXIF counts. Where EXIF has none, or an impossible one, that of XMP (`tiff:Orientation`) counts, and
where neither has one the picture is upright. Every format hands its blocks of both kinds to `stated_orientation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from inrc.signal.raster import without_warnings

ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4: also the TIFF tag of that number
_MAX_XMP_BYTES = 2**20  # of a packet are searched
# An attribute or an element, the two ways in which RDF writes a simple property. No XML parser reads the packet, so
# that nothing of a hostile one is expanded.
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:\s{0,8}=\s{0,8}[\"']|\s{0,8}>)\s{0,8}([1-8])(?![0-9])")


def stated_orientation(exif: Iterable[bytes] = (), xmp: Iterable[bytes] = ()) -> int:
    """Returns the orientation that the blocks of a file state, EXIF before XMP, earlier blocks before later ones.

    Args:
        exif: EXIF blocks, small TIFF files, with or without their `Exif` prefix. Damaged ones state nothing.
        xmp: XMP packets.

    Returns:
        1 to 8; 1, upright, where no block states one.
    """
    found = next(filter(None, map(_of_exif, exif)), 0) or next(filter(None, map(_of_xmp, xmp)), 0)
    return found or 1


def valid_orientation(value: object) -> int:
    """Returns `value` where it is an orientation, else 0, which states nothing: some software writes 0."""
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 0


def _of_exif(exif: bytes) -> int:
    from PIL.Image import Exif

    try:
        with without_warnings():
            tags = Exif()
            tags.load(exif)
            return valid_orientation(tags.get(ORIENTATION_TAG, 0))
    except Exception:  # a damaged EXIF block is no reason to refuse the picture beside it
        return 0


def _of_xmp(packet: bytes) -> int:
    text = packet[:_MAX_XMP_BYTES].replace(b"\x00", b"")  # a packet in TIFF may be UTF-16
    found = XMP_ORIENTATION.search(text)
    return int(found[1]) if found else 0
