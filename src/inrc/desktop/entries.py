"""What desktops are told of `.inr` files: a type, a thumbnailer, and lines for file(1).

The formats are those of shared-mime-info (https://specifications.freedesktop.org/shared-mime-info-spec/latest/), of
thumbnailer entries, which GNOME, MATE, Cinnamon, Xfce and others read alike, and of magic(5).
"""

from __future__ import annotations

import shlex
from pathlib import Path

from inrc.bitstream.header import MIME_TYPE

MIME_PACKAGE = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="{MIME_TYPE}">
    <comment>inr image</comment>
    <generic-icon name="image-x-generic"/>
    <magic priority="50">
      <match type="string" offset="0" value="inr\\x01"/>
    </magic>
    <glob pattern="*.inr"/>
  </mime-type>
</mime-info>
"""

FILE_MAGIC = f"""\
# inr: a picture as the weights of a small network
0\tstring\tinr\\x01\tinr image data, version 1
!:mime\t{MIME_TYPE}
!:ext\tinr
"""


def thumbnailer(executable: Path) -> str:
    """Returns the entry of a thumbnailer that runs `inrc decode`.

    Args:
      executable: the absolute path of `inrc`. A file manager does not have the PATH of the user's shell.
    """
    # File managers split Exec as a shell does, and put the size, the output and the input in place of %s, %o and %i.
    program = shlex.quote(str(executable)).replace("%", "%%")
    command = f"{program} decode --quiet --metadata strip --format png --fit %s -o %o %i"
    return (
        f"[Thumbnailer Entry]\nTryExec={_escaped(str(executable))}\nExec={_escaped(command)}\nMimeType={MIME_TYPE};\n"
    )


def _escaped(text: str) -> str:
    """A string as a value of a desktop entry (Desktop Entry Specification, "Possible value types")."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
