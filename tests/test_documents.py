"""The documents are true: their commands, options and targets exist, and their code runs."""

import contextlib
import functools
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from inrc.cli.app import _COMMANDS, main
from inrc.signal.image import Image, read_image, write_image
from tests.documents import ROOT, Block, command_lines, commands, python_blocks

_NEEDS_MORE = ("://", "--engine", ".tar", "NAME", "RECIPE", "FOLDER")
"""Parts of commands that name what is not here: other machines, and what the reader fills in."""
_RUNS = ("README.md", "docs/integrations.md")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-[a-z])\b")


@functools.cache
def _help_of(name: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*name.split(), "--help"])
    return printed.getvalue()


@pytest.mark.parametrize("block", [b for b in commands() if b.code.startswith("inrc ")], ids=str)
def test_commands_have_the_options_that_documents_name(block):
    words = block.code.split()
    assert words[1] in _COMMANDS
    name = " ".join(words[1:3]) if words[1] in ("meta", "desktop") else words[1]
    shown = _help_of(name)
    options = set(_OPTION.findall(block.code.replace(" - ", " ")))
    assert [option for option in options if not re.search(rf"(?<![\w-]){option}\b", shown)] == []


def test_targets_modules_and_extras_that_documents_name_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = set()
    for block in commands():
        words = shlex.split(block.code, comments=True)
        if words[0] == "make":
            named |= {word for word in words[1:] if "=" not in word}
        if words[:2] == ["python", "-m"] and words[2].startswith("experiments."):
            assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file(), block
        for extra in re.findall(r"\[([a-z,]+)\]", block.code):
            assert set(extra.split(",")) <= extras, block
    assert len(named) > 10
    assert named <= targets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a picture, two of them in `photos`, and short fits of theirs in `out`."""
    folder = tmp_path_factory.mktemp("documents")
    photo = read_image(ROOT / "experiments/assets/coffee.png")
    write_image(folder / "photo.png", photo)
    (folder / "photos").mkdir()
    for i in range(2):
        write_image(folder / f"photos/{i}.png", Image(photo.pixels[i::4, i::4]))
    write_image(folder / "a.png", Image(photo.pixels[::5, ::5]))
    shutil.copy(folder / "a.png", folder / "b.png")
    with contextlib.chdir(folder):
        assert main(["encode", "photo.png", "-e", "1", "-q", "20", "--quiet"]) == 0
        Path("streams").mkdir()
        shutil.copy("photo.inr", "streams/in")
        assert main(["batch", "photos", "out", "-e", "1", "-q", "20", "--quiet"]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("document", _RUNS)
def test_python_of_documents_runs(folder, document, monkeypatch):
    """Blocks of a document follow each other in one namespace; fits are short."""
    monkeypatch.chdir(folder)
    ran, names = 0, {}
    for block in (b for b in python_blocks() if b.document == document):
        if missing := [m for m in re.findall(r"^import (\w+)", block.code, re.M) if not _is_there(m)]:
            print(f"{block} needs {missing}")
            continue
        exec(compile(_short(block), str(block), "exec"), names)
        ran += 1
    assert ran >= 2


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in command_lines() if b.document == "README.md"], ids=str)
def test_commands_of_the_readme_run(folder, block):
    command, _, _ = block.code.partition("  #")
    words = command.split()
    if words[0] != "inrc" or any(part in command for part in _NEEDS_MORE):
        pytest.skip("it sets inrc up, or needs what is not here")
    more = {"encode": "-e 1 --force", "batch": "-e 1", "decode": "--force", "view": "--no-open"}.get(words[1], "")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = folder / "streams" if "<in" in command else folder
    done = subprocess.run(
        f"{command} {more}", shell=True, cwd=place, env={**os.environ, "PATH": path}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert place is folder or (place / "out").read_bytes().startswith(b"P6")


def _is_there(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def _short(block: Block) -> str:
    return re.sub(r"effort=\d", "effort=1", block.code)
