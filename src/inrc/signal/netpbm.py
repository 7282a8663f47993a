"""PGM and PPM, plain and raw, at any maximum value up to 65535 (https://netpbm.sourceforge.net/doc/ppm.html).

They are decoded here because Pillow halves the depth of 16-bit PPM. Bitmaps (P1, P4) are decoded by Pillow, which
knows nothing of further pictures in the file; those are looked for here.
"""

from __future__ import annotations

import re

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal import pillow
from inrc.signal.raster import Raster, check_size, scaled_to_full_range

# Magic, width, height and maximum are separated by white space or comments; one white space precedes raw samples.
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([2356])" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,5})\s")
_RAW_BITMAP_HEADER = re.compile(rb"P4" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})\s")
_NEXT_PICTURE = re.compile(rb"\s{0,8}P[1-6][\s#]")


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a PGM or PPM file; maxima other than 255 and 65535 are scaled to the next of them.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If further raw pictures follow the first.
        UnreadableImageError: If the header or the samples are wrong or incomplete.
    """
    header = _HEADER.match(data)
    if header is None:
        raise UnreadableImageError("the PGM or PPM header is damaged; write the file again")
    kind, width, height, maximum = (int(field) for field in header.groups())
    check_size(width, height, max_pixels)
    if not 1 <= maximum <= 65535:
        raise UnreadableImageError(f"the PGM or PPM maximum is {maximum}; it must lie between 1 and 65535")
    shape = (height, width, 3 if kind in (3, 6) else 1)
    n_samples = height * width * shape[2]
    samples = (_raw_samples if kind >= 5 else _plain_samples)(data, header.end(), n_samples, maximum)
    if samples.size < n_samples:
        raise UnreadableImageError(f"the file is truncated: {samples.size} of {n_samples} samples; copy it again")
    if kind >= 5:
        _check_end(data, header.end() + n_samples * (1 if maximum < 256 else 2))
    if samples.max() > maximum:
        raise UnreadableImageError(f"a sample is {samples.max()}, more than the file's maximum of {maximum}")
    return Raster(_full_range(samples, maximum).reshape(shape))


def decode_bitmap(data: bytes, max_pixels: int) -> Raster:
    """Decodes a PBM file, black and white, to 8-bit gray.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If further raw pictures follow the first.
        UnreadableImageError: If the header or the samples are wrong or incomplete.
    """
    raster = pillow.decode(data, "PBM", max_pixels)
    header = _RAW_BITMAP_HEADER.match(data)
    if header is not None:
        width, height = (int(field) for field in header.groups())
        _check_end(data, header.end() + height * ((width + 7) // 8))
    return raster


def encode(pixels: np.ndarray) -> bytes:
    """Encodes samples [H, W, 1] as raw PGM, [H, W, 3] as raw PPM, uint8 or uint16."""
    height, width, channels = pixels.shape
    maximum = np.iinfo(pixels.dtype).max
    header = f"P{6 if channels == 3 else 5}\n{width} {height}\n{maximum}\n".encode("ascii")
    return header + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


def _check_end(data: bytes, end: int) -> None:
    """Refuses a file in which another picture follows."""
    if _NEXT_PICTURE.match(data, end):
        raise UnsupportedImageError("it holds several pictures; split it, for example with pamsplit")


def _raw_samples(data: bytes, start: int, n_samples: int, maximum: int) -> np.ndarray:
    dtype = np.dtype(np.uint8 if maximum < 256 else ">u2")
    available = min(n_samples, (len(data) - start) // dtype.itemsize)
    return np.frombuffer(data, dtype, available, start)


def _plain_samples(data: bytes, start: int, n_samples: int, maximum: int) -> np.ndarray:
    del maximum
    text = re.sub(rb"#[^\r\n]*", b"", data[start:])
    words = text.split(maxsplit=n_samples)[:n_samples]
    if any(len(word) > 5 or not word.isdigit() for word in words):
        raise UnreadableImageError("a plain PGM or PPM sample is not a number up to 65535; write the file again")
    return np.array(words, dtype="S5").astype(np.uint32) if words else np.zeros(0, np.uint32)


def _full_range(samples: np.ndarray, maximum: int) -> np.ndarray:
    """Rescales samples from 0..maximum to the whole range of 8 or 16 bits, rounded to nearest."""
    dtype = np.uint8 if maximum < 256 else np.uint16
    if maximum == np.iinfo(dtype).max:
        return samples.astype(dtype)
    return scaled_to_full_range(samples, maximum, dtype)
