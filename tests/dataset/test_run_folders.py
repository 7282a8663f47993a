"""Runs over what the folders of the world hold besides pictures."""

import dataclasses
import os
import tarfile
import time

import pytest

from inrc.dataset.manifest import load_manifest
from inrc.dataset.run import encode_dataset
from inrc.errors import DatasetError
from tests.dataset.samples import png, write
from tests.dataset.test_run import FAKE, counts
from tests.dataset.test_sinks import files_in
from tests.dataset.test_sources import tar_of


def test_whatever_is_listed_has_a_row(tmp_path, fake, closed, special_file):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source, 2)
    for name in ("closed", "lost+found"):
        closed(source / name).mkdir()
    special_file("named pipe").rename(source / "pipe.png")
    special_file("socket").rename(source / "socket.png")
    (source / "note.md").touch()
    archive = tar_of(source / "t.tar", {"y.png": png(2)})
    with tarfile.open(archive, "a") as tar:
        for name, target in (("link.png", "y.png"), ("out.png", "/etc/passwd")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    totals = encode_dataset(source, out, FAKE)
    assert counts(totals) == {"items": 9, "done": 4, "failed": 5}
    assert totals.skipped == {".md": 1}
    rows = {row.name: row for row in load_manifest(out)}
    assert {name: row.status for name, row in rows.items() if not row.is_ok} == {
        "closed": "DatasetError",
        "lost+found": "DatasetError",
        "pipe.png": "UnreadableImageError",
        "socket.png": "UnreadableImageError",
        "t/out.png": "UnreadableImageError",
    }
    assert (out / "t/link.inr").read_bytes() == (out / "t/y.inr").read_bytes()
    assert counts(encode_dataset(source, out, FAKE)) == {"items": 9, "kept": 4, "kept_failed": 5}


def test_a_new_signature_does_nothing_again_and_leaves_no_secret(tmp_path, fake, web):
    web["http://h/a/0.png"], web["http://h/a/1.png"] = png(0), png(1)
    listing, out = tmp_path / "l.txt", tmp_path / "out"
    for expected in ({"done": 2, "failed": 1}, {"kept": 2, "failed": 1}):
        names = ("0.png", "1.png", "gone.png")
        listing.write_text("".join(f"http://me:SECRET@h/a/{name}?sig=SECRET{time.time()}\n" for name in names))
        again = dataclasses.replace(FAKE, again=True)
        assert counts(encode_dataset(listing, out, again)) == {"items": 3, **expected}
    assert [row.name for row in load_manifest(out)] == ["h/a/0.png", "h/a/1.png", "h/a/gone.png"]
    assert "SECRET" not in (out / "manifest.jsonl").read_text()
    assert files_in(out) == ["h/a/0.inr", "h/a/1.inr", "manifest.jsonl"]


def test_pipes_among_the_outputs_do_not_block(tmp_path, fake, special_file):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source, 2)
    out.mkdir()
    os.mkfifo(out / "000.inr")
    assert counts(encode_dataset(source, out, FAKE)) == {"items": 2, "done": 1, "failed": 1}
    row = load_manifest(out)[0]
    assert (row.status, row.message) == ("UnwritableImageError", "cannot write: it is a named pipe, not a file")
    (out / "manifest.jsonl").unlink()
    os.mkfifo(out / "manifest.jsonl")
    with pytest.raises(DatasetError, match=r"cannot write to .*manifest\.jsonl: it is a named pipe, not a file"):
        encode_dataset(source, out, FAKE)
    with pytest.raises(DatasetError, match=r"cannot read .*manifest\.jsonl: it is a named pipe, not a file"):
        load_manifest(out)
