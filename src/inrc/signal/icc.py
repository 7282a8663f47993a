"""ICC profiles: what the header of one says, and small ones of our own (ICC.1:2022, https://www.color.org/icc1v44.pdf).

A profile of a picture is coded into its .inr file, so ours are as small as the standard allows: a matrix and one curve
that all channels share, or one curve for gray. Section numbers are those of the standard.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

GRAY, RGB = b"GRAY", b"RGB "
D50 = (0.9642, 1.0, 0.8249)  # XYZ of the white of the profile connection space (7.2.16)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])  # annex E
_PICTURE_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")  # 7.2.5: the classes that may be embedded
_TEXT = "CC0"
_HEADER_BYTES, _TABLE_ENTRY_BYTES = 128, 12


class Chromaticities(NamedTuple):
    """CIE xy of the three primaries and of white."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]


D65 = (0.3127, 0.3290)
SRGB_CHROMATICITIES = Chromaticities((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)


def colour_space(profile: bytes) -> bytes:
    """Returns the space of a picture's profile, such as `RGB `, `GRAY` or `CMYK`; empty for what is no such profile."""
    known = len(profile) >= _HEADER_BYTES + 4 and profile[36:40] == b"acsp" and profile[12:16] in _PICTURE_CLASSES
    return profile[16:20] if known else b""


def tag(profile: bytes, name: bytes) -> bytes:
    """Returns the data of a tag (7.3), empty where the profile has none of that name."""
    count = struct.unpack_from(">I", profile, _HEADER_BYTES)[0]
    for position in range(_HEADER_BYTES + 4, len(profile) - _TABLE_ENTRY_BYTES + 1, _TABLE_ENTRY_BYTES)[:count]:
        if profile[position : position + 4] == name:
            start, size = struct.unpack_from(">II", profile, position + 4)
            return profile[start : start + size]
    return b""


def gray_profile(curve: bytes) -> bytes:
    """Builds a profile of gray pictures from the tag of their curve (8.3.4)."""
    return _pack(GRAY, {b"kTRC": curve})


def rgb_profile(curve: bytes, chromaticities: Chromaticities, coding_points: Sequence[int] = ()) -> bytes:
    """Builds a profile of RGB pictures (8.3.3).

    Args:
        curve: The tag of the curve that all channels have.
        chromaticities: Of the primaries and of white; `is_usable` holds for them.
        coding_points: For what a curve cannot say: primaries, transfer, matrix and range of ITU-T H.273, for the tag
            cicpTag, which comes before curve and matrix where a program knows it (9.2.17).
    """
    adaptation = _adaptation(chromaticities.white)
    colourants = adaptation @ _rgb_to_xyz(chromaticities)
    tags = {b"chad": b"sf32" + bytes(4) + _fixed(adaptation.ravel())}
    tags |= {b"%cXYZ" % channel: _xyz(colourants[:, index]) for index, channel in enumerate(b"rgb")}
    tags |= {b"%cTRC" % channel: curve for channel in b"rgb"}
    if coding_points:
        tags[b"cicp"] = b"cicp" + bytes(4) + bytes(coding_points)
    return _pack(RGB, tags)


def is_usable(chromaticities: Chromaticities) -> bool:
    """Whether the primaries span a triangle and white has a colour, so that there is a matrix for them."""
    if any(not 0 <= x <= 1 or not 1e-4 <= y <= 1 for x, y in chromaticities):
        return False
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in chromaticities[:3]]).T
    if abs(np.linalg.det(columns)) < 1e-4:
        return False
    return bool(np.abs(_adaptation(chromaticities.white) @ _rgb_to_xyz(chromaticities)).max() < 10)


def _rgb_to_xyz(chromaticities: Chromaticities) -> np.ndarray:
    """The matrix [3, 3] from linear RGB to XYZ, white at Y = 1 (SMPTE RP 177)."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in chromaticities]).T
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])


def _adaptation(white: tuple[float, float]) -> np.ndarray:
    """The matrix [3, 3] that turns XYZ under a white into XYZ under D50, after Bradford (annex E)."""
    x, y = white
    source, target = _BRADFORD @ (x / y, 1.0, (1 - x - y) / y), _BRADFORD @ D50
    return np.linalg.solve(_BRADFORD, (target / source)[:, None] * _BRADFORD)


def _pack(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Writes a version 4 display profile with what every profile must have; equal tags share their bytes."""
    text = _TEXT.encode("utf-16-be")
    description = b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(text), 28) + text  # 10.15
    tags = {b"desc": description, b"cprt": description, b"wtpt": _xyz(D50)} | tags
    body, places = b"", {}
    start = _HEADER_BYTES + 4 + _TABLE_ENTRY_BYTES * len(tags)
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = b"".join(struct.pack(">4sII", name, places[data], len(data)) for name, data in tags.items())
    size, date = start + len(body), (2026, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sI4s4s4s6H4s", size, b"", 0x04400000, b"mntr", space, b"XYZ ", *date, b"acsp")
    header = header.ljust(68, b"\x00") + _fixed(D50)  # perceptual intent, no flags
    return header.ljust(_HEADER_BYTES, b"\x00") + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Sequence[float] | np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: Sequence[float] | np.ndarray) -> bytes:
    """Writes numbers as s15Fixed16Number."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))
