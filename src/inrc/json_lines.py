"""Files of JSON lines that survive any interruption: one run at a time appends to them, and only whole lines count."""

import contextlib
import fcntl
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from inrc.errors import RecordError


def lines_of(path: Path) -> Iterator[bytes]:
    """Yields the lines of a file; none where there is no file.

    A last line without an end is left by a killed process: it is ignored here, and the next `append` removes it.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]
    except FileNotFoundError:
        return


def append(path: Path, lines: Iterable[str]) -> None:
    """Adds lines, which are on disk when this returns. A torn line that a killed process left is removed first."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
                file.seek(0, os.SEEK_END)
        file.write("".join(line + "\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def number_to_json(value: float, n_digits: int = 17) -> float | str | None:
    """Returns a float as JSON can hold it: infinity becomes "inf", minus infinity and NaN become null.

    Args:
      value: the number.
      n_digits: significant digits to keep; 17 keep every float as it is.
    """
    if math.isfinite(value):
        return float(f"{value:.{n_digits}g}")
    return "inf" if value == math.inf else None


def number_from_json(value: float | str | None) -> float:
    """Returns the float that `number_to_json` wrote; null becomes NaN.

    Raises:
      ValueError: The value is a string that is no number.
      TypeError: The value is neither a number nor a string nor null.
    """
    return math.nan if value is None else float(value)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a file for one run, since two runs at once would do everything twice.

    Raises:
      RecordError: Another process holds the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordError(f"another run writes to {path}; wait until it has ended") from error
        yield
