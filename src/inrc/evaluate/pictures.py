"""Sets of pictures that experiments measure, and where to find them."""

import dataclasses
import os
from pathlib import Path

from inrc.errors import MissingDataError


@dataclasses.dataclass(frozen=True)
class PictureSet:
    """Pictures by name, in a folder that an environment variable or the user names.

    Attributes:
      names: names of the files, without ".png".
      folder: the folder of the pictures, if they come with an experiment.
      variable: the environment variable that names the folder otherwise.
      remedy: one sentence on how to get the pictures.
    """

    names: tuple[str, ...]
    folder: Path | None = None
    variable: str = ""
    remedy: str = ""

    def paths(self, folder: Path | None = None) -> list[Path]:
        """Returns the paths of the pictures, in the order of their names.

        Args:
          folder: the folder of the pictures; the set's own folder or its environment variable if not given.

        Raises:
          MissingDataError: Pictures are missing; the message says how to get them.
        """
        named = folder or self.folder or os.environ.get(self.variable)
        if not named:
            raise MissingDataError(f"no folder of pictures is given: set {self.variable} or --pictures. {self.remedy}")
        paths = [Path(named) / f"{name}.png" for name in self.names]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise MissingDataError(
                f"{named} lacks {len(missing)} of {len(paths)} pictures ({missing[0]}, ...). {self.remedy}"
            )
        return paths


N_KODAK = 24
"""Pictures of the Kodak set, over which published curves are means."""


def kodak(*numbers: int) -> PictureSet:
    """Returns pictures of the Kodak set (24 photographs of 768x512 or 512x768); all of them if no numbers are given."""
    names = tuple(f"kodim{number:02d}" for number in numbers or range(1, N_KODAK + 1))
    remedy = "Get the 24 files kodim01.png ... kodim24.png from r0k.us/graphics/kodak."
    return PictureSet(names, variable="INRC_KODAK", remedy=remedy)


def bundled(*paths: Path) -> PictureSet:
    """Returns PNG files of one folder that comes with an experiment."""
    return PictureSet(tuple(path.stem for path in paths), folder=paths[0].parent)
