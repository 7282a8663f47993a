"""The anchors: classical codecs behind one interface, each at the settings that give it its best PSNR.

Every codec has one dictionary of the options that decide the bytes of its files. It goes both to the encoder and into
the settings of records. All encoders run on one thread, so that seconds measure work, and so that the bytes of AVIF do
not depend on the machine.
"""

import functools
import io
import math
import re
from collections.abc import Sequence
from typing import Any

import imagecodecs
import numpy as np
import PIL
from PIL import Image, features

from inrc.baselines.interface import MeasuredCodec, Pixels

JPEG_OPTIONS: dict[str, Any] = {"progressive": True, "optimize": True}

# The wavelet filter is the irreversible 9/7. OpenJPEG counts the JP2 boxes as part of the rate.
JPEG2000_OPTIONS: dict[str, Any] = {"irreversible": True, "quality_mode": "rates", "no_jp2": False}

WEBP_OPTIONS: dict[str, Any] = {"lossless": False, "method": 6}

# The default tuning aims at perception and costs PSNR. Tiles, which Pillow requests by default, cost 1 to 3 % of the
# bytes of a 768 x 512 picture below 0.2 bpp.
AVIF_OPTIONS: dict[str, Any] = {
    "codec": "aom",
    "speed": 2,
    "advanced": {"tune": "psnr"},
    "autotiling": False,
    "max_threads": 1,
}

# Effort 9 takes five times as long, and saves about 1 % of the bytes at equal PSNR.
JXL_OPTIONS: dict[str, Any] = {"effort": 7, "numthreads": 1}
JXL_MAX_DISTANCE = 25.0

JPEG_MIN_QUALITY = 1
MAX_QUALITY = 100


def anchors() -> tuple[MeasuredCodec, ...]:
    """Returns all classical codecs, each at 9 or 10 points that cover about 0.1 to 2 bpp on photographs."""
    return jpeg_444(), jpeg_420(), jpeg2000(), webp(), avif_444(), jxl()


def jpeg_444() -> MeasuredCodec:
    """Returns JPEG by libjpeg-turbo with chroma at full size: `jpeg_encode`, `jpeg_decode`. Points are qualities."""
    return _jpeg("jpeg_444", "4:4:4")


def jpeg_420() -> MeasuredCodec:
    """Returns JPEG by libjpeg-turbo with chroma at half size. Points are qualities."""
    return _jpeg("jpeg_420", "4:2:0")


def jpeg2000() -> MeasuredCodec:
    """Returns JPEG 2000 by OpenJPEG: 9/7 wavelet, RGB decorrelated. Points are bits per pixel of the whole file."""
    return MeasuredCodec(
        name="jpeg2000",
        encode=_jpeg2000_encode,
        decode=functools.partial(_decode, file_format="JPEG2000"),
        points=(0.05, 0.1, 0.175, 0.3, 0.5, 0.8, 1.2, 1.75, 2.5),
        settings=lambda rate: {
            "format": "JPEG 2000",
            "library": "OpenJPEG through Pillow",
            "bits_per_pixel": rate,
            "mct": 1,
            **JPEG2000_OPTIONS,
        },
        extension="jp2",
    )


def webp() -> MeasuredCodec:
    """Returns lossy WebP by libwebp at its slowest method, RGB only. Points are qualities; 0 is about 0.1 bpp."""
    return MeasuredCodec(
        name="webp",
        encode=_webp_encode,
        decode=functools.partial(_decode, file_format="WEBP"),
        points=(0, 3, 10, 25, 50, 75, 88, 94, 98),
        settings=lambda quality: {
            "format": "WebP",
            "library": "libwebp through Pillow",
            "quality": quality,
            "subsampling": "4:2:0",
            **WEBP_OPTIONS,
        },
        extension="webp",
    )


def avif_444() -> MeasuredCodec:
    """Returns AVIF by libaom, tuned for PSNR, with chroma at full size. Points are qualities."""
    return MeasuredCodec(
        name="avif_444",
        encode=_avif_encode,
        decode=functools.partial(_decode, file_format="AVIF"),
        points=(2, 7, 12, 22, 32, 42, 52, 62, 72, 82),
        settings=lambda quality: {
            "format": "AVIF",
            "library": "libaom through libavif and Pillow",
            "quality": quality,
            "subsampling": "4:4:4",
            **AVIF_OPTIONS,
        },
        extension="avif",
    )


def jxl() -> MeasuredCodec:
    """Returns lossy JPEG XL by libjxl. It aims at perception, so PSNR understates it. Points are falling distances."""
    return MeasuredCodec(
        name="jxl",
        encode=_jxl_encode,
        decode=_jxl_decode,
        points=(25, 16, 10, 6.5, 4, 2.5, 1.6, 1, 0.6),
        settings=lambda distance: {
            "format": "JPEG XL",
            "library": "libjxl through imagecodecs",
            "distance": distance,
            **JXL_OPTIONS,
        },
        extension="jxl",
    )


def library_versions() -> dict[str, str]:
    """Returns the versions of the libraries behind the anchors; "absent" where Pillow was built without one."""
    found: dict[str, str | None] = {
        "pillow": PIL.__version__,
        "libjpeg-turbo": features.version_feature("libjpeg_turbo"),
        "openjpeg": features.version_codec("jpg_2000"),
        "libwebp": features.version_module("webp"),
        "libavif": features.version_module("avif"),
        "libaom": _avif_coder_version("aom"),
        "dav1d": _avif_coder_version("dav1d"),
        "imagecodecs": imagecodecs.__version__,
        "libjxl": imagecodecs.jpegxl_version().removeprefix("libjxl "),
    }
    return {name: version or "absent" for name, version in found.items()}


def jpeg_encode(pixels: Pixels, quality: float, subsampling: str = "4:4:4") -> bytes:
    """Encodes a picture as a progressive JPEG with optimised Huffman tables.

    Args:
      pixels: uint8 [H, W, C], gray (C = 1) or RGB (C = 3), sides up to 65,500.
      quality: libjpeg's quality, a whole number in 1..100.
      subsampling: the subsampling of the chroma: "4:4:4", "4:2:2" or "4:2:0". A gray picture ignores it.

    Returns:
      The whole file.

    Raises:
      ValueError: if the pixels or the quality are of another kind.
    """
    picture = _picture("JPEG", pixels)
    if picture.mode == "L":
        subsampling = "4:4:4"
    quality = _quality(quality, JPEG_MIN_QUALITY)
    return _saved(picture, format="JPEG", quality=quality, subsampling=subsampling, **JPEG_OPTIONS)


def jpeg_decode(data: bytes) -> Pixels:
    """Decodes a gray or RGB JPEG file.

    Returns:
      Pixels, uint8 [H, W, 1] or [H, W, 3].

    Raises:
      OSError: if the bytes are not a whole JPEG file.
    """
    return _decode(data, "JPEG")


def jpeg_at_most(pixels: Pixels, n_bytes: int) -> tuple[bytes, int]:
    """Returns the best 4:4:4 JPEG of a picture that has at most a number of bytes: `best_at_most` over all qualities.

    Args:
      pixels: uint8 [H, W, C], gray (C = 1) or RGB (C = 3).
      n_bytes: the most bytes that the file may have.

    Returns:
      The file and its quality. Where no quality is small enough, it is the file of quality 1, which is longer than
      `n_bytes`: compare its length.

    Raises:
      ValueError: if the pixels are of another kind.
    """
    data, quality = best_at_most(jpeg_444(), pixels, range(JPEG_MIN_QUALITY, MAX_QUALITY + 1), n_bytes)
    return data, int(quality)


def best_at_most(codec: MeasuredCodec, pixels: Pixels, points: Sequence[float], n_bytes: int) -> tuple[bytes, float]:
    """Returns the best file of a picture that has at most a number of bytes, by bisection over a codec's points.

    Args:
      codec: the codec that encodes.
      pixels: uint8 [H, W, C].
      points: candidates from the smallest file to the largest, such as `range(101)` for AVIF. They need not be points
        of the codec's curve. If files do not grow from point to point, the result still fits, but a later point might
        fit too.
      n_bytes: the most bytes that the file may have.

    Returns:
      The file and its point. Where no file is small enough, it is the file of the first point, which is longer than
      `n_bytes`: compare its length.

    Raises:
      ValueError: if there are no points, or the codec cannot hold the pixels.
    """
    if not points:
        raise ValueError("there are no points; give at least one")
    best = None
    low, high = 0, len(points) - 1
    while low <= high:
        middle = (low + high) // 2
        data = _file(codec, pixels, points[middle])
        if len(data) <= n_bytes:
            best, low = (data, points[middle]), middle + 1
        else:
            high = middle - 1
    return best or (_file(codec, pixels, points[0]), points[0])


def _avif_coder_version(name: str) -> str | None:
    if not features.check_module("avif"):
        return None
    from PIL import _avif  # absent where Pillow was built without AVIF; has no public name for this

    # Such as "dav1d [dec]:1.5.3, aom [enc]:3.14.1".
    match = re.search(rf"{name} \[[^]]*\]:([^,]+)", _avif.codec_versions())
    return match[1] if match else None


def _file(codec: MeasuredCodec, pixels: Pixels, point: float) -> bytes:
    encoded = codec.encode(pixels, point)
    return encoded if isinstance(encoded, bytes) else encoded.data


def _jpeg(name: str, subsampling: str) -> MeasuredCodec:
    return MeasuredCodec(
        name=name,
        encode=functools.partial(jpeg_encode, subsampling=subsampling),
        decode=jpeg_decode,
        points=(2, 4, 8, 15, 28, 48, 68, 83, 92, 96),
        settings=lambda quality: {
            "format": "JPEG",
            "library": "libjpeg-turbo through Pillow",
            "quality": quality,
            "subsampling": subsampling,
            **JPEG_OPTIONS,
        },
        extension="jpg",
    )


def _jpeg2000_encode(pixels: Pixels, rate: float) -> bytes:
    picture = _picture("JPEG 2000", pixels)
    if not 0 < rate < math.inf:
        raise ValueError(f"the rate is {rate}; it must be a positive number of bits per pixel")
    n_channels = pixels.shape[2]
    ratio = 8 * n_channels / rate
    mct = int(n_channels == 3)
    return _saved(picture, format="JPEG2000", quality_layers=[ratio], mct=mct, **JPEG2000_OPTIONS)


def _webp_encode(pixels: Pixels, quality: float) -> bytes:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        raise ValueError("the picture is gray, which WebP cannot store; repeat its channel to RGB")
    return _saved(_picture("WebP", pixels), format="WEBP", quality=_quality(quality, 0), **WEBP_OPTIONS)


def _avif_encode(pixels: Pixels, quality: float) -> bytes:
    picture = _picture("AVIF", pixels)
    subsampling = "4:0:0" if picture.mode == "L" else "4:4:4"
    return _saved(picture, format="AVIF", quality=_quality(quality, 0), subsampling=subsampling, **AVIF_OPTIONS)


def _jxl_encode(pixels: Pixels, distance: float) -> bytes:
    picture = _picture("JPEG XL", pixels)
    if not 0 < distance <= JXL_MAX_DISTANCE:
        raise ValueError(f"the distance is {distance}; it must be above 0 and at most {JXL_MAX_DISTANCE:g}")
    return bytes(imagecodecs.jpegxl_encode(np.asarray(picture), distance=distance, **JXL_OPTIONS))


def _jxl_decode(data: bytes) -> Pixels:
    return _with_channels(imagecodecs.jpegxl_decode(data, numthreads=JXL_OPTIONS["numthreads"]))


def _picture(name: str, pixels: Pixels) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.size == 0:
        raise ValueError(f"the pixels are {pixels.dtype} {pixels.shape}; {name} takes uint8 [H, W, 1 or 3]")
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _quality(quality: float, minimum: int) -> int:
    if not minimum <= quality <= MAX_QUALITY or quality != int(quality):
        raise ValueError(f"quality is {quality}; it must be a whole number in {minimum}..{MAX_QUALITY}")
    return int(quality)


def _saved(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, **options)
    return stream.getvalue()


def _decode(data: bytes, file_format: str) -> Pixels:
    with Image.open(io.BytesIO(data), formats=[file_format]) as picture:
        return _with_channels(np.asarray(picture if picture.mode == "L" else picture.convert("RGB")))


def _with_channels(pixels: Pixels) -> Pixels:
    return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
