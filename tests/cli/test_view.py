"""`inrc view`: the page is written, holds the files, and is opened in the user's browser."""

import base64
import json
import re
import stat
from pathlib import Path

import pytest

from tests.golden.make import FOLDER

GRAY, PICTURE = FOLDER / "gray.inr", FOLDER / "gray.png"


@pytest.fixture
def browser(tmp_path) -> tuple[str, Path]:
    """A command for BROWSER, and the file that it writes the opened address to."""
    opened, script = tmp_path / "opened", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    script.chmod(0o755)
    return f"{script} %s", opened


def embedded(html: str) -> dict:
    return json.loads(re.findall(r'id="embedded">(.*?)</script>', html)[0])


def test_a_temporary_page_is_opened_and_stays(inrc_command, browser, tmp_path):
    done = inrc_command.apart("view", GRAY, BROWSER=browser[0], TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    (page,) = tmp_path.glob("inrc-gray-*.html")
    assert browser[1].read_text().split() == [page.as_uri()]
    assert done.stderr.startswith(f"{page}: gray.inr, 0.2 MB")
    assert done.stdout == ""
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    (file,) = embedded(page.read_text())["files"]
    assert (file["name"], file["type"]) == ("gray.inr", "")
    assert base64.b64decode(file["base64"]) == GRAY.read_bytes()


def test_two_files_a_named_page_and_json(inrc_command, browser, tmp_path):
    page = tmp_path / "page.html"
    done = inrc_command("view", GRAY, PICTURE, "-o", page, "--no-open", "--json", "--quiet", BROWSER=browser[0])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    values = json.loads(done.stdout)
    assert values == {
        "input": str(GRAY),
        "other": str(PICTURE),
        "output": str(page),
        "n_bytes": page.stat().st_size,
    }
    assert not browser[1].exists()
    files = embedded(page.read_text())["files"]
    assert [(file["name"], file["type"]) for file in files] == [("gray.inr", ""), ("gray.png", "image/png")]


def test_the_page_goes_to_stdout_and_the_file_comes_from_stdin(inrc_command):
    code = "import subprocess, sys; sys.exit(subprocess.run([*sys.argv[2:]], stdin=open(sys.argv[1], 'rb')).returncode)"
    done = inrc_command.python(code, GRAY, inrc_command.script, "view", "-", "-o", "-", "--quiet")
    assert done.returncode == 0, done.stderr
    assert embedded(done.stdout)["files"][0]["name"] == "stdin"


def test_the_shared_init_comes_with_the_page(inrc_command, tmp_path):
    page, file, init = tmp_path / "a.html", FOLDER / "init-gray.inr", FOLDER / "init.npz"
    done = inrc_command("view", file, "--no-open", "-o", page)
    assert done.returncode == 1
    assert re.search(r"needs the shared init [0-9a-f]{16}, which is not here: .*--init", done.stderr)
    assert not page.exists()
    done = inrc_command("view", file, FOLDER / "init-landscape.inr", "--no-open", "-o", page, "--init", init)
    assert done.returncode == 0, done.stderr
    (held,) = embedded(page.read_text())["inits"]  # once, though both need it
    assert re.fullmatch(r"[0-9a-f]{16}\.npz", held["name"])


def test_what_cannot_be_shown_is_refused(inrc_command, tmp_path):
    text, cut = tmp_path / "a.txt", tmp_path / "cut.inr"
    text.write_text("no picture")
    cut.write_bytes(GRAY.read_bytes()[:-3])
    page = tmp_path / "page.html"
    for arguments, message in [
        ((PICTURE,), "gray.png is not an .inr file; name the .inr file first"),
        ((GRAY, text), "a.txt is no .inr file and no picture that browsers show; convert it to PNG"),
        ((cut,), "get the file again"),
        ((tmp_path / "none.inr",), "cannot read"),
        ((GRAY, PICTURE, "-o", tmp_path / "page.png"), "has the suffix of another format than .html"),
        ((GRAY, PICTURE, "-o", PICTURE, "--force"), "is an input itself"),
        ((GRAY, "-o", "-", "--json"), "both the result and JSON go to stdout"),
    ]:
        done = inrc_command("view", "--no-open", *arguments, *([] if "-o" in arguments else ["-o", page]))
        assert done.returncode == 1, arguments
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not page.exists()


def test_without_a_browser_the_page_is_named(inrc_command, tmp_path):
    page = tmp_path / "page.html"
    done = inrc_command.apart("view", GRAY, "-o", page, BROWSER=f"{tmp_path}/missing %s", DISPLAY="", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    assert f"no browser could be started; open {page} in one" in done.stderr


def test_it_imports_no_jax(inrc_command, tmp_path):
    code = (
        "import sys; from inrc.cli.app import main; code = main(sys.argv[1:]);"
        "assert not {'jax', 'optax', 'flax', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    done = inrc_command.python(code, "view", GRAY, "-o", tmp_path / "page.html", "--no-open")
    assert done.returncode == 0, done.stderr
