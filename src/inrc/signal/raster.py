"""The result of every decoder: samples as they are stored, with an orientation that is still to be applied."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from inrc.errors import ImageTooLargeError, UnreadableImageError

_WARNINGS_LOCK = threading.Lock()


class Raster(NamedTuple):
    """A decoded picture before its orientation is applied.

    Attributes:
        pixels: Samples [H, W, C], uint8 or uint16 in native byte order, as they lie in the file.
        icc_profile: The embedded ICC profile, empty where there is none.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        exif: The EXIF block as it lies in the file, with or without its `Exif` prefix; empty where there is none.
        xmp: The XMP packet; empty where there is none.
    """

    pixels: np.ndarray
    icc_profile: bytes = b""
    orientation: int = 1
    exif: bytes = b""
    xmp: bytes = b""


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuses a picture by the size in its header, before any of its pixels is decoded.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        max_pixels: The most pixels allowed.

    Raises:
        UnreadableImageError: If a side is empty.
        ImageTooLargeError: If the picture has more than `max_pixels` pixels.
    """
    if width < 1 or height < 1:
        raise UnreadableImageError(f"its header says {width} x {height} pixels; each side must have at least 1")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"its header says {width} x {height} = {width * height} pixels, more than the limit of {max_pixels}; "
            "raise max_pixels if you trust the file"
        )


def scaled_to_full_range(samples: np.ndarray, maximum: int | np.ndarray, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """Scales samples from 0..maximum to the whole range of an integer type, exactly rounded to nearest.

    Args:
        samples: Integers of any shape. A sample above its maximum becomes the largest value of the type.
        maximum: One maximum for all samples, or an array of a shape that broadcasts with them. Where the maximum is 0
            the result is 0.
        dtype: uint8 or uint16.

    Returns:
        Samples of the given type; halves are rounded up.
    """
    full = int(np.iinfo(dtype).max)
    maximum = np.asarray(maximum, np.uint64)
    scaled = (samples.astype(np.uint64) * (2 * full) + maximum) // np.maximum(2 * maximum, 1)
    return np.where(maximum == 0, 0, np.minimum(scaled, full)).astype(dtype)


def unpremultiplied(pixels: np.ndarray) -> np.ndarray:
    """Divides the colours of [H, W, C] by the last channel, rounded to nearest; where alpha is 0 they become 0."""
    alpha = pixels[..., -1:]
    colours = scaled_to_full_range(pixels[..., :-1], alpha, pixels.dtype.type)
    return np.concatenate([colours, alpha], axis=-1)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns stored samples the way that the EXIF orientation asks for (EXIF 2.32, section 4.6.4, tag 274).

    Args:
        pixels: Samples [H, W, C].
        orientation: 1 to 8.

    Returns:
        Samples [H, W, C], or [W, H, C] for orientations 5 to 8, packed.
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return packed(pixels)


def packed(pixels: np.ndarray) -> np.ndarray:
    """Returns the samples in native byte order and in C order with exactly the strides that their shape asks for.

    NumPy calls an array contiguous whatever the strides of its axes of length 1, and libraries that check strides
    refuse such pictures, as those one pixel wide that were turned or cropped.
    """
    pixels = native(pixels)
    plain = tuple(pixels.itemsize * math.prod(pixels.shape[axis + 1 :]) for axis in range(pixels.ndim))
    return pixels if pixels.strides == plain else pixels.copy(order="C")


def native(pixels: np.ndarray) -> np.ndarray:
    """Returns the same samples in the byte order of this machine."""
    return pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silences warnings; one thread at a time, because Python's filters belong to the whole process."""
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
