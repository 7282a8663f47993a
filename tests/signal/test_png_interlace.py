"""Interlaced PNG at every colour type and depth, against the same picture without interlacing."""

import struct
import zlib

import numpy as np
import pytest

from inrc.errors import UnreadableImageError
from inrc.signal.image import read_image
from tests.signal.samples import chunk, hand_made_png

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
KINDS = [
    (0, 1),
    (0, 2),
    (0, 4),
    (0, 8),
    (0, 16),
    (2, 8),
    (2, 16),
    (3, 1),
    (3, 2),
    (3, 4),
    (3, 8),
    (4, 8),
    (4, 16),
    (6, 8),
    (6, 16),
]


def packed_rows(samples, depth):
    """Rows of samples [H, W, C] as PNG stores them."""
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in samples]
    if depth == 8:
        return [row.astype(np.uint8).tobytes() for row in samples]
    bits = (samples[..., :1].astype(np.uint8) >> np.arange(depth)[::-1]) & 1
    return [np.packbits(row.reshape(-1)).tobytes() for row in bits]


def interlaced(samples, depth, colour_type, extra):
    height, width = samples.shape[:2]
    rows = []
    for x, y, step_x, step_y in PASSES:
        part = samples[y::step_y, x::step_x]
        rows += [b"\x00" + row for row in packed_rows(part, depth) if part.size]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 1))
    stream = zlib.compress(b"".join(rows))
    parts = chunk(b"IDAT", stream[:7]) + chunk(b"IDAT", stream[7:])
    return b"\x89PNG\r\n\x1a\n" + header + extra + parts + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "depth"), KINDS)
def test_interlaced_pictures_are_those_without(colour_type, depth, capfd):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    extra = chunk(b"PLTE", np.random.default_rng(1).bytes(3 * 2**depth)) if colour_type == 3 else b""
    if colour_type in (0, 2):
        extra += chunk(b"tRNS", struct.pack(f">{channels}H", *[1] * channels))
    if colour_type == 3:
        extra += chunk(b"tRNS", bytes([7, 200]))
    for height, width in [(1, 1), (1, 9), (5, 2), (3, 4), (17, 13)]:
        samples = np.random.default_rng(height).integers(0, 2**depth, (height, width, channels))
        plain = hand_made_png(width, height, depth, colour_type, packed_rows(samples, depth), extra)
        found = read_image(interlaced(samples, depth, colour_type, extra)).pixels
        np.testing.assert_array_equal(found, read_image(plain).pixels)
    assert capfd.readouterr() == ("", "")


def test_damaged_interlaced_pictures_are_refused():
    samples = np.random.default_rng(0).integers(0, 256, (9, 9, 3))
    data = interlaced(samples, 8, 2, b"")
    short = interlaced(samples[:8], 8, 2, b"")
    taller = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 1))
    with pytest.raises(UnreadableImageError, match="not enough rows"):
        read_image(data[:8] + taller + short[33:])
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    with pytest.raises(UnreadableImageError, match="IDAT: wrong checksum"):
        read_image(bytes(damaged))
