"""Installing and removing in a folder of the test's own, with the real programs of the desktop where they are there."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from inrc.desktop import install as desktop
from inrc.desktop import places
from inrc.desktop.install import install, remove
from inrc.errors import DesktopError
from tests.desktop.test_entries import exec_of
from tests.golden import make

GOLDEN = make.FOLDER / "codec-latent-grid.inr"  # 48x32
OTHER = b"""<?xml version="1.0"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="image/x-other"><comment>other</comment><glob pattern="*.other"/></mime-type>
</mime-info>
"""
PATHS = ("mime/packages/inrc.xml", "thumbnailers/inrc.thumbnailer", "inrc/magic")
updates_types = pytest.mark.skipif(
    shutil.which("update-mime-database") is None, reason="update-mime-database is missing (shared-mime-info)"
)


@pytest.fixture
def program(tmp_path) -> Path:
    path = tmp_path / "bin dir" / "inrc"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path) -> Path:
    """A folder of a user in which nothing is yet, not even the folder of data."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def tree_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def run(*command: object, data: Path, **environment: str) -> str:
    environment = {**os.environ, "XDG_DATA_HOME": str(data), "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, timeout=60, check=True)
    return done.stdout.strip()


def test_twice_is_the_same_as_once_and_removing_leaves_nothing(home, program):
    data = home / ".local/share"
    outcome = install(executable=program, folder=data)
    assert outcome.paths == tuple(data / name for name in PATHS)
    once = tree_of(home)
    assert install(executable=program, folder=data).paths == outcome.paths
    assert tree_of(home) == once
    assert remove(folder=data).paths == outcome.paths
    assert tree_of(home) == {}
    assert remove(folder=data).paths == ()


@updates_types
def test_the_types_of_others_stay_as_they_are(home, program):
    data = home / "data"
    (data / "mime/packages").mkdir(parents=True)
    (data / "mime/packages/other.xml").write_bytes(OTHER)
    (data / "thumbnailers").mkdir()
    run("update-mime-database", data / "mime", data=data)
    before = tree_of(home)
    install(executable=program, folder=data)
    assert {"data/mime/image/x-inr.xml", "data/inrc/desktop.json"} <= tree_of(home).keys() - before.keys()
    remove(folder=data)
    assert tree_of(home) == before


@updates_types
def test_types_that_others_add_later_stay_known(home, program):
    data = home / "data"
    install(executable=program, folder=data)
    (data / "mime/packages/other.xml").write_bytes(OTHER)
    remove(folder=data)
    assert "mime/image/x-other.xml" in tree_of(data)
    assert b"*.other" in (data / "mime/globs2").read_bytes()
    assert b"inr" not in (data / "mime/globs2").read_bytes()
    assert sorted(path.name for path in data.iterdir()) == ["mime"]


@updates_types
def test_an_empty_database_that_was_found_stays(home, program):
    data = home / "data"
    (data / "mime/packages").mkdir(parents=True)
    run("update-mime-database", data / "mime", data=data)
    before = tree_of(home)
    install(executable=program, folder=data)
    remove(folder=data)
    assert tree_of(home) == before


def test_without_the_tool_a_note_says_what_to_install(home, program, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    outcome = install(executable=program, folder=home / "data")
    assert "install shared-mime-info" in outcome.notes[0]
    assert sorted(path.name for path in (home / "data/mime").iterdir()) == ["packages"]
    remove(folder=home / "data")
    assert tree_of(home) == {}


@pytest.mark.parametrize("name", PATHS)
def test_a_file_in_the_way_is_not_touched(home, program, name):
    data = home / "data"
    (data / name).parent.mkdir(parents=True)
    (data / name).write_bytes(b"of another program")
    before = tree_of(home)
    for action in (lambda: install(executable=program, folder=data), lambda: remove(folder=data)):
        with pytest.raises(DesktopError, match="was edited, or is not of inrc; keep a copy, and go on with --force"):
            action()
        assert tree_of(home) == before
    install(executable=program, folder=data, force=True)
    assert (data / name).read_bytes() == desktop.contents(program)[name]


def test_an_edited_file_is_kept_unless_forced(home, program):
    data = home / "data"
    install(executable=program, folder=data)
    entry = data / PATHS[1]
    entry.write_text(entry.read_text().replace("--quiet ", ""))
    before = tree_of(home)
    with pytest.raises(DesktopError, match=r"inrc\.thumbnailer was edited"):
        install(executable=program, folder=data)
    with pytest.raises(DesktopError, match=r"inrc\.thumbnailer was edited"):
        remove(folder=data)
    assert tree_of(home) == before
    remove(folder=data, force=True)
    assert tree_of(home) == {}


def test_a_link_in_the_way_is_replaced_and_not_followed(home, program):
    data, other = home / "data", home / "other"
    other.write_bytes(b"of another program")
    (data / "inrc").mkdir(parents=True)
    (data / "inrc/magic").symlink_to(other)
    with pytest.raises(DesktopError, match="is not of inrc"):
        install(executable=program, folder=data)
    install(executable=program, folder=data, force=True)
    assert other.read_bytes() == b"of another program"
    assert not (data / "inrc/magic").is_symlink()


def test_a_folder_in_the_way_is_an_error_even_if_forced(home, program):
    (home / "data" / PATHS[0]).mkdir(parents=True)
    with pytest.raises(DesktopError, match=r"inrc\.xml is a folder; move it away"):
        install(executable=program, folder=home / "data", force=True)


def test_another_program_takes_over_its_own_files(home, program, tmp_path):
    data = home / "data"
    install(executable=program, folder=data)
    install(executable=Path("/opt/inrc"), folder=data)
    assert "Exec=/opt/inrc decode" in (data / PATHS[1]).read_text()
    remove(folder=data)
    assert tree_of(home) == {}


def test_files_of_an_earlier_release_go_with_the_next_install(home, program, monkeypatch):
    data = home / "data"
    wanted = desktop.contents(program)
    with monkeypatch.context() as patch:
        patch.setattr(desktop, "contents", lambda executable: {**wanted, "old/entry": b"old"})
        install(executable=program, folder=data)
    assert (data / "old/entry").exists()
    install(executable=program, folder=data)
    assert not (data / "old/entry").exists()
    remove(folder=data)
    assert tree_of(home) == {}


def test_a_damaged_receipt_needs_force(home, program):
    data = home / "data"
    install(executable=program, folder=data)
    for damage in (b"{", b"[]", b'{"files": {"a": 1}, "folders": [], "found": []}'):
        (data / "inrc/desktop.json").write_bytes(damage)
        with pytest.raises(DesktopError, match=r"desktop\.json is damaged"):
            install(executable=program, folder=data)
    install(executable=program, folder=data, force=True)
    remove(folder=data)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(home, program):
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DesktopError, match=r"cannot write .*: Permission denied"):
        install(executable=program, folder=home / "data")


def test_a_file_where_the_folder_should_be(home, program):
    (home / "data").write_bytes(b"")
    with pytest.raises(DesktopError, match=r"cannot read .*: Not a directory"):
        install(executable=program, folder=home / "data")


@pytest.mark.parametrize(("system", "name"), [("Darwin", "macOS"), ("Windows", "Windows")])
def test_other_systems_are_told_so(home, program, monkeypatch, system, name):
    monkeypatch.setattr(places.platform, "system", lambda: system)
    for action in (install, remove):
        with pytest.raises(DesktopError, match=f"this is {name}, .* use inrc decode --fit 512"):
            action(folder=home)
    assert tree_of(home) == {}


def test_the_folder_of_data(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert places.data_folder() == Path("/data")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", ignored)
        assert places.data_folder() == Path("/home/somebody/.local/share")


def test_the_program_in_use(program, monkeypatch):
    monkeypatch.setattr("sys.argv", [str(program)])
    assert places.executable_in_use() == program
    monkeypatch.setattr("sys.argv", ["pytest"])
    assert places.executable_in_use().name == "inrc"
    assert places.executable_in_use().is_absolute()


def test_a_program_outside_of_usr_is_noted(home, program):
    notes = install(executable=program, folder=home / "data").notes
    assert any("its sandbox holds /usr alone" in note for note in notes)


@updates_types
@pytest.mark.skipif(shutil.which("gio") is None, reason="gio is missing (libglib2.0-bin)")
def test_gio_knows_the_type_by_name_and_by_content(home, program, tmp_path):
    data = home / "data"
    renamed = tmp_path / "picture"
    renamed.write_bytes(GOLDEN.read_bytes())
    (tmp_path / "empty.inr").write_bytes(b"")

    def kind(path: Path) -> str:
        return run("gio", "info", "-a", "standard::content-type", path, data=data).rpartition(" ")[2]

    assert kind(GOLDEN) != "image/x-inr"
    install(executable=program, folder=data)
    assert (kind(GOLDEN), kind(renamed)) == ("image/x-inr", "image/x-inr")
    assert kind(Path(__file__)) == "text/x-python"
    assert "image-x-generic" in run("gio", "info", "-a", "standard::icon", GOLDEN, data=data)
    remove(folder=data)
    assert kind(GOLDEN) != "image/x-inr"


@updates_types
@pytest.mark.skipif(shutil.which("xdg-mime") is None, reason="xdg-mime is missing (xdg-utils)")
def test_xdg_mime_knows_the_type(home, program):
    data = home / "data"
    install(executable=program, folder=data)
    assert run("xdg-mime", "query", "filetype", GOLDEN, data=data, XDG_CURRENT_DESKTOP="GNOME") == "image/x-inr"


@pytest.mark.skipif(shutil.which("file") is None, reason="file is missing")
def test_file_names_the_type_by_either_way_of_the_documentation(home, program):
    data = home / "data"
    install(executable=program, folder=data)
    magic = data / "inrc/magic"
    assert run("file", "-b", "-m", magic, GOLDEN, data=data) == "inr image data, version 1"
    assert run("file", "-b", "--mime-type", "-m", magic, GOLDEN, data=data) == "image/x-inr"
    shutil.copy(magic, home / ".magic")
    assert run("file", "-b", GOLDEN, data=data, HOME=str(home)) == "inr image data, version 1"
    assert run("file", "-b", "--extension", GOLDEN, data=data, HOME=str(home)) == "inr"


def test_the_thumbnailer_of_the_command_makes_a_thumbnail(home, tmp_path):
    """The command installs by itself, and its Exec runs as a file manager runs it: without PATH, from /."""
    data = home / "data"
    program = places.executable_in_use()
    lines = run(program, "desktop", "install", data=data).splitlines()
    assert lines == [str(data / name) for name in PATHS]
    command = exec_of((data / PATHS[1]).read_text())
    source, output = tmp_path / "a b' [1].inr", tmp_path / "thumbnail.XYZ123"
    shutil.copy(GOLDEN, source)
    output.write_bytes(b"")  # file managers make it beforehand
    values = {"%s": "24", "%i": str(source), "%o": str(output)}
    environment = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    done = subprocess.run(
        [values.get(part, part.replace("%%", "%")) for part in command],
        capture_output=True,
        text=True,
        cwd="/",
        env={**environment, "HOME": str(home), "INRC_CACHE_DIR": str(tmp_path / "cache")},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Image.open(output) as picture:
        assert (picture.format, picture.size) == ("PNG", (24, 16))
    assert run(program, "desktop", "remove", data=data).splitlines() == lines
    assert not data.exists()
