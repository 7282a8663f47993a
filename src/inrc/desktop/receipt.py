"""The record of what was installed: with it, removal leaves everything else as it was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from inrc.errors import DesktopError
from inrc.names import shown

PATH = Path("inrc", "desktop.json")


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What was installed.

    Attributes:
      files: {path in the user's data folder: SHA-256 of the content} of the files.
      folders: absolute paths of the folders that were made for them, outer ones first.
      found: the names that the folder of types held before.
    """

    files: dict[str, str] = dataclasses.field(default_factory=dict)
    folders: tuple[str, ...] = ()
    found: tuple[str, ...] = ()


def digest_of(content: bytes) -> str:
    """Returns the SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()


def packed(receipt: Receipt) -> bytes:
    """Returns the content of the file of a receipt."""
    return (json.dumps(dataclasses.asdict(receipt), indent=2) + "\n").encode()


def load(folder: Path, *, force: bool) -> Receipt | None:
    """Returns the receipt in a data folder, if there is one.

    Args:
      folder: the user's data folder.
      force: whether a damaged receipt counts as none.

    Raises:
      DesktopError: It is damaged, and `force` is not set; or it cannot be read.
    """
    path = folder / PATH
    try:
        values = json.loads(path.read_bytes())
        receipt = Receipt(dict(values["files"]), tuple(values["folders"]), tuple(values["found"]))
        if not all(
            isinstance(text, str)
            for text in (*receipt.files, *receipt.files.values(), *receipt.folders, *receipt.found)
        ):
            raise TypeError
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DesktopError(f"cannot read {shown(path)}: {error.strerror}; check its folder") from error
    except (ValueError, KeyError, TypeError) as error:
        if force:
            return None
        raise DesktopError(f"{shown(path)} is damaged; go on without it by --force") from error
    return receipt
