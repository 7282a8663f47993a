"""Sinks write files: as a tree that mirrors the inputs, or in tar shards. They hand on a row once its file is safe."""

import abc
import contextlib
import dataclasses
import errno
import io
import os
import re
import secrets
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from inrc.dataset.archives import members_of
from inrc.dataset.folder import Folder
from inrc.dataset.items import safe_name
from inrc.dataset.local_files import open_regular
from inrc.dataset.manifest import OK, Row
from inrc.dataset.places import local_path, reason_of
from inrc.dataset.rows import row_of_failure
from inrc.errors import DatasetError, InrcError, UnwritableImageError

OnRows = Callable[[Sequence[Row]], None]
"""Takes rows that are final. It is called from several threads."""

_PART = ".part"
_SHARD = re.compile(r"shard-(?P<writer>[A-Za-z0-9_]+)-(?P<number>\d+)\.tar(\.part)?")
_TEMPORARY = re.compile(r"\.inrc-[0-9a-f]{16}\.tmp")
_FATAL = (  # after these errors no other file can be written either
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
)
_END = bytes(2 * tarfile.BLOCKSIZE)


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """A file to write, and the row that holds once the file is written.

    Attributes:
      row: the row; its `output` is the path of the file below the folder of outputs.
      data: the bytes of the file.
    """

    row: Row
    data: bytes


class Sink(abc.ABC):
    """Writes files and hands on their rows. `write` may be called from several threads.

    Raises:
      DatasetError: The place is full or cannot be written to, so that no other file can be written either.
    """

    def __init__(self, on_rows: OnRows) -> None:
        self._on_rows = on_rows

    @abc.abstractmethod
    def write(self, files: Sequence[Written]) -> None:
        """Writes files and hands on their rows."""

    @abc.abstractmethod
    def close(self) -> None:
        """Completes what is unfinished."""


def open_sink(folder: str, on_rows: OnRows, *, images_per_shard: int = 0, writer: str = "0") -> Sink:
    """Opens a sink below a path or URL.

    Args:
      folder: path or URL of the folder of outputs.
      on_rows: takes the rows of files that are safe.
      images_per_shard: files in a tar shard; 0 writes a file of its own for every picture.
      writer: letters and digits that no other writer to the folder uses at the same time.
    """
    place = Folder(folder)
    if not images_per_shard:
        return _Tree(place, on_rows)
    kind = _RemoteShards if place.path is None else _LocalShards
    return kind(place, on_rows, images_per_shard, writer)


class _Tree(Sink):
    """Writes one file per picture."""

    def __init__(self, folder: Folder, on_rows: OnRows) -> None:
        super().__init__(on_rows)
        self._folder = folder

    def write(self, files: Sequence[Written]) -> None:
        rows = []
        for file in files:
            try:
                self._folder.put(safe_name(file.row.output), file.data)
                rows.append(file.row)
            except (OSError, ValueError, InrcError) as error:
                if getattr(error, "errno", None) in _FATAL:
                    raise DatasetError(f"cannot write {file.row.output}: {reason_of(error)}") from error
                rows.append(row_of_failure(file.row, UnwritableImageError(f"cannot write: {reason_of(error)}")))
        if rows:
            self._on_rows(rows)

    def close(self) -> None:
        """Does nothing, since nothing is ever unfinished."""


class _Shards(Sink):
    """Writes tar shards, called `shard-<writer>-<number>.tar`."""

    def __init__(self, folder: Folder, on_rows: OnRows, images_per_shard: int, writer: str) -> None:
        super().__init__(on_rows)
        if not _SHARD.fullmatch(f"shard-{writer}-0.tar"):
            raise DatasetError(f"the writer is called {writer!r}; use letters, digits and _ only")
        self._folder = folder
        self._per_shard = images_per_shard
        self._writer = writer
        self._lock = threading.Lock()
        numbers = [int(m["number"]) for m in map(_SHARD.fullmatch, folder.names()) if m and m["writer"] == writer]
        self._number = max(numbers, default=-1) + 1
        self._n_images = 0

    @property
    def _name(self) -> str:
        return f"shard-{self._writer}-{self._number:06}.tar"

    def write(self, files: Sequence[Written]) -> None:
        with self._lock, self._typed_errors():  # one at a time: rows follow in the order of members
            while files:
                room = self._per_shard - self._n_images
                now, files = files[:room], files[room:]
                self._append(now)
                self._n_images += len(now)
                if self._n_images == self._per_shard:
                    self._end()

    def close(self) -> None:
        with self._lock, self._typed_errors():
            if self._n_images:
                self._end()

    @contextlib.contextmanager
    def _typed_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DatasetError(f"cannot write {self._name}: {reason_of(error)}") from error

    def _placed(self, files: Sequence[Written]) -> list[Row]:
        return [dataclasses.replace(file.row, shard=self._name) for file in files]

    def _end(self) -> None:
        self._finish_shard()
        self._number += 1
        self._n_images = 0

    @abc.abstractmethod
    def _append(self, files: Sequence[Written]) -> None: ...

    @abc.abstractmethod
    def _finish_shard(self) -> None: ...


class _LocalShards(_Shards):
    """Grows a `.tar.part` member by member. Members count at once, since `recover` can complete such a file."""

    def __init__(self, folder: Folder, on_rows: OnRows, images_per_shard: int, writer: str) -> None:
        super().__init__(folder, on_rows, images_per_shard, writer)
        assert folder.path is not None
        self._root = folder.path
        self._file: io.BufferedWriter | None = None

    def _append(self, files: Sequence[Written]) -> None:
        if self._file is None:
            self._root.mkdir(parents=True, exist_ok=True)
            self._file = (self._root / (self._name + _PART)).open("xb")
        for file in files:
            self._file.write(member_bytes(safe_name(file.row.output), file.data))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._on_rows(self._placed(files))

    def _finish_shard(self) -> None:
        if self._file is None:
            return
        with self._file as file:
            file.write(_END)
            file.flush()
            os.fsync(file.fileno())
        self._file = None
        (self._root / (self._name + _PART)).rename(self._root / self._name)


class _RemoteShards(_Shards):
    """Holds a shard in memory until it is written whole."""

    def __init__(self, folder: Folder, on_rows: OnRows, images_per_shard: int, writer: str) -> None:
        super().__init__(folder, on_rows, images_per_shard, writer)
        self._waiting: list[Written] = []

    def _append(self, files: Sequence[Written]) -> None:
        self._waiting += files

    def _finish_shard(self) -> None:
        members = (member_bytes(safe_name(file.row.output), file.data) for file in self._waiting)
        self._folder.put(self._name, b"".join(members) + _END)
        self._on_rows(self._placed(self._waiting))
        self._waiting = []


def member_bytes(name: str, data: bytes) -> bytes:
    """Returns a member of a tar archive: header, content, padding. The same content always gives the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    header = member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def recover(folder: str, rows: Callable[[], Iterable[Row]], *, writer: str | None = None) -> None:
    """Completes shards that killed writers left in a folder on this machine; elsewhere nothing is ever half-written.

    A shard keeps its complete members that have rows, loses all others, and gets its final name.

    Args:
      folder: path or URL of the folder of outputs. No writer may be at work in it; if `writer` is given, not that one.
      rows: returns the current row of every name.
      writer: completes the shards of this writer only.

    Raises:
      DatasetError: The folder cannot be used.
    """
    root = local_path(folder)
    if root is None or not root.is_dir():
        return
    try:
        for path in sorted(root.glob(f"shard-*.tar{_PART}")):
            match = _SHARD.fullmatch(path.name)
            if match and writer in (None, match["writer"]):
                final = path.with_suffix("")
                keep = {row.output: row.n_bytes for row in rows() if row.status == OK and row.shard == final.name}
                _rewrite(path, final, lambda name, size, keep=keep: keep.get(name) == size)
                path.unlink()
    except OSError as error:
        raise DatasetError(f"cannot complete the shards in {folder}: {reason_of(error)}") from error


def remove_temporary(folder: str) -> None:
    """Removes the temporary files of killed writers below a folder on this machine."""
    root = local_path(folder)
    if root is None:
        return
    for parent, _, names in os.walk(root):
        for name in names:
            if _TEMPORARY.fullmatch(name):
                (Path(parent) / name).unlink(missing_ok=True)


def remove_stale(folder: str, places: set[tuple[str, str]]) -> None:
    """Removes files that other files have replaced; the places are those of `Row.place`."""
    place = Folder(folder)
    shards: dict[str, set[str]] = {}
    for shard, output in places:
        if shard:
            shards.setdefault(shard, set()).add(output)
        else:
            place.remove(output)
    for shard in sorted(shards.keys() & set(place.names())):
        gone = shards[shard]
        with place.open(shard) as file:
            if not gone & sizes_in_shard(file).keys():
                continue
        if place.path is not None:
            _rewrite(place.path / shard, place.path / shard, lambda name, _, gone=gone: name not in gone)
        else:
            _rewrite_remote(place, shard, gone)


def sizes_in_shard(file: BinaryIO) -> dict[str, int]:
    """Returns {name: bytes} of the members of an open archive, as far as it is sound."""
    sizes: dict[str, int] = {}
    with contextlib.suppress(DatasetError, OSError):
        for member in members_of(file):
            sizes[member.name] = member.size
    return sizes


def _rewrite(source: Path, target: Path, keep: Callable[[str, int], bool]) -> None:
    """Copies the complete members of an archive that should stay, once each; removes the target if there are none."""
    temporary = target.with_name(f".inrc-{secrets.token_hex(8)}.tmp")
    copied: set[str] = set()
    with open_regular(source) as old, temporary.open("wb") as new, open_regular(source) as content:
        n_bytes = os.fstat(old.fileno()).st_size
        with contextlib.suppress(DatasetError):  # the archive ends where it was cut
            for member in members_of(old):
                is_whole = member.offset_data + member.size <= n_bytes
                if is_whole and member.name not in copied and keep(member.name, member.size):
                    content.seek(member.offset_data)
                    new.write(member_bytes(member.name, content.read(member.size)))
                    copied.add(member.name)
        new.write(_END)
        new.flush()
        os.fsync(new.fileno())
    if copied:
        temporary.replace(target)
    else:
        temporary.unlink()
        target.unlink(missing_ok=True)


def _rewrite_remote(folder: Folder, shard: str, gone: set[str]) -> None:
    content = folder.read(shard)
    members = [m for m in members_of(io.BytesIO(content)) if m.name not in gone]
    if not members:
        folder.remove(shard)
        return
    parts = (member_bytes(m.name, content[m.offset_data : m.offset_data + m.size]) for m in members)
    folder.put(shard, b"".join(parts) + _END)
