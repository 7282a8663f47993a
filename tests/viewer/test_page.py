"""The page holds all that it needs, and nothing that is put into it can become markup."""

import json
import re
import subprocess

import pytest

from inrc.errors import UnsupportedImageError
from inrc.viewer import page as pages
from inrc.viewer.files import embedded_inr, embedded_picture
from inrc.viewer.page import Embedded, bundle, page
from tests.golden.make import FOLDER
from tests.viewer import node

HOSTILE = "</script><script>alert(1)</script>&<!--__MAIN__"


def test_it_is_one_small_file_without_references():
    html = page()
    assert len(html.encode()) < 300_000
    assert html.count("<script") == 3
    references = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)|https?://[^\s"<]*', html)
    assert references == [("data:,", "")]
    assert "default-src 'none'" in html
    assert json.loads(re.findall(r'id="embedded">(.*?)</script>', html)[0]) == {"files": [], "inits": []}


def test_hostile_names_stay_text():
    html = page([Embedded(HOSTILE, b"inr")])
    assert html.count("<script") == page().count("<script")
    assert json.loads(re.findall(r'id="embedded">(.*?)</script>', html)[0])["files"][0]["name"] == HOSTILE


@pytest.mark.parametrize("root", ["worker.js", "main.js"])
def test_scripts_are_sound_javascript(root, tmp_path):
    script = tmp_path / "script.cjs"
    script.write_text(bundle(root))
    done = subprocess.run([node.node(), "--check", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^(import|export)\b", script.read_text(), re.MULTILINE)


def test_every_module_is_part_of_the_page():
    named = {path.name for path in node.WEB.glob("*.js")}
    used: list[str] = []
    for root in ("worker.js", "main.js"):
        pages._visit(root, used)
    assert set(used) == named


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"GIF89a", "image/gif"),
    ],
)
def test_pictures_are_known_by_their_first_bytes(start, media_type):
    assert embedded_picture("a", start).media_type == media_type


def test_pictures_of_other_formats_are_refused():
    with pytest.raises(UnsupportedImageError, match="convert it to PNG"):
        embedded_picture("a.tif", b"II*\0")


def test_files_without_an_init_bring_none():
    data = (FOLDER / "gray.inr").read_bytes()
    assert embedded_inr("gray.inr", data) == (Embedded("gray.inr", data), ())
