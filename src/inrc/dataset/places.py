"""Paths and URLs: files of this machine are used directly, all others through fsspec."""

import re
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from inrc.errors import DatasetError

_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "modified", "created")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(://|::)")


def is_url(place: str) -> bool:
    """Whether a place is a URL rather than a path."""
    return _SCHEME.match(place) is not None


def filesystem(place: str) -> tuple[Any, str]:
    """Returns the file system of a place, an object of fsspec, and the path of the place in it.

    Raises:
      DatasetError: fsspec knows no such file system, or cannot reach it.
    """
    try:
        return url_to_fs(place)
    except (ValueError, ImportError, OSError) as error:
        raise DatasetError(f"cannot use {place}: {error}") from error


def local_path(place: str) -> Path | None:
    """Returns the absolute path of a place on this machine; None for any other place."""
    if not is_url(place):
        return Path(place).absolute()
    files, path = filesystem(place)
    return Path(path) if isinstance(files, LocalFileSystem) else None


def url_of(files: Any, path: str) -> str:
    """Returns the place for which `filesystem` returns this file system and path."""
    return path if isinstance(files, LocalFileSystem) else files.unstrip_protocol(path)


def child(place: str, name: str) -> str:
    """Returns the path or URL of a name below a place."""
    return f"{place.rstrip('/')}/{name}" if place.rstrip("/") else f"/{name}"


def stamp_of(info: dict[str, Any]) -> str:
    """Returns a stamp that changes when a file does: its size, and a tag or a time, from its entry in fsspec."""
    for key in _TAGS:
        if info.get(key):
            return f"{info.get('size')}-{info[key]}".replace('"', "")
    return f"{info.get('size')}"
