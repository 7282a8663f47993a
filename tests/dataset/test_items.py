import os
import time
from pathlib import Path

import pytest

from inrc.dataset.items import Item, output_names, read_item, safe_name
from inrc.errors import DatasetError, ImageTooLargeError, NameCollisionError, UnreadableImageError, UnsafeNameError


class TestOutputNames:
    def test_suffixes_tell_apart_what_would_collide(self):
        items = [Item(name, "", "") for name in ("a.jpg", "a.png", "b/a.png", "c", "d.tar.png")]
        assert output_names(items, ".inr") == ["a.jpg.inr", "a.png.inr", "b/a.inr", "c.inr", "d.tar.inr"]

    def test_what_still_collides_is_refused(self):
        items = [Item(name, "", "") for name in ("a.jpg", "a.png", "a.png.bmp")]
        with pytest.raises(NameCollisionError, match=r"a\.png and a\.png\.bmp would both"):
            output_names(items, ".inr")

    def test_refused_items_have_no_say(self):
        items = [Item("a", "", "", refusal=DatasetError("closed")), Item("a.png", "", ""), Item("b", "", "")]
        assert output_names(items, ".inr")[1:] == ["a.inr", "b.inr"]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "./", "a\0b", "..", "n" * 5000])
def test_unsafe_names(name):
    with pytest.raises(UnsafeNameError):
        safe_name(name)


class TestReading:
    def test_a_member_that_claims_too_much_is_refused_before_it_is_read(self, tmp_path):
        (tmp_path / "t.tar").write_bytes(bytes(1024))
        item = Item("a.png", str(tmp_path / "t.tar"), "", 512, 1 << 40)
        with pytest.raises(ImageTooLargeError, match="1,099,511,627,776 bytes"):
            read_item(item)

    @pytest.mark.parametrize("kind", ["named pipe", "socket", "device", "folder"])
    def test_what_is_no_file_is_refused_and_never_opened(self, special_file, kind, monkeypatch):
        path = special_file(kind)
        monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
        with pytest.raises(UnreadableImageError, match=f"it is a {kind}, not a file"):
            read_item(Item("x.png", str(path), ""))

    def test_a_file_that_becomes_a_pipe_does_not_block(self, special_file, tmp_path, monkeypatch):
        (tmp_path / "file").write_bytes(b"x")
        pipe, stat = special_file("named pipe"), Path.stat
        monkeypatch.setattr(Path, "stat", lambda self, **k: stat(tmp_path / "file" if self == pipe else self, **k))
        began = time.monotonic()
        with pytest.raises(UnreadableImageError, match="it is a named pipe"):
            read_item(Item("x.png", str(pipe), ""))
        assert time.monotonic() - began < 1
