"""JPEG as the anchor every codec is compared with: progressive, optimised Huffman tables, no chroma subsampling."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

MIN_QUALITY = 1
MAX_QUALITY = 100


def jpeg_encode(pixels: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Encodes a picture as a progressive 4:4:4 JPEG with optimised Huffman tables.

    Args:
      pixels: uint8 [H, W, C], gray (C = 1) or RGB (C = 3), sides up to 65,500.
      quality: libjpeg's quality, 1..100.

    Returns:
      The whole file.

    Raises:
      ValueError: if the pixels or the quality are of another kind.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.size == 0:
        raise ValueError(f"the pixels are {pixels.dtype} {pixels.shape}; JPEG takes uint8 [H, W, 1 or 3]")
    if not MIN_QUALITY <= quality <= MAX_QUALITY:
        raise ValueError(f"quality is {quality}; it must lie in {MIN_QUALITY}..{MAX_QUALITY}")
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=quality, subsampling=0, optimize=True, progressive=True)
    return stream.getvalue()


def jpeg_decode(data: bytes) -> npt.NDArray[np.uint8]:
    """Decodes a gray or RGB JPEG file.

    Returns:
      Pixels, uint8 [H, W, 1] or [H, W, 3].

    Raises:
      OSError: if the bytes are not a whole JPEG file.
    """
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        pixels = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
    return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels


def jpeg_at_most(pixels: npt.NDArray[np.uint8], n_bytes: int) -> tuple[bytes, int]:
    """The best JPEG of a picture that is no larger than a size, by bisection over the quality.

    Args:
      pixels: uint8 [H, W, C], gray (C = 1) or RGB (C = 3).
      n_bytes: the size that the file may have.

    Returns:
      The file and its quality. Where no quality is small enough this is quality 1, and the file is longer than
      `n_bytes`: compare its length.

    Raises:
      ValueError: if the pixels are of another kind.
    """
    best, best_quality = jpeg_encode(pixels, MIN_QUALITY), MIN_QUALITY
    low, high = MIN_QUALITY + 1, MAX_QUALITY
    while low <= high:
        quality = (low + high) // 2
        data = jpeg_encode(pixels, quality)
        if len(data) <= n_bytes:
            best, best_quality, low = data, quality, quality + 1
        else:
            high = quality - 1
    return best, best_quality
