"""Loads frozen values from Python files: experiments and recipes are such files, which are run as modules."""

import importlib.util
import sys
from pathlib import Path
from typing import TypeVar

from inrc.errors import InrcError

ValueT = TypeVar("ValueT")


def load_value(
    path: Path, name: str, kind: type[ValueT] | tuple[type[ValueT], ...], *, error: type[InrcError], example: str
) -> ValueT:
    """Loads a value from a Python file, which may import from the package that it lies in.

    Args:
      path: path of the file.
      name: name of the value.
      kind: type of the value, or the types that it may have.
      error: type of the error to raise.
      example: path of a valid file, for the message of the error.

    Raises:
      InrcError: There is no such file, or no such value in it; the error is of the type `error`.
    """
    spec = importlib.util.spec_from_file_location(f"_value_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise error(f"{path} is not a Python file; name one like {example}")
    module = importlib.util.module_from_spec(spec)
    # Files of one package share values among themselves.
    sys.path.insert(0, str(path.resolve().parent.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    value = getattr(module, name, None)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds):
        names = " or ".join(one.__name__ for one in kinds)
        raise error(f"{path} has no {names} called {name}; give it one")
    return value
