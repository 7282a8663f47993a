import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from inrc.dataset import sources
from inrc.dataset.items import Item, output_names, read_item, safe_name
from inrc.dataset.sources import list_items
from inrc.errors import (
    DatasetError,
    ImageTooLargeError,
    NameCollisionError,
    UnreadableImageError,
    UnsafeNameError,
)


def names(source, *arguments) -> list[str]:
    return [item.name for item in list_items(source, *arguments)]


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes(members))
    return path


def tar_bytes(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


class TestFolder:
    def test_all_pictures_below_by_name_and_nothing_else(self, tmp_path):
        for name in (
            "b.png",
            "a/ü ß.JPG",
            "a/c/日本.webp",
            "notes.md",
            ".hidden.png",
            ".git/x.png",
            "a/._b.png",
            "x.inr",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(name.encode())
        items = list_items(tmp_path)
        assert [item.name for item in items] == ["a/c/日本.webp", "a/ü ß.JPG", "b.png"]
        assert [read_item(item).decode() for item in items] == ["a/c/日本.webp", "a/ü ß.JPG", "b.png"]
        assert names(tmp_path, sources.INR_FILES) == ["x.inr"]

    def test_a_stamp_changes_with_content_and_time_only(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"one")
        before = list_items(tmp_path)[0].stamp
        assert list_items(tmp_path)[0].stamp == before == list_items(path)[0].stamp
        assert list_items(f"{tmp_path}/*.png")[0].stamp == before
        path.write_bytes(b"four")
        assert list_items(tmp_path)[0].stamp != before
        path.write_bytes(b"one")
        os.utime(path, (1, 1))
        assert list_items(tmp_path)[0].stamp == f"3-{10**9}" != before

    def test_links_are_followed_but_not_in_circles(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere/b.png").write_bytes(b"b")
        (tmp_path / "in/a.png").symlink_to(tmp_path / "elsewhere/b.png")
        (tmp_path / "in/more").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "in/up").symlink_to(tmp_path / "in")
        (tmp_path / "in/gone.png").symlink_to(tmp_path / "nowhere")
        items = list_items(tmp_path / "in")
        assert [item.name for item in items] == ["a.png", "gone.png", "more/b.png"]
        assert items[1].stamp == ""
        with pytest.raises(UnreadableImageError, match="No such file"):
            read_item(items[1])

    def test_nothing_to_read_is_a_typed_error(self, tmp_path):
        with pytest.raises(DatasetError, match="nothing to read"):
            list_items(tmp_path)
        with pytest.raises(DatasetError, match="nothing to read"):
            list_items(f"{tmp_path}/*.png")
        with pytest.raises(DatasetError, match="there is no"):
            list_items(tmp_path / "missing")
        with pytest.raises(DatasetError, match="cannot use nofs://"):
            list_items("nofs://bucket/a")

    def test_pictures_are_not_opened(self, tmp_path, monkeypatch):
        for i in range(300):
            (tmp_path / f"{i}.png").touch()
        monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
        monkeypatch.setattr(Path, "read_bytes", lambda *_: pytest.fail("opened"))
        monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
        began = time.monotonic()
        assert len(list_items(tmp_path)) == 300
        assert time.monotonic() - began < 0.3  # a million in 1000 s at the very worst


def test_globs_are_named_from_their_first_wildcard(tmp_path):
    for name in ("x/a/1.png", "x/b/1.png", "x/b/2.jpg", "x/b/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert names(f"{tmp_path}/x/*/1.png") == ["a/1.png", "b/1.png"]
    assert names(f"{tmp_path}/x/b/*") == ["1.png", "2.jpg"]
    assert names(f"{tmp_path}/**/*.png") == ["x/a/1.png", "x/b/1.png"]
    assert names(f"file://{tmp_path}/x/b/[12].*") == ["1.png", "2.jpg"]


class TestList:
    def test_entries_are_paths_or_urls(self, tmp_path, memory):
        memory.pipe_file("/bucket/d.png", b"d")
        (tmp_path / "set/sub").mkdir(parents=True)
        for name in ("set/a.png", "set/sub/no suffix", "other.png"):
            (tmp_path / name).write_bytes(name.encode())
        listing = tmp_path / "set/list.txt"
        lines = ["a.png", "", "./sub/no suffix", "../other.png", f"{tmp_path}/set/a.png", "memory://bucket/d.png"]
        listing.write_text("\n".join([*lines, "missing.png"]) + "\n")
        items = list_items(listing)
        outside = f"{tmp_path}/other.png".lstrip("/")
        assert {item.name for item in items} == {"a.png", "sub/no suffix", outside, "bucket/d.png", "missing.png"}
        found = {item.name: item for item in items}
        assert read_item(found[outside]) == b"other.png"
        assert read_item(found["bucket/d.png"]) == b"d"
        assert found["missing.png"].stamp == ""
        with pytest.raises(UnreadableImageError, match=r"missing\.png"):
            read_item(found["missing.png"])

    def test_names_never_lead_out_of_a_folder(self, tmp_path):
        (tmp_path / "list.txt").write_text("../../../../../../../../etc/x.png\n/a/../../b.png\nfile:///c/../d.png\n")
        found = names(tmp_path / "list.txt")
        assert found == ["b.png", "d.png", "etc/x.png"]
        assert [safe_name(name) for name in found] == found

    def test_two_files_of_one_name_are_refused(self, tmp_path):
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "list.txt").write_text("a/b.png\n/a/b.png\n")
        with pytest.raises(NameCollisionError, match=r"a/b\.png"):
            list_items(tmp_path / "list.txt")


class TestArchives:
    def test_members_are_read_by_their_place(self, tmp_path):
        path = tar_of(tmp_path / "t.tar", {"./a.png": b"A", "n/b.jpg": b"BB" * 700, "n/c.txt": b"no", "n/._d.png": b""})
        items = list_items(path)
        assert [item.name for item in items] == ["a.png", "n/b.jpg"]
        assert [read_item(item) for item in items] == [b"A", b"BB" * 700]
        assert list_items(f"file://{path}")[1].offset == items[1].offset > 0

    def test_of_folders_and_globs_are_named_by_the_archive(self, tmp_path):
        tar_of(tmp_path / "s/one.tar", {"1.png": b"1"})
        tar_of(tmp_path / "s/two.tar", {"1.png": b"2"})
        (tmp_path / "s/3.png").touch()
        assert names(tmp_path / "s") == ["3.png", "one/1.png", "two/1.png"]
        assert names(f"{tmp_path}/s/*.tar") == ["one/1.png", "two/1.png"]

    def test_names_that_lead_out_are_refused_one_by_one(self, tmp_path):
        path = tar_of(tmp_path / "t.tar", {"../../x.png": b"X", "/abs.png": b"Y", "good.png": b"Z", "a/../b.png": b"W"})
        items = list_items(path)
        assert [item.name for item in items if item.refusal is None] == ["good.png"]
        assert len(items) == 4
        with pytest.raises(UnsafeNameError, match="leads upwards"):
            read_item(items[0])

    def test_links_and_devices_in_archives_do_not_count(self, tmp_path):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
                info = tarfile.TarInfo(f"{kind.decode()}.png")
                info.type, info.linkname = kind, "/etc/passwd"
                archive.addfile(info)
        (tmp_path / "t.tar").write_bytes(stream.getvalue())
        with pytest.raises(DatasetError, match="nothing to read"):
            list_items(tmp_path / "t.tar")

    def test_a_cut_archive_gives_what_is_whole_and_an_error(self, tmp_path):
        path = tar_of(tmp_path / "t.tar", {"a.png": b"A", "b.png": b"B" * 5000, "c.png": b"C"})
        path.write_bytes(path.read_bytes()[:3000])  # within b
        items = list_items(path)
        assert [item.name for item in items] == ["a.png", "b.png", "t.tar"]
        assert read_item(items[0]) == b"A"
        with pytest.raises(UnreadableImageError, match="of 5000 bytes"):
            read_item(items[1])
        with pytest.raises(UnreadableImageError, match="damaged or cut"):
            read_item(items[2])

    def test_the_last_of_two_members_of_a_name_counts(self, tmp_path):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for data in (b"old", b"newer"):
                info = tarfile.TarInfo("a.png")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        (tmp_path / "t.tar").write_bytes(stream.getvalue())
        assert [read_item(item) for item in list_items(tmp_path / "t.tar")] == [b"newer"]

    def test_a_member_that_claims_too_much_is_refused_before_it_is_read(self, tmp_path):
        (tmp_path / "t.tar").write_bytes(bytes(1024))
        item = Item("a.png", str(tmp_path / "t.tar"), "", 512, 1 << 40)
        with pytest.raises(ImageTooLargeError, match="1,099,511,627,776 bytes"):
            read_item(item)


def test_other_file_systems(memory):
    memory.pipe_file("/in/a.png", b"a")
    memory.pipe_file("/in/b/c.jpg", b"c")
    memory.pipe_file("/in/t.tar", tar_bytes({"m.png": b"member"}))
    memory.pipe_file("/in/l.txt", b"b/c.jpg\nmemory://in/a.png\n")
    assert names("memory://in") == ["a.png", "b/c.jpg", "t/m.png"]
    assert names("memory://in/*.png") == ["a.png"]
    assert names("memory://in/l.txt") == ["b/c.jpg", "in/a.png"]
    assert [read_item(item) for item in list_items("memory://in")] == [b"a", b"c", b"member"]
    assert [read_item(item) for item in list_items("memory://in/t.tar")] == [b"member"]
    before = list_items("memory://in/a.png")[0].stamp
    time.sleep(0.002)
    memory.pipe_file("/in/a.png", b"b")
    assert list_items("memory://in/a.png")[0].stamp != before


class TestOutputNames:
    def test_suffixes_tell_apart_what_would_collide(self):
        items = [Item(name, "", "") for name in ("a.jpg", "a.png", "b/a.png", "c", "d.tar.png")]
        assert output_names(items, ".inr") == ["a.jpg.inr", "a.png.inr", "b/a.inr", "c.inr", "d.tar.inr"]

    def test_what_still_collides_is_refused(self):
        items = [Item(name, "", "") for name in ("a.jpg", "a.png", "a.png.bmp")]
        with pytest.raises(NameCollisionError, match=r"a\.png and a\.png\.bmp would both"):
            output_names(items, ".inr")

    @pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "./", "a\0b", ".."])
    def test_unsafe_names(self, name):
        with pytest.raises(UnsafeNameError):
            safe_name(name)
