"""Puts the files of a desktop into the user's data folder, and takes them out again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from inrc.desktop import entries, places, receipt
from inrc.desktop.receipt import Receipt, digest_of
from inrc.errors import DesktopError
from inrc.files import write_atomically
from inrc.names import one_line, shown

_MIME = "mime"
_UPDATE = "update-mime-database"
_UPDATE_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
      paths: the files that were written, or removed.
      notes: what the user should know, a line each.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def contents(executable: Path) -> dict[str, bytes]:
    """Returns {path in the data folder: content} of all files that are installed."""
    return {
        f"{_MIME}/packages/inrc.xml": entries.MIME_PACKAGE.encode(),
        "thumbnailers/inrc.thumbnailer": os.fsencode(entries.thumbnailer(executable)),
        "inrc/magic": entries.FILE_MAGIC.encode(),
    }


def install(*, executable: Path | None = None, folder: Path | None = None, force: bool = False) -> Outcome:
    """Installs the type and the thumbnailer for this user. A second time it changes nothing, or brings them up to date.

    Args:
      executable: the absolute path of the `inrc` that makes thumbnails; the one in use if not given.
      folder: the user's data folder; that of the environment if not given.
      force: whether files are replaced that are another program's, or were edited.

    Raises:
      DesktopError: A file of another content is in the way, a file cannot be written, or this is no desktop of Linux or
        BSD. A file in the way is found before anything is written.
    """
    places.check_platform()
    executable = executable or places.executable_in_use()
    folder = folder or places.data_folder()
    former = receipt.load(folder, force=force)
    wanted = contents(executable)
    known = Receipt() if former is None else former
    for name in {**known.files, **wanted}:
        _check_replaceable(folder / name, {known.files.get(name, ""), digest_of(wanted.get(name, b""))}, force=force)
    try:
        mime = folder / _MIME
        found = known.found if former is not None else _names_in(mime)
        made = _make_folders(folder, [*wanted, str(receipt.PATH)])
        record = Receipt(
            {name: digest_of(content) for name, content in wanted.items()},
            tuple(sorted({*known.folders, *made}, key=len)),
            found,
        )
        write_atomically(folder / receipt.PATH, receipt.packed(record))  # first, so that what follows can be undone
        for name in known.files.keys() - wanted.keys():  # of an earlier release
            (folder / name).unlink(missing_ok=True)
        for name, content in wanted.items():
            _write(folder / name, content)
    except OSError as error:
        raise _failed("write", error) from error
    notes = [*_update(mime)]
    if not places.is_in_sandbox(executable):
        notes.append(
            f"GNOME Files shows no thumbnails by {shown(executable)}, since its sandbox holds /usr alone; "
            "file managers without a sandbox show them"
        )
    return Outcome(tuple(folder / name for name in wanted), tuple(notes))


def remove(*, folder: Path | None = None, force: bool = False) -> Outcome:
    """Removes what `install` has written, and nothing else. A second time it does nothing.

    Args:
      folder: the user's data folder; that of the environment if not given.
      force: whether files are removed that are another program's, or were edited.

    Raises:
      DesktopError: A file was edited or is not ours, or cannot be removed, or this is no desktop of Linux or BSD. An
        edited file is found before anything is removed.
    """
    places.check_platform()
    folder = folder or places.data_folder()
    record = receipt.load(folder, force=force) or Receipt()
    names = [*{**record.files, **contents(Path("/inrc"))}]
    for name in names:
        _check_replaceable(folder / name, {record.files.get(name, "")}, force=force)
    removed = [folder / name for name in names if os.path.lexists(folder / name)]
    mime = folder / _MIME
    try:
        for path in removed:
            path.unlink()
        notes = tuple(_update(mime)) if any(path.is_relative_to(mime) for path in removed) else ()
        if not _names_in(mime / "packages"):
            _remove_database(mime, record.found)
        (folder / receipt.PATH).unlink(missing_ok=True)
    except OSError as error:
        raise _failed("remove", error) from error
    for name in reversed(record.folders):
        with contextlib.suppress(OSError):  # it holds what others have put there since
            Path(name).rmdir()
    return Outcome(tuple(removed), notes)


def _check_replaceable(path: Path, digests: Iterable[str], *, force: bool) -> None:
    """Refuses a file that is there with a content of none of the digests.

    Raises:
      DesktopError: It is another program's, was edited, or is a folder.
    """
    if not os.path.lexists(path):
        return
    if path.is_dir() and not path.is_symlink():
        raise DesktopError(f"{shown(path)} is a folder; move it away")
    try:
        is_known = not path.is_symlink() and digest_of(path.read_bytes()) in digests
    except OSError as error:
        raise _failed("read", error) from error
    if not is_known and not force:
        raise DesktopError(f"{shown(path)} was edited, or is not of inrc; keep a copy, and go on with --force")


def _make_folders(folder: Path, names: Iterable[str]) -> list[str]:
    """Makes the folders of files, and returns those that were not there, outer ones first."""
    missing: set[Path] = set()
    for name in names:
        for parent in (folder / name).parents:
            if parent.exists():
                break
            missing.add(parent)
    made = sorted(map(str, missing), key=len)  # outer ones first
    for path in made:
        Path(path).mkdir(mode=0o700, exist_ok=True)
    return made


def _write(path: Path, content: bytes) -> None:
    if path.is_symlink():
        path.unlink()  # the link is replaced, not the file that it leads to
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def _update(mime: Path) -> Iterable[str]:
    """Brings the database of types up to date, and yields a note where that is not possible."""
    tool = shutil.which(_UPDATE)
    if tool is None:
        yield f"{_UPDATE} is missing, so the type is not known yet; install shared-mime-info, and do this again"
        return
    try:
        subprocess.run([tool, str(mime)], check=True, capture_output=True, text=True, timeout=_UPDATE_SECONDS)
    except subprocess.CalledProcessError as error:
        yield f"{_UPDATE} failed: {one_line(error.stderr) or f'exit code {error.returncode}'}"
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"{_UPDATE} failed: {one_line(error)}"


def _remove_database(mime: Path, found: Iterable[str]) -> None:
    """Removes what the database of types has become, without any package in it, beyond what was found."""
    for name in set(_names_in(mime)) - {*found, "packages"}:
        path = mime / name
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()
        else:
            path.unlink(missing_ok=True)


def _names_in(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(os.listdir(folder))) if folder.is_dir() else ()  # noqa: PTH208


def _failed(verb: str, error: OSError) -> DesktopError:
    where = shown(error.filename) if isinstance(error.filename, str) else "a file"
    return DesktopError(f"cannot {verb} {where}: {error.strerror or error}; check the folder of the user's data")
