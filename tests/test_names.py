import os
from pathlib import Path

import pytest

from inrc.names import shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo 1 (copy).png", "photo 1 (copy).png"),
        ("Straße/写真/фото/👩‍🚀.png", "Straße/写真/фото/👩‍🚀.png"),
        ("at 3.45\u202fPM.png", "at 3.45\u202fPM.png"),  # a narrow space, as in names of screenshots
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\x9b2J\x7f\x85", r"\x9b2J\x7f\x85"),  # escape sequences may begin with one character of C1
        ("gpj.\u202egnp", r"gpj.\u202egnp"),  # text from right to left
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("\ud800", r"\ud800"),
    ],
)
def test_names_are_visible_text_on_one_line(name, expected):
    assert shown(name) == expected
    assert shown(expected) == expected
    expected.encode()


def test_paths_are_shown_too():
    assert shown(Path("a\nb")) == r"a\nb"
