"""Files that are written whole or not at all, and open files that are named by a path such as /dev/stdout."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path

_OPEN_FILE = re.compile(r"/dev/std(?P<name>in|out|err)|/(dev|proc/self)/fd/(?P<number>\d{1,9})")
_STANDARD = {"in": 0, "out": 1, "err": 2}


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """Returns the number of the open file that a path such as /dev/stdout or /dev/fd/63 names; None for other paths.

    What is written to such a path belongs into the open file itself: it may be a pipe or a socket, and a file that a
    shell has opened keeps its position.
    """
    match = _OPEN_FILE.fullmatch(os.fspath(path))
    if match is None:
        return None
    return _STANDARD[match["name"]] if match["name"] else int(match["number"])


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: under a temporary name in the same folder, which is then renamed to `path`.

    A file that is replaced passes on its mode, and its owner where the user may give files away; the mode of a new file
    follows the umask. A link keeps pointing to the file. Pipes, devices and open files are written to as they are.

    Raises:
        OSError: If the place cannot be written to.
    """
    descriptor = descriptor_of(path)
    if descriptor is not None:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        return
    target = Path(os.path.realpath(path))
    try:
        replaced = target.stat()
    except FileNotFoundError:
        replaced = None
    if replaced is not None and not stat.S_ISREG(replaced.st_mode):
        target.write_bytes(data)  # a pipe or a device cannot be replaced; a folder raises
        return
    temporary = _temporary_in(target.parent)
    try:
        # Nobody may read the new file who could not read the old one, not even for a moment.
        with open(_create(temporary, 0o666 if replaced is None else replaced.st_mode & 0o777), "wb") as file:
            file.write(data)
            if replaced is not None:
                _pass_on(replaced, file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def check_folder(folder: Path) -> None:
    """Finds out whether files can be made in a folder, by making one that is removed at once.

    Raises:
        OSError: If they cannot.
    """
    temporary = _temporary_in(folder)
    os.close(_create(temporary, 0o600))
    temporary.unlink()


def _temporary_in(folder: Path) -> Path:
    return folder / f".inrc-{secrets.token_hex(8)}.tmp"


def _create(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)


def _pass_on(replaced: os.stat_result, descriptor: int) -> None:
    """Gives an open file the owner and the mode of the one it replaces, as far as user and file system allow."""
    created = os.fstat(descriptor)
    with contextlib.suppress(OSError):
        if (created.st_uid, created.st_gid) != (replaced.st_uid, replaced.st_gid):
            os.fchown(descriptor, replaced.st_uid, replaced.st_gid)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(replaced.st_mode))
