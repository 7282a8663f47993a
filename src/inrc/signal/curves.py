"""Tone curves, from samples to linear light, both in [0, 1], as tags of ICC profiles (ICC.1:2022, 10.6 and 10.18)."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

_GRID = np.linspace(0.0, 1.0, 65)  # where two curves are compared
_SRGB_TOLERANCE = 0.001  # of linear light; a pure gamma of 2.2 is 0.006 away
_PARAMETERS = {0: "g", 1: "gab", 2: "gabe", 3: "gabcd", 4: "gabcdef"}  # of each type of parametric curve


class Curve(NamedTuple):
    """Y = (a X + b) ** g + e where X is at least d, and Y = c X + f below (type 4 of table 68 in ICC.1:2022)."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def of_scaled(self, scale: float, offset: float) -> Curve:
        """Returns the curve of samples X that stand for scale X + offset."""
        return Curve(
            self.g,
            self.a * scale,
            self.a * offset + self.b,
            self.c * scale,
            (self.d - offset) / scale,
            self.e,
            self.c * offset + self.f,
        )

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Maps samples of any shape to linear light, clipped to [0, 1]."""
        with np.errstate(divide="ignore", over="ignore"):  # damaged curves have negative powers, of 0 even
            power = np.maximum(self.a * samples + self.b, 0.0) ** self.g + self.e
        return np.clip(np.where(samples >= self.d, power, self.c * samples + self.f), 0.0, 1.0)


SRGB = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1


def parametric_tag(curve: Curve) -> bytes:
    """Writes a curve as the smallest of the parametric types that holds it."""
    if curve[1:] == (1, 0, 0, 0, 0, 0):
        kind = 0
    else:
        kind = 3 if (curve.e, curve.f) == (0, 0) else 4
    values = [getattr(curve, name) for name in _PARAMETERS[kind]]
    return b"para" + struct.pack(f">IHH{len(values)}i", 0, kind, 0, *(round(value * 65536) for value in values))


def sampled_tag(values: np.ndarray) -> bytes:
    """Writes linear light at evenly spaced samples, [n] in [0, 1], as a table that is interpolated."""
    entries = np.floor(np.clip(values, 0, 1) * 65535 + 0.5).astype(">u2")
    return b"curv" + struct.pack(">II", 0, entries.size) + entries.tobytes()


def is_srgb(tag: bytes) -> bool:
    """Whether the curve of a tag is that of sRGB, to within what its tables and rounded parameters are off."""
    values = _values(tag)
    return values is not None and bool(np.abs(values - SRGB(_GRID)).max() < _SRGB_TOLERANCE)


def _values(tag: bytes) -> np.ndarray | None:
    """Reads linear light at the points of the grid, None where the tag is damaged or of another type."""
    try:
        if tag[:4] == b"para":
            kind = struct.unpack_from(">H", tag, 8)[0]
            names = _PARAMETERS.get(kind)
            if names is None:
                return None
            read = dict(zip(names, np.frombuffer(tag, ">i4", len(names), 12) / 65536, strict=True))
            curve = Curve(**{name: float(value) for name, value in read.items()})
            if kind in (1, 2):  # constant below the place where the power is 0
                curve = curve._replace(d=-curve.b / curve.a if curve.a else 0.0, f=curve.e)
            return curve(_GRID)
        if tag[:4] == b"curv":
            count = struct.unpack_from(">I", tag, 8)[0]
            entries = np.frombuffer(tag, ">u2", count, 12)
            if count < 2:
                return Curve(float(entries[0]) / 256 if count else 1.0)(_GRID)
            return np.interp(_GRID, np.linspace(0, 1, count), entries / 65535)
    except (struct.error, ValueError):
        pass
    return None
