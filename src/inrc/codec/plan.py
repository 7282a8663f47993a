"""A picture on its way to a file: how it is to be fitted, what a fit has led to, and what a search aims at."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from inrc.bitstream.header import Header
from inrc.codec import file as files
from inrc.codec.contents import File
from inrc.codec.formats import format_of
from inrc.codec.reference import Reference
from inrc.codec.sections import NO_SECTIONS, Sections
from inrc.config import NetworkConfig
from inrc.fit.task import FitConfig, FitResult, Task
from inrc.signal.colour import ColourTransform


class Resolved(NamedTuple):
    """What the options of an encode mean for a picture.

    Attributes:
      model: the network.
      config: the fit.
      colour: of the network's outputs.
    """

    model: NetworkConfig
    config: FitConfig
    colour: ColourTransform


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a picture is to be fitted.

    Attributes:
      header: of the file.
      task: the fit.
      reference: what the weights are differences from, if there is a shared init.
      bpp: bits per pixel that the plan was made for.
      may_drop_init: whether the weights may be written in full, without the init, where that is better.
      sections: what the file is to hold beside the picture.
    """

    header: Header
    task: Task
    reference: Reference | None
    bpp: float
    may_drop_init: bool
    sections: Sections = NO_SECTIONS

    def with_config(self, **changes: Any) -> "Plan":
        """The plan with other values in the configuration of its fit."""
        config = dataclasses.replace(self.task.config, **changes)  # pyright: ignore[reportArgumentType]
        return dataclasses.replace(self, task=dataclasses.replace(self.task, config=config))


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A fit and one way to round it: contents of a file."""

    file: File
    result: FitResult

    def packed(self) -> bytes:
        """The file's bytes."""
        return files.pack(format_of(self.file.header.model).compacted(self.file))


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a search aims at.

    Attributes:
      value: of a candidate: PSNR in dB, or the logarithm to base 2 of its bytes; both fall as lambda rises.
      least, most: values that are near enough.
      is_psnr: whether the value is a PSNR, which must not fall below `least`; bytes must not exceed `most`.
      unreached: the message where no trial reached the goal, from the nearest value.
    """

    value: Callable[[Candidate], float]
    least: float
    most: float
    is_psnr: bool
    unreached: Callable[[float], str]

    def admits(self, value: float) -> bool:
        """Whether a value keeps what is asked for, near or not."""
        return bool(value >= self.least if self.is_psnr else value <= self.most)

    def prefers(self, value: float, other: float) -> bool:
        """Whether one admitted value is better than another: a lower PSNR, or more of the bytes."""
        return bool(value < other if self.is_psnr else value > other)

    def near_enough(self, value: float) -> bool:
        """Whether no better value is worth another fit."""
        return self.distance(value) == 0.0

    def distance(self, value: float) -> float:
        """How far a value is from being near enough."""
        return max(self.least - value, value - self.most, 0.0)


class Trial(NamedTuple):
    """A fit on the way to a goal, and what it has led to."""

    plan: Plan
    value: float
    candidate: Candidate


@runtime_checkable
class Fitter(Protocol):
    """Plans and fits one picture at any rate; `inrc.codec.job.Job` is the one there is."""

    def plan(self, bpp: float) -> Plan:
        """The fit that leads to about `bpp` bits per pixel on an average photograph."""
        ...

    def fit(self, plan: Plan) -> Candidate:
        """Fits the picture by itself, and rounds the result."""
        ...
