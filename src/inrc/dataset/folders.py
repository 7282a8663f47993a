"""Walks through folders and globs, on this machine and elsewhere. A folder that cannot be listed is a refused item."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem
from fsspec.utils import glob_translate

from inrc.dataset.items import Item
from inrc.dataset.local_files import stamp_of_status
from inrc.dataset.places import is_pattern, reason_of, stamp_of, url_of, without_query
from inrc.errors import DatasetError


def walk(root: str, *, follow_links: bool = True, may_hold: Callable[[str], bool] = lambda _: True) -> Iterator[Item]:
    """Yields all files below a folder of this machine, but no hidden ones.

    Args:
      root: path of the folder.
      follow_links: whether links to folders are followed, except those that lead back up.
      may_hold: tells from the name of a folder whether it is worth listing.

    Raises:
      OSError: The folder itself cannot be listed.
    """
    waiting: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(root, "", frozenset())]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            status = Path(folder).stat()
            identity = status.st_dev, status.st_ino
            if identity in above:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{prefix}{entry.name}"
                    if entry.name.startswith("."):
                        continue
                    if not _is_folder(entry):
                        yield Item(name, entry.path, _stamp_of(entry))
                    elif may_hold(name) and (follow_links or not entry.is_symlink()):
                        waiting.append((entry.path, f"{name}/", above | {identity}))
        except OSError as error:
            if not prefix:
                raise
            yield _refused_folder(prefix.rstrip("/"), folder, error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle or into a closed folder, which gives an error when it is read
        return False


def _stamp_of(entry: os.DirEntry[str]) -> str:
    try:
        return stamp_of_status(entry.stat())
    except OSError:  # a link to nowhere, which gives an error when it is read
        return ""


def _refused_folder(name: str, url: str, error: Exception) -> Item:
    reason = reason_of(error, url)
    refusal = DatasetError(f"cannot list the folder {name}: {reason}; give the right to read it, or leave it out")
    return Item(name, url, "", refusal=refusal)


def walk_files(files: Any, source: str, remote: str) -> Iterator[Item]:
    """Yields all files below a folder of a file system of fsspec.

    Args:
      files: the file system.
      source: the place that it was found by.
      remote: the path of the folder in it.
    """
    if type(files).find is not AbstractFileSystem.find:  # object stores list all files at once
        yield from _items_of(files, source, remote, remote, files.find(remote, detail=True).values())
        return
    waiting = [remote]
    while waiting:
        folder = waiting.pop()
        try:
            entries = files.ls(folder, detail=True)
        except OSError as error:
            if folder == remote:
                raise
            name = folder.removeprefix(remote).strip("/")
            yield _refused_folder(name, url_of(files, folder, source, remote), error)
            continue
        yield from _items_of(files, source, remote, remote, entries)
        waiting += [
            entry["name"]
            for entry in entries
            if entry["type"] == "directory" and not entry["name"].rstrip("/").rpartition("/")[2].startswith(".")
        ]


def matches(files: Any, source: str, remote: str) -> Iterator[Item]:
    """Yields the files that match a glob, named from its first wildcard on.

    Args:
      files: the file system of fsspec.
      source: the place that it was found by.
      remote: the glob in it.
    """
    start = _fixed_folder(remote)
    if not isinstance(files, LocalFileSystem):
        yield from _items_of(files, source, remote, start, files.glob(remote, detail=True).values())
        return
    # fsspec leaves out silently what it cannot list.
    pattern = remote.removeprefix(start).lstrip("/")
    whole = re.compile(glob_translate(pattern))
    for item in walk(start or "/", follow_links=False, may_hold=lambda folder: _may_hold(folder, pattern)):
        if item.refusal is not None or whole.match(item.name):
            yield item


def _items_of(files: Any, source: str, remote: str, start: str, entries: Any) -> Iterator[Item]:
    for info in entries:
        path = info["name"]
        name = without_query(path.removeprefix(start)).lstrip("/")
        if info["type"] != "directory" and not any(part.startswith(".") for part in name.split("/")):
            yield Item(name, url_of(files, path, source, remote), stamp_of(info))


def _may_hold(folder: str, pattern: str) -> bool:
    """Whether a glob may match names below a folder; both are relative to the same one."""
    parts, wanted = folder.split("/"), pattern.split("/")
    for part, own in zip(parts, wanted, strict=False):
        if "**" in own:
            return True
        if not fnmatch.fnmatchcase(part, own):
            return False
    return len(parts) < len(wanted)


def _fixed_folder(pattern: str) -> str:
    """Returns the folders of a glob before its first part with a wildcard."""
    parts = pattern.split("/")
    first = next(i for i in range(len(parts)) if is_pattern("/".join(parts[: i + 1])))
    return "/".join(parts[:first])
