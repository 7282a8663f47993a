"""Interlaced PNG (Adam7; 8.2 in the third edition), decoded as seven pictures that are not.

libpng prints a warning for every interlaced picture that imagecodecs hands to it, so it is handed none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from inrc.errors import UnreadableImageError

_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # x, y, steps
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # per pixel, of each colour type


def decode(header: Any, chunks: Iterable[Any], decode_chunks: Callable[[list[Any]], np.ndarray]) -> np.ndarray:
    """Decodes an interlaced picture.

    Args:
        header: The fields of IHDR, a named tuple.
        chunks: Named tuples of a name and a body: IHDR, then what pixels are made of.
        decode_chunks: Decodes such chunks of a picture that is not interlaced.

    Returns:
        Samples [H, W, C].

    Raises:
        UnreadableImageError: If the compressed pixels are damaged or incomplete.
    """
    chunks = list(chunks)
    beside = [chunk for chunk in chunks[1:] if chunk.name != b"IDAT"]
    first = chunks[0]
    sizes = [_pass_size(header, *place) for place in _PASSES]
    rows = _inflate(b"".join(chunk.body for chunk in chunks if chunk.name == b"IDAT"), sum(size[2] for size in sizes))
    pixels, start = None, 0
    for (x, y, step_x, step_y), (width, height, n_bytes) in zip(_PASSES, sizes, strict=True):
        if not n_bytes:
            continue
        fields = header._replace(width=width, height=height, interlace=0)
        body = memoryview(zlib.compress(rows[start : start + n_bytes], 1))
        start += n_bytes
        picture = [first._replace(body=memoryview(struct.pack(">IIBBBBB", *fields))), *beside]
        part = decode_chunks([*picture, first._replace(name=b"IDAT", body=body)])
        if pixels is None:
            pixels = np.empty((header.height, header.width, part.shape[2]), part.dtype)
        pixels[y::step_y, x::step_x] = part
    assert pixels is not None  # the first pass holds the first pixel
    return pixels


def _pass_size(header: Any, x: int, y: int, step_x: int, step_y: int) -> tuple[int, int, int]:
    """Width, height and bytes of a pass: a filter's byte and packed samples for every row, nothing if it is empty."""
    width, height = -(-(header.width - x) // step_x), -(-(header.height - y) // step_y)
    if width <= 0 or height <= 0:
        return 0, 0, 0
    return width, height, height * (1 + (width * _SAMPLES[header.colour_type] * header.depth + 7) // 8)


def _inflate(stream: bytes, n_bytes: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(stream, n_bytes)
        inflater.decompress(inflater.unconsumed_tail, 1)  # the checksum
    except zlib.error as error:
        raise UnreadableImageError(f"truncated or damaged (IDAT: {error}); copy or download it again") from error
    if len(rows) < n_bytes:
        raise UnreadableImageError("truncated or damaged (IDAT: not enough rows); copy or download it again")
    return rows
