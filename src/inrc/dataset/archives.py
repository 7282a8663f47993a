"""The members of tar archives: which can be read, where links lead, and why the others are refused."""

import tarfile
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from inrc.dataset.items import Item, safe_name
from inrc.dataset.kinds import Kinds
from inrc.dataset.places import public, reason_of
from inrc.errors import DatasetError, InrcError, UnreadableImageError, UnsafeNameError

ARCHIVE = ".tar"
"""The suffix of archives."""
_MOST_PARTS = 1000
"""Limit of the names that the links on the way to one member may add up to; whatever needs more leads in a circle."""
_SHOWN_NAME = 200


class _Member(NamedTuple):
    """What an archive says of a name.

    Attributes:
      offset, n_bytes: the place of its bytes.
      link: where a symbolic link leads; None for anything else.
      reason: why it cannot be read, if it cannot.
    """

    offset: int = 0
    n_bytes: int = 0
    link: str | None = None
    reason: str = ""


def headers_of(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yields the headers of an open tar archive one by one, in constant memory.

    Raises:
      DatasetError: The archive is damaged or cut; the headers before that place were yielded.
      OSError: It cannot be read.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            before = -1
            while (header := archive.next()) is not None:
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue] # else it keeps all of them
                if header.size < 0 or header.offset_data <= before:
                    raise ValueError("a header leads backwards")
                before = header.offset_data
                yield header
    except (OSError, DatasetError):
        raise
    except Exception as error:  # on damaged bytes tarfile raises errors of many types, RecursionError among them
        raise DatasetError(f"the archive is damaged or cut ({error}); get it again") from error


def members_of(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yields the regular files in an open tar archive, header after header in constant memory.

    Raises:
      DatasetError: The archive is damaged or cut; the members before that place were yielded.
      OSError: It cannot be read.
    """
    for header in headers_of(file):
        if header.isreg() and not header.issparse():
            yield header


def archive_items(file: BinaryIO, archive: Item, prefix: str, kinds: Kinds) -> Iterator[Item]:
    """Yields the members of an archive; of several members of one name the last, as tar does.

    Links are followed within the archive. What cannot be read is an item that is refused with a reason: links that
    lead elsewhere or in a circle, devices, unsafe names. An archive that is damaged gives an item for itself, too.

    Args:
      file: the open archive.
      archive: the archive as an item.
      prefix: goes before the names of its members.
      kinds: tells what is wanted.
    """
    members: dict[str, _Member] = {}
    refused: dict[str, UnsafeNameError] = {}
    damage = ""
    try:
        for header in headers_of(file):
            if header.isdir():
                continue
            try:
                members[safe_name(header.name)] = _member(header, members)
            except UnsafeNameError as error:
                refused[header.name[-_SHOWN_NAME:]] = error
    except Exception as error:  # of the archive, or of the file system that it lies on
        damage = str(error) if isinstance(error, InrcError) else reason_of(error, archive.url)
    for name, error in refused.items():
        if kinds.wants(name):
            yield Item(prefix + name, archive.url, archive.stamp, refusal=error)
    for name, member in members.items():
        if not kinds.wants(name):
            continue
        found = member if member.link is None else _followed(name, members)
        if found.reason:
            refusal = UnreadableImageError(f"cannot read {name} in {public(archive.url)}: {found.reason}")
            yield Item(prefix + name, archive.url, archive.stamp, refusal=refusal)
        else:
            stamp = f"{archive.stamp}-{found.n_bytes}"
            yield Item(prefix + name, archive.url, stamp, found.offset, found.n_bytes)
    if damage:
        yield refused_archive(archive, f"cannot read all of {public(archive.url)}: {damage}")


def refused_archive(archive: Item, message: str) -> Item:
    """Returns the item of an archive that cannot be read, or not to its end."""
    return Item(archive.name, archive.url, archive.stamp, refusal=UnreadableImageError(message))


def _member(header: tarfile.TarInfo, earlier: Mapping[str, _Member]) -> _Member:
    if header.islnk():
        try:
            target = safe_name(header.linkname)
        except UnsafeNameError:
            return _Member(reason="its link leads out of the archive; add the file itself")
        missing = _Member(reason=f"it is a link to {target!r}, which does not come before it; add the file itself")
        return earlier.get(target, missing)
    if header.issym():
        return _Member(link=header.linkname)
    if header.issparse():
        return _Member(reason="it is stored as a sparse file; make the archive without --sparse")
    if header.isreg():
        return _Member(header.offset_data, header.size)
    kind = "a named pipe" if header.isfifo() else "a device" if header.isdev() else f"of the kind {header.type!r}"
    return _Member(reason=f"it is {kind}, not a file; leave it out")


def _followed(name: str, members: Mapping[str, _Member]) -> _Member:
    """Returns the file that a symbolic link leads to, by the links of the same archive alone."""
    here = name.rpartition("/")[0]
    way, todo, n_parts = members[name].link, [], 0
    while way is not None or todo:
        if way is not None:
            parts = way.split("/")
            n_parts += len(parts)
            if n_parts > _MOST_PARTS:
                return _Member(reason="its link leads through too many others, or in a circle; add the file itself")
            if way.startswith("/"):
                return _Member(reason="its link leads out of the archive; add the file itself")
            todo += reversed(parts)
            way = None
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                return _Member(reason="its link leads out of the archive; add the file itself")
            here = here.rpartition("/")[0]
            continue
        below = f"{here}/{part}" if here else part
        member = members.get(below)
        if member is not None and member.link is not None:
            way = member.link
        else:
            here = below
    missing = _Member(reason=f"it is a link to {here[-_SHOWN_NAME:]!r}, which is no file in the archive; add the file")
    return members.get(here, missing)
