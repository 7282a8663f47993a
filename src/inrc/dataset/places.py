"""Paths and URLs: files of this machine are used directly, all others through fsspec.

A URL may hold secrets: a password, or the signature of a presigned link in its query. They serve to open the URL and go
nowhere else: names, messages and manifests hold what `public` and `reason_of` return.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from inrc.dataset.local_files import open_regular
from inrc.errors import DatasetError
from inrc.names import one_line

_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "modified", "created")
_TAGS += ("Content-MD5", "Last-Modified")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(://|::)")
_CHAINED = re.compile(r"(::)(?=[A-Za-z][A-Za-z0-9+.\-]*(?:://|::))")
_AUTHORITY = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<authority>[^/?#\s]*)")
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s\"<>]*")
_ENCODED_URL = re.compile(r"https?://(?:[!-$&-~]|%[0-9A-Fa-f]{2})*", re.IGNORECASE)
_DIGEST_DIGITS = 8


def is_url(place: str) -> bool:
    """Whether a place is a URL rather than a path."""
    return _SCHEME.match(place) is not None


def is_http(place: str) -> bool:
    """Whether a place is a URL of a web server, whose `?` begins a query and is no wildcard."""
    return _CHAINED.split(place)[-1].lower().startswith(("http://", "https://"))


def is_pattern(path: str) -> bool:
    """Whether a path of a file system is a glob."""
    path = without_query(path)
    match = _AUTHORITY.match(path)
    return any(mark in path[match.end() if match else 0 :] for mark in "*?[")


def without_query(place: str) -> str:
    """Returns a place without the query and the fragment of a web server's URL; any other place as it is."""
    return re.split("[?#]", place, maxsplit=1)[0] if is_url(place) and is_http(place) else place


def digest_of_query(url: str) -> str:
    """Returns a few hexadecimal digits that tell apart URLs that differ only in their queries."""
    return hashlib.sha256(url[len(without_query(url)) :].encode("utf-8", "surrogateescape")).hexdigest()[
        :_DIGEST_DIGITS
    ]


def public(place: str) -> str:
    """Returns a path or URL as people may see it: without user, password, query and fragment."""
    return "".join(map(_public_url, _CHAINED.split(place))) if is_url(place) else place


def _public_url(url: str) -> str:
    match = _AUTHORITY.match(url)
    if match is None:
        return url
    path = url[match.end() :]
    before, mark, query = re.match(r"([^?#]*)([?#]?)(.*)", path, re.DOTALL).groups()  # pyright: ignore
    # Elsewhere than on web servers these two characters may be part of a name or a pattern.
    kept = "" if match["scheme"].lower() in ("http://", "https://") or "=" in query else mark + query
    return match["scheme"] + match["authority"].rpartition("@")[2] + before + kept


def without_secrets(text: str) -> str:
    """Returns a message with the URLs in it as `public` gives them."""
    return _URL_IN_TEXT.sub(lambda match: public(match[0]), text)


def reason_of(error: BaseException, place: str = "") -> str:
    """Returns why a place cannot be used, in a few words without secrets, from any error of a file system."""
    text = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
    if place:
        text = text.replace(place, public(place))
    text = without_secrets(text)
    if isinstance(error, FileNotFoundError) and (not text or text in (public(place), place)):
        return "No such file or directory"
    return text or type(error).__name__


def filesystem(place: str) -> tuple[Any, str]:
    """Returns the file system of a place, an object of fsspec, and the path of the place in it.

    Raises:
      DatasetError: fsspec knows no such file system, or cannot reach it.
    """
    # A signature may be one of the very characters, which fsspec would else encode in its own way.
    options = {"encoded": True} if _ENCODED_URL.fullmatch(place) else {}
    try:
        return url_to_fs(place, **options)
    except Exception as error:  # file systems raise errors of any type
        raise DatasetError(f"cannot use {public(place)}: {reason_of(error, place)}") from error


def local_path(place: str) -> Path | None:
    """Returns the absolute path of a place on this machine; None for any other place."""
    if not is_url(place):
        return Path(place).absolute()
    files, path = filesystem(place)
    return Path(path) if isinstance(files, LocalFileSystem) else None


def open_place(place: str) -> BinaryIO:
    """Opens a file anywhere for reading, if it is a regular file.

    Raises:
      OSError: It is not there, cannot be read or is a pipe, a socket, a device or a folder.
      Exception: Other errors of its file system.
    """
    path = local_path(place)
    if path is not None:
        return open_regular(path)
    files, remote = filesystem(place)
    return files.open(remote, "rb")


def url_of(files: Any, path: str, place: str = "", own: str = "") -> str:
    """Returns the place for which `filesystem` returns this file system and path.

    Args:
      files: the file system.
      path: a path in it.
      place: a place that `files` was found by. Its host, user and chain of file systems are kept.
      own: the path of `place` in `files`.
    """
    if isinstance(files, LocalFileSystem):
        return path
    own = own.rstrip("/")
    head, chain, rest = place.partition("::")
    for begin, end in ((place, ""), (head, chain + rest)):
        begin = begin.rstrip("/")
        if own and begin.endswith(own):
            return begin[: -len(own)] + path + end
    return files.unstrip_protocol(path)


def child(place: str, name: str) -> str:
    """Returns the path or URL of a name below a place."""
    return f"{place.rstrip('/')}/{name}" if place.rstrip("/") else f"/{name}"


def stamp_of(info: dict[str, Any]) -> str:
    """Returns a stamp that changes when a file does: its size, and a tag or a time, from its entry in fsspec."""
    for key in _TAGS:
        if info.get(key):
            return f"{info.get('size')}-{info[key]}".replace('"', "")
    return f"{info.get('size')}"
