"""Names of files as messages show them: on one line, and without effect on a terminal."""

import os
import re

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, among them line feeds and the two beginnings of escape sequences
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the order of letters around
    "\u2028\u2029"  # line separators
    "\ud800-\udfff"  # bytes that are no text: no encoding can write them
    "]"
)


def shown(name: str | os.PathLike[str]) -> str:
    r"""Returns a name, or a text with names in it, with everything escaped that is no visible text.

    Names may hold any byte but zero and the slash. Line feeds would forge lines, escape sequences would reach the
    terminal, and bytes that are no text cannot be printed at all. They become `\n`, `\x1b`, `\xff`.
    """
    return _UNSAFE.sub(_escaped, os.fspath(name))


def one_line(error: object) -> str:
    """Returns the message of an error or a warning, of any library, as one line."""
    return " ".join(str(error).split())


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if "\udc80" <= character <= "\udcff":  # a byte that is no text, as Python keeps it (PEP 383)
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
