"""Which pictures an experiment measures, and where they are."""

import dataclasses
import os
from pathlib import Path

from inrc.errors import MissingDataError


@dataclasses.dataclass(frozen=True)
class PictureSet:
    """Pictures by name, in a folder that an environment variable or the user names.

    Attributes:
      names: of the files, without ".png".
      folder: where they are, if that is known beforehand (pictures that travel with an experiment).
      variable: the environment variable that names the folder otherwise.
      remedy: one sentence: how to get them.
    """

    names: tuple[str, ...]
    folder: Path | None = None
    variable: str = ""
    remedy: str = ""

    def paths(self, folder: Path | None = None) -> list[Path]:
        """Their files, in the order of the names.

        Args:
          folder: where they are; the set's own folder or its environment variable if not given.

        Raises:
          MissingDataError: They are not there; the message says how to get them.
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
    """Pictures of the Kodak set (24 photographs of 768x512 or 512x768), all of them if no numbers are given."""
    names = tuple(f"kodim{number:02d}" for number in numbers or range(1, N_KODAK + 1))
    remedy = "Get the 24 files kodim01.png ... kodim24.png from r0k.us/graphics/kodak."
    return PictureSet(names, variable="INRC_KODAK", remedy=remedy)


def bundled(*paths: Path) -> PictureSet:
    """PNG files of one folder that travels with the experiment."""
    return PictureSet(tuple(path.stem for path in paths), folder=paths[0].parent)
