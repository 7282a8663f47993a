"""The bytes that a user means: given themselves, in an open file, or by a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from inrc.errors import ConfigError, UnreadableImageError
from inrc.names import shown

ByteSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""Where bytes can be read from: a path, the bytes of a file, or a file opened in binary mode."""


def bytes_of(source: object) -> bytes:
    """Returns all bytes of a source.

    Args:
      source: a path (`str` or path-like), the bytes themselves (`bytes` or another contiguous buffer of bytes), or a
        file opened in binary mode, which is read from where it stands.

    Raises:
      UnreadableImageError: The file cannot be read.
      ConfigError: The source is of another type, or a file opened as text.
    """
    if isinstance(source, str | os.PathLike):
        return _read(Path(source))
    if hasattr(source, "read"):
        return _read_all(source)
    try:
        view = memoryview(source)  # pyright: ignore[reportArgumentType]
    except TypeError:
        view = None
    if view is None or view.itemsize != 1 or view.ndim != 1 or not view.contiguous:
        raise ConfigError(f"a {type(source).__name__} holds no file; give a path, bytes or a file opened in mode 'rb'")
    return view.tobytes()


def _read_all(file: object) -> bytes:
    """Returns what is left to read of an open file.

    Raises:
      UnreadableImageError: It cannot be read.
      ConfigError: It is opened as text.
    """
    try:
        data = file.read()  # pyright: ignore[reportAttributeAccessIssue]
    except UnicodeDecodeError:
        data = ""
    except (OSError, ValueError) as error:  # a closed file raises a ValueError
        raise UnreadableImageError(f"cannot read {name_of(file)}: {error}; open it anew in mode 'rb'") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ConfigError(f"{name_of(file)} gives {type(data).__name__}, not bytes; open it in mode 'rb'")
    return bytes(data)


def name_of(source: object) -> str:
    """What messages call a source: its path, or the kind of thing that it is."""
    if isinstance(source, str | os.PathLike):
        return shown(source)
    name = getattr(source, "name", None)
    return shown(name) if isinstance(name, str) else "the picture"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a NUL raises a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UnreadableImageError(f"cannot read {shown(path)}: {reason}; check the path") from error
