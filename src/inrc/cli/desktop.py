"""`inrc desktop`: tells the desktop of this user about `.inr` files."""

import dataclasses
from typing import Annotated

from tyro.conf import subcommand

from inrc.cli.arguments import FLAG
from inrc.cli.streams import answer, say


@dataclasses.dataclass(frozen=True)
class Install:
    """Install the type image/x-inr and a thumbnailer for it, for this user, in XDG_DATA_HOME or ~/.local/share.

    Doing it again changes nothing, or brings the files up to date: after inrc has moved to another folder, for example.

    Attributes:
      force: Replace files that are another program's, or that were edited.
    """

    force: Annotated[bool, FLAG] = False


@dataclasses.dataclass(frozen=True)
class Remove:
    """Remove what install has written, and nothing else.

    Attributes:
      force: Remove files that are another program's, or that were edited.
    """

    force: Annotated[bool, FLAG] = False


@dataclasses.dataclass(frozen=True)
class Desktop:
    """Let file managers of Linux and BSD know .inr files, and show thumbnails of them."""

    command: (
        Annotated[Install, subcommand("install", prefix_name=False)]
        | Annotated[Remove, subcommand("remove", prefix_name=False)]
    )


def desktop_command(arguments: Desktop) -> None:
    """Installs or removes the files, and prints their paths.

    Raises:
      DesktopError: As `inrc.desktop.install`.
    """
    from inrc.desktop.install import install, remove

    force = arguments.command.force
    outcome = install(force=force) if isinstance(arguments.command, Install) else remove(force=force)
    for path in outcome.paths:
        answer(str(path))
    if not outcome.paths:
        say("nothing is installed")
    for note in outcome.notes:
        say(f"inrc: {note}")
