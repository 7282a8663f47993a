"""What is told of `.inr` files, read as the programs read it that it is for."""

import configparser
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from inrc.bitstream import header
from inrc.desktop import entries

NAMESPACE = {"mime": "http://www.freedesktop.org/standards/shared-mime-info"}


def exec_of(entry: str) -> list[str]:
    """The arguments of Exec before %s, %i and %o are replaced: unescaped as GLib does, then split as a shell does."""
    parser = configparser.RawConfigParser(delimiters="=")
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read_string(entry)
    text = parser["Thumbnailer Entry"]["Exec"]
    return shlex.split(text.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\"))


def test_the_magic_is_that_of_the_format():
    (match,) = ElementTree.fromstring(entries.MIME_PACKAGE).findall(".//mime:match", NAMESPACE)
    start = header.MAGIC + bytes([header.VERSION])
    assert match.attrib == {"type": "string", "offset": "0", "value": "inr\\x01"}
    assert match.attrib["value"].encode().decode("unicode_escape").encode("latin-1") == start
    assert entries.FILE_MAGIC.splitlines()[1].split("\t")[:3] == ["0", "string", "inr\\x01"]


@pytest.mark.parametrize(
    "path", ["/usr/bin/inrc", "/home/a b/in'rc", "/x/100%s/inrc", "/x/back\\slash/inrc", '/x/"$y`']
)
def test_any_path_of_a_program_survives(path):
    program, *arguments = exec_of(entries.thumbnailer(Path(path)))
    assert program.replace("%%", "%") == path
    assert program.count("%") == 2 * path.count("%")
    assert arguments == ["decode", "--quiet", "--metadata", "strip", "--format", "png", "--fit", "%s", "-o", "%o", "%i"]


def test_the_entry_of_a_plain_path():
    assert entries.thumbnailer(Path("/usr/bin/inrc")) == (
        "[Thumbnailer Entry]\n"
        "TryExec=/usr/bin/inrc\n"
        "Exec=/usr/bin/inrc decode --quiet --metadata strip --format png --fit %s -o %o %i\n"
        "MimeType=image/x-inr;\n"
    )
