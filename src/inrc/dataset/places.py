"""Paths and URLs: this machine's files directly, all others through fsspec."""

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
    """The file system of a place (fsspec's, whose types promise too little), and its path there.

    Raises:
      DatasetError: fsspec knows no such file system, or cannot reach it.
    """
    try:
        return url_to_fs(place)
    except (ValueError, ImportError, OSError) as error:
        raise DatasetError(f"cannot use {place}: {error}") from error


def local_path(place: str) -> Path | None:
    """The path of a place on this machine, absolute; None for any other."""
    if not is_url(place):
        return Path(place).absolute()
    files, path = filesystem(place)
    return Path(path) if isinstance(files, LocalFileSystem) else None


def url_of(files: Any, path: str) -> str:
    """What `filesystem` would turn into these again."""
    return path if isinstance(files, LocalFileSystem) else files.unstrip_protocol(path)


def child(place: str, name: str) -> str:
    """A path or URL below another."""
    return f"{place.rstrip('/')}/{name}" if place.rstrip("/") else f"/{name}"


def stamp_of(info: dict[str, Any]) -> str:
    """What changes when a file does, from what fsspec tells of it: its size, and a tag or a time."""
    for key in _TAGS:
        if info.get(key):
            return f"{info.get('size')}-{info[key]}".replace('"', "")
    return f"{info.get('size')}"
