"""Where a command writes its result: checked before any work is done, so that no work is lost."""

import contextlib
import fcntl
import mimetypes
import os
import select
import stat
import sys
from pathlib import Path

from inrc.cli.argument_checks import STREAM
from inrc.cli.streams import is_missing
from inrc.errors import ConfigError, UnwritableImageError
from inrc.files import check_folder, descriptor_of, write_atomically
from inrc.names import shown

_STDOUT = 1
_TYPES = mimetypes.MimeTypes()  # those of Python alone, not those of the machine
_OTHER_SUFFIXES = (
    ".jxl",
    ".jp2",
    ".j2k",
    ".dib",
    ".jfif",
    ".pam",
    ".pfm",
    ".psd",
    ".exr",
    ".inr",
    ".npz",
    ".npy",
    ".jsonl",
)
"""Suffixes of formats that users of pictures have, beside those that Python knows."""


def output_path(source: Path, output: Path | None, suffix: str, *, force: bool, suffixes: tuple[str, ...] = ()) -> Path:
    """Returns the path to write to, - for stdout. It is checked before any work is done, so that no work is lost.

    A file that the user names is overwritten if its suffix is that of the result, or that of no other format. The
    default, `source` with another suffix, is not overwritten, since it may be the original photograph.

    Args:
      source: the input.
      output: the path that the user gave, if any.
      suffix: of the default.
      force: whether the default is overwritten too, a file may be named as another format, and bytes go to a terminal.
      suffixes: that name the format of the result beside `suffix`.

    Raises:
      ConfigError: The output is the input, the default exists, or the output is named as another format, or is a
        terminal, and `force` is not set.
      UnwritableImageError: The folder does not exist, or the user may not write to it; or a pipe or device is closed.
    """
    if output is None and str(source) == STREAM:
        raise ConfigError("the input is stdin, which gives the output no name; name it with -o, or -o - for stdout")
    path = source.with_suffix(suffix) if output is None else output
    descriptor = descriptor_written(path)
    try:
        if descriptor is not None:
            _check_open_file(descriptor, path, force=force)
        elif path.exists() and not path.is_file() and not path.is_dir():
            _check_device(path, force=force)
        else:
            _check_file(source, path, force=force, is_default=output is None)
            if output is not None and not force:
                _check_suffix(path, (suffix, *suffixes))
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error
    return path


def descriptor_written(path: Path) -> int | None:
    """Returns the number of the open file that an output is, such as 1 for - and /dev/stdout; None for other paths."""
    return _STDOUT if str(path) == STREAM else descriptor_of(path)


def is_stdout(path: Path) -> bool:
    """Whether an output goes to stdout, which then holds nothing else."""
    return descriptor_written(path) == _STDOUT


def is_plain_file(path: Path) -> bool:
    """Whether an output is a file, existing or not, rather than a pipe, a device or an open file."""
    return descriptor_written(path) is None and (path.is_file() or not path.exists())


def check_json(output: Path, *, json: bool) -> None:
    """Refuses to print JSON where the result itself goes to stdout.

    Raises:
      ConfigError: Both are asked for.
    """
    if json and is_stdout(output):
        raise ConfigError("both the result and JSON go to stdout; leave --json out, or name a file with -o")


def names_other_format(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether the suffix of a path is that of a known format which is none of `suffixes`."""
    suffix = path.suffix.lower()
    if suffix in suffixes:
        return False
    kind, compression = _TYPES.guess_type(f"a{suffix}", strict=False)
    return suffix in _OTHER_SUFFIXES or compression is not None or kind not in (None, "application/octet-stream")


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole, or not at all; - is stdout.

    Raises:
      UnwritableImageError: The file cannot be written.
    """
    descriptor = descriptor_written(path)
    try:
        if descriptor == _STDOUT:
            sys.stdout.flush()
        write_atomically(path if descriptor is None else Path(f"/dev/fd/{descriptor}"), data)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error


def unwritable(path: Path, reason: str) -> UnwritableImageError:
    """Returns the error that `path` cannot be written, with the reason."""
    if descriptor_written(path) is not None:
        return UnwritableImageError(f"cannot write to {_words(path)}: {reason}; name a file with -o")
    return UnwritableImageError(
        f"cannot write {shown(path)}: {reason}; choose a folder that exists and that you may write to"
    )


def _words(path: Path) -> str:
    return "stdout" if is_stdout(path) else shown(path)


def _check_open_file(descriptor: int, path: Path, *, force: bool) -> None:
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError as error:
        raise unwritable(path, "it is closed") from error
    if is_missing(descriptor):
        raise unwritable(path, "it is closed")
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise unwritable(path, "it is open for reading only")
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if any(events & select.POLLERR for _, events in poll.poll(0)):
        raise unwritable(path, "its reader has ended")
    if os.isatty(descriptor) and not force:
        raise _is_terminal(path)


def _check_device(path: Path, *, force: bool) -> None:
    mode = path.stat().st_mode
    if stat.S_ISBLK(mode):
        raise unwritable(path, "it is a disk")
    if stat.S_ISSOCK(mode):
        raise unwritable(path, "it is a socket")
    if not os.access(path, os.W_OK):
        raise unwritable(path, "Permission denied")
    if stat.S_ISCHR(mode):  # a pipe is not opened, since its reader may be yet to come
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            if os.isatty(descriptor) and not force:
                raise _is_terminal(path)
        finally:
            os.close(descriptor)


def _is_terminal(path: Path) -> ConfigError:
    return ConfigError(f"{_words(path)} is a terminal; send the bytes to a file or a pipe, or to it with --force")


def _check_file(source: Path, path: Path, *, force: bool, is_default: bool) -> None:
    if path.exists() and source.exists() and path.samefile(source):
        raise ConfigError(f"{shown(path)} is the input itself; name another output with -o")
    if is_default and not force and path.exists():
        raise ConfigError(f"{shown(path)} exists; name an output with -o, or overwrite it with --force")
    if path.is_dir():
        raise unwritable(path, "it is a folder")
    folder = path.parent
    if path.is_symlink():
        folder = Path(os.path.realpath(path)).parent
        with contextlib.suppress(FileNotFoundError):
            path.stat()  # links in a circle are an error
    if not folder.is_dir():
        raise unwritable(path, "its folder does not exist")
    check_folder(folder)


def _check_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    if names_other_format(path, suffixes):
        raise ConfigError(
            f"{shown(path)} has the suffix of another format than {suffixes[0]}; change it, or write the file all "
            "the same with --force"
        )
