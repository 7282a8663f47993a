import io
import random
import tarfile
import time
from pathlib import Path

import pytest

from inrc.dataset.archives import archive_items
from inrc.dataset.items import Item, read_item
from inrc.dataset.kinds import Kinds
from inrc.dataset.sources import list_items, listing
from inrc.errors import DatasetError, UnreadableImageError, UnsafeNameError
from tests.dataset.test_sources import names, tar_bytes, tar_of


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def contents(path: Path) -> dict[str, bytes | str]:
    """{name: bytes, or the message of the error} of the pictures of an archive."""
    found: dict[str, bytes | str] = {}
    for item in list_items(path):
        try:
            found[item.name] = read_item(item)
        except (DatasetError, UnreadableImageError) as error:
            found[item.name] = str(error)
    assert not any("\n" in message for message in found.values() if isinstance(message, str))
    return found


class TestMembers:
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


class TestLinks:
    def test_lead_to_members_of_the_archive(self, tmp_path):
        path = archive_of(
            tmp_path / "t.tar",
            member("late.png", tarfile.SYMTYPE, "n/real.png"),  # before its target
            member("n/real.png", data=b"REAL"),
            member("data/0001", data=b"DATA"),  # of no suffix that counts
            member("hard.png", tarfile.LNKTYPE, "./n/real.png"),
            member("hard of hard.png", tarfile.LNKTYPE, "hard.png"),
            member("n/up.png", tarfile.SYMTYPE, "../data/./0001"),
            member("n/chain.png", tarfile.SYMTYPE, "up.png"),
            member("latest", tarfile.SYMTYPE, "n"),
            member("by folder.png", tarfile.SYMTYPE, "latest/chain.png"),
            member("n/hard to link.png", tarfile.LNKTYPE, "n/up.png"),
        )
        assert contents(path) == {
            **dict.fromkeys(("late.png", "n/real.png", "hard.png", "hard of hard.png"), b"REAL"),
            **dict.fromkeys(("n/up.png", "n/chain.png", "by folder.png", "n/hard to link.png"), b"DATA"),
        }

    def test_a_hard_link_holds_what_came_before_it(self, tmp_path):
        path = archive_of(
            tmp_path / "t.tar",
            member("a.png", data=b"old"),
            member("b.png", tarfile.LNKTYPE, "a.png"),
            member("c.png", tarfile.SYMTYPE, "a.png"),
            member("a.png", data=b"newer"),
        )
        assert contents(path) == {"a.png": b"newer", "b.png": b"old", "c.png": b"newer"}

    @pytest.mark.parametrize(
        ("kind", "link", "reason"),
        [
            (tarfile.SYMTYPE, "/etc/passwd", "leads out of the archive"),
            (tarfile.SYMTYPE, "../../etc/passwd", "leads out of the archive"),
            (tarfile.SYMTYPE, "gone.png", "is a link to 'n/gone.png', which is no file in the archive"),
            (tarfile.SYMTYPE, "", "which is no file in the archive"),
            (tarfile.SYMTYPE, "../n", "is a link to 'n', which is no file in the archive"),
            (tarfile.SYMTYPE, "x.png", "in a circle"),
            (tarfile.SYMTYPE, "x.png" + "/a" * 900, "in a circle"),
            (tarfile.SYMTYPE, "../device.png", "a device"),
            (tarfile.LNKTYPE, "/etc/passwd", "leads out of the archive"),
            (tarfile.LNKTYPE, "../x.png", "leads out of the archive"),
            (tarfile.LNKTYPE, "later.png", "is a link to 'later.png', which does not come before it"),
            (tarfile.CHRTYPE, "", "it is a device, not a file"),
            (tarfile.FIFOTYPE, "", "it is a named pipe, not a file"),
            (b"Z", "", "of the kind b'Z'"),
        ],
    )
    def test_elsewhere_and_other_members_are_refused_with_a_reason(self, tmp_path, kind, link, reason):
        path = archive_of(
            tmp_path / "t.tar",
            member("device.png", tarfile.BLKTYPE),
            member("n/x.png", kind, link),
            member("later.png", data=b"ok"),
        )
        found = contents(path)
        assert found.keys() == {"device.png", "n/x.png", "later.png"}
        assert found["later.png"] == b"ok"
        assert reason in str(found["n/x.png"])
        assert str(found["n/x.png"]).startswith(f"cannot read n/x.png in {path}: ")

    def test_sparse_members_are_refused_with_a_reason(self, tmp_path):
        info = tarfile.TarInfo("sparse.png")
        info.type, header = tarfile.GNUTYPE_SPARSE, bytearray(512)
        header[:] = info.tobuf(tarfile.GNU_FORMAT)[:512]
        header[386:483] = bytes(97)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (tmp_path / "t.tar").write_bytes(bytes(header) + bytes(1024))
        assert "sparse" in str(contents(tmp_path / "t.tar")["sparse.png"])

    def test_long_chains_and_many_circles_cost_little(self, tmp_path):
        links = [member(f"{i}.png", tarfile.SYMTYPE, f"{i + 1}.png") for i in range(1500)]
        deep = [member(f"d{i}.png", tarfile.SYMTYPE, f"d{i}.png" + "/x" * 990) for i in range(200)]
        path = archive_of(tmp_path / "t.tar", *links, *deep, member("1500.png", data=b"end"))
        began = time.monotonic()
        found = contents(path)
        assert time.monotonic() - began < 5
        assert found["600.png"] == b"end"
        assert "in a circle" in str(found["0.png"])
        assert all("in a circle" in str(found[f"d{i}.png"]) for i in range(200))


def test_a_chain_of_extended_headers_is_damage_and_no_traceback(tmp_path):
    header = tarfile.TarInfo("h")
    header.type = tarfile.XHDTYPE
    (tmp_path / "t.tar").write_bytes(tar_bytes({"a.png": b"A"})[:1024] + header.tobuf() * 3000)
    found = contents(tmp_path / "t.tar")
    assert found["a.png"] == b"A"
    assert "damaged or cut" in str(found["t.tar"])


def test_damaged_archives_never_end_the_listing():
    original = bytearray(tar_bytes({"a.png": b"A" * 700, "n/b.png": b"B"}))
    rng = random.Random(0)
    for _ in range(300):
        data = original.copy()
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(3 * 512 + 512)] = rng.randrange(256)
        archive = Item("t.tar", "t.tar", "")
        for item in archive_items(io.BytesIO(data), archive, "", Kinds((".png",))):
            assert item.refusal is not None or 0 <= item.offset < len(data)


def test_an_archive_that_cannot_be_opened_is_an_item(tmp_path, special_file, closed):
    tar_of(tmp_path / "in/good.tar", {"1.png": b"1"})
    closed(tar_of(tmp_path / "in/closed.tar", {"1.png": b"1"}))
    special_file("named pipe").rename(tmp_path / "in/pipe.tar")
    for source in (tmp_path / "in", f"{tmp_path}/in/*.tar"):
        items = {item.name: item for item in list_items(source)}
        assert items.keys() == {"good/1.png", "closed.tar", "pipe.tar"}
        assert read_item(items["good/1.png"]) == b"1"
        for name, reason in (("closed.tar", "Permission denied"), ("pipe.tar", "it is a named pipe, not a file")):
            with pytest.raises(UnreadableImageError, match=rf"cannot read .*{name}: {reason}"):
                read_item(items[name])
    for name, reason in (("closed.tar", "Permission denied"), ("pipe.tar", "it is a named pipe")):
        with pytest.raises(DatasetError, match=reason):
            list_items(tmp_path / "in" / name)


def test_other_members_are_counted(tmp_path):
    path = tar_of(tmp_path / "t.tar", {"a.png": b"A", "a.json": b"", "b.JSON": b"", "note": b"", ".hidden": b""})
    assert listing(path).skipped == {".json": 2, "other": 1}
