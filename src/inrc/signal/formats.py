"""Recognises file formats, and hands pictures to the module that reads or writes each."""

from __future__ import annotations

import numpy as np

from inrc.checks import checked_number
from inrc.errors import ConfigError, UnreadableImageError, UnsupportedImageError
from inrc.signal import netpbm, pillow, png, tiff
from inrc.signal.channels import has_alpha
from inrc.signal.raster import Raster

SIGNATURE_BYTES = 16
READABLE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".webp", ".tif", ".tiff"),
    *(".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes of the files that hold a format of `format_of`, in lower case. Reading itself goes by the first bytes."""
_OTHER_FORMATS = {  # inrc does not read these, but errors name them
    b"GIF8": "GIF",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"P7": "PAM",
    b"PF": "PFM",
    b"Pf": "PFM",
    b"8BPS": "Photoshop",
    b"\x76\x2f\x31\x01": "OpenEXR",
}
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


def format_of(start: bytes) -> str:
    """Names the format that a file's first bytes announce: PNG, JPEG, WEBP, TIFF, BMP, PPM (with PGM) or PBM.

    Raises:
        UnsupportedImageError: If they announce a picture of another format.
        UnreadableImageError: If they announce no picture.
    """
    if start.startswith(png.SIGNATURE):
        return "PNG"
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "TIFF"
    if start.startswith(b"BM"):
        return "BMP"
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3] in b" \t\r\n\v\f#" and len(start) > 2:
        return "PBM" if start[1:2] in b"14" else "PPM"
    other = next((name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if start[4:8] == b"ftyp":
        other = "AVIF or HEIF"
    if other is not None:
        raise UnsupportedImageError(f"it is a {other} file, which inrc does not read; convert it to PNG first")
    if not start:
        raise UnreadableImageError("the file is empty; copy or download it again")
    raise UnreadableImageError("it is not a picture that inrc reads; use PNG, JPEG, WebP, TIFF, BMP, PPM or PGM")


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes the bytes of a picture file. Damaged bytes may raise errors of the libraries besides typed ones."""
    format_name = format_of(data[:SIGNATURE_BYTES])
    if format_name == "PNG":
        return png.decode(data, max_pixels)
    if format_name == "TIFF":
        return tiff.decode(data, max_pixels)
    if format_name == "PPM":
        return netpbm.decode(data, max_pixels)
    return pillow.decode(data, format_name, max_pixels)


def encode(pixels: np.ndarray, icc_profile: bytes, format: str, quality: int | None) -> bytes:
    """Encodes samples [H, W, C], uint8 or uint16; see `inrc.signal.image.encode_image`."""
    name = _FORMAT_OF_EXTENSION.get(format.lower(), format.lower())
    _check_encodable(pixels, name, quality)
    if name == "png":
        return png.encode(pixels, icc_profile)
    if name == "tiff":
        return tiff.encode(pixels, icc_profile)
    if name == "jpeg":
        return pillow.encode_jpeg(pixels, icc_profile, quality)
    if name == "webp":
        return pillow.encode_webp(pixels, icc_profile, quality)
    return netpbm.encode(np.repeat(pixels, 3, axis=2) if name == "ppm" and pixels.shape[2] == 1 else pixels)


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
