"""The manifest of a dataset: one line of JSON for every picture, with its file and measurements or its error."""

import contextlib
import dataclasses
import json
import math
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from inrc import json_lines
from inrc.dataset.folder import Folder
from inrc.dataset.local_files import check_replaceable
from inrc.dataset.places import child, public, reason_of
from inrc.errors import DatasetError, RecordError

MANIFEST = "manifest.jsonl"
"""Name of the manifest in a folder of outputs."""
OK = "ok"
"""Status of a picture whose file was written."""

_SEGMENT = "manifest-"
_SEGMENT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One picture of a dataset and its file. Quality is measured on the pixels that the file decodes to.

    All fields of `inrc.codec.stats.FileStats` are among its own, under the same names.

    Attributes:
      name: name of the input, a relative path.
      status: "ok", or the type of the error. After an error `message` says more, and the fields of the file are empty.
      message: message of the error, in one line.
      stamp: stamp of the input when it was read: its size, and a time or a tag.
      input_hash: SHA-256 of the input's bytes, in hexadecimal; empty if they could not be read.
      input_bytes: size of the input.
      config_hash: hash of all settings that decide the bytes of the file.
      output: path of the file below the folder of outputs, or in its shard.
      shard: name of the tar archive that holds the file; empty for a file of its own.
      output_hash: SHA-256 of the file's bytes.
      n_bytes: size of the file.
      width, height, channels, bit_depth: shape of the picture.
      bpp: bits of the file per pixel.
      n_weights, bits_per_weight: number of the network's weights, and their ideal code length over it.
      n_latents, latent_bytes: number of latents, and their ideal code length; 0 where the model has none.
      psnr_db: PSNR in dB; infinite for an exact copy.
      ssim: SSIM; NaN if it was not measured.
      seconds: time of encoding; pictures that are fitted side by side share the time of their batch.
      n_steps: steps of the optimiser.
      codec: name of the codec.
      init: id of the shared init that decoding needs; empty for none.
      finished_at: time at which the picture was finished or failed, in UTC, ISO 8601.
    """

    name: str
    status: str
    message: str = ""
    stamp: str = ""
    input_hash: str = ""
    input_bytes: int = 0
    config_hash: str = ""
    output: str = ""
    shard: str = ""
    output_hash: str = ""
    n_bytes: int = 0
    width: int = 0
    height: int = 0
    channels: int = 0
    bit_depth: int = 0
    bpp: float = math.nan
    n_weights: int = 0
    bits_per_weight: float = math.nan
    n_latents: int = 0
    latent_bytes: float = math.nan
    psnr_db: float = math.nan
    ssim: float = math.nan
    seconds: float = math.nan
    n_steps: int = 0
    codec: str = ""
    init: str = ""
    finished_at: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the picture has a file."""
        return self.status == OK

    @property
    def place(self) -> tuple[str, str]:
        """The place of the file: (shard, output)."""
        return self.shard, self.output


_TYPES = {field.name: field.type for field in dataclasses.fields(Row) if isinstance(field.type, type)}
_FLOATS = {field.name for field in dataclasses.fields(Row) if field.type is float}
_REPEATED = ("status", "config_hash", "shard", "codec", "init")


def to_json(row: Row) -> str:
    """Returns one line of JSON. An infinite PSNR becomes "inf", and what was not measured becomes null."""
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    for name in _FLOATS:
        values[name] = json_lines.number_to_json(values[name], n_digits=6)
    return json.dumps(values, allow_nan=False)


def from_json(line: bytes | str) -> Row:
    """Returns the row that a line holds; fields that a former version did not write get their defaults.

    Raises:
      RecordError: The line is no row.
    """
    try:
        values: dict[str, Any] = json.loads(line)
        for name in _FLOATS & values.keys():
            values[name] = json_lines.number_from_json(values[name])
        for name in _REPEATED:  # so that a million rows share one string
            if name in values:
                values[name] = sys.intern(values[name])
        row = Row(**values)
        for name, value in values.items():
            if type(value) is not _TYPES[name]:
                raise TypeError(f"{name} is no {_TYPES[name].__name__}")
        return row
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RecordError(f"a line is no row of a manifest ({error}): {line[:80]!r}") from error


def load_manifest(folder: str | os.PathLike[str]) -> list[Row]:
    """Loads the rows of a folder of outputs: the last row of every name, sorted by name.

    Args:
      folder: path or URL.

    Raises:
      RecordError: A line is no row.
      DatasetError: The folder has no manifest, or it is no regular file.
    """
    folder = os.fspath(folder)
    place = Folder(folder)
    if MANIFEST not in place.names() and not _segments(place):
        raise DatasetError(f"there is no {MANIFEST} in {public(folder)}; name the output folder of `inrc batch`")
    rows = {row.name: row for row in iterate(folder)}
    return [rows[name] for name in sorted(rows)]


def iterate(folder: str) -> Iterator[Row]:
    """Yields all rows of a folder, in the order of writing. A picture that was encoded again has several rows.

    Raises:
      RecordError: A line is no row; the message names the line.
    """
    place = Folder(folder)
    if place.path is not None:
        try:
            check_replaceable(place.path / MANIFEST)
        except OSError as error:
            raise DatasetError(f"cannot read {manifest_path(folder)}: {reason_of(error)}") from error
        yield from _rows(json_lines.lines_of(place.path / MANIFEST), str(place.path / MANIFEST))
        return
    for name in (MANIFEST, *_segments(place)):
        with contextlib.suppress(FileNotFoundError), place.open(name) as file:
            yield from _rows((line[:-1] for line in file if line.endswith(b"\n")), public(child(folder, name)))


class Manifest:
    """The manifest of a folder of outputs, held for one run. A context manager.

    On this machine rows are appended, and are on disk when `add` returns. Files on other file systems cannot be
    appended to: there, rows are written every few seconds as segments, which become one file at the end.

    Attributes:
      rows: the last row of every name.

    Raises:
      RecordError: Another run holds the manifest (which is noticed on this machine only), or a line is damaged.
      DatasetError: The folder cannot be used.
    """

    def __init__(self, folder: str) -> None:
        self.rows: dict[str, Row] = {}
        self._name = folder
        self._folder = Folder(folder)
        self._lock = threading.Lock()
        self._held = contextlib.ExitStack()
        self._waiting: list[str] = []
        self._last_put = time.monotonic()
        self._n_segments = 0
        self._run = f"{time.time_ns() // 1_000_000:013}-{secrets.token_hex(3)}"
        self._current: dict[str, tuple[str, str]] = {}
        self._replaced: set[tuple[str, str]] = set()

    def __enter__(self) -> "Manifest":
        if self._folder.path is not None:
            try:
                check_replaceable(self._folder.path / MANIFEST)
                self._held.enter_context(json_lines.exclusive(self._folder.path / MANIFEST))
            except OSError as error:
                raise DatasetError(f"cannot write to {manifest_path(self._name)}: {reason_of(error)}") from error
        try:
            for row in iterate(self._name):
                self._note(row)
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._held, self._lock:
            if self._folder.path is None:
                self._put()
                self._merge()

    def add(self, rows: Sequence[Row]) -> None:
        """Adds rows; it may be called from any thread."""
        with self._lock:
            for row in rows:
                self._note(row)
            lines = [to_json(row) for row in rows]
            if self._folder.path is not None:
                json_lines.append(self._folder.path / MANIFEST, lines)
                return
            self._waiting += lines
            if time.monotonic() - self._last_put > _SEGMENT_SECONDS:
                self._put()

    def stale(self) -> set[tuple[str, str]]:
        """Returns the places of files that later rows have replaced by files at other places."""
        return self._replaced - set(self._current.values()) if self._replaced else set()

    def _note(self, row: Row) -> None:
        self.rows[row.name] = row
        if row.is_ok:
            before = self._current.get(row.name)
            if before is not None and before != row.place:
                self._replaced.add(before)
            self._current[row.name] = row.place

    def _put(self) -> None:
        self._last_put = time.monotonic()
        if not self._waiting:
            return
        name = f"{_SEGMENT}{self._run}-{self._n_segments:06}.jsonl"
        self._folder.put(name, "".join(line + "\n" for line in self._waiting).encode())
        self._n_segments += 1
        self._waiting = []

    def _merge(self) -> None:
        """Joins all segments to one file; they are removed only once that file is written."""
        segments = _segments(self._folder)
        if not segments:
            return
        parts = []
        for name in (MANIFEST, *segments):
            with contextlib.suppress(FileNotFoundError):
                parts.append(_whole_lines(self._folder.read(name)))
        fresh = f"{MANIFEST}.new"
        self._folder.put(fresh, b"".join(parts))
        self._folder.move(fresh, MANIFEST)
        for name in segments:
            self._folder.remove(name)


def _segments(folder: Folder) -> list[str]:
    """Returns the names of the segments of a manifest, in the order of writing."""
    return sorted(name for name in folder.names() if name.startswith(_SEGMENT) and name.endswith(".jsonl"))


def _whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _rows(lines: Iterable[bytes], name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        try:
            yield from_json(line)
        except RecordError as error:
            raise RecordError(f"{name}:{number}: {error}; repair the line or remove it") from error


def manifest_path(folder: str) -> str:
    """Returns path or URL of the manifest of a folder, for messages."""
    return public(child(folder, MANIFEST))
