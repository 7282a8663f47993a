"""Our own codecs as `MeasuredCodec`s, which experiments measure."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from typing import Literal, Unpack

import numpy as np

from inrc.baselines.interface import Encoding, MeasuredCodec, Pixels
from inrc.codec.decode import decode
from inrc.codec.encode import encode
from inrc.codec.options import EncodeKeywords, EncodeOptions
from inrc.codec.settings import REFERENCE_SHAPE, settings
from inrc.fit.task import Progress
from inrc.presets import LOSSES

_TRACE_LENGTH = 48

PointOption = Literal["quality", "target_bpp", "target_psnr", "max_bytes", "effort", "time_budget"]


def inrc_codec(
    name: str,
    points: tuple[float, ...],
    *,
    at: PointOption = "quality",
    prepare: Callable[[Pixels], Pixels] | None = None,
    restore: Callable[[bytes], Pixels] | None = None,
    reference: Callable[[Pixels], Pixels] | None = None,
    shape: tuple[int, int] = REFERENCE_SHAPE,
    **keywords: Unpack[EncodeKeywords],
) -> MeasuredCodec:
    """Returns one of our codecs under given options.

    Args:
      name: name in records and legends.
      points: values of the option `at`.
      at: the option that differs from point to point.
      prepare: turns an original into the picture that is encoded; the original itself if not given.
      restore: turns the bytes of a file into the pixels that are compared; those of the native size if not given. It
        has to find the shared init that the options name, if they name one.
      reference: turns an original into the pixels to compare with; the original itself if not given.
      shape: (height, width) of a typical picture that is encoded; the record holds the network and the fit of this
        shape.
      **keywords: fields of `EncodeOptions`.
    """
    given = EncodeOptions(**keywords)
    named = given.init if given.names_init else None

    def options(point: float) -> EncodeOptions:
        value = int(point) if at in ("effort", "max_bytes") else point
        return dataclasses.replace(given, **{at: value})

    def encode_at(pixels: Pixels, point: float) -> Encoding:
        prepared = pixels if prepare is None else prepare(pixels)
        return _encode(prepared.tobytes(), prepared.shape, options(point))

    return MeasuredCodec(
        name=name,
        encode=encode_at,
        decode=restore or functools.partial(native, init=named),
        points=points,
        settings=lambda point: settings(options(point), shape),
        reference=reference or (lambda original: original),
        extension="inr",
    )


def native(data: bytes, *, init: str | None = None) -> Pixels:
    """Decodes a file at its own size; `init` is as for `inrc.decode`."""
    return decode(data, init=init).pixels


@functools.lru_cache(maxsize=8)
def _encode(samples: bytes, shape: tuple[int, ...], options: EncodeOptions) -> Encoding:
    """Encodes a picture. The last results are kept, for experiments that decode one file in several ways."""
    pixels = np.frombuffer(samples, np.uint8).reshape(shape)
    loss = LOSSES[options.loss_name] if options.fit is None else options.fit.loss
    trace: list[tuple[float, float, float]] = []

    def note(progress: Progress) -> None:
        if loss == LOSSES["mse"] and progress.loss > 0:
            trace.append((progress.seconds, -10 * math.log10(progress.loss), progress.bpp))

    cpu_began = time.process_time()
    encoded = encode(pixels, options, progress=note)
    stats = encoded.stats
    names = ("n_weights", "bits_per_weight", "header_bytes", "multiplications", "n_steps")
    names += ("n_latents", "latent_bytes") if stats.n_latents else ()
    details = {name: getattr(stats, name) for name in names}
    return Encoding(
        encoded.data,
        seconds=stats.encode_seconds,
        cpu_seconds=time.process_time() - cpu_began,
        compile_seconds=stats.compile_seconds,
        details=details,
        trace=[
            (t - stats.compile_seconds, psnr, bpp) for t, psnr, bpp in trace[:: max(1, len(trace) // _TRACE_LENGTH)]
        ],
    )
