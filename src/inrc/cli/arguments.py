"""Shared by the commands: kinds of arguments, default names of outputs, reading and writing of files."""

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from inrc.errors import ConfigError, UnreadableImageError, UnwritableImageError
from inrc.files import write_atomically


def value(metavar: str, *aliases: str, hint: str | None = "") -> Any:
    """Returns an option that takes a value; `hint` replaces "(default: ...)" in the help, and None keeps it."""
    return arg(metavar=metavar, aliases=aliases, help_behavior_hint=hint)


FLAG = arg(help_behavior_hint="")
"""An option that takes no value."""


def one_of(names: Iterable[str]) -> Any:
    """Returns an argument that is one of `names`."""
    names = tuple(names)
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(names) + "}",
        instance_from_str=lambda strings: strings[0],
        is_instance=lambda instance: isinstance(instance, str),
        str_from_instance=lambda instance: [instance],
        choices=names,
    )


def _numbers(metavar: str, pattern: str, convert: Callable[[str], float], separator: str) -> Any:
    def parse(strings: list[str]) -> tuple[float, ...]:
        if not re.fullmatch(pattern, strings[0]):
            raise ValueError(f"{strings[0]!r} is not of the form {metavar}")
        return tuple(convert(part) for part in strings[0].lower().split(separator))

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=parse,
        is_instance=lambda instance: instance is None or isinstance(instance, tuple),
        str_from_instance=lambda instance: [separator.join(f"{number:g}" for number in instance or ())],
    )


SIZE = _numbers("WxH", r"\d+[xX]\d+", int, "x")
"""A width and a height: 1920x1080."""

REGION = _numbers("X,Y,W,H", r"\d+(\.\d*)?(,\d+(\.\d*)?){3}", float, ",")
"""A rectangle: 10,20,300,200."""


def read_file(path: Path) -> bytes:
    """Returns all bytes of a file.

    Raises:
      UnreadableImageError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot read {path}: {error.strerror or error}; check the path") from error


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole, or not at all.

    Raises:
      UnwritableImageError: The file cannot be written.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error


def unwritable(path: Path, reason: str) -> UnwritableImageError:
    """Returns the error that `path` cannot be written, with the reason."""
    return UnwritableImageError(f"cannot write {path}: {reason}; choose a folder that exists and that you may write to")


def output_path(source: Path, output: Path | None, suffix: str, *, force: bool) -> Path:
    """Returns the path to write to. It is checked before any work is done, so that no work is lost.

    A file that the user names is overwritten. The default, `source` with another suffix, is not overwritten, since it
    may be the original photograph.

    Args:
      source: the input.
      output: the path that the user gave, if any.
      suffix: of the default.
      force: whether the default is overwritten too.

    Raises:
      ConfigError: The output is the input, or the default exists and `force` is not set.
      UnwritableImageError: The folder does not exist, or the user may not write to it.
    """
    path = source.with_suffix(suffix) if output is None else output
    if path.exists() and source.exists() and path.samefile(source):
        raise ConfigError(f"{path} is the input itself; name another output with -o")
    if output is None and not force and path.exists():
        raise ConfigError(f"{path} exists; name an output with -o, or overwrite it with --force")
    if path.is_dir():
        raise unwritable(path, "it is a folder")
    if not path.parent.is_dir():
        raise unwritable(path, "its folder does not exist")
    if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
        raise unwritable(path, "permission denied")
    return path


def as_json(values: Mapping[str, Any]) -> str:
    """Returns one JSON object on one line. JSON has no infinity, so the PSNR of an exact copy becomes null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(finite, default=str, allow_nan=False)
