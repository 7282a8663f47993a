"""The items of a dataset: their names, where to read them, and stamps that tell whether they have changed.

Listing opens lists and the headers of archives, but never a picture.
"""

import dataclasses
import os
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.implementations.local import LocalFileSystem

from inrc.dataset.places import filesystem, is_url, local_path, stamp_of, url_of
from inrc.errors import (
    DatasetError,
    ImageTooLargeError,
    InrcError,
    NameCollisionError,
    UnreadableImageError,
    UnsafeNameError,
)

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm")
"""Suffixes of the pictures that inrc reads, in lower case."""
INR_FILES = (".inr",)
"""The suffix of this package's files."""

MAX_ITEM_BYTES = 1 << 30
"""Limit of the bytes of an item: a larger one could not be held in memory."""
_ARCHIVE, _LIST = ".tar", ".txt"
_N_STAMPS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One entry of a dataset.

    Attributes:
      name: a relative path with forward slashes. It stays below any folder, and is the same in every listing.
      url: path or URL of the file, or of the archive that holds it.
      stamp: changes when the content does; empty where it could not be found out.
      offset: first byte in the archive; -1 for a file of its own.
      n_bytes: bytes in the archive; -1 for a file of its own.
      refusal: the error that reading the item raises, if it was refused while it was listed.
    """

    name: str
    url: str
    stamp: str
    offset: int = -1
    n_bytes: int = -1
    refusal: InrcError | None = None


def list_items(source: str | os.PathLike[str], suffixes: tuple[str, ...] = PICTURES) -> list[Item]:
    """Lists the items of a folder (with all folders below it), a glob, a list, a tar archive, or one file.

    Args:
      source: path or URL of a folder or a file, or a glob. A list is a .txt file with one path or URL in a line,
        relative to the list's folder. Folders and globs may hold archives: the name of a member is that of the archive,
        without .tar, followed by its name in the archive. Compressed archives are not read.
      suffixes: suffixes of the names that count. All entries of a list count, and hidden files never do.

    Returns:
      Items sorted by name, each name once.

    Raises:
      DatasetError: There is no such place, or nothing to read in it.
      NameCollisionError: Two different items have the same name.
    """
    source = os.fspath(source)
    try:
        items = list(_items(source, suffixes))
    except OSError as error:
        raise DatasetError(f"cannot list {source}: {error.strerror or error}; check the path") from error
    if not items:
        kinds = ", ".join(suffix.removeprefix(".") for suffix in suffixes)
        raise DatasetError(f"there is nothing to read in {source}; it has no {kinds} or .tar file")
    return _unique(items)


def read_item(item: Item) -> bytes:
    """Reads the bytes of an item.

    Raises:
      UnreadableImageError: The item is not there, or cannot be read.
      ImageTooLargeError: The item has more than `MAX_ITEM_BYTES` bytes.
      UnsafeNameError: The item was refused because of its name.
    """
    if item.refusal is not None:
        raise item.refusal
    begin, end = (item.offset, item.offset + item.n_bytes) if item.offset >= 0 else (0, MAX_ITEM_BYTES + 1)
    if end - begin > MAX_ITEM_BYTES and item.offset >= 0:
        raise _too_large(item.n_bytes)
    try:
        path = local_path(item.url)
        if path is not None:
            with path.open("rb") as file:
                file.seek(begin)
                data = file.read(min(end - begin, max(0, os.fstat(file.fileno()).st_size - begin)))
        else:
            files, remote = filesystem(item.url)
            data = files.cat_file(remote, begin, end) if item.offset >= 0 else files.cat_file(remote)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise UnreadableImageError(f"cannot read {item.url}: {reason}; check the path") from error
    if len(data) > MAX_ITEM_BYTES:
        raise _too_large(len(data))
    if item.offset >= 0 and len(data) != item.n_bytes:
        raise UnreadableImageError(
            f"{item.url} ends within {item.name}: {len(data)} of {item.n_bytes} bytes; get the archive again"
        )
    return data


def safe_name(name: str) -> str:
    """Returns a name without its empty parts and dots.

    Raises:
      UnsafeNameError: The name is absolute, leads upwards or is empty.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or "\0" in name:
        raise UnsafeNameError(f"the name {name!r} is absolute, leads upwards or is empty; rename it")
    return "/".join(parts)


def members_of(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yields the regular files in an open tar archive, header after header in constant memory.

    Raises:
      DatasetError: The archive is damaged or cut; the members before that place were yielded.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            before = -1
            while (member := archive.next()) is not None:
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue] # else it keeps all of them
                if member.size < 0 or member.offset_data <= before:
                    raise ValueError("a header leads backwards")
                before = member.offset_data
                if member.isreg() and not member.issparse():
                    yield member
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise DatasetError(f"the archive is damaged or cut ({error}); get it again") from error


def _items(source: str, suffixes: tuple[str, ...]) -> Iterator[Item]:
    path = local_path(source)
    if path is not None and path.is_dir():
        yield from _expanded(_walk(path), suffixes)
        return
    if path is not None and path.exists():
        if path.suffix.lower() == _LIST:
            yield from _list(str(path), path.read_text("utf-8", "surrogateescape"))
        elif path.suffix.lower() == _ARCHIVE:
            yield from _archive(str(path), _local_stamp(path), suffixes, prefix="")
        else:
            yield Item(path.name, str(path), _local_stamp(path))
        return
    files, remote = filesystem(source)
    if any(mark in remote for mark in "*?["):
        entries = files.glob(remote, detail=True)
        start = _fixed_folder(remote)
        yield from _expanded(_listed(files, entries, start), suffixes)
    elif files.isdir(remote):
        yield from _expanded(_listed(files, files.find(remote, detail=True), remote), suffixes)
    elif files.exists(remote):
        info = files.info(remote)
        url, name = url_of(files, remote), remote.rpartition("/")[2]
        if name.lower().endswith(_LIST):
            yield from _list(url, files.cat_file(remote).decode("utf-8", "surrogateescape"))
        elif name.lower().endswith(_ARCHIVE):
            yield from _archive(url, stamp_of(info), suffixes, prefix="")
        else:
            yield Item(name, url, stamp_of(info))
    else:
        raise DatasetError(f"there is no {source}; check the path")


def _walk(root: Path) -> Iterator[Item]:
    """Yields all files below a folder. Links are followed, except links that lead back up."""

    def walk(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[Item]:
        status = Path(folder).stat()
        identity = status.st_dev, status.st_ino
        if identity in above:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = f"{prefix}{entry.name}"
                if entry.is_dir():
                    yield from walk(entry.path, f"{name}/", above | {identity})
                else:
                    try:
                        stamp = _stamp(entry.stat())
                    except OSError:  # a link to nowhere, which gives an error when it is read
                        stamp = ""
                    yield Item(name, entry.path, stamp)

    yield from walk(str(root), "", frozenset())


def _listed(files: Any, entries: dict[str, dict[str, Any]], start: str) -> Iterator[Item]:
    is_local = isinstance(files, LocalFileSystem)
    for path, info in entries.items():
        name = path.removeprefix(start).lstrip("/")
        if info["type"] == "directory" or any(part.startswith(".") for part in name.split("/")):
            continue
        yield Item(name, url_of(files, path), _local_stamp(Path(path)) if is_local else stamp_of(info))


def _expanded(items: Iterable[Item], suffixes: tuple[str, ...]) -> Iterator[Item]:
    """Yields the items of the wanted kind, and the members of archives."""
    for item in items:
        lower = item.name.lower()
        if lower.endswith(suffixes):
            yield item
        elif lower.endswith(_ARCHIVE):
            yield from _archive(item.url, item.stamp, suffixes, prefix=item.name[: -len(_ARCHIVE)] + "/")


def _archive(url: str, stamp: str, suffixes: tuple[str, ...], prefix: str) -> Iterator[Item]:
    """Yields the members of an archive; of several members of one name the last, as tar does."""
    path = local_path(url)
    files, remote = filesystem(url)
    members_by_name: dict[str, Item] = {}
    damage = None
    with path.open("rb") if path is not None else files.open(remote, "rb") as file:
        members = members_of(file)  # pyright: ignore[reportArgumentType]
        try:
            for member in members:
                if not member.name.lower().endswith(suffixes) or member.name.rpartition("/")[2].startswith("."):
                    continue
                refusal = None
                try:
                    name = prefix + safe_name(member.name)
                except UnsafeNameError as error:
                    name, refusal = prefix + member.name, error
                members_by_name[name] = Item(
                    name, url, f"{stamp}-{member.size}", member.offset_data, member.size, refusal
                )  # fmt: skip
        except DatasetError as error:
            damage = error
    yield from members_by_name.values()
    if damage is not None:
        name = (prefix.rstrip("/") or url.rpartition("/")[2].removesuffix(_ARCHIVE)) + _ARCHIVE
        yield Item(name, url, stamp, refusal=UnreadableImageError(f"cannot read all of {url}: {damage}"))


def _list(url: str, content: str) -> Iterator[Item]:
    """Yields the entries of a list. One below the list's folder is named relative to it, others by their whole path."""
    files, path = filesystem(url)
    folder = path.rpartition("/")[0]
    entries: list[tuple[str, str]] = []
    for line in content.splitlines():
        entry = line.strip()
        if not entry:
            continue
        if is_url(entry):
            other_files, other = filesystem(entry)
            entries.append((_name_of(url_of(other_files, other)), url_of(other_files, other)))
            continue
        if entry.startswith("/"):  # a path on this machine, wherever the list is
            full = os.path.normpath(entry)
            is_below = local_path(url) is not None and full.startswith(f"{folder}/")
            entries.append((full[len(folder) + 1 :] if is_below else full.strip("/"), full))
            continue
        full = os.path.normpath(f"{folder}/{entry}")
        name = full[len(folder) + 1 :] if full.startswith(f"{folder}/") else full.strip("/")
        entries.append((name, url_of(files, full)))
    if not any(is_url(place) for _, place in entries):
        yield from (Item(name, place, _stamp_at(place)) for name, place in entries)
        return
    with ThreadPoolExecutor(_N_STAMPS_AT_ONCE) as pool:  # remote stamps cost a request each
        stamps = pool.map(_stamp_at, (place for _, place in entries))
        yield from (Item(name, place, stamp) for (name, place), stamp in zip(entries, stamps, strict=True))


def _name_of(url: str) -> str:
    """Returns a relative name for a file anywhere: its path, with the bucket but without the scheme."""
    path = os.path.normpath("/" + url.partition("://")[2]) if is_url(url) else os.path.normpath(url)
    return path.strip("/")


def _stamp_at(place: str) -> str:
    path = local_path(place)
    try:
        if path is not None:
            return _local_stamp(path)
        files, remote = filesystem(place)
        return stamp_of(files.info(remote))
    except (OSError, InrcError):
        return ""


def _local_stamp(path: Path) -> str:
    try:
        return _stamp(path.stat())
    except OSError:
        return ""


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _fixed_folder(pattern: str) -> str:
    """Returns the folders of a glob before its first part with a wildcard."""
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if any(mark in part for mark in "*?["))
    return "/".join(parts[:first])


def _unique(items: list[Item]) -> list[Item]:
    items.sort(key=lambda item: item.name)
    unique: list[Item] = []
    for item in items:
        if unique and unique[-1].name == item.name:
            other = unique[-1]
            if (other.url, other.offset) != (item.url, item.offset):
                raise NameCollisionError(
                    f"{other.url} and {item.url} would both be named {item.name}; rename one, or encode them apart"
                )
            continue  # listed twice
        unique.append(item)
    return unique


def _too_large(n_bytes: int) -> ImageTooLargeError:
    return ImageTooLargeError(f"it has {n_bytes:,} bytes; the limit is {MAX_ITEM_BYTES:,}: leave it out")


def output_names(items: Iterable[Item], suffix: str) -> list[str]:
    """Returns a different name for the output of every item.

    The suffix of the item is replaced; where two items would then share a name, the new suffix is added instead: a.png
    gives a.inr, but a.png and a.jpg give a.png.inr and a.jpg.inr.

    Raises:
      NameCollisionError: Two outputs have the same name even so.
    """
    names = [item.name for item in items]
    short = [_without_suffix(name) for name in names]
    n_of: dict[str, int] = {}
    for name in short:
        n_of[name] = n_of.get(name, 0) + 1
    outputs = [(stem if n_of[stem] == 1 else name) + suffix for name, stem in zip(names, short, strict=True)]
    item_of_output: dict[str, str] = {}
    for name, output in zip(names, outputs, strict=True):
        if output in item_of_output:
            raise NameCollisionError(
                f"{item_of_output[output]} and {name} would both be written as {output}; rename one of them"
            )
        item_of_output[output] = name
    return outputs


def _without_suffix(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    stem, dot, _ = last.rpartition(".")
    return f"{folder}{slash}{stem}" if dot and stem else name
