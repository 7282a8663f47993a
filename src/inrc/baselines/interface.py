"""What every codec looks like to an experiment: ours, the classical ones, and any that a researcher adds."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""A picture [H, W, C] with 8 bits a sample, gray (C = 1) or RGB (C = 3)."""

Settings = Mapping[str, Any]
"""Names and JSON values."""


@dataclasses.dataclass(frozen=True)
class Encoding:
    """A file and what its encoder tells of it.

    Attributes:
      data: the whole file.
      seconds: wall-clock time of the encoder, compilation included; None leaves it to whoever calls it.
      cpu_seconds: processor time over all cores, likewise.
      compile_seconds: part of the encoder's time that went into compiling; 0 where nothing is compiled.
      details: further JSON values for the record.
      trace: (seconds, estimated PSNR in dB, estimated bpp) on the way, for anytime curves.
    """

    data: bytes
    seconds: float | None = None
    cpu_seconds: float | None = None
    compile_seconds: float = 0.0
    details: Settings = dataclasses.field(default_factory=dict)
    trace: Sequence[tuple[float, float, float]] = ()


@dataclasses.dataclass(frozen=True)
class MeasuredCodec:
    """A codec with the points at which its curve is measured.

    Attributes:
      name: in records and legends, unique within an experiment.
      encode: (pixels, point) to a file's bytes, or to an `Encoding` where there is more to tell.
      decode: a file's bytes to the pixels that are compared.
      points: qualities, rates, ...: what is measured, each once.
      settings: point to all that decides the file's bytes, the point included. A record holds it, and a record whose
        settings differ is another one.
      reference: the original to what the decoded pixels are compared with: the original itself if not given.
      extension: of its files' names.
    """

    name: str
    encode: Callable[[Pixels, float], bytes | Encoding]
    decode: Callable[[bytes], Pixels]
    points: tuple[float, ...]
    settings: Callable[[float], Settings]
    reference: Callable[[Pixels], Pixels] = lambda original: original
    extension: str = "bin"
