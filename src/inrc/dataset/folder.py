"""A folder whose files are written whole, on this machine or on any file system that fsspec knows."""

import contextlib
from pathlib import Path
from typing import Any, BinaryIO

from inrc.dataset.local_files import check_replaceable, open_regular
from inrc.dataset.places import child, filesystem, local_path
from inrc.files import write_atomically


class Folder:
    """A folder by its path or URL. It need not exist yet. Names are relative to it, with forward slashes.

    Attributes:
      path: path of a folder on this machine; None for a folder elsewhere.

    Raises:
      DatasetError: There is no such file system.
    """

    def __init__(self, place: str) -> None:
        self.path: Path | None = local_path(place)
        self._files, self._root = filesystem(place)
        self._made: set[str] = set()
        self._sizes: dict[str, int] | None = None

    def put(self, name: str, data: bytes) -> None:
        """Writes a file whole or not at all, and makes the folders above it.

        Raises:
          OSError: The file cannot be written, or a pipe, a socket, a device or a folder has its name.
        """
        if self.path is None:
            path = child(self._root, name)
            parent = path.rpartition("/")[0]
            if parent not in self._made:
                self._files.makedirs(parent, exist_ok=True)
                self._made.add(parent)
            self._files.pipe_file(path, data)
            return
        target = self.path / name
        check_replaceable(target)
        try:
            write_atomically(target, data)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, data)

    def size(self, name: str) -> int | None:
        """Returns the bytes of a file; None if it is not there. Remote sizes are those at the first call."""
        if self.path is not None:
            try:
                return (self.path / name).stat().st_size
            except OSError:
                return None
        if self._sizes is None:
            self._files.invalidate_cache()
            try:
                entries: dict[str, Any] = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                entries = {}
            self._sizes = {path: info["size"] for path, info in entries.items()}
        return self._sizes.get(child(self._root, name))

    def names(self) -> list[str]:
        """Returns the names of the files and folders in this folder, without those in folders below."""
        if self.path is not None:
            return [path.name for path in self.path.iterdir()] if self.path.exists() else []
        self._files.invalidate_cache()
        try:
            return [str(name).rstrip("/").rpartition("/")[2] for name in self._files.ls(self._root, detail=False)]
        except FileNotFoundError:
            return []

    def open(self, name: str) -> BinaryIO:
        """Opens a file for reading.

        Raises:
          OSError: The file is not there, or is no regular file.
        """
        return open_regular(self.path / name) if self.path is not None else self._files.open(child(self._root, name))

    def read(self, name: str) -> bytes:
        """Returns all bytes of a file.

        Raises:
          OSError: The file is not there, or is no regular file.
        """
        if self.path is None:
            return self._files.cat_file(child(self._root, name))
        with self.open(name) as file:
            return file.read()

    def remove(self, name: str) -> None:
        """Removes a file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            if self.path is not None:
                (self.path / name).unlink()
            else:
                self._files.rm_file(child(self._root, name))

    def move(self, name: str, other: str) -> None:
        """Gives a file another name."""
        if self.path is not None:
            (self.path / name).replace(self.path / other)
        else:
            self._files.mv(child(self._root, name), child(self._root, other))
