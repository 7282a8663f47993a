import codecs

import pytest

from inrc.dataset.items import read_item, safe_name
from inrc.dataset.lists import entries_of
from inrc.dataset.sources import list_items
from inrc.errors import DatasetError, NameCollisionError, UnreadableImageError, UnsafeNameError
from tests.dataset.test_sources import names


class TestEntries:
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

    def test_an_entry_that_cannot_be_used_does_not_end_the_others(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"a")
        long = "n" * 5000
        lines = ["nofs://bucket/x.png", "a.png", "/", "http://[bad/y.png", f"{long}.png", "sub"]
        (tmp_path / "sub").mkdir()
        (tmp_path / "list.txt").write_text("\n".join(lines))
        items = {item.name: item for item in list_items(tmp_path / "list.txt")}
        assert len(items) == len(lines)
        assert read_item(items["a.png"]) == b"a"
        for name, error, message in (
            ("bucket/x.png", DatasetError, "cannot use nofs://bucket/x.png"),
            ("/", UnsafeNameError, "is absolute, leads upwards or is empty"),
            ("[bad/y.png", DatasetError, r"cannot use http://\[bad/y.png"),
            ("sub", UnreadableImageError, "it is a folder"),
        ):
            with pytest.raises(error, match=message):
                read_item(items[name])
        with pytest.raises(UnsafeNameError, match="the limit is 4,096"):
            read_item(next(item for name, item in items.items() if name.startswith("nnn")))

    def test_spaces_at_the_ends_belong_to_a_name_only_if_there_is_one(self, tmp_path):
        for name in ("plain.png", "space.png ", "\u3000wide.png"):
            (tmp_path / name).write_bytes(name.encode())
        (tmp_path / "list.txt").write_text("plain.png  \n\tplain.png\nspace.png \n\u3000wide.png\n   \n")
        items = list_items(tmp_path / "list.txt")
        assert [read_item(item).decode() for item in items] == ["plain.png", "space.png ", "\u3000wide.png"]

    def test_a_pipe_is_no_list(self, special_file):
        pipe = special_file("named pipe")
        with pytest.raises(DatasetError, match="it is a named pipe, not a file"):
            list_items(pipe.rename(pipe.with_suffix(".txt")))


class TestEncodings:
    @pytest.mark.parametrize(
        "content",
        [
            codecs.BOM_UTF8 + "a.png\nü.png\n".encode(),
            "a.png\nü.png".encode("utf-16"),  # with its mark
            codecs.BOM_UTF16_BE + "a.png\r\nü.png\r\n".encode("utf-16-be"),
            "a.png\nü.png\n".encode("utf-32"),
            "a.png\r\nü.png\r\n".encode(),
            "a.png\rü.png".encode(),
        ],
    )
    def test_marks_and_ends_of_lines(self, content):
        assert entries_of(content, "list.txt") == ["a.png", "ü.png"]

    def test_every_other_character_may_be_part_of_a_name(self):
        lines = ["a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\u2028b", "#1.png"]
        assert entries_of("\n".join(lines).encode(), "list.txt") == lines
        assert entries_of(b"caf\xe9.png", "list.txt")[0].encode("utf-8", "surrogateescape") == b"caf\xe9.png"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a.png\n".encode("utf-16-le"), "NUL characters, as UTF-16 without a byte-order mark"),
            (b"a.png\0b.png\0", "find -print0"),
            (codecs.BOM_UTF16_LE + b"a\0b", "damaged UTF-16"),
            (codecs.BOM_UTF16_LE + b"\x00\xd8a\0", "damaged UTF-16"),
            (b"a.png\n" + b"x" * 70_000, r"line 2 of the list l.txt has 70,000 characters; the limit is 65,536"),
        ],
    )
    def test_what_is_no_list_is_refused_in_one_line(self, content, message):
        with pytest.raises(DatasetError, match=message) as caught:
            entries_of(content, "l.txt")
        assert "\n" not in str(caught.value)

    def test_an_empty_list(self, tmp_path):
        (tmp_path / "l.txt").write_bytes(codecs.BOM_UTF8 + b"\r\n")
        with pytest.raises(DatasetError, match="nothing to read"):
            list_items(tmp_path / "l.txt")
