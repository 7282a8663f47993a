import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from fsspec.spec import AbstractFileSystem

from inrc.dataset import sources
from inrc.dataset.items import read_item
from inrc.dataset.sources import list_items, listing
from inrc.errors import (
    DatasetError,
    UnreadableImageError,
)
from inrc.signal import formats


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

    def test_links_in_circles_and_into_closed_folders_are_items(self, tmp_path):
        (tmp_path / "loop.png").symlink_to("loop.png")
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "a.png").touch()
        items, skipped = listing(tmp_path)
        assert ([item.name for item in items], skipped) == (["a.png", "loop.png"], {"other": 1})
        with pytest.raises(UnreadableImageError, match=r"loop\.png: Too many levels of symbolic links"):
            read_item(items[1])

    def test_deep_folders(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for _ in range(1300):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.png").touch()
        found = names(tmp_path)
        Path("a.png").unlink()
        for _ in range(1300):  # pytest would remove them by recursion
            os.chdir("..")
            Path("d").rmdir()
        assert found == ["d/" * 1300 + "a.png"]

    @pytest.mark.parametrize("pattern", ["", "/**/*.png", "/*/*.png", "/cl*/*.png"])
    def test_a_closed_folder_does_not_end_the_others(self, tmp_path, closed, pattern):
        for name in ("closed/1.png", "clear/2.png", "clear/lost+found/3.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        closed(tmp_path / "closed")
        closed(tmp_path / "clear/lost+found")
        items = {item.name: item for item in list_items(f"{tmp_path}{pattern}")}
        refused = {"clear/lost+found", "closed"} if pattern in ("", "/**/*.png") else {"closed"}
        assert items.keys() == {"clear/2.png"} | refused
        assert {name for name, item in items.items() if item.refusal is not None} == refused
        with pytest.raises(DatasetError, match="cannot list the folder closed: Permission denied; give the right"):
            read_item(items["closed"])
        with pytest.raises(DatasetError, match=r"cannot list .*closed: Permission denied; check the path"):
            list_items(tmp_path / "closed")

    def test_globs_list_only_folders_that_may_match(self, tmp_path, closed):
        for name in ("a/1.png", "b/2.png", "a/below/3.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        closed(tmp_path / "b")
        closed(tmp_path / "a/below")
        assert names(f"{tmp_path}/a*/*.png") == ["a/1.png"]

    @pytest.mark.parametrize("kind", ["named pipe", "socket", "device"])
    def test_special_files_are_items_but_no_sources(self, tmp_path, special_file, kind):
        path = special_file(kind)
        (item,) = list_items(tmp_path)
        with pytest.raises(UnreadableImageError, match=f"it is a {kind}, not a file"):
            read_item(item)
        for name in ("x.png", "x.txt", "x.tar"):
            path = path.rename(tmp_path / name)
            with pytest.raises(DatasetError, match=f"cannot list .*{name}: it is a {kind}, not a file"):
                list_items(path)

    def test_one_table_of_suffixes(self, tmp_path):
        suffixes = [".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".webp", ".tif", ".tiff"]
        suffixes += [".avif", ".heic", ".heif", ".hif", ".jxl"]
        suffixes += [".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".jls"]
        assert sorted(suffixes) == sorted(formats.READABLE_SUFFIXES) == sorted(sources.PICTURES)
        for suffix in suffixes:
            (tmp_path / f"a{suffix}").touch()
            (tmp_path / f"B{suffix.upper()}").touch()
        assert len(list_items(tmp_path)) == 2 * len(suffixes)

    def test_what_is_skipped_is_counted_by_suffix(self, tmp_path):
        for name in (
            "a.png",
            "b.gif",
            "c.GIF",
            "d/e.mov",
            "README",
            "f.\x1b[31m",
            ".hidden",
            "g.notasuffix",
            "t.tar.gz",
        ):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        counts = {".gif": 2, ".mov": 1, ".gz": 1, "other": 3}
        assert listing(tmp_path).skipped == counts
        assert listing(f"{tmp_path}/*.*").skipped == {".gif": 2, ".gz": 1, "other": 2}
        (tmp_path / "a.png").unlink()
        with pytest.raises(DatasetError, match=r"or \.tar file: 7 files skipped \(2 \.gif, 1 \.gz, 1 \.mov, 3 other\)"):
            list_items(tmp_path)

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


def test_a_closed_folder_elsewhere_does_not_end_the_others(memory, monkeypatch):
    for name in ("a.png", "closed/b.png", "open/c.png", ".hidden/d.png"):
        memory.pipe_file(f"/in/{name}", b"x")
    ls = type(memory).ls

    def refuse(self, path, *arguments, **options):
        if path.rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return ls(self, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "ls", refuse)
    monkeypatch.setattr(type(memory), "find", AbstractFileSystem.find)  # as most file systems have it
    items = list_items("memory://in")
    assert [item.name for item in items] == ["a.png", "closed", "open/c.png"]
    with pytest.raises(DatasetError, match="cannot list the folder closed: Permission denied"):
        read_item(items[1])
    with pytest.raises(DatasetError, match="cannot list memory://in/closed: Permission denied"):
        list_items("memory://in/closed")


class TestWebServers:
    """`web` stands for the web: fsspec's own class for it needs a package that inrc does not."""

    def test_a_query_is_no_wildcard_and_no_part_of_names_and_stamps(self, web):
        web["http://h/a/x.png"] = b"x"
        items = [list_items(f"http://h/a/x.png?X-Sig={sig}#f")[0] for sig in ("SECRET1", "SECRET2")]
        assert [item.name for item in items] == ["x.png", "x.png"]
        assert items[0].stamp == items[1].stamp == "1-tag of x"
        assert [read_item(item) for item in items] == [b"x", b"x"]
        assert list_items("http://me:SECRET@h/a/x.png")[0].name == "x.png"

    def test_archives_and_lists_with_queries(self, web):
        web["http://h/a/t.tar"] = tar_bytes({"m.png": b"member"})
        web["http://h/a/l.txt"] = b"b/x.png\n../y.png\nhttp://h/a/b/x.png?sig=SECRET\n"
        web["http://h/a/b/x.png"] = b"x"
        web["http://h/y.png"] = b"y"
        (item,) = list_items("http://h/a/t.tar?sig=SECRET")
        assert (item.name, read_item(item)) == ("m.png", b"member")
        items = list_items("http://h/a/l.txt?sig=SECRET")
        assert {item.name: read_item(item) for item in items} == {"b/x.png": b"x", "h/a/b/x.png": b"x", "h/y.png": b"y"}

    def test_urls_that_differ_in_their_queries_alone_are_told_apart(self, web, tmp_path):
        web["http://h/get"] = b"x"
        (tmp_path / "l.txt").write_text("http://h/get?id=1\nhttp://h/get?id=2\nhttp://h/get?id=2\n")
        items = list_items(tmp_path / "l.txt")
        assert [item.name for item in items] == ["h/get-338095e2", "h/get-c9aff775"]  # digits of the query's SHA-256
        (tmp_path / "l.txt").write_text("http://h/get?id=1\n")
        assert names(tmp_path / "l.txt") == ["h/get"]

    @pytest.mark.parametrize("place", ["http://h/gone.png?sig=SECRET", "http://me:SECRET@h/gone", "http://h/d?SECRET"])
    def test_messages_hold_no_secrets(self, web, tmp_path, place):
        web["http://h/denied.png"] = PermissionError(f"403, url='{place}'")
        (tmp_path / "l.txt").write_text(f"{place}\n{place.replace('gone', 'denied')}\n")
        with pytest.raises(DatasetError, match="there is no http://h/") as caught:
            list_items(place)
        messages = [str(caught.value)]
        for item in list_items(tmp_path / "l.txt"):
            with pytest.raises(UnreadableImageError, match="cannot read http://h/") as error:
                read_item(item)
            messages.append(str(error.value) + item.name + item.stamp)
        assert "SECRET" not in "".join(messages)


def test_hosts_users_and_chains_are_kept_in_urls(web):
    web["http://h/x.png"] = b"x"
    (item,) = list_items("simplecache::http://h/x.png?sig=1")
    assert (item.name, item.url, read_item(item)) == ("x.png", "simplecache::http://h/x.png?sig=1", b"x")
