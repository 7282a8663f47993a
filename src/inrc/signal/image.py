"""Pictures in memory, read from files and written to files: 8 or 16 bits, gray to RGBA, upright, with their profile."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inrc.checks import checked_name
from inrc.errors import (
    ConfigError,
    ImageError,
    UnreadableImageError,
    UnsupportedImageError,
    UnwritableImageError,
)
from inrc.files import write_atomically
from inrc.names import one_line, shown
from inrc.signal import formats, signatures
from inrc.signal.channels import has_alpha
from inrc.signal.exif import upright_exif
from inrc.signal.raster import upright
from inrc.signal.sources import ByteSource, bytes_of, name_of
from inrc.signal.xmp import upright_xmp

MAX_PIXELS = 2**28
"""The most pixels that `read_image` decodes unless told otherwise: 268 megapixels, 0.8 GB of 8-bit RGB."""


_SAYS_UNSUPPORTED = re.compile(r"unsupported|not supported|not implemented|cannot handle|unknown pixel mode", re.I)
"""Messages of libraries about files that may well be whole, of a kind that the library does not know."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture as a viewer shows it: upright, palettes expanded, straight alpha.

    Attributes:
        pixels: Samples [H, W, C], uint8 or uint16 over their whole range. C is 1 (gray), 2 (gray and alpha),
            3 (RGB) or 4 (RGBA); alpha is not multiplied into the colours.
        icc_profile: The ICC profile that says what the colours mean, empty for none (sRGB is understood).
        exif: The EXIF block, a small TIFF file without a prefix, whose orientation is 1; empty for none.
        xmp: The XMP packet, likewise; empty for none.

    Raises:
        UnsupportedImageError: If the array is of another type or shape.
    """

    pixels: np.ndarray
    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype not in (np.uint8, np.uint16):
            raise UnsupportedImageError(_wrong_type(pixels))
        if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
            raise UnsupportedImageError(
                f"pixels have shape {pixels.shape}, not [H, W, C] with C from 1 to 4; gray is pixels[..., None]"
            )
        if pixels.size == 0:
            raise UnsupportedImageError(f"pixels have shape {pixels.shape}; a picture has at least 1 x 1 pixels")

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """Number of channels, 1 to 4, alpha included."""
        return self.pixels.shape[2]

    @property
    def bit_depth(self) -> int:
        """Bits per sample, 8 or 16."""
        return 8 * self.pixels.itemsize

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return has_alpha(self.channels)


def _wrong_type(pixels: Any) -> str:
    """The message about pixels that are no array of uint8 or uint16."""
    dtype = getattr(pixels, "dtype", type(pixels).__name__)
    remedy = "give an array of NumPy"
    if isinstance(pixels, np.ndarray):
        kind = "big-endian" if not pixels.dtype.isnative else pixels.dtype.kind
        remedy = {
            "big-endian": "bring them to the byte order of this machine with astype(numpy.uint16)",
            "f": "turn values in 0..1 into pixels with inrc.signal.image.from_unit",
            "b": "multiply them as uint8 by 255",
        }.get(kind, "convert them with astype where their values lie in 0..255 or 0..65535")
    return f"pixels are {dtype}, not uint8 or uint16 in NumPy; {remedy}"


def without_metadata(image: Image) -> Image:
    """Returns a picture without EXIF and XMP."""
    return replace(image, exif=b"", xmp=b"")


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Maps integer samples onto [0, 1].

    Args:
        pixels: Samples of any shape, uint8 or uint16.

    Returns:
        float32 of the same shape; `from_unit` gives back the very same samples.

    Raises:
        UnsupportedImageError: If the samples are of another type.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnsupportedImageError(f"samples are {pixels.dtype}, not uint8 or uint16; convert them first")
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def from_unit(values: Any, bit_depth: int) -> Any:
    """Maps [0, 1] onto integer samples: clipped, then rounded to nearest with halves up.

    Args:
        values: Floats of any shape, an array of NumPy or of JAX, which may be traced. NaN becomes 0.
        bit_depth: 8 or 16.

    Returns:
        uint8 or uint16 of the same shape, of the same library.

    Raises:
        ConfigError: If `bit_depth` is neither.
    """
    if bit_depth not in (8, 16):
        raise ConfigError(f"bit_depth is {bit_depth}; it must be 8 or 16")
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    library = values.__array_namespace__()
    values = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    clipped = library.clip(library.nan_to_num(values, nan=0.0), 0.0, 1.0)
    return library.floor(clipped * np.iinfo(dtype).max + 0.5).astype(dtype)


STRIP, KEEP = METADATA = ("strip", "keep")
"""What becomes of EXIF and XMP: they tell who took a picture, when and where, and so are kept only where asked for."""


def read_image(source: ByteSource, *, max_pixels: int = MAX_PIXELS, metadata: str = STRIP) -> Image:
    """Reads a PNG, JPEG, WebP, TIFF, AVIF, HEIF, JPEG XL, BMP, PPM, PGM or PBM picture.

    Samples of up to 8 bits become 8-bit over their whole range, those of 9 to 16 bits (also of JPEG, JPEG-LS and TIFF)
    become 16-bit. Palettes and transparent colours are expanded.

    Orientation is applied by one rule for all formats: that of EXIF counts, wherever the format keeps it (for PNG also
    in the texts of ImageMagick and ExifTool); where EXIF has none, `tiff:Orientation` of XMP counts. AVIF, HEIF and
    JPEG XL turn the picture by fields of their own, beside which neither of them counts.

    The ICC profile is kept where it fits the channels. A gray picture with an RGB profile, or the reverse, gets a
    profile of its own kind with the same curve, and none where that is sRGB; profiles of other spaces, as CMYK, are
    left out (`inrc.signal.profiles`). Colours that are stated without a profile become one: in PNG, cICP counts before
    iCCP, sRGB, and gAMA with cHRM; in BMP, primaries and gamma; in AVIF, HEIF and JPEG XL, code points. PQ and HLG are
    kept as code points in a profile, beside a curve for programs that do not know them.

    Of a JPEG or HEIF that holds several pictures (phones add depth and gain maps) the primary one is read. Every other
    file of several frames, pages, slices or pictures is refused rather than cut to its first, which would silently lose
    the others.

    Args:
        source: A path, the bytes of a file, or a file opened in binary mode.
        max_pixels: The most pixels allowed, checked against the header before any pixel is decoded.
        metadata: "keep" gives EXIF and XMP too, with the orientation 1, since the pixels are upright; "strip" does not.

    Raises:
        UnreadableImageError: If the file is missing, truncated, damaged or not a picture.
        UnsupportedImageError: If it is a picture of another kind: CMYK, Lab, floating point, animated, GIF and so on.
            The message says what it is, and what reads or converts it.
        ImageTooLargeError: If the header announces more than `max_pixels`.
        ConfigError: If `max_pixels` is below 1, or `metadata` is neither.
    """
    if not max_pixels >= 1:  # NaN would allow everything
        raise ConfigError(f"max_pixels is {max_pixels}; it must be a number of 1 or more")
    checked_name("metadata", metadata, METADATA)
    name = name_of(source)
    try:
        raster = formats.decode(_read_bytes(source), max_pixels)
    except ImageError as error:
        raise type(error)(f"cannot read {name}: {error}") from error.__cause__
    except ConfigError:  # the source is none
        raise
    except Exception as error:  # on damaged bytes the decoders of four libraries raise errors of any type
        reason = shown(one_line(error) or type(error).__name__)
        if isinstance(error, NotImplementedError) or _SAYS_UNSUPPORTED.search(reason):
            raise UnsupportedImageError(
                f"cannot read {name}: its header asks for what inrc does not read ({reason}); convert it to PNG first"
            ) from error
        raise UnreadableImageError(
            f"cannot read {name}: truncated or damaged ({reason}); copy or download it again"
        ) from error
    pixels = upright(raster.pixels, raster.orientation)
    if metadata == STRIP:
        return Image(pixels, raster.icc_profile)
    return Image(pixels, raster.icc_profile, upright_exif(raster.exif), upright_xmp(raster.xmp))


def encode_image(image: Image, format: str, *, quality: int | None = None) -> bytes:
    """Encodes a picture as the bytes of a file.

    PNG and TIFF hold every picture exactly. PPM and PGM are exact too, but hold neither alpha nor the ICC profile.
    WebP is lossless unless `quality` is given; it stores gray as RGB. PPM stores gray as RGB. The profile is written as
    it fits the channels that are written, by the rule of `read_image`. EXIF and XMP of the picture are written where
    the format holds them; `inrc.signal.formats.left_out` says what it does not hold.

    Args:
        image: The picture.
        format: png, tiff (or tif), jpeg (or jpg), webp, ppm, pgm; upper or lower case.
        quality: 1 to 100, for JPEG (95 where None) and WebP (lossless where None) only.

    Raises:
        UnsupportedImageError: If the format is unknown, or cannot hold this picture's depth, alpha, colour or size.
        ConfigError: If `quality` is out of range, or given for a lossless format.
    """
    return formats.encode(image.pixels, image.icc_profile, format, quality, upright_exif(image.exif), image.xmp)


def write_image(path: str | os.PathLike[str], image: Image, *, quality: int | None = None) -> None:
    """Writes a picture in the format that the extension names; see `encode_image`.

    The file appears whole or not at all: it is written under a temporary name in the same folder and then renamed.

    Args:
        path: Where to write; .png, .tif, .tiff, .jpg, .jpeg, .webp, .ppm or .pgm.
        image: The picture.
        quality: As in `encode_image`.

    Raises:
        UnsupportedImageError: If the format is unknown or cannot hold this picture.
        UnwritableImageError: If the place cannot be written to.
        ConfigError: If `quality` is out of range, or given for a lossless format.
    """
    path = Path(path)
    try:
        data = encode_image(image, path.suffix.removeprefix("."), quality=quality)
    except ImageError as error:
        raise type(error)(f"cannot write {shown(path)}: {error}") from error.__cause__
    try:
        write_atomically(path, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnwritableImageError(
            f"cannot write {shown(path)}: {reason}; choose a folder that exists and that you may write to"
        ) from error


def _read_bytes(source: ByteSource) -> bytes:
    """Returns all bytes of the source; a file is read whole only if its first bytes look like a picture."""
    if not isinstance(source, (str, os.PathLike)):
        return bytes_of(source)
    try:
        with Path(source).open("rb") as file:
            start = file.read(signatures.SIGNATURE_BYTES)
            signatures.format_of(start)
            return start + file.read()
    except OSError as error:
        raise UnreadableImageError(f"{error.strerror or error}; check the path") from error
