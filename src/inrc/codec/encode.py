"""A picture to the bytes of an `.inr` file."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

from inrc import shared_init
from inrc.bitstream import header as headers
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.decode import render
from inrc.codec.formats import format_of
from inrc.codec.job import Job
from inrc.codec.options import EncodeKeywords, EncodeOptions
from inrc.codec.search import Met, meet_target
from inrc.codec.stats import Encoded, EncodeStats, file_stats, values_of
from inrc.fit.task import Progress
from inrc.metrics.psnr import psnr_db
from inrc.signal.inputs import ImageLike, image_of

_CHECKSUM_BYTES = 4


def encode(
    image: ImageLike,
    options: EncodeOptions | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> Encoded:
    """Encodes a picture: `encode("photo.png", quality=60, effort=3)`.

    Args:
      image: a picture; its pixels [H, W, C] (uint8 or uint16) in an array of NumPy, JAX or another library; a Pillow
        picture; a path, the bytes of a file, or a file opened in binary mode. See `inrc.signal.inputs.image_of`.
      options: what to aim at; the defaults if not given.
      progress: called between chunks of steps.
      checkpoint_path: where an interrupted encode is kept and resumed from; a search for a target adds .2, .3, ... to
        the name for its later fits. The caller removes them once the result is safe.
      **keywords: fields of `EncodeOptions`, which replace those of `options`.

    Returns:
      The file's bytes. They have been decoded once; `stats.psnr_db` is that of the decoded pixels.

    Raises:
      ImageError: The picture cannot be read or is of a kind that inrc does not hold.
      ConfigError: The options contradict each other or the picture.
      InitMismatchError: The shared init that the options name is not there.
      TargetNotReachedError: The target lies beyond what the codec reaches; the message says what was reached.
      ForkedProcessError: The process was forked from one that had used JAX.
    """
    began = time.monotonic()
    options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
    job = Job(image_of(image, metadata=options.metadata), options, progress, checkpoint_path)
    plan = job.first_plan()
    return finish(job, meet_target(job, plan, job.fit(plan)), began)


def finish(job: Job, met: Met, began: float) -> Encoded:
    """Packs what a search has ended with, decodes the bytes again and measures what they decode to.

    Args:
      job: the picture.
      met: contents of its file.
      began: time, by the monotonic clock, at which work on the picture began.
    """
    candidate = met.candidate
    data = candidate.packed()
    reference = candidate.file.weights.reference
    find_init = shared_init.find if reference is None else shared_init.lookup_of(reference.init)
    file = files.unpack(data, DecodeLimits(), find_init)
    result = candidate.result
    stats = EncodeStats(
        **values_of(file_stats(file, len(data))),  # pyright: ignore[reportArgumentType]
        psnr_db=psnr_db(job.image.pixels, render(file), bit_depth=job.image.bit_depth),
        multiplications=format_of(file.header.model).multiplications(file.header, file.layout),
        header_bytes=len(headers.pack(file.header)) + _CHECKSUM_BYTES,
        n_steps=result.n_steps,
        encode_seconds=time.monotonic() - began,
        compile_seconds=result.compile_seconds,
        interrupted=result.interrupted,
        is_full_quality=met.is_full_quality,
        codec=job.options.codec,
        seed=job.options.seed,
    )
    return Encoded(data, stats)
