"""Where the files of a desktop belong, and which `inrc` it is to run."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

from inrc.errors import DesktopError

_ELSEWHERE = {"Darwin": "macOS, where only applications in bundles make thumbnails"}
_ELSEWHERE["Windows"] = "Windows, where only registered libraries make thumbnails"
_SANDBOX = Path("/usr")


def check_platform() -> None:
    """Refuses systems whose desktops do not follow freedesktop.org.

    Raises:
      DesktopError: This is macOS or Windows.
    """
    system = platform.system()
    if system in _ELSEWHERE:
        raise DesktopError(
            f"this is {_ELSEWHERE[system]}; inrc desktop serves desktops of Linux and BSD, so use inrc decode --fit 512"
        )


def data_folder() -> Path:
    """Returns the folder of the user's data: XDG_DATA_HOME where it is an absolute path, or else ~/.local/share.

    Raises:
      DesktopError: The user has no home folder.
    """
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    if named.is_absolute():  # the XDG Base Directory Specification ignores relative paths
        return named
    try:
        return Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise DesktopError("the user has no home folder; name a folder in XDG_DATA_HOME") from error


def executable_in_use() -> Path:
    """Returns the absolute path of the `inrc` that runs, or of the one that belongs to the running Python.

    Raises:
      DesktopError: There is none.
    """
    scripts = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    candidates = [Path(sys.argv[0]), *(Path(folder) / "inrc" for folder in scripts)]
    if found := shutil.which("inrc"):
        candidates.append(Path(found))
    for path in candidates:
        if path.name == "inrc" and path.is_file() and os.access(path, os.X_OK):
            return path.absolute()  # a link stays one: it outlives the environment that it leads to
    raise DesktopError(f"there is no inrc beside {sys.executable}; install the package with pip, which makes one")


def is_in_sandbox(executable: Path) -> bool:
    """Whether GNOME's sandbox for thumbnailers holds a program and the Python that it needs: it holds /usr alone."""
    return all(path.resolve().is_relative_to(_SANDBOX) for path in (executable, Path(sys.prefix)))
