"""Finds shared inits: in a named file, in folders of the user, and among those that come with the package."""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from inrc.errors import InitMismatchError
from inrc.shared_init.archive import SharedInit, load

PATH_VARIABLE = "INRC_INIT_PATH"
"""Environment variable with folders of inits, separated as in PATH."""

FindInit = Callable[[bytes], SharedInit]
"""Maps the id in a file's header to the init, or raises `InitMismatchError`."""

_PACKAGE = Path(__file__).parents[1]


def find(init_id: bytes) -> SharedInit:
    """The init of an id, from the folders of INRC_INIT_PATH or from the package.

    Raises:
      InitMismatchError: There is none.
    """
    for init in _inits([*_user_folders(), *_shipped_folders()], probably=init_id.hex()):
        if init.id == init_id:
            return init
    raise InitMismatchError(
        f"the file needs the shared init {init_id.hex()}, which is not here: give its .npz file (--init), name its "
        f"folder in {PATH_VARIABLE}, or update inrc"
    )


def lookup_of(init: SharedInit | Path | str | None) -> FindInit:
    """A `FindInit` that knows a single init: itself, the path of its file, or digits of its id; `find` for None.

    Raises:
      InitMismatchError: It is named, and is not there.
    """
    if init is None:
        return find
    if not isinstance(init, SharedInit):
        init = by_name(str(init))

    def find_only(init_id: bytes) -> SharedInit:
        if init.id != init_id:
            raise InitMismatchError(
                f"the file needs the shared init {init_id.hex()}, but {init.id.hex()} was given: give the one it needs"
            )
        return init

    return find_only


def by_name(name: str) -> SharedInit:
    """The init that a user names, by the path of its file or by the first digits of its hash.

    Raises:
      InitMismatchError: No init, or more than one, has a hash with these digits; or the file is damaged.
    """
    if Path(name).is_file() or not re.fullmatch(r"[0-9a-fA-F]{4,64}", name):
        return load(Path(name))
    inits = _inits([*_user_folders(), *_shipped_folders()])
    matching = {init.sha256: init for init in inits if init.sha256.startswith(name.lower())}
    if len(matching) != 1:
        raise InitMismatchError(
            f"{len(matching) or 'no'} shared inits have an id that begins with {name}: give more digits, the path of a "
            f".npz file, or its folder in {PATH_VARIABLE}"
        )
    return next(iter(matching.values()))


def shipped(codec: str) -> tuple[SharedInit, ...]:
    """The inits that come with the package and that encodes of a codec may take by themselves, by hash."""
    mine = (init for init in _inits(_shipped_folders()) if init.codec in ("", codec))
    return tuple(sorted(mine, key=lambda init: init.sha256))


def _user_folders() -> list[Path]:
    return [Path(folder) for folder in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if folder]


def _shipped_folders() -> list[Path]:
    """The folders of the inits that come with the package: installed, and in a source checkout."""
    folders = [_PACKAGE / "inits"]
    if _PACKAGE.parent.name == "src":
        folders.append(_PACKAGE.parents[1] / "meta_init" / "exported")
    return folders


def _inits(folders: Iterable[Path], probably: str = "") -> Iterator[SharedInit]:
    """All sound inits of the folders; in each folder the file named `probably` comes first."""
    for folder in folders:
        for path in sorted(folder.glob("*.npz"), key=lambda path: (path.stem != probably, path.name)):
            try:
                status = path.stat()
                init = _load_once(path, status.st_mtime_ns, status.st_size)
            except (OSError, InitMismatchError):
                continue  # a file that is damaged, or no init, is not the one that is looked for
            yield init


@functools.lru_cache(maxsize=256)
def _load_once(path: Path, modified: int, size: int) -> SharedInit:
    """The init in a file, which is read again only if the file has changed."""
    del modified, size
    return load(path)
