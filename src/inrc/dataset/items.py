"""The items of a dataset: their names, how their bytes are read, and the names of their outputs."""

import dataclasses
import os
from collections.abc import Iterable

from inrc.dataset.local_files import open_regular
from inrc.dataset.places import filesystem, local_path, public, reason_of
from inrc.errors import ImageTooLargeError, InrcError, NameCollisionError, UnreadableImageError, UnsafeNameError

MAX_ITEM_BYTES = 1 << 30
"""Limit of the bytes of an item: a larger one could not be held in memory."""
MAX_NAME_LENGTH = 4096
"""Limit of the characters of a name: no file system holds longer paths."""


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One entry of a dataset.

    Attributes:
      name: a relative path with forward slashes. It stays below any folder, and is the same in every listing.
      url: path or URL of the file, or of the archive that holds it. It may hold secrets, unlike the name and the stamp.
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


def read_item(item: Item) -> bytes:
    """Reads the bytes of an item.

    Raises:
      UnreadableImageError: The item is not there, cannot be read, or is no regular file.
      ImageTooLargeError: The item has more than `MAX_ITEM_BYTES` bytes.
      InrcError: The item was refused while it was listed.
    """
    if item.refusal is not None:
        raise item.refusal
    begin, end = (item.offset, item.offset + item.n_bytes) if item.offset >= 0 else (0, MAX_ITEM_BYTES + 1)
    if end - begin > MAX_ITEM_BYTES and item.offset >= 0:
        raise too_large(item.n_bytes)
    try:
        path = local_path(item.url)
        if path is not None:
            with open_regular(path) as file:
                file.seek(begin)
                data = file.read(min(end - begin, max(0, os.fstat(file.fileno()).st_size - begin)))
        else:
            files, remote = filesystem(item.url)
            data = files.cat_file(remote, begin, end) if item.offset >= 0 else files.cat_file(remote)
    except InrcError:
        raise
    except Exception as error:  # file systems raise errors of any type
        reason = reason_of(error, item.url)
        raise UnreadableImageError(f"cannot read {public(item.url)}: {reason}; check the path") from error
    if len(data) > MAX_ITEM_BYTES:
        raise too_large(len(data))
    if item.offset >= 0 and len(data) != item.n_bytes:
        raise UnreadableImageError(
            f"{public(item.url)} ends within {item.name}: {len(data)} of {item.n_bytes} bytes; get the archive again"
        )
    return data


def too_large(n_bytes: int) -> ImageTooLargeError:
    """Returns the error that an item has too many bytes."""
    return ImageTooLargeError(f"it has {n_bytes:,} bytes; the limit is {MAX_ITEM_BYTES:,}: leave it out")


def safe_name(name: str) -> str:
    """Returns a name without its empty parts and dots.

    Raises:
      UnsafeNameError: The name is absolute, leads upwards, is empty or too long.
    """
    if len(name) > MAX_NAME_LENGTH:
        raise UnsafeNameError(f"the name has {len(name):,} characters; the limit is {MAX_NAME_LENGTH:,}: shorten it")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or "\0" in name:
        raise UnsafeNameError(f"the name {name!r} is absolute, leads upwards or is empty; rename it")
    return "/".join(parts)


def output_names(items: Iterable[Item], suffix: str) -> list[str]:
    """Returns a different name for the output of every item.

    The suffix of the item is replaced; where two items would then share a name, the new suffix is added instead: a.png
    gives a.inr, but a.png and a.jpg give a.png.inr and a.jpg.inr. Refused items have no output, and so no say in it.

    Raises:
      NameCollisionError: Two outputs have the same name even so.
    """
    items = list(items)
    n_of: dict[str, int] = {}
    for item in items:
        if item.refusal is None:
            stem = without_suffix(item.name)
            n_of[stem] = n_of.get(stem, 0) + 1
    outputs: list[str] = []
    item_of_output: dict[str, str] = {}
    for item in items:
        stem = without_suffix(item.name)
        output = (stem if n_of.get(stem) == 1 and item.refusal is None else item.name) + suffix
        outputs.append(output)
        if item.refusal is not None:
            continue
        if output in item_of_output:
            raise NameCollisionError(
                f"{item_of_output[output]} and {item.name} would both be written as {output}; rename one of them"
            )
        item_of_output[output] = item.name
    return outputs


def without_suffix(name: str) -> str:
    """Returns a name without the suffix of its last part; hidden files have none."""
    folder, slash, last = name.rpartition("/")
    stem, dot, _ = last.rpartition(".")
    return f"{folder}{slash}{stem}" if dot and stem else name
