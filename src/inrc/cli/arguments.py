"""Shared by the commands: kinds of arguments, and JSON."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, Union

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

_T = TypeVar("_T")
Maybe = Union[None, _T]  # noqa: UP007
"""`_T | None`. To check a default against a type that is written in that way, tyro imports typeguard: 40 ms."""


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


def as_json(values: Mapping[str, Any]) -> str:
    """Returns one JSON object on one line. JSON has no infinity, so the PSNR of an exact copy becomes null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(finite, default=str, allow_nan=False)
