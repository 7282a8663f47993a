"""Bytes of an `.inr` file to a picture. Imports nothing of the training stack.

bytes -> opened (header) -> view -> file (weights, latents) -> pixels
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inrc import shared_init
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.checks import checked_choice
from inrc.codec import file as files
from inrc.codec import sections
from inrc.codec.contents import File
from inrc.codec.family_format import Description
from inrc.codec.formats import format_of
from inrc.codec.stats import Encoded, FileStats, file_stats, values_of
from inrc.models.view import Antialias, View, transposed, view_of
from inrc.shared_init import SharedInit
from inrc.signal.exif import upright_exif
from inrc.signal.image import Image
from inrc.signal.sources import ByteSource, bytes_of
from inrc.signal.xmp import upright_xmp

_DEFAULT_LIMITS = DecodeLimits()
_DEFAULT_ANTIALIAS = Antialias.SUPERSAMPLE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Info(FileStats):
    """What a file says of itself, beside the attributes of `FileStats`.

    Attributes:
      header: picture and network.
      network: a description of the network.
      steps: quantisation step of every matrix.
      icc_profile_bytes: size of the ICC profile, inflated.
      exif_bytes: size of the EXIF block, inflated.
      xmp_bytes: size of the XMP packet, inflated.
      section_bytes: {name: bytes in the file} of the optional sections that are there: "icc_profile", "exif", "xmp",
        and "unknown" for all that this release does not know.
    """

    header: Header
    network: Description
    steps: tuple[float, ...]
    icc_profile_bytes: int
    exif_bytes: int
    xmp_bytes: int
    section_bytes: Mapping[str, int]


def decode(
    source: ByteSource | Encoded,
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    fit: int | None = None,
    region: tuple[float, float, float, float] | None = None,
    antialias: Antialias | str = _DEFAULT_ANTIALIAS,
    init: SharedInit | Path | str | None = None,
    limits: DecodeLimits = _DEFAULT_LIMITS,
) -> Image:
    """The picture in a file.

    Args:
      source: the file: its path, its bytes, a file opened in binary mode, or what `inrc.encode` returns.
      size: (width, height) to render at; native if neither this, `scale` nor `fit` is given.
      scale: pixels per native pixel.
      fit: the most pixels of the longer side, as of a thumbnail: the shape is kept, and nothing is enlarged.
      region: (x, y, width, height) in native pixels; `size`, `scale` and `fit` then refer to the region.
      antialias: for renders below native density; an `Antialias` or its name.
      init: the shared init that the file needs, the path of its .npz file, or digits of its id; if not given, it is
        looked for in the folders of INRC_INIT_PATH and in the package. Files that need none ignore it.
      limits: what the decoder may spend.

    Returns:
      The picture, with the file's bit depth, channels and ICC profile, and with EXIF and XMP where the file holds them.

    Raises:
      UnreadableImageError: The file cannot be read.
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there, or another than the one given.
      ConfigError: The source is of another type, or the size, scale, fit or region makes no sense for this picture.
    """
    antialias = checked_choice("antialias", antialias, Antialias)
    opened = files.open_bytes(data_of(source), limits, shared_init.lookup_of(init))
    header = opened.header
    view = view_of((header.height, header.width), size=size, scale=scale, fit=fit, region=region)
    n_pixels = view.height * view.width
    limits.check_render(n_pixels, 1)
    limits.check_render(max(n_pixels, _native_samples(view, antialias)), opened.multiplications)
    # The network may see the transposed picture.
    seen = transposed(view) if header.transposed else view
    file = files.read(opened, limits, seen)
    pixels, held = _upright(header, opened.format.render(file, seen, antialias)), file.sections
    return Image(pixels, held.icc_profile, upright_exif(held.exif), upright_xmp(held.xmp))


def render(file: File) -> np.ndarray:
    """All pixels [H, W, C] of a file, at native size."""
    header = file.header
    pixels = format_of(header.model).render(file, view_of(header.shape), _DEFAULT_ANTIALIAS)
    return _upright(header, pixels)


def _upright(header: Header, pixels: np.ndarray) -> np.ndarray:
    """Pixels of the picture from those of what the network sees."""
    return np.ascontiguousarray(pixels.swapaxes(0, 1)) if header.transposed else pixels


def info(
    source: ByteSource | Encoded, *, init: SharedInit | Path | str | None = None, limits: DecodeLimits = _DEFAULT_LIMITS
) -> Info:
    """What a file says of itself, without rendering it.

    Args:
      source: as for `decode`.
      init: as for `decode`.
      limits: what may be spent.

    Raises:
      UnreadableImageError: The file cannot be read.
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there, or another than the one given.
      ConfigError: The source is of another type.
    """
    data = data_of(source)
    opened = files.open_bytes(data, limits, shared_init.lookup_of(init))
    file = files.read(opened, limits)
    return Info(
        **values_of(file_stats(file, len(data))),  # pyright: ignore[reportArgumentType]
        header=file.header,
        network=format_of(file.header.model).describe(file.header.model),
        steps=file.weights.steps,
        icc_profile_bytes=len(file.sections.icc_profile),
        exif_bytes=len(file.sections.exif),
        xmp_bytes=len(file.sections.xmp),
        section_bytes=sections.bytes_of(opened.container.sections),
    )


def data_of(source: ByteSource | Encoded) -> bytes:
    """The bytes of a file.

    Raises:
      UnreadableImageError: It cannot be read.
      ConfigError: The source is none that `decode` takes.
    """
    return source.data if isinstance(source, Encoded) else bytes_of(source)


def _native_samples(view: View, antialias: Antialias) -> int:
    """Samples at native density that a view may be computed from."""
    if antialias is not Antialias.SUPERSAMPLE:
        return 0
    # Supersampling may need up to twice the native density per axis.
    return int(4 * (view.bottom - view.top) * (view.right - view.left))
