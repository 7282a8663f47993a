"""Lists of pictures: text files with one path or URL in a line."""

import codecs
import os
import re
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from inrc.dataset.items import MAX_ITEM_BYTES, Item, safe_name
from inrc.dataset.local_files import local_stamp
from inrc.dataset.places import filesystem, is_http, is_url, local_path, public, stamp_of, url_of, without_query
from inrc.errors import DatasetError, InrcError

LIST = ".txt"
"""The suffix of lists."""
_MARKS = (  # the longer ones first, since that of UTF-32 begins as that of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAX_ENTRY = 1 << 16
"""Limit of the characters of a line: far above the length of paths and URLs, far below that of other files."""
_N_STAMPS_AT_ONCE = 16


def entries_of(content: bytes, name: str) -> list[str]:
    """Returns the lines of a list that are not empty. A byte-order mark tells UTF-16 and UTF-32 from UTF-8.

    Args:
      content: all bytes of the list.
      name: of the list, for messages.

    Raises:
      DatasetError: It is no list: it is too large, or holds NUL characters, broken UTF-16 or a very long line.
    """
    if len(content) > MAX_ITEM_BYTES:
        raise DatasetError(f"the list {name} has more than {MAX_ITEM_BYTES:,} bytes; split it")
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    try:  # paths may be any bytes, which UTF-8 keeps
        text = content.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"the list {name} is damaged {encoding.upper()} ({error.reason}); save it as UTF-8"
        ) from error
    if "\0" in text:
        raise DatasetError(
            f"the list {name} holds NUL characters, as UTF-16 without a byte-order mark and `find -print0` do; save it "
            "as UTF-8 with one path or URL in a line"
        )
    entries = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):  # other characters may be part of a name
        if len(line) > _MAX_ENTRY:
            raise DatasetError(
                f"line {number} of the list {name} has {len(line):,} characters; the limit is {_MAX_ENTRY:,}: "
                "name a list with one path or URL in a line"
            )
        if line.strip():
            entries.append(line)
    return entries


def list_items_of(url: str, content: bytes) -> Iterator[Item]:
    """Yields the entries of a list. One below the list's folder is named relative to it, others by their whole path.

    An entry that names nothing that could be read is an item that is refused.

    Raises:
      DatasetError: It is no list.
    """
    place = _Place(url, *filesystem(url), local_path(url) is not None)
    places = [_item_of(entry, place) for entry in entries_of(content, public(url))]
    if not any(is_url(item.url) for item in places):
        yield from (_stamped(item) for item in places)
        return
    with ThreadPoolExecutor(_N_STAMPS_AT_ONCE) as pool:  # remote stamps cost a request each
        yield from pool.map(_stamped, places)


class _Place(NamedTuple):
    """Where a list lies: its path or URL, its file system and its path in it, and whether that is this machine."""

    url: str
    files: Any
    path: str
    is_local: bool


def _item_of(entry: str, place: _Place) -> Item:
    """Returns the item of an entry, still without its stamp."""
    exact, entry = entry, entry.strip()
    try:
        if is_url(entry):
            files, path = filesystem(entry)
            return _named(_name_of(entry if is_http(entry) else url_of(files, path)), url_of(files, path, entry, path))
        url, files, path, is_local = place
        is_absolute = entry.startswith("/")  # a path on this machine, wherever the list is
        if is_url(path) and is_http(path) and not is_absolute:  # web servers' paths are whole URLs
            full = urllib.parse.urljoin(without_query(path), entry)
            folder = without_query(path).rpartition("/")[0]
            is_below = full.startswith(f"{folder}/")
            return _named(without_query(full)[len(folder) + 1 :] if is_below else _name_of(full), full)
        folder = path.rpartition("/")[0]
        if exact != entry and is_local and os.path.lexists(f"{folder}/{exact}"):
            entry = exact  # a name may end in a space
        full = os.path.normpath(entry if is_absolute else f"{folder}/{entry}")
        is_below = full.startswith(f"{folder}/") and (is_local or not is_absolute)
        name = full[len(folder) + 1 :] if is_below else full.strip("/")
        return _named(name, full if is_absolute else url_of(files, full, url, path))
    except InrcError as error:
        return Item(_name_of(entry) or public(entry), public(entry), "", refusal=error)


def _named(name: str, place: str) -> Item:
    return Item(safe_name(name), place, "")


def _name_of(url: str) -> str:
    """Returns a relative name for a file anywhere: its path, with the bucket or host but without the scheme."""
    url = without_query(public(url))
    path = os.path.normpath("/" + url.partition("://")[2]) if is_url(url) else os.path.normpath(url)
    return path.strip("/")


def _stamped(item: Item) -> Item:
    return item if item.refusal is not None else Item(item.name, item.url, stamp_at(item.url))


def stamp_at(place: str) -> str:
    """Returns the stamp of a place; empty where it cannot be found out."""
    try:
        path = local_path(place)
        if path is not None:
            return local_stamp(path)
        files, remote = filesystem(place)
        return stamp_of(files.info(remote))
    except Exception:  # file systems raise errors of any type; reading the item will tell
        return ""
