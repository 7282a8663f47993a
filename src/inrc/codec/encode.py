"""A picture to the bytes of an `.inr` file."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import numpy as np

from inrc import shared_init
from inrc.bitstream import header as headers
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import latent_job, latent_targets, pack, targets
from inrc.codec.decode import render_weights
from inrc.codec.job import Candidate, Job
from inrc.codec.options import EncodeKeywords, EncodeOptions, has_latents
from inrc.fit.config import Progress
from inrc.metrics.psnr import psnr_db
from inrc.signal.image import Image, ImageSource, read_image


@dataclasses.dataclass(frozen=True)
class EncodeStats:
    """What an encode came to; quality is measured on the pixels that the file decodes to.

    Attributes:
      width, height, channels, bit_depth: of the picture.
      n_bytes: size of the file.
      bpp: 8 * n_bytes over the number of pixels.
      psnr_db: over all channels; infinite for an exact copy.
      n_weights: parameters of the network.
      bits_per_weight: ideal code length of the weights over their number.
      n_latents: integers of all grids; 0 of a coordinate network.
      latent_bytes: their ideal code length.
      header_bytes: bytes of the file that are neither weights nor latents nor optional sections.
      n_steps: optimiser steps of the last fit.
      encode_seconds: everything, reading excepted.
      compile_seconds: part of it that went into the fit's compilation.
      interrupted: whether the user cut the fit short.
      codec: name of the codec.
      seed: of everything random.
      init: id of the shared init that decoding needs, in hexadecimal, if there is one.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    n_bytes: int
    bpp: float
    psnr_db: float
    n_weights: int
    bits_per_weight: float
    n_latents: int
    latent_bytes: float
    header_bytes: int
    n_steps: int
    encode_seconds: float
    compile_seconds: float
    interrupted: bool
    codec: str
    seed: int
    init: str | None


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A file's bytes and what is known of them."""

    data: bytes
    stats: EncodeStats


def encode(
    image: Image | np.ndarray | ImageSource,
    options: EncodeOptions | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> Encoded:
    """Encodes a picture: `encode("photo.png", quality=60, effort=3)`.

    Args:
      image: a picture, its pixels [H, W, C] (uint8 or uint16), or where to read it.
      options: what to aim at; the defaults if not given.
      progress: called between chunks of steps.
      checkpoint_path: where an interrupted encode is kept and resumed from; a search for a PSNR adds .2, .3, ... to the
        name for its later fits. The caller removes them once the result is safe.
      **keywords: fields of `EncodeOptions`, which replace those of `options`.

    Returns:
      The file's bytes, already decoded once: `stats.psnr_db` is that of the decoded pixels.

    Raises:
      ImageError: The picture cannot be read or is of a kind that inrc does not hold.
      ConfigError: The options contradict each other or the picture.
      InitMismatchError: The shared init that the options name is not there.
      TargetNotReachedError: The target lies beyond what the codec reaches; the message says what was reached.
    """
    began = time.monotonic()
    options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
    job = Job(as_image(image), options, progress, checkpoint_path)
    if has_latents(job.options):
        plan = latent_targets.plan(job)
        candidate = latent_targets.settle(job, plan, latent_job.run(job, plan))
    elif options.target_psnr is not None:
        candidate = targets.meet_psnr(job, options.target_psnr)
    else:
        candidate = targets.within_bytes(job, job.run(targets.plan(job)))
    return finish(job, candidate, began)


def as_image(image: Image | np.ndarray | ImageSource) -> Image:
    """A picture from its pixels, or from where it can be read.

    Raises:
      ImageError: It cannot be read or is of a kind that inrc does not hold.
    """
    if isinstance(image, np.ndarray):
        return Image(image)
    return image if isinstance(image, Image) else read_image(image)


def finish(job: Job, candidate: Candidate, began: float) -> Encoded:
    """Packs, decodes the bytes again and measures what they decode to; work on the picture `began` at that time."""
    image = job.image
    data = candidate.packed(image.icc_profile)
    reference = candidate.weights.reference
    find_init = shared_init.find if reference is None else shared_init.lookup_of(reference.init)
    header, weights, _ = pack.unpack(data, DecodeLimits(), find_init)
    pixels = render_weights(header, weights)
    n_weights = sum(m.size for m in weights.integers)
    stats = EncodeStats(
        width=image.width,
        height=image.height,
        channels=image.channels,
        bit_depth=image.bit_depth,
        n_bytes=len(data),
        bpp=8 * len(data) / job.n_pixels,
        psnr_db=psnr_db(image.pixels, pixels, bit_depth=image.bit_depth),
        n_weights=n_weights,
        bits_per_weight=pack.ideal_bits(weights) / n_weights,
        n_latents=sum(grid.size for grid in weights.latents),
        latent_bytes=pack.latent_bits(header, weights) / 8,
        header_bytes=len(headers.pack(header)) + 4,
        n_steps=candidate.result.n_steps,
        encode_seconds=time.monotonic() - began,
        compile_seconds=candidate.result.compile_seconds,
        interrupted=candidate.result.interrupted,
        codec=job.options.codec,
        seed=job.options.seed,
        init=header.init_id.hex() or None,
    )
    return Encoded(data, stats)
