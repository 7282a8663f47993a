"""Bytes of an `.inr` file to a picture. Imports nothing of the training stack."""

import dataclasses

from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import pack
from inrc.models.render import Antialias, render, view_of
from inrc.signal.image import Image

_DEFAULT_LIMITS = DecodeLimits()


@dataclasses.dataclass(frozen=True)
class Info:
    """What a file says of itself.

    Attributes:
      header: picture and network.
      n_bytes: size of the file.
      n_weights: parameters of the network.
      bits_per_weight: ideal code length over the number of weights.
      bpp: bits of the file per native pixel.
      steps: quantisation step of every matrix.
      icc_profile_bytes: size of the ICC profile, inflated.
    """

    header: Header
    n_bytes: int
    n_weights: int
    bits_per_weight: float
    bpp: float
    steps: tuple[float, ...]
    icc_profile_bytes: int


def decode(
    data: bytes,
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    region: tuple[float, float, float, float] | None = None,
    antialias: Antialias = Antialias.SUPERSAMPLE,
    limits: DecodeLimits = _DEFAULT_LIMITS,
) -> Image:
    """The picture in a file.

    Args:
      data: the file's bytes.
      size: (width, height) to render at; native if neither this nor `scale` is given.
      scale: pixels per native pixel.
      region: (x, y, width, height) in native pixels; `size` and `scale` then refer to the region.
      antialias: for renders below native density.
      limits: what the decoder may spend.

    Returns:
      The picture, with the file's bit depth, channels and ICC profile.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there.
      ConfigError: The size, scale or region makes no sense for this picture.
    """
    header, weights, icc_profile = pack.unpack(data, limits)
    view = view_of(header.shape, size=size, scale=scale, region=region)
    limits.check_render(view.height * view.width, 1)
    params = pack.dequantise(header, weights)
    n_evaluations = max(view.height * view.width, _native_samples(view, antialias))
    limits.check_render(n_evaluations, sum(p.size for p in params.values()))
    return Image(render_weights(header, weights, view, antialias), icc_profile)


def render_weights(header, weights, view=None, antialias=Antialias.SUPERSAMPLE):
    """Pixels [H, W, C] of a quantised network; the native view if none is given."""
    matrix, offset = pack.output_transform(header)
    view = view_of(header.shape) if view is None else view
    return render(
        header.model,
        header.shape,
        pack.dequantise(header, weights),
        matrix,
        offset,
        view,
        max_value=(1 << header.bit_depth) - 1,
        antialias=antialias,
    )


def info(data: bytes, *, limits: DecodeLimits = _DEFAULT_LIMITS) -> Info:
    """What a file says of itself, without rendering it.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
    """
    header, weights, icc_profile = pack.unpack(data, limits)
    n_weights = sum(matrix.size for matrix in weights.integers)
    return Info(
        header=header,
        n_bytes=len(data),
        n_weights=n_weights,
        bits_per_weight=pack.ideal_bits(weights) / n_weights,
        bpp=8 * len(data) / (header.width * header.height),
        steps=tuple(pack.uniform.step_of_index(i) for i in weights.step_indices),
        icc_profile_bytes=len(icc_profile),
    )


def _native_samples(view, antialias: Antialias) -> int:
    if antialias is not Antialias.SUPERSAMPLE:
        return 0
    # Supersampling may need up to twice the native density per axis.
    return int(4 * (view.bottom - view.top) * (view.right - view.left))
