"""Our own codecs as experiments measure them."""

import dataclasses
import enum
import functools
import math
import time
from collections.abc import Callable
from typing import Any, Literal, Unpack

import numpy as np

from inrc import presets
from inrc.baselines.interface import Encoding, MeasuredCodec, Pixels
from inrc.codec.decode import decode
from inrc.codec.encode import encode
from inrc.codec.options import EncodeKeywords, EncodeOptions, choose_init, resolve
from inrc.fit.config import Progress
from inrc.fit.loss import LOSSES

_REFERENCE_SHAPE = (512, 768)
_TRACE_LENGTH = 48

Target = Literal["quality", "target_bpp", "target_psnr", "max_bytes", "effort", "time_budget"]


def inrc_codec(
    name: str,
    points: tuple[float, ...],
    *,
    at: Target = "quality",
    prepare: Callable[[Pixels], Pixels] | None = None,
    restore: Callable[[bytes], Pixels] | None = None,
    reference: Callable[[Pixels], Pixels] | None = None,
    shape: tuple[int, int] = _REFERENCE_SHAPE,
    **keywords: Unpack[EncodeKeywords],
) -> MeasuredCodec:
    """Our codec under given options.

    Args:
      name: in records and legends.
      points: values of the option `at`.
      at: the option that moves along the curve.
      prepare: original to the picture that is encoded: the same if not given.
      restore: a file's bytes to the pixels that are compared: those of the native size if not given. It has to find
        the shared init that the options name, if they name one.
      reference: original to what these are compared with: the original if not given.
      shape: (height, width) of a typical picture that is encoded; its network and fit are in the record.
      **keywords: fields of `EncodeOptions`.
    """
    given = EncodeOptions(**keywords)
    named = given.init if given.names_init else None

    def options(point: float) -> EncodeOptions:
        value = int(point) if at in ("effort", "max_bytes") else point
        return dataclasses.replace(given, **{at: value})

    def run(pixels: Pixels, point: float) -> Encoding:
        prepared = pixels if prepare is None else prepare(pixels)
        return _encode(prepared.tobytes(), prepared.shape, options(point))

    return MeasuredCodec(
        name=name,
        encode=run,
        decode=restore or functools.partial(native, init=named),
        points=points,
        settings=lambda point: settings(options(point), shape),
        reference=reference or (lambda original: original),
        extension="inr",
    )


def native(data: bytes, *, init: str | None = None) -> Pixels:
    """The picture of a file at its own size; `init` as for `inrc.decode`."""
    return decode(data, init=init).pixels


def settings(options: EncodeOptions, shape: tuple[int, int] = _REFERENCE_SHAPE) -> dict[str, Any]:
    """Options as JSON values, with the network and the fit that they lead to for an RGB picture of `shape`.

    The latter are in the record because a preset may change while the options stay the same.
    """
    n_pixels = math.prod(shape)
    if options.max_bytes is not None:
        bpp = 8 * options.max_bytes / n_pixels
    else:
        bpp = options.target_bpp or presets.bpp_of_quality(options.quality)
    init = choose_init(options, shape, 3, bpp)
    model, config = resolve(options, shape, 3, bpp, init)
    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.name not in ("model", "fit", "init") and getattr(options, field.name) is not None
    }
    if init is not None:
        given["init"] = init.id.hex()
    return _plain({**given, "model": model, "fit": config})


def _plain(value: Any) -> Any:
    """Dataclasses, enumerations and tuples as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value


@functools.lru_cache(maxsize=8)
def _encode(samples: bytes, shape: tuple[int, ...], options: EncodeOptions) -> Encoding:
    """Encodes; the last results are kept for experiments that decode one file in several ways."""
    pixels = np.frombuffer(samples, np.uint8).reshape(shape)
    loss = options.fit.loss if options.fit is not None else LOSSES[options.loss]
    trace: list[tuple[float, float, float]] = []

    def note(progress: Progress) -> None:
        if loss == LOSSES["mse"] and progress.loss > 0:
            trace.append((progress.seconds, -10 * math.log10(progress.loss), progress.bpp))

    cpu_began = time.process_time()
    encoded = encode(pixels, options, progress=note)
    stats = encoded.stats
    details = {name: getattr(stats, name) for name in ("n_weights", "bits_per_weight", "header_bytes", "n_steps")}
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
