"""Which TIFF files are read, and what the others are: one picture of gray or RGB samples is, nothing by guessing."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from inrc.errors import UnreadableImageError, UnsupportedImageError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MINISWHITE, MINISBLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_COLOURS = {MINISWHITE: 1, MINISBLACK: 1, RGB: 3, PALETTE: 1, YCBCR: 3}  # samples without alpha
_UNCOMPRESSED, _JPEG = 1, 7
_SEPARATE_PLANES = 2
_ALPHA = (1, 2)  # ExtraSamples: associated and unassociated alpha
_STK_PLANES = 33629  # UIC2 of MetaMorph; it has an entry for every plane
_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES = 273, 279, 324, 325
_MAX_PAGES_SEARCHED = 64
_IMAGEJ_FRAMES = re.compile(r"ImageJ=.{0,200}?\nimages=(\d{1,9})", re.DOTALL)
_SHAPED_FRAMES = re.compile(r'\{"shape": \[((?:\d{1,9}, ){0,16}\d{1,9})\]')


def check_kind(tif: TiffFile, page: TiffPage, n_bytes: int) -> None:
    """Refuses a file that could only be read by guessing or with a loss.

    Args:
        tif: The file.
        page: Its first page.
        n_bytes: The length of the file.

    Raises:
        UnsupportedImageError: If the file has several frames, or samples that are not gray or RGB integers of at most
            16 bits with at most one alpha channel.
        UnreadableImageError: If parts of the picture are missing.
    """
    if page.is_reduced:
        raise UnsupportedImageError(
            "its first page is only a thumbnail (a raw camera file?); develop it to a PNG first"
        )
    if _has_second_page(tif):
        raise UnsupportedImageError("it has several pages; extract the one you want, for example with tiffsplit")
    _check_samples(page)
    _check_frames(page, n_bytes)
    if math.prod(page.chunked) > len(page.dataoffsets) or 0 in page.dataoffsets or 0 in page.databytecounts:
        raise UnreadableImageError("the file is damaged: parts of its picture are missing; write it again")


def check_decoder(page: TiffPage) -> None:
    """Refuses a compression that tifffile does not know.

    Raises:
        UnsupportedImageError: If it is of that kind.
    """
    from tifffile import TIFF

    try:
        TIFF.DECOMPRESSORS[page.compression]
    except KeyError:
        name = getattr(page.compression, "name", page.compression)
        raise UnsupportedImageError(
            f"its compression is {name}, which inrc does not read; write it with another, as LZW or Deflate"
        ) from None


def bits_of(page: TiffPage) -> int:
    """Returns the bits of a sample; the most where samples differ."""
    bits = page.bitspersample
    return bits if isinstance(bits, int) else max(bits)


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


def _check_samples(page: TiffPage) -> None:
    """Refuses other colours, other numbers than unsigned integers of at most 16 bits, and more than one alpha."""
    photometric = page.photometric
    if photometric not in _COLOURS:
        name = getattr(photometric, "name", photometric)
        raise UnsupportedImageError(f"its colours are {name}; convert it to gray or RGB first")
    if not isinstance(page.bitspersample, int):
        raise UnsupportedImageError(
            f"its samples have different depths, {page.bitspersample} bits; convert it to 8 or 16 bits first"
        )
    if page.sampleformat != 1 or not 1 <= page.bitspersample <= 16:
        kind = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex integers", 6: "complex"}
        raise UnsupportedImageError(
            f"its samples are {kind.get(page.sampleformat, 'of an unknown type')} with {page.bitspersample} bits; "
            "convert it to unsigned 8 or 16 bits first"
        )
    if page.bitspersample > 8 and (photometric == PALETTE or (photometric == YCBCR and page.compression != _JPEG)):
        raise UnsupportedImageError("it has a palette or YCbCr at more than 8 bits; convert it to RGB first")
    if page.samplesperpixel > _COLOURS[photometric] + 1:
        colours = "gray" if _COLOURS[photometric] == 1 else "RGB"
        raise UnsupportedImageError(
            f"it has {page.samplesperpixel} samples per pixel, more than {colours} and alpha (bands, or frames?); "
            "keep gray or RGB and at most one alpha channel"
        )


def _check_frames(page: TiffPage, n_bytes: int) -> None:
    """Refuses a page that holds several frames, of which each way to say so belongs to another program."""
    if page.imagedepth > 1 or page.tiledepth > 1:
        n_frames = page.imagedepth
        raise UnsupportedImageError(
            f"it is a volume, {n_frames} slices deep; write the slice you want as a TIFF of its own"
        )
    planes = page.tags.get(_STK_PLANES)
    n_planes = planes.count if planes is not None else 1
    n_frames = max(_described_frames(page, n_bytes), n_planes, _frames_of_strips(page))
    if n_frames > 1:
        raise UnsupportedImageError(
            f"its one page holds {n_frames} frames; write the one you want as a TIFF of its own, as with ImageJ"
        )
    is_second_plane = page.planarconfig == _SEPARATE_PLANES and page.samplesperpixel == 2
    if (
        is_second_plane
        and _COLOURS[page.photometric] == 1
        and page.extrasamples[:1] not in [(kind,) for kind in _ALPHA]
    ):
        raise UnsupportedImageError(
            "it has two planes of gray, and does not say that the second is alpha; "
            "write the one you want as a TIFF of its own"
        )


def _frames_of_strips(page: TiffPage) -> int:
    """Counts the frames for which there are strips or tiles; one where what is more is not a whole frame, or empty."""
    needed = math.prod(page.chunked)
    offsets = page.tags.get(_TILE_OFFSETS) or page.tags.get(_STRIP_OFFSETS)
    sizes = page.tags.get(_TILE_SIZES) or page.tags.get(_STRIP_SIZES)
    if offsets is None or sizes is None or offsets.count != sizes.count or offsets.count % needed:
        return 1
    return offsets.count // needed if offsets.count > needed and all(sizes.value) else 1


def _described_frames(page: TiffPage, n_bytes: int) -> int:
    """Counts frames that lie behind the first one without a page of theirs, as ImageJ and tifffile write them.

    A description that was kept when one frame was taken out of a stack does not count: there is no room for the others.
    """
    description = page.description[: 2**16]
    n_frames = 1
    if found := _IMAGEJ_FRAMES.match(description):
        n_frames = int(found[1])
    elif found := _SHAPED_FRAMES.match(description):
        n_frames = math.prod(int(side) for side in found[1].split(", ")) // max(math.prod(page.shape), 1)
    frame_bytes = math.prod(page.shape) * bits_of(page) // 8
    has_room = page.dataoffsets and page.dataoffsets[0] + n_frames * frame_bytes <= n_bytes
    return n_frames if page.compression == _UNCOMPRESSED and has_room else 1
