"""Regular files of this machine. Pipes, sockets and devices may block for ever or never end, so they are not opened."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading; links are followed.

    Raises:
      OSError: It is not there, cannot be read, or is of another kind, which its `strerror` names.
    """
    check_regular(path, path.stat())  # before it is opened, since that alone may set a device in motion
    # It may have become a pipe since; without O_NONBLOCK, opening it would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        check_regular(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: Path, status: os.stat_result) -> None:
    """Refuses everything but regular files.

    Raises:
      OSError: The status is that of a folder, a pipe, a socket or a device.
    """
    if stat.S_ISREG(status.st_mode):
        return
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "of another kind")
    number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
    raise OSError(number, f"it is {kind}, not a file", str(path))


def check_replaceable(path: Path) -> None:
    """Refuses to write where a pipe, a socket, a device or a folder is.

    Raises:
      OSError: The path is taken by one of them.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    check_regular(path, status)


def local_stamp(path: Path) -> str:
    """Returns the stamp of a file on this machine; empty where it cannot be found out."""
    try:
        return stamp_of_status(path.stat())
    except OSError:
        return ""


def stamp_of_status(status: os.stat_result) -> str:
    """Returns the stamp of a file on this machine from its status."""
    return f"{status.st_size}-{status.st_mtime_ns}"
