"""The interface of every codec in an experiment: ours, the classical ones, and any that a researcher adds."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""A picture [H, W, C] with 8 bits a sample, gray (C = 1) or RGB (C = 3)."""

Settings = Mapping[str, Any]
"""Settings by name, as JSON values."""


@dataclasses.dataclass(frozen=True)
class Encoding:
    """A file, with measurements of its encoder.

    Attributes:
      data: the whole file.
      seconds: wall-clock time of the encoder, compilation included; None leaves the measurement to the caller.
      cpu_seconds: processor time over all cores; None likewise.
      compile_seconds: the part of the encoder's time that was spent on compilation; 0 where nothing is compiled.
      details: further JSON values for the record.
      trace: (seconds, estimated PSNR in dB, estimated bpp) during the encode, for anytime curves.
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
      name: name in records and legends, unique within an experiment.
      encode: turns (pixels, point) into the bytes of a file, or into an `Encoding` with measurements of its own.
      decode: turns the bytes of a file into the pixels that are compared.
      points: the values at which the codec is measured, such as qualities or rates, each once.
      settings: returns all settings that decide the bytes of a file at a point, the point included. Records hold them,
        and a point is measured again when they change.
      reference: turns an original into the pixels to compare with; the original itself if not given.
      extension: suffix of the names of its files.
    """

    name: str
    encode: Callable[[Pixels, float], bytes | Encoding]
    decode: Callable[[bytes], Pixels]
    points: tuple[float, ...]
    settings: Callable[[float], Settings]
    reference: Callable[[Pixels], Pixels] = lambda original: original
    extension: str = "bin"
