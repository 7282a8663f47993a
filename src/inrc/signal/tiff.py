"""TIFF at 1 to 16 bits per sample.

tifffile reads plain gray and RGB samples of any depth, which Pillow does not. Pillow reads samples of up to 8 bits that
have to be interpreted first: bitmaps, 2- and 4-bit gray, palettes and YCbCr.
"""

from __future__ import annotations

import io
import logging
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from inrc.signal import pillow
from inrc.signal.channels import has_alpha
from inrc.signal.directories import byte_order
from inrc.signal.exif import exif_of_tiff, into_tiff
from inrc.signal.orientation import ORIENTATION_TAG, stated_orientation, valid_orientation
from inrc.signal.raster import Raster, check_size, scaled_to_full_range, unpremultiplied
from inrc.signal.tiff_kinds import MINISWHITE, PALETTE, YCBCR, bits_of, check_decoder, check_kind

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_ICC_TAG, _XMP_TAG = 34675, 700
_IGNORED_TAG = 65001  # of the numbers that are free for private use
_PREMULTIPLIED = 1  # ExtraSamples: associated alpha


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a TIFF file of one page; thumbnails and masks beside the page are ignored.

    Samples of up to 8 bits become uint8, of 9 to 16 bits uint16, over the whole range.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`, or tiles larger than that.
        UnsupportedImageError: If the file has several pages or frames, or samples that are not gray or RGB integers of
            at most 16 bits with at most one alpha channel.
        UnreadableImageError: If the file is truncated or damaged.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else its warnings reach stderr
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        page = tif.pages.first
        check_size(page.imagewidth, page.imagelength, max_pixels)
        if page.is_tiled:
            check_size(page.tilewidth, page.tilelength, max(max_pixels, 2**16))
        check_kind(tif, page, len(data))
        icc_profile, orientation = _bytes_of(page, _ICC_TAG), _orientation(page)
        is_indirect = page.photometric in (PALETTE, YCBCR)
        if bits_of(page) <= 8 and (is_indirect or (bits_of(page) in (1, 2, 4) and page.samplesperpixel == 1)):
            pixels = pillow.decode(_without_orientation(data, tif), "TIFF", max_pixels).pixels
        else:
            check_decoder(page)
            pixels = _plain_samples(page)
        return Raster(pixels, icc_profile, orientation, exif_of_tiff(data), _bytes_of(page, _XMP_TAG))


def encode(pixels: np.ndarray, icc_profile: bytes, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """Encodes samples [H, W, C], uint8 or uint16, C from 1 to 4, as a deflated TIFF file."""
    import tifffile

    channels = pixels.shape[2]
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        pixels if channels > 1 else pixels[..., 0],
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if has_alpha(channels) else None,
        compression="zlib",
        predictor=True,
        iccprofile=icc_profile or None,
        metadata=None,
        software=False,
        byteorder=">" if byte_order(exif) == ">" else "<",
    )
    return into_tiff(stream.getvalue(), exif, xmp) if exif or xmp else stream.getvalue()


def _orientation(page: TiffPage) -> int:
    """Returns the orientation of the page's own tag, which is that of EXIF, or of its XMP packet."""
    tag = page.tags.get(ORIENTATION_TAG)
    stated = valid_orientation(tag.value) if tag is not None else 0
    return stated or stated_orientation(xmp=[_bytes_of(page, _XMP_TAG)])


def _bytes_of(page: TiffPage, code: int) -> bytes:
    """Returns the value of a tag of bytes, empty where it is absent or of another type."""
    tag = page.tags.get(code)
    value: Any = tag.value if tag is not None else b""
    try:
        return bytes(value) if isinstance(value, (bytes, tuple)) else b""
    except (ValueError, TypeError):
        return b""


def _without_orientation(data: bytes, tif: TiffFile) -> bytes:
    """Renames the tags by which Pillow would turn the picture by a rule of its own."""
    patched = bytearray(data)
    for tag in tif.pages.first.tags:
        if tag.code in (ORIENTATION_TAG, _XMP_TAG):
            struct.pack_into(f"{tif.byteorder}H", patched, tag.offset, _IGNORED_TAG)
    return bytes(patched)


def _plain_samples(page: TiffPage) -> np.ndarray:
    """Decodes gray or RGB samples to [H, W, C] over the whole range, black at 0, alpha not multiplied in."""
    samples = page.asarray()
    if page.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    pixels = samples.reshape(page.imagelength, page.imagewidth, -1)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    bits = bits_of(page)
    if bits not in (8, 16):
        pixels = scaled_to_full_range(pixels, 2**bits - 1, np.uint8 if bits < 8 else np.uint16)
    if page.photometric == MINISWHITE:
        pixels[..., 0] = np.iinfo(pixels.dtype).max - pixels[..., 0]
    if has_alpha(pixels.shape[2]) and page.extrasamples[:1] == (_PREMULTIPLIED,):
        pixels = unpremultiplied(pixels)
    return pixels
