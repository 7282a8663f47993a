"""JPEG of 8 bits, WebP, BMP, bitmaps and unusual TIFF: decoded by Pillow, encoded through imageio.

Pillow's file classes are used by name, instead of `Image.open` or imageio, which calls it. So the format is the one of
the signature, only the header is read before the size is checked against our own limit, and the primary picture of a
phone's multi-picture JPEG is read as an ordinary JPEG.
"""

from __future__ import annotations

import importlib
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal.orientation import stated_orientation
from inrc.signal.raster import Raster, check_size, without_warnings

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_FILE_CLASSES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "PBM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
}
EXPANDED_MODES = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB"}
EXPANDED_MODES |= {"RGBA": "RGBA", "RGBa": "RGBA"}
"""Pillow's modes, and those that they are expanded to."""
_JPEG_MAX_SIDE = 65500  # libjpeg's JPEG_MAX_DIMENSION
_WEBP_MAX_SIDE = 16383


def decode(data: bytes, format_name: str, max_pixels: int) -> Raster:
    """Decodes a picture of 8 bits per sample, without its orientation and profile.

    Args:
        data: The whole file.
        format_name: One of JPEG, BMP, PBM, TIFF.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the picture is CMYK or Lab.
        UnreadableImageError: If the file is truncated or damaged.
    """
    return Raster(_samples(_opened(data, format_name, max_pixels)))


def decode_webp(data: bytes, max_pixels: int) -> Raster:
    """Decodes a WebP file.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the picture is animated.
        UnreadableImageError: If the file is truncated or damaged.
    """
    check_size(*_webp_size(data), max_pixels)  # Pillow allocates the canvas when it opens the file
    image = _opened(data, "WEBP", max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        raise UnsupportedImageError("it is an animated WebP; extract the frame you want, for example with webpmux")
    icc_profile, exif, xmp = (image.info.get(name) or b"" for name in ("icc_profile", "exif", "xmp"))
    return Raster(_samples(image), icc_profile, stated_orientation([exif], [xmp]), exif, xmp)


def encode_jpeg(pixels: np.ndarray, icc_profile: bytes, quality: int | None) -> bytes:
    """Encodes samples [H, W, 1 or 3], uint8, as JPEG; colour is subsampled (4:2:0) below quality 90 only.

    Raises:
        UnsupportedImageError: If a side is longer than JPEG allows.
    """
    _check_side(pixels, "JPEG", _JPEG_MAX_SIDE)
    quality = 95 if quality is None else quality
    subsampling = 0 if quality >= 90 else 2
    return _imageio_encode(pixels, ".jpg", icc_profile, quality=quality, subsampling=subsampling)


def encode_webp(
    pixels: np.ndarray, icc_profile: bytes, quality: int | None, exif: bytes = b"", xmp: bytes = b""
) -> bytes:
    """Encodes samples [H, W, C], uint8, as WebP: lossless where `quality` is None. Gray becomes RGB or RGBA.

    Raises:
        UnsupportedImageError: If a side is longer than WebP allows.
    """
    _check_side(pixels, "WebP", _WEBP_MAX_SIDE)
    metadata = {name: block for name, block in (("exif", exif), ("xmp", xmp)) if block}
    if quality is None:
        return _imageio_encode(pixels, ".webp", icc_profile, lossless=True, exact=True, method=2, **metadata)
    return _imageio_encode(pixels, ".webp", icc_profile, quality=quality, **metadata)


def _opened(data: bytes, format_name: str, max_pixels: int) -> ImageFile:
    """Reads a header and checks what it says."""
    with without_warnings():
        module, file_class = _FILE_CLASSES[format_name]
        image: ImageFile = getattr(importlib.import_module(module), file_class)(io.BytesIO(data))
        check_size(*image.size, max_pixels)
        if image.mode not in EXPANDED_MODES:
            raise UnsupportedImageError(f"its colours are {image.mode}; convert it to gray or RGB first")
        if format_name == "TIFF":
            image.load()  # warns about tags
    return image


def _samples(image: ImageFile) -> np.ndarray:
    """Decodes samples [H, W, C]."""
    image.load()
    mode = EXPANDED_MODES[image.mode]
    pixels = np.array(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(*pixels.shape[:2], -1)


def _imageio_encode(pixels: np.ndarray, extension: str, icc_profile: bytes, **options: Any) -> bytes:
    import imageio.v3 as iio

    frame = pixels if pixels.shape[2] > 1 else pixels[..., 0]
    profile = icc_profile or None
    data = iio.imwrite("<bytes>", frame, extension=extension, plugin="pillow", icc_profile=profile, **options)
    assert isinstance(data, bytes)
    return data


def _check_side(pixels: np.ndarray, format_name: str, limit: int) -> None:
    height, width = pixels.shape[:2]
    if max(height, width) > limit:
        raise UnsupportedImageError(
            f"the picture is {width} x {height}, but {format_name} holds at most {limit} a side; write .png or .tiff"
        )


def _webp_size(data: bytes) -> tuple[int, int]:
    """Reads width and height from a WebP header (RFC 9649, sections 2.5 to 2.7 and 3.4)."""
    kind, header = data[12:16], data[20:30].ljust(10, b"\x00")
    if kind == b"VP8X":
        width, height = (int.from_bytes(header[start : start + 3], "little") + 1 for start in (4, 7))
    elif kind == b"VP8L":
        packed = int.from_bytes(header[1:5], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", header[6:10]))
    else:
        raise UnreadableImageError("the WebP header is damaged; copy or download it again")
    return width, height
