"""Hands pictures to the module that reads or writes each format, with the profile that their channels can have."""

from __future__ import annotations

import numpy as np

from inrc.checks import checked_number
from inrc.errors import ConfigError, UnsupportedImageError
from inrc.signal import bmp, heif, jpeg, jxl, netpbm, pillow, png, profiles, tiff
from inrc.signal.channels import has_alpha
from inrc.signal.raster import Raster, packed
from inrc.signal.signatures import SIGNATURE_BYTES, format_of

READABLE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".webp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".hif", ".jxl"),
    *(".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".jls"),
)
"""Suffixes of the files that hold a format of `format_of`, in lower case. Reading itself goes by the first bytes."""
_FORMAT_OF_EXTENSION = {"jpg": "jpeg", "tif": "tiff"}
_CHANNELS_HELD = {  # the channel counts that each output format holds
    "png": (1, 2, 3, 4),
    "tiff": (1, 2, 3, 4),
    "jpeg": (1, 3),
    "webp": (1, 2, 3, 4),
    "ppm": (1, 3),
    "pgm": (1,),
}
_LOSSY_FORMATS = ("jpeg", "webp")
_COLOUR_ONLY_FORMATS = ("webp", "ppm")  # gray becomes RGB
_DECODERS = {
    "PNG": png.decode,
    "JPEG": jpeg.decode,
    "WEBP": pillow.decode_webp,
    "TIFF": tiff.decode,
    "HEIF": heif.decode,
    "JXL": jxl.decode,
    "BMP": bmp.decode,
    "PPM": netpbm.decode,
    "PBM": netpbm.decode_bitmap,
}


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes the bytes of a picture file, with a profile that fits its channels.

    Damaged bytes may raise errors of the libraries besides typed ones.
    """
    raster = _DECODERS[format_of(data[:SIGNATURE_BYTES])](data, max_pixels)
    return raster._replace(icc_profile=profiles.fitted(raster.icc_profile, raster.pixels.shape[2]))


def encode(
    pixels: np.ndarray, icc_profile: bytes, format: str, quality: int | None, exif: bytes = b"", xmp: bytes = b""
) -> bytes:
    """Encodes samples [H, W, C], uint8 or uint16; see `inrc.signal.image.encode_image`."""
    name = _name_of(format)
    _check_encodable(pixels, name, quality)
    pixels = packed(pixels)
    if name in _COLOUR_ONLY_FORMATS and pixels.shape[2] <= 2:
        pixels = np.concatenate([np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:]], axis=2)
    icc_profile = profiles.fitted(icc_profile, pixels.shape[2])
    if name == "png":
        return png.encode(pixels, icc_profile, exif, xmp)
    if name == "tiff":
        return tiff.encode(pixels, icc_profile, exif, xmp)
    if name == "jpeg":
        lost = left_out(name, exif, xmp)
        data = pillow.encode_jpeg(pixels, icc_profile, quality)
        return jpeg.with_metadata(data, b"" if "EXIF" in lost else exif, b"" if "XMP" in lost else xmp)
    if name == "webp":
        return pillow.encode_webp(pixels, icc_profile, quality, exif, xmp)
    return netpbm.encode(pixels)


def left_out(format: str, exif: bytes, xmp: bytes) -> tuple[str, ...]:
    """Returns which of EXIF and XMP a format does not hold: PPM and PGM hold neither, JPEG at most a segment of each.

    Args:
        format: As for `encode`.
        exif: An EXIF block; empty for none, which is never left out.
        xmp: An XMP packet; likewise.
    """
    most = {"jpeg": (jpeg.MAX_EXIF_BYTES, jpeg.MAX_XMP_BYTES), "ppm": (0, 0), "pgm": (0, 0)}
    limits = most.get(_name_of(format), (len(exif), len(xmp)))
    return tuple(
        name for name, block, limit in zip(("EXIF", "XMP"), (exif, xmp), limits, strict=True) if len(block) > limit
    )


def _name_of(format: str) -> str:
    return _FORMAT_OF_EXTENSION.get(format.lower(), format.lower())


def _check_encodable(pixels: np.ndarray, format_name: str, quality: int | None) -> None:
    """Checks that the format can hold the picture; the error names a format that can."""
    channels = pixels.shape[2]
    if format_name not in _CHANNELS_HELD:
        raise UnsupportedImageError(
            f"the output format {format_name!r} is unknown; use png, tif, tiff, jpg, jpeg, webp, ppm or pgm"
        )
    if pixels.itemsize == 2 and format_name in _LOSSY_FORMATS:
        raise UnsupportedImageError(f"{format_name} holds 8 bits per sample, the picture has 16; write .png or .tiff")
    if channels not in _CHANNELS_HELD[format_name]:
        what = "alpha channel" if has_alpha(channels) else "colour"
        remedy = "write .png, .tiff or .webp" if has_alpha(channels) and pixels.itemsize == 1 else "write .png or .tiff"
        raise UnsupportedImageError(f"{format_name} holds no {what}, the picture has {channels} channels; {remedy}")
    if quality is not None and format_name not in _LOSSY_FORMATS:
        raise ConfigError(
            f"quality is {quality}, but {format_name} is lossless; leave quality out, or write .jpg or .webp"
        )
    if quality is not None:
        checked_number("quality", quality, 1, 100, whole=True)
