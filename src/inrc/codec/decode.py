"""Bytes of an `.inr` file to a picture. Imports nothing of the training stack."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from inrc import shared_init
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import pack
from inrc.codec.pack import Weights
from inrc.config import LatentGridConfig, ModelConfig
from inrc.latent_layout import macs_per_pixel
from inrc.models.coordinate_render import render
from inrc.models.latent_grid import render as latent_render
from inrc.models.view import Antialias, View, transposed, view_of
from inrc.shared_init import FindInit, SharedInit
from inrc.signal.image import Image

_DEFAULT_LIMITS = DecodeLimits()
_DEFAULT_ANTIALIAS = Antialias.SUPERSAMPLE


@dataclasses.dataclass(frozen=True)
class Info:
    """What a file says of itself.

    Attributes:
      header: picture and network.
      n_bytes: size of the file.
      n_weights: parameters of the network.
      bits_per_weight: ideal code length over the number of weights.
      n_latents: integers of all grids; 0 of a coordinate network.
      latent_bytes: their ideal code length.
      bpp: bits of the file per native pixel.
      steps: quantisation step of every matrix.
      icc_profile_bytes: size of the ICC profile, inflated.
    """

    header: Header
    n_bytes: int
    n_weights: int
    bits_per_weight: float
    n_latents: int
    latent_bytes: float
    bpp: float
    steps: tuple[float, ...]
    icc_profile_bytes: int


def decode(
    data: bytes,
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    region: tuple[float, float, float, float] | None = None,
    antialias: Antialias = _DEFAULT_ANTIALIAS,
    init: SharedInit | Path | str | None = None,
    limits: DecodeLimits = _DEFAULT_LIMITS,
) -> Image:
    """The picture in a file.

    Args:
      data: the file's bytes.
      size: (width, height) to render at; native if neither this nor `scale` is given.
      scale: pixels per native pixel.
      region: (x, y, width, height) in native pixels; `size` and `scale` then refer to the region.
      antialias: for renders below native density.
      init: the shared init that the file needs, the path of its .npz file, or digits of its id; if not given, it is
        looked for in the folders of INRC_INIT_PATH and in the package. Files that need none ignore it.
      limits: what the decoder may spend.

    Returns:
      The picture, with the file's bit depth, channels and ICC profile.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there, or another than the one given.
      ConfigError: The size, scale or region makes no sense for this picture.
    """

    def view_in(header: Header) -> View:
        return view_of((header.height, header.width), size=size, scale=scale, region=region)

    def needed(header: Header) -> tuple[int, int]:
        assert isinstance(header.model, LatentGridConfig)
        view = view_in(header)
        return latent_render.needed_latents(header.model, header.shape, transposed(view) if header.transposed else view)

    header, weights, icc_profile = pack.unpack(data, limits, _lookup(init), needed)
    view = view_in(header)
    limits.check_render(view.height * view.width, 1)
    n_evaluations = max(view.height * view.width, _native_samples(view, antialias))
    limits.check_render(n_evaluations, _multiplications(header))
    return Image(render_weights(header, weights, view, antialias), icc_profile)


def render_weights(
    header: Header, weights: Weights, view: View | None = None, antialias: Antialias = _DEFAULT_ANTIALIAS
) -> np.ndarray:
    """Pixels [H, W, C] of a quantised network and its latents.

    Args:
      header: of the file.
      weights: of the file.
      view: a part of the picture, not of what a network with a transposed one sees; all of it if not given.
      antialias: for renders below native density.
    """
    view = view_of((header.height, header.width)) if view is None else view
    view = transposed(view) if header.transposed else view
    params, max_value = pack.dequantise(header, weights), (1 << header.bit_depth) - 1
    if isinstance(header.model, LatentGridConfig):
        pixels = latent_render.render(
            header.model, header.shape, params, weights.latents, view, max_value=max_value, antialias=antialias
        )
    else:
        assert isinstance(header.model, ModelConfig)
        pixels = render(
            header.model,
            header.shape,
            params,
            *pack.output_transform(header),
            view,
            max_value=max_value,
            antialias=antialias,
        )
    return np.ascontiguousarray(pixels.swapaxes(0, 1)) if header.transposed else pixels


def info(data: bytes, *, init: SharedInit | Path | str | None = None, limits: DecodeLimits = _DEFAULT_LIMITS) -> Info:
    """What a file says of itself, without rendering it.

    Args:
      data: the file's bytes.
      init: as for `decode`.
      limits: what may be spent.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there, or another than the one given.
    """
    header, weights, icc_profile = pack.unpack(data, limits, _lookup(init))
    n_weights = sum(matrix.size for matrix in weights.integers)
    return Info(
        header=header,
        n_bytes=len(data),
        n_weights=n_weights,
        bits_per_weight=pack.ideal_bits(weights) / n_weights,
        n_latents=sum(grid.size for grid in weights.latents),
        latent_bytes=pack.latent_bits(header, weights) / 8,
        bpp=8 * len(data) / (header.width * header.height),
        steps=tuple(pack.uniform.step_of_index(i) for i in weights.step_indices),
        icc_profile_bytes=len(icc_profile),
    )


def _lookup(init: SharedInit | Path | str | None) -> FindInit:
    if init is None:
        return shared_init.find
    return shared_init.lookup_of(init if isinstance(init, SharedInit) else shared_init.by_name(str(init)))


def _multiplications(header: Header) -> int:
    """Per sample."""
    if isinstance(header.model, LatentGridConfig):
        return math.ceil(macs_per_pixel(header.model, header.channels))
    return sum(rows * columns for _, (rows, columns) in pack.matrices_of(header))


def _native_samples(view: View, antialias: Antialias) -> int:
    if antialias is not Antialias.SUPERSAMPLE:
        return 0
    # Supersampling may need up to twice the native density per axis.
    return int(4 * (view.bottom - view.top) * (view.right - view.left))
