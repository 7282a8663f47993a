import os
import stat
import threading
from pathlib import Path

import pytest

from inrc.files import check_folder, descriptor_of, write_atomically


@pytest.fixture
def umask():
    """The umask of the tests, whatever that of the user is."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664, 0o755])
def test_a_replaced_file_passes_on_its_mode(tmp_path, umask, mode):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert (path.read_bytes(), _mode(path)) == (b"new", mode)
    write_atomically(tmp_path / "b", b"new")
    assert _mode(tmp_path / "b") == 0o666 & ~umask
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_private_file_is_private_while_it_is_written(tmp_path, umask, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o600)
    modes = []
    monkeypatch.setattr("inrc.files._pass_on", lambda replaced, descriptor: modes.append(os.fstat(descriptor).st_mode))
    write_atomically(path, b"new")
    assert [stat.S_IMODE(mode) for mode in modes] == [0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_replaced_file_passes_on_its_owner(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    os.chown(path, 12345, 54321)
    write_atomically(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_a_link_keeps_pointing_to_the_file(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")  # which is not there yet
    for data in (b"first", b"second"):
        write_atomically(tmp_path / "link", data)
        assert (tmp_path / "folder" / "file").read_bytes() == data
    assert (tmp_path / "link").is_symlink()


def test_links_in_a_circle_are_an_error_of_the_file_system(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(tmp_path / "a", b"data")


def test_pipes_and_devices_are_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_atomically(tmp_path / "pipe", b"data")
    reader.join(10)
    assert received == [b"data"]
    assert (tmp_path / "pipe").is_fifo()
    write_atomically(Path("/dev/null"), b"data")
    assert Path("/dev/null").is_char_device()


def test_an_open_file_is_written_to_where_it_stands(tmp_path):
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"before ")
        write_atomically(Path(f"/dev/fd/{file.fileno()}"), b"data")
        file.write(b" after")
    assert (tmp_path / "log").read_bytes() == b"before data after"
    assert descriptor_of("/dev/stdout") == descriptor_of(Path("/proc/self/fd/1")) == 1
    assert descriptor_of("/dev/fd/63") == 63
    assert descriptor_of("/dev/null") is descriptor_of("dev/stdout") is descriptor_of("/dev/fd/x") is None


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "a", "text")  # pyright: ignore[reportArgumentType]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "a", b"data")
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path, b"data")
    assert not list(tmp_path.iterdir())


def test_folders_are_tried(tmp_path):
    check_folder(tmp_path)
    assert not list(tmp_path.iterdir())
    for folder in (tmp_path / "missing", Path("/proc")):  # even root makes no file in the latter
        with pytest.raises(OSError, match=r"No such|denied|not permitted"):
            check_folder(folder)
