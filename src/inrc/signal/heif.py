"""HEIF and AVIF: boxes are read here, imagecodecs decodes AV1, and pillow-heif decodes HEVC.

Both formats turn and mirror a picture by properties of its item. They count alone, also where EXIF states another
orientation, which it often repeats (23008-12, 6.5.10).
"""

from __future__ import annotations

import numpy as np

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal import coded_colours
from inrc.signal.channels import has_alpha
from inrc.signal.heif_items import HeifPicture, primary_picture
from inrc.signal.raster import Raster, check_size, scaled_to_full_range, unpremultiplied

_UNSPECIFIED = 2  # of H.273, for primaries and transfer; sRGB is understood
_SRGB_PRIMARIES, _SRGB_TRANSFER = 1, 13
_IDENTITY, _FULL_RANGE = 0, 1
_EXTRA = "pip install 'inrc[heif]'"


def decode(data: bytes, max_pixels: int) -> Raster:
    """Decodes the primary picture of a HEIF or AVIF file: 8 bits as uint8, 10 and 12 bits as uint16, full range.

    Args:
        data: The whole file.
        max_pixels: The most pixels allowed.

    Raises:
        ImageTooLargeError: If the header announces more than `max_pixels`.
        UnsupportedImageError: If the file is animated, or needs a library that is not there.
        UnreadableImageError: If the file is truncated or damaged.
    """
    picture = primary_picture(data)
    check_size(picture.width, picture.height, max_pixels)
    if picture.coding == "av01":
        pixels = _turned(_avif_samples(data, picture.bits), picture)
    else:
        pixels = _heif_samples(data, picture.coding)  # libheif turns them
    icc_profile = picture.icc_profile
    if not icc_profile and picture.code_points is not None:
        primaries, transfer, _, _ = picture.code_points  # matrix and range are undone by the decoders
        icc_profile = coded_colours.of_code_points(
            _SRGB_PRIMARIES if primaries == _UNSPECIFIED else primaries,
            _SRGB_TRANSFER if transfer == _UNSPECIFIED else transfer,
            _IDENTITY,
            _FULL_RANGE,
            gray=pixels.shape[2] <= 2,
            bit_depth=8 * pixels.itemsize,
        )
    return Raster(pixels, icc_profile or b"", exif=picture.exif, xmp=picture.xmp)


def _avif_samples(data: bytes, bits: int) -> np.ndarray:
    """Decodes samples [H, W, C] as they lie in the file, alpha not multiplied in."""
    import imagecodecs

    if not imagecodecs.AVIF.available:
        raise UnsupportedImageError(
            "its format is AVIF, which this build of imagecodecs does not read; install imagecodecs by pip"
        )
    samples = np.asarray(imagecodecs.avif_decode(data))
    if samples.ndim == 4:
        raise UnsupportedImageError("it is an animated AVIF; extract the frame you want to a picture of its own")
    samples = samples.reshape(*samples.shape[:2], -1)
    return samples if samples.itemsize == 1 else _full_range(samples, bits)


def _turned(samples: np.ndarray, picture: HeifPicture) -> np.ndarray:
    """Turns and mirrors samples as the properties of the item ask for."""
    for kind, value in picture.transforms:
        if kind == "irot":
            samples = np.rot90(samples, value)
        elif kind == "imir":
            samples = samples[:, ::-1] if value else samples[::-1]
        else:
            raise UnsupportedImageError("a part is to be cut out of it (clap), which inrc does not do; crop it first")
    return samples


def _heif_samples(data: bytes, coding: str) -> np.ndarray:
    """Decodes upright samples [H, W, C], alpha not multiplied in."""
    try:
        import pillow_heif
    except ImportError as error:
        raise UnsupportedImageError(f"its format is HEIF, for which inrc needs pillow-heif; {_EXTRA}") from error
    try:
        opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        image = opened[opened.primary_index]
        samples = np.asarray(image)
    except (SyntaxError, RuntimeError, IndexError) as error:  # libheif says so of codings that it does not know
        if coding not in ("hvc1", "hev1"):
            raise UnsupportedImageError(f"it is a HEIF picture in {coding}, which inrc does not read") from error
        raise UnreadableImageError(f"truncated or damaged ({error}); copy or download it again") from error
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.itemsize > 1:
        samples = _full_range(samples, int(image.info["bit_depth"]))
    is_premultiplied = image.premultiplied_alpha and has_alpha(samples.shape[2])
    return unpremultiplied(samples) if is_premultiplied else samples


def _full_range(samples: np.ndarray, bits: int) -> np.ndarray:
    return scaled_to_full_range(samples, 2**bits - 1, np.uint16)
