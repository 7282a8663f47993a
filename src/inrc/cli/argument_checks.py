"""What the values of arguments must fulfil: it stands in the type of every argument, and is checked in one place."""

import abc
import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inrc.checks import checked_number
from inrc.errors import ConfigError, DatasetError, UnreadableImageError, UnwritableImageError
from inrc.names import shown

STREAM = "-"
"""The name of stdin as an input, and of stdout as an output."""


_WITHOUT_DASHES = ("input", "output", "results", "experiment", "recipe", "run", "starts")
"""Arguments that are called by their name, since most have no option, and -o is short for the output."""


class ArgumentCheck(abc.ABC):
    """A condition on the value of an argument; put one into the `Annotated` type of its field."""

    @abc.abstractmethod
    def __call__(self, name: str, value: Any) -> None:
        """Checks a value that is not None; of a tuple, every value by itself.

        Raises:
          InrcError: The value does not fulfil the condition.
        """


@dataclasses.dataclass(frozen=True)
class Between(ArgumentCheck):
    """A number in a range; `above` leaves the lower end out. NaN and infinity are in no range."""

    low: float
    high: float = math.inf
    above: bool = False

    def __call__(self, name: str, value: Any) -> None:
        """Checks a value."""
        checked_number(name, value, self.low, self.high, above=self.above)


@dataclasses.dataclass(frozen=True)
class InputFile(ArgumentCheck):
    """A file to read, and no folder; `or_stdin` allows - for stdin."""

    or_stdin: bool = False
    remedy: str = "name a file"

    def __call__(self, name: str, value: str | Path) -> None:
        """Checks a value."""
        if str(value) == STREAM:
            if not self.or_stdin:
                raise UnreadableImageError(f"{name} cannot be read from stdin; {self.remedy}, or ./- for one called -")
        elif Path(value).is_dir():
            raise UnreadableImageError(f"cannot read {shown(value)}: it is a folder; {self.remedy}")


@dataclasses.dataclass(frozen=True)
class OutputFile(ArgumentCheck):
    """A file to write, and no folder; `or_stdout` allows - for stdout."""

    or_stdout: bool = False

    def __call__(self, name: str, value: str | Path) -> None:
        """Checks a value."""
        if str(value) == STREAM and not self.or_stdout:
            raise UnwritableImageError(f"{name} cannot be written to stdout; name a file, or ./- for one called -")
        if Path(value).is_dir():
            raise UnwritableImageError(f"cannot write {shown(value)}: it is a folder; name a file")


@dataclasses.dataclass(frozen=True)
class Place(ArgumentCheck):
    """A folder, or a URL or path for many files; not the root of the file system, and no stream unless allowed."""

    or_stream: bool = False

    def __call__(self, name: str, value: str | Path) -> None:
        """Checks a value."""
        if str(value) == STREAM and not self.or_stream:
            raise DatasetError(f"{name} is -, which has no meaning there; name a folder, or ./- for one called -")
        path = str(value).removeprefix("file://").removeprefix("local://")
        if path.strip("/") == "" or ("://" not in path and os.path.realpath(path) == os.sep):
            raise DatasetError(f"{name} is {shown(value)}, the root of all files; name a folder below it")


def check_strings(arguments: Sequence[str]) -> None:
    """Refuses empty arguments, which are left by shell variables without a value. No argument of inrc may be empty.

    As a path an empty string means the working folder, and as the beginning of an id every id.

    Raises:
      ConfigError: An argument, or what follows the = of an option, is empty.
    """
    for i, argument in enumerate(arguments):
        option, sign, rest = argument.partition("=")
        if not argument or (argument.startswith("-") and sign and not rest):
            where = shown(option) or (f"the argument after {shown(arguments[i - 1])}" if i else "the first argument")
            raise ConfigError(
                f"{where} is empty; give it a value, or check the variable of the shell that it comes from"
            )


def check_values(command: Any) -> None:
    """Checks the values of all arguments by the conditions in their types.

    Raises:
      InrcError: A value does not fulfil its condition.
    """
    for name, value, conditions in _arguments(command):
        for one in value if isinstance(value, tuple) else [value]:
            for condition in conditions:
                condition(name, one)


def _arguments(command: Any) -> Iterator[tuple[str, Any, list[ArgumentCheck]]]:
    """Yields name, value and conditions of every argument that has a value, those of nested classes too."""
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        metadata = getattr(field.type, "__metadata__", ())
        if dataclasses.is_dataclass(value):
            yield from _arguments(value)
        elif value is not None:
            name = f"the {field.name}" if field.name in _WITHOUT_DASHES else f"--{field.name.replace('_', '-')}"
            yield name, value, [part for part in metadata if isinstance(part, ArgumentCheck)]
