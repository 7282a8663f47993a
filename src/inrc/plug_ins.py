"""What the plug-ins of Pillow and imageio share: what they tell of a file, and the errors that their users know."""

import contextlib
from collections.abc import Iterator
from typing import Any

from inrc.codec.file import OpenedFile
from inrc.errors import ConfigError, InrcError


def facts_of(opened: OpenedFile, n_bytes: int) -> dict[str, Any]:
    """What both tell of a file of `n_bytes`: the network in words as `codec`, `bpp` and `bit_depth`."""
    header = opened.header
    return {
        "codec": opened.description.words,
        "bpp": 8 * n_bytes / (header.width * header.height),
        "bit_depth": header.bit_depth,
    }


@contextlib.contextmanager
def oserrors() -> Iterator[None]:
    """Turns errors of inrc into `OSError`, by which users know unreadable files; wrong arguments stay `ConfigError`."""
    try:
        yield
    except ConfigError:
        raise
    except InrcError as error:
        raise OSError(str(error)) from error
