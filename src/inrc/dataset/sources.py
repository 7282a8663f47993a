"""Listings of datasets: folders, globs, lists, archives and single files, on this machine or any file system of fsspec.

Listing opens lists and the headers of archives, but never a picture. What is listed and cannot be used does not end the
listing: it is an item that is refused with a reason.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from inrc.dataset.archives import ARCHIVE, archive_items, refused_archive
from inrc.dataset.folders import matches, walk, walk_files
from inrc.dataset.items import MAX_ITEM_BYTES, Item, without_suffix
from inrc.dataset.kinds import Kinds, skipped_in_words
from inrc.dataset.lists import LIST, list_items_of
from inrc.dataset.local_files import check_regular, local_stamp
from inrc.dataset.places import (
    digest_of_query,
    filesystem,
    is_http,
    is_pattern,
    is_url,
    local_path,
    open_place,
    public,
    reason_of,
    stamp_of,
    url_of,
    without_query,
)
from inrc.errors import DatasetError, InrcError, NameCollisionError
from inrc.signal.formats import READABLE_SUFFIXES

PICTURES = READABLE_SUFFIXES
"""Suffixes of the pictures that inrc reads, in lower case."""
INR_FILES = (".inr",)
"""The suffix of this package's files."""


class Listing(NamedTuple):
    """The items of a source, and what it holds besides.

    Attributes:
      items: sorted by name, each name once.
      skipped: {suffix: number} of files that do not count because of their suffixes.
    """

    items: list[Item]
    skipped: Mapping[str, int]


def list_items(source: str | os.PathLike[str], suffixes: tuple[str, ...] = PICTURES) -> list[Item]:
    """Returns the items of `listing`."""
    return listing(source, suffixes).items


def listing(
    source: str | os.PathLike[str], suffixes: tuple[str, ...] = PICTURES, *, ignored: tuple[str, ...] = ()
) -> Listing:
    """Lists the items of a folder (with all folders below it), a glob, a list, a tar archive, or one file.

    Args:
      source: path or URL of a folder or a file, or a glob. A list is a .txt file with one path or URL in a line,
        relative to the list's folder, as UTF-8 or with a byte-order mark. Folders and globs may hold archives: the name
        of a member is that of the archive, without .tar, followed by its name in the archive. Compressed archives are
        not read. The query of a web server's URL serves to read it, and is part of no name.
      suffixes: suffixes of the names that count. All entries of a list count, and hidden files never do.
      ignored: names of files that are neither listed nor counted as skipped.

    Returns:
      The items, and the number of files that were skipped. A folder or an archive within the source that cannot be
      read, and a member of an archive that is no file, is an item that is refused.

    Raises:
      DatasetError: There is no such place, or nothing to read in it, or it is a pipe, a socket or a device.
      NameCollisionError: Two different items have the same name.
    """
    source = os.fspath(source)
    kinds = Kinds(suffixes, ignored)
    try:
        items = list(_items(source, kinds))
    except InrcError:
        raise
    except Exception as error:  # file systems raise errors of any type
        raise DatasetError(f"cannot list {public(source)}: {reason_of(error, source)}; check the path") from error
    if not items:
        names = ", ".join(suffix.removeprefix(".") for suffix in suffixes)
        others = skipped_in_words(kinds.skipped)
        raise DatasetError(
            f"there is nothing to read in {public(source)}; it has no {names} or {ARCHIVE} file"
            + (f": {others}" if others else "")
        )
    return Listing(_unique(items), dict(kinds.skipped))


def _items(source: str, kinds: Kinds) -> Iterator[Item]:
    path = local_path(source)
    if path is not None and path.is_dir():
        yield from _expanded(walk(str(path)), kinds)
        return
    if path is not None and path.exists():
        check_regular(path, path.stat())
        yield from _file(Item(path.name, str(path), local_stamp(path)), kinds)
        return
    files, remote = filesystem(source)
    if is_pattern(remote):
        yield from _expanded(matches(files, source, remote), kinds)
    elif not _looks_like_file(remote, kinds) and files.isdir(remote):
        yield from _expanded(walk_files(files, source, remote), kinds)
    elif files.exists(remote):
        stamp = stamp_of(files.info(remote))
        names = [part for part in without_query(public(remote)).split("/") if part]
        yield from _file(Item(names[-1] if names else "file", url_of(files, remote, source, remote), stamp), kinds)
    else:
        raise DatasetError(f"there is no {public(source)}; check the path")


def _file(item: Item, kinds: Kinds) -> Iterator[Item]:
    """Yields the items of a single file: a list, an archive or a picture of any name."""
    lower = item.name.lower()
    if lower.endswith(LIST):
        with open_place(item.url) as file:
            yield from list_items_of(item.url, file.read(MAX_ITEM_BYTES + 1))
    elif lower.endswith(ARCHIVE):
        with open_place(item.url) as file:
            yield from archive_items(file, item, "", kinds)
    else:
        yield item


def _looks_like_file(remote: str, kinds: Kinds) -> bool:
    """Whether a web server need not be asked if this is a folder, for which it would send the whole file."""
    ends = (*kinds.suffixes, LIST, ARCHIVE)
    return is_url(remote) and is_http(remote) and without_query(remote).lower().endswith(ends)


def _expanded(items: Iterable[Item], kinds: Kinds) -> Iterator[Item]:
    """Yields the items of the wanted kind, and the members of archives."""
    for item in items:
        if item.refusal is not None:
            yield item
        elif item.name.lower().endswith(ARCHIVE):
            try:
                file = open_place(item.url)
            except Exception as error:  # file systems raise errors of any type
                reason = reason_of(error, item.url)
                yield refused_archive(item, f"cannot read {public(item.url)}: {reason}; check the archive")
                continue
            with file:
                yield from archive_items(file, item, item.name[: -len(ARCHIVE)] + "/", kinds)
        elif kinds.wants(item.name):
            yield item


def _unique(items: list[Item]) -> list[Item]:
    items = _told_apart(items)
    items.sort(key=lambda item: item.name)
    unique: list[Item] = []
    for item in items:
        if unique and unique[-1].name == item.name:
            other = unique[-1]
            if (other.url, other.offset) != (item.url, item.offset):
                raise NameCollisionError(
                    f"{public(other.url)} and {public(item.url)} would both be named {item.name}; rename one, or "
                    "encode them apart"
                )
            continue  # listed twice
        unique.append(item)
    return unique


def _told_apart(items: list[Item]) -> list[Item]:
    """Returns the items with other names where the URLs of several differ only in their queries."""
    urls_of_name: dict[str, set[str]] = {}
    for item in items:
        if is_url(item.url) and is_http(item.url):
            urls_of_name.setdefault(item.name, set()).add(item.url)
    if not urls_of_name:
        return items

    def renamed(item: Item) -> Item:
        if len(urls_of_name.get(item.name, ())) < 2 or not is_http(item.url):
            return item
        stem = without_suffix(item.name)
        return dataclasses.replace(item, name=f"{stem}-{digest_of_query(item.url)}{item.name[len(stem) :]}")

    return [renamed(item) for item in items]
