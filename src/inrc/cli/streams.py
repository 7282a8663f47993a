"""The standard streams of a command: they may be closed, full, of any encoding, and libraries write to them too."""

import contextlib
import faulthandler
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inrc.cli.jax_setup import wants_library_log
from inrc.errors import UnwritableImageError
from inrc.names import one_line, shown

_missing: set[int] = set()
"""Numbers of the standard streams that were closed when the command began."""


def is_missing(descriptor: int) -> bool:
    """Whether a standard stream was closed when the command began; then it leads to nowhere."""
    return descriptor in _missing


def say(line: str) -> None:
    """Prints one line on stderr; names in it are made safe for terminals."""
    print(shown(line), file=sys.stderr, flush=True)


def answer(line: str) -> None:
    """Prints one line of a command's result on stdout; names in it are made safe for terminals.

    Raises:
      BrokenPipeError: The reader has ended.
      UnwritableImageError: It cannot be written.
    """
    try:
        print(shown(line))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableImageError(f"cannot write to stdout: {error.strerror}; check where it leads") from error


class Warner(logging.Handler):
    """Turns warnings of libraries, raised or logged, into one line each. Each distinct line is shown once.

    Attributes:
      quiet: whether none is shown.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.quiet = False
        self._lines: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a record of a log."""
        self.show(record.getMessage())

    def show(self, message: object, *_: object, **__: object) -> None:
        """Shows a message; it takes the place of `warnings.showwarning`."""
        line = one_line(message)
        if line not in self._lines:
            self._lines.add(line)
            if not self.quiet:
                say(f"inrc: warning: {line}")


class _Unfailing(io.RawIOBase):
    """Writes to an open file; what cannot be written is lost, since no message is worth a command's result."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


@contextlib.contextmanager
def standard_streams() -> Iterator[Warner]:
    """Makes the standard streams of this process safe to use, for as long as the context lasts.

    - A stream that is closed leads to nowhere; else the next file that is opened would take its place and its number.
    - A failure to write to stderr is ignored.
    - Text that the encoding of a stream lacks is written with escapes.
    - Warnings of libraries, raised or logged, become lines of inrc. What libraries write to stderr by themselves, past
      Python (libpng does), leads to nowhere, unless the user asks for the log of libraries.

    Yields:
      The handler of warnings.
    """
    with contextlib.ExitStack() as stack:
        for descriptor in (0, 1, 2):
            try:
                os.fstat(descriptor)
            except OSError:
                _missing.add(os.open(os.devnull, os.O_RDWR))  # it takes the lowest number that is free: this one
                stack.callback(_missing.discard, descriptor)
        if sys.stdout is None:
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        if sys.stderr is None or sys.stderr is sys.__stderr__:  # else it belongs to the program that calls
            stack.enter_context(_own_stderr())
        if isinstance(sys.stdout, io.TextIOWrapper):
            stack.callback(sys.stdout.reconfigure, errors=sys.stdout.errors)
            sys.stdout.reconfigure(errors="backslashreplace")
        yield stack.enter_context(_library_warnings())


@contextlib.contextmanager
def _own_stderr() -> Iterator[None]:
    """Takes stderr for the messages of inrc alone."""
    former, own = sys.stderr, os.dup(2)
    encoding = getattr(former, "encoding", None) or "utf-8"
    raw: Any = _Unfailing(own)
    sys.stderr = io.TextIOWrapper(raw, encoding, "backslashreplace", line_buffering=True, write_through=True)
    if not wants_library_log():
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(own)  # a crash of a library says where it happened, since its own last words are lost
    try:
        yield
    finally:
        os.dup2(own, 2)
        (faulthandler.enable if was_enabled else faulthandler.disable)()
        sys.stderr.flush()
        sys.stderr = former  # `own` stays open: a thread that ends late may still write to it


@contextlib.contextmanager
def _library_warnings() -> Iterator[Warner]:
    warner, root, former = Warner(), logging.getLogger(), warnings.showwarning
    root.addHandler(warner)
    warnings.showwarning = warner.show
    try:
        yield warner
    finally:
        warnings.showwarning = former
        root.removeHandler(warner)


def flush_stdout() -> OSError | None:
    """Writes what is left of stdout. Returns the error if that fails; the rest is then dropped."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)  # else the interpreter fails at its end, with an exit code of its own
        return error
    return None
