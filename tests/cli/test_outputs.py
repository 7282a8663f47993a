"""Outputs are tried before any work is done: files, stdout, pipes, devices; and names of other formats are refused."""

import os
import pty
import socket
from pathlib import Path

import pytest

from inrc.cli.encode import _SUFFIX_BYTES, _stem
from inrc.cli.inputs import read_file
from inrc.cli.outputs import check_json, is_plain_file, names_other_format, output_path, write_file
from inrc.errors import ConfigError, UnreadableImageError, UnwritableImageError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"the original")
    return path


def _open(source: Path, output: object, *, force: bool = False) -> Path:
    return output_path(source, Path(str(output)), ".inr", force=force)


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.gif", "a.jxl", "a.txt", "a.tar", "a.inr.gz", "a.py", "a.html"])
def test_a_name_of_another_format_is_refused_unless_forced(source, name):
    with pytest.raises(ConfigError, match=r"has the suffix of another format than \.inr; .* --force"):
        _open(source, source.with_name(name))
    assert _open(source, source.with_name(name), force=True).name == name
    with pytest.raises(ConfigError, match="the input itself"):
        _open(source, source, force=True)


@pytest.mark.parametrize("name", ["a.inr", "a.INR", "a", "a.bin", "a.tmp", "a.part", "a.2024", ".hidden", "a.", "-a"])
def test_other_names_are_free(source, name):
    assert _open(source, source.with_name(name)).name == name


def test_suffixes_of_one_format():
    assert not names_other_format(Path("a.TIFF"), (".tif", ".tiff"))
    assert names_other_format(Path("a.tiff"), (".png",))
    assert names_other_format(Path("a.inr"), (".png",))


def test_the_picture_on_stdin_gives_no_name():
    with pytest.raises(ConfigError, match="name it with -o, or -o - for stdout"):
        output_path(Path("-"), None, ".inr", force=False)


@pytest.mark.parametrize("folder", ["missing", "photo.png", "/proc"])
def test_folders_are_tried(source, folder):
    with pytest.raises(UnwritableImageError, match="cannot write"):
        _open(source, source.parent / folder / "a.inr")


def test_links_that_lead_nowhere(source):
    (source.parent / "a.inr").symlink_to("missing/a.inr")
    with pytest.raises(UnwritableImageError, match="its folder does not exist"):
        _open(source, source.parent / "a.inr")
    (source.parent / "b.inr").symlink_to("b.inr")
    with pytest.raises(UnwritableImageError, match="symbolic links"):
        _open(source, source.parent / "b.inr")


def test_names_that_are_too_long(source):
    with pytest.raises(UnwritableImageError, match="name too long"):
        _open(source, source.parent / ("n" * 300))


@pytest.mark.parametrize("length", [5, 214, 220, 251, 255])
@pytest.mark.parametrize("letter", ["n", "é", "\udcff"])
def test_names_of_checkpoints_fit(tmp_path, length, letter):
    name = os.fsdecode(os.fsencode(letter * 255)[: length - 4].ljust(length - 4, b"x")) + ".inr"
    stem = _stem(tmp_path / name)
    (tmp_path / f"{stem}.0123456789ab.ckpt.999.4194304.tmp").touch()
    assert (stem == name) == (length <= 255 - _SUFFIX_BYTES)
    assert stem == _stem(tmp_path / name)
    assert stem != _stem(tmp_path / ("y" + name[1:]))


def test_pipes_are_tried(source):
    read_end, write_end = os.pipe()
    path = Path(f"/dev/fd/{write_end}")
    assert _open(source, path) == path
    assert not is_plain_file(path)  # so that no checkpoint is written beside it
    write_file(path, b"data")
    assert os.read(read_end, 9) == b"data"
    with pytest.raises(UnwritableImageError, match="open for reading only"):
        _open(source, f"/dev/fd/{read_end}")
    os.close(read_end)
    with pytest.raises(UnwritableImageError, match="its reader has ended"):
        _open(source, path)
    with pytest.raises(UnwritableImageError, match=rf"cannot write to /dev/fd/{write_end}: Broken pipe"):
        write_file(path, b"data")
    os.close(write_end)
    with pytest.raises(UnwritableImageError, match="it is closed"):
        _open(source, path)


def test_stdout_is_a_pipe(source, capfdbinary):
    for name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        path = _open(source, name)
        write_file(path, b"data")
        assert capfdbinary.readouterr().out == b"data"
        with pytest.raises(ConfigError, match="leave --json out"):
            check_json(path, json=True)
    assert not Path("-").exists()


def test_terminals_are_refused_unless_forced(source):
    controller, terminal = pty.openpty()
    for path in (f"/dev/fd/{terminal}", os.ttyname(terminal)):
        with pytest.raises(ConfigError, match=r"is a terminal; .* --force"):
            _open(source, path)
        _open(source, path, force=True)
    with pytest.raises(UnreadableImageError, match="it is a terminal; name a file"):
        read_file(Path(f"/dev/fd/{terminal}"))
    os.close(terminal)
    os.close(controller)


def test_devices_and_named_pipes(source, monkeypatch):
    assert _open(source, "/dev/null") == Path("/dev/null")
    os.mkfifo(source.with_name("pipe.png"))  # names of pipes say nothing
    assert _open(source, source.with_name("pipe.png")).is_fifo()
    monkeypatch.chdir(source.parent)  # since addresses of sockets must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(UnwritableImageError, match="it is a socket"):
            _open(source, "socket")
    with pytest.raises(UnwritableImageError, match="No space left"):
        write_file(Path("/dev/full"), b"data")


def test_inputs(tmp_path, monkeypatch):
    read_end, write_end = os.pipe()
    os.write(write_end, b"data")
    os.close(write_end)
    assert read_file(Path(f"/dev/fd/{read_end}")) == b"data"
    os.close(read_end)
    with pytest.raises(UnreadableImageError, match=f"cannot read /dev/fd/{read_end}: .*; check the path"):
        read_file(Path(f"/dev/fd/{read_end}"))
    monkeypatch.setattr("inrc.cli.inputs._MAX_STREAM_BYTES", 1000)
    with pytest.raises(UnreadableImageError, match="cannot read /dev/zero: it has more than 1,000 bytes"):
        read_file(Path("/dev/zero"))
    (tmp_path / "a").write_bytes(bytes(2000))
    assert len(read_file(tmp_path / "a")) == 2000
