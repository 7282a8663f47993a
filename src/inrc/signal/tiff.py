"""TIFF at 8 and 16 bits per sample.

tifffile reads plain gray and RGB samples of either depth, which Pillow does not. Pillow reads samples that have to be
interpreted first: bitmaps, 2- and 4-bit gray, palettes and YCbCr.
"""

from __future__ import annotations

import io
import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal import pillow
from inrc.signal.channels import has_alpha
from inrc.signal.raster import ORIENTATION_TAG, Raster, check_size, scaled_to_full_range, valid_orientation

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_ICC_TAG = 34675
_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_PREMULTIPLIED = 1  # ExtraSamples: associated alpha
_MAX_PAGES_SEARCHED = 64


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes a TIFF file of one page; thumbnails and masks beside the page are ignored.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`, or tiles larger than that.
        UnsupportedImageError: If the file has several pages, or samples that are not gray or RGB integers of
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
        _check_kind(tif, page)
        if math.prod(page.chunked) > len(page.dataoffsets) or 0 in page.dataoffsets or 0 in page.databytecounts:
            raise UnreadableImageError("the file is damaged: parts of its picture are missing; write it again")
        icc_tag = page.tags.get(_ICC_TAG)
        icc_profile = bytes(icc_tag.value) if icc_tag is not None else b""
        if _bits(page) < 8 or page.photometric in (_PALETTE, _YCBCR):
            return pillow.decode(data, "TIFF", max_pixels)._replace(icc_profile=icc_profile)
        orientation_tag = page.tags.get(ORIENTATION_TAG)
        orientation = valid_orientation(orientation_tag.value) if orientation_tag is not None else 1
        return Raster(_plain_samples(page), icc_profile, orientation)


def encode(pixels: np.ndarray, icc_profile: bytes) -> bytes:
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
    )
    return stream.getvalue()


def _bits(page: TiffPage) -> int:
    bits = page.bitspersample
    return bits if isinstance(bits, int) else max(bits)


def _check_kind(tif: TiffFile, page: TiffPage) -> None:
    """Raises UnsupportedImageError for a file that could only be read by guessing or with a loss."""
    if page.is_reduced:
        raise UnsupportedImageError(
            "its first page is only a thumbnail (a raw camera file?); develop it to a PNG first"
        )
    if _has_second_page(tif):
        raise UnsupportedImageError("it has several pages; extract the one you want, for example with tiffsplit")
    photometric = page.photometric
    if photometric not in (_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR):
        name = getattr(photometric, "name", photometric)
        raise UnsupportedImageError(f"its colours are {name}; convert it to gray or RGB first")
    if page.sampleformat != 1 or _bits(page) not in (1, 2, 4, 8, 16) or page.imagedepth != 1:
        kind = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(page.sampleformat, "unknown")
        raise UnsupportedImageError(
            f"its samples are {kind} with {_bits(page)} bits; convert it to unsigned 8 or 16 bits first"
        )
    if photometric in (_PALETTE, _YCBCR) and _bits(page) > 8:
        raise UnsupportedImageError("it has a palette or YCbCr at 16 bits; convert it to RGB first")
    if page.samplesperpixel > (3 if photometric in (_RGB, _YCBCR) else 1) + 1:
        raise UnsupportedImageError(
            f"it has {page.samplesperpixel} samples per pixel; keep gray or RGB and at most one alpha channel"
        )


def _has_second_page(tif: TiffFile) -> bool:
    from tifffile import TiffPage

    for index in range(1, _MAX_PAGES_SEARCHED):
        try:
            other = tif.pages.get(index)
        except IndexError:
            return False
        if not (isinstance(other, TiffPage) and (other.is_reduced or other.is_mask)):
            return True
    return True


def _plain_samples(page: TiffPage) -> np.ndarray:
    """Decodes gray or RGB samples of 8 or 16 bits to [H, W, C], black at 0, alpha not multiplied in."""
    samples = page.asarray()
    if page.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    pixels = samples.reshape(page.imagelength, page.imagewidth, -1)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if page.photometric == _MINISWHITE:
        pixels[..., 0] = np.iinfo(pixels.dtype).max - pixels[..., 0]
    if has_alpha(pixels.shape[2]) and page.extrasamples[:1] == (_PREMULTIPLIED,):
        pixels = _unpremultiply(pixels)
    return pixels


def _unpremultiply(pixels: np.ndarray) -> np.ndarray:
    """Divides the colours of [H, W, C] by the last channel, rounded to nearest; where alpha is 0 they become 0."""
    alpha = pixels[..., -1:]
    colours = scaled_to_full_range(pixels[..., :-1], alpha, pixels.dtype.type)
    return np.concatenate([colours, alpha], axis=-1)
