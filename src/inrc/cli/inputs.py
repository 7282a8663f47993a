"""Where a command reads its input: a file, or stdin."""

import os
import stat
from pathlib import Path

from inrc.cli.argument_checks import STREAM
from inrc.cli.streams import is_missing
from inrc.errors import UnreadableImageError
from inrc.files import descriptor_of
from inrc.names import shown

_STDIN = 0
_MAX_STREAM_BYTES = 1 << 30
"""Limit of what is read from a pipe or a device, which may never end."""


def is_stream(path: Path) -> bool:
    """Whether an input is read from stdin or another open file, rather than opened by its path."""
    return str(path) == STREAM or descriptor_of(path) is not None


def read_file(path: Path) -> bytes:
    """Returns all bytes of a file; - is stdin.

    Raises:
      UnreadableImageError: It cannot be read, or is a pipe or a device with more bytes than the limit.
    """
    name = "stdin" if str(path) == STREAM else shown(path)
    descriptor = _STDIN if str(path) == STREAM else descriptor_of(path)
    if descriptor is not None and is_missing(descriptor):
        raise UnreadableImageError(f"cannot read {name}: it is closed; name a file")
    if descriptor is not None and os.isatty(descriptor):
        raise UnreadableImageError(f"cannot read {name}: it is a terminal; name a file, or send one through a pipe")
    try:
        with open(path if descriptor is None else descriptor, "rb", closefd=descriptor is None) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
            data = file.read(_MAX_STREAM_BYTES + 1)
    except OSError as error:
        raise UnreadableImageError(f"cannot read {name}: {error.strerror or error}; check the path") from error
    if len(data) > _MAX_STREAM_BYTES:
        raise UnreadableImageError(f"cannot read {name}: it has more than {_MAX_STREAM_BYTES:,} bytes; name a file")
    return data
