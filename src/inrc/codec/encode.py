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
from inrc.codec import file as files
from inrc.codec.decode import render
from inrc.codec.job import Job
from inrc.codec.options import EncodeKeywords, EncodeOptions
from inrc.codec.plan import Candidate
from inrc.codec.search import meet_target
from inrc.codec.stats import FileStats, file_stats, values_of
from inrc.fit.task import Progress
from inrc.metrics.psnr import psnr_db
from inrc.signal.image import Image, ImageSource, read_image

_CHECKSUM_BYTES = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeStats(FileStats):
    """What an encode came to; quality is measured on the pixels that the file decodes to.

    Attributes, beside those of `FileStats`:
      psnr_db: over all channels; infinite for an exact copy.
      header_bytes: bytes of the file that are neither weights nor latents nor optional sections.
      n_steps: optimiser steps of the last fit.
      encode_seconds: wall-clock time of everything but reading the picture.
      compile_seconds: the part of it that compiling the fit took.
      interrupted: whether the user cut the fit short.
      codec: name of the codec.
      seed: of everything random.
    """

    psnr_db: float
    header_bytes: int
    n_steps: int
    encode_seconds: float
    compile_seconds: float
    interrupted: bool
    codec: str
    seed: int


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
      checkpoint_path: where an interrupted encode is kept and resumed from; a search for a target adds .2, .3, ... to
        the name for its later fits. The caller removes them once the result is safe.
      **keywords: fields of `EncodeOptions`, which replace those of `options`.

    Returns:
      The file's bytes, already decoded once: `stats.psnr_db` is that of the decoded pixels.

    Raises:
      ImageError: The picture cannot be read or is of a kind that inrc does not hold.
      ConfigError: The options contradict each other or the picture.
      InitMismatchError: The shared init that the options name is not there.
      TargetNotReachedError: The target lies beyond what the codec reaches; the message says what was reached.
      ForkedProcessError: The process was forked from one that had used JAX.
    """
    began = time.monotonic()
    options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
    job = Job(as_image(image), options, progress, checkpoint_path)
    plan = job.first_plan()
    return finish(job, meet_target(job, plan, job.fit(plan)), began)


def as_image(image: Image | np.ndarray | ImageSource) -> Image:
    """A picture from its pixels, or from where it can be read.

    Raises:
      ImageError: It cannot be read or is of a kind that inrc does not hold.
    """
    if isinstance(image, np.ndarray):
        return Image(image)
    return image if isinstance(image, Image) else read_image(image)


def finish(job: Job, candidate: Candidate, began: float) -> Encoded:
    """Packs a candidate, decodes the bytes again and measures what they decode to.

    Args:
      job: the picture.
      candidate: contents of its file.
      began: time, by the monotonic clock, at which work on the picture began.
    """
    data = candidate.packed()
    reference = candidate.file.weights.reference
    find_init = shared_init.find if reference is None else shared_init.lookup_of(reference.init)
    file = files.unpack(data, DecodeLimits(), find_init)
    result = candidate.result
    stats = EncodeStats(
        **values_of(file_stats(file, len(data))),  # pyright: ignore[reportArgumentType]
        psnr_db=psnr_db(job.image.pixels, render(file), bit_depth=job.image.bit_depth),
        header_bytes=len(headers.pack(file.header)) + _CHECKSUM_BYTES,
        n_steps=result.n_steps,
        encode_seconds=time.monotonic() - began,
        compile_seconds=result.compile_seconds,
        interrupted=result.interrupted,
        codec=job.options.codec,
        seed=job.options.seed,
    )
    return Encoded(data, stats)
