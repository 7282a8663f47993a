import dataclasses
import errno
import io
import tarfile
from pathlib import Path

import pytest

from inrc.dataset import sinks
from inrc.dataset.manifest import Row
from inrc.dataset.sinks import Written, member_bytes, open_sink, recover, remove_stale, remove_temporary
from inrc.errors import DatasetError
from tests.dataset.samples import ignore


def written(name: str, data: bytes = b"content") -> Written:
    return Written(Row(f"{name}.png", "ok", output=f"{name}.inr", n_bytes=len(data)), data)


def contents(archive: Path | bytes) -> dict[str, bytes]:
    stream = io.BytesIO(archive if isinstance(archive, bytes) else archive.read_bytes())
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        members = tar.getmembers()
        assert len({member.name for member in members}) == len(members)
        return {member.name: tar.extractfile(member).read() for member in members}  # pyright: ignore


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestTree:
    def test_mirrors_names(self, tmp_path):
        rows = []
        with_long_name = written("x" * 300)
        sink = open_sink(str(tmp_path / "out"), rows.extend)
        sink.write([written("a", b"A"), written("b/c/ü", b"B"), with_long_name])
        sink.close()
        assert files_in(tmp_path / "out") == ["a.inr", "b/c/ü.inr"]
        assert (tmp_path / "out/b/c/ü.inr").read_bytes() == b"B"
        assert [row.status for row in rows] == ["ok", "ok", "UnwritableImageError"]
        assert (rows[2].output, rows[2].n_bytes, "too long" in rows[2].message) == ("", 0, True)

    def test_a_name_that_leads_out_is_never_written(self, tmp_path):
        rows = []
        open_sink(str(tmp_path / "out"), rows.extend).write([written("../x"), written("/x")])
        assert [row.status for row in rows] == ["UnwritableImageError"] * 2
        assert files_in(tmp_path) == []

    def test_a_full_disk_ends_the_run(self, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        rows = []
        sink = open_sink(str(tmp_path), rows.extend)
        monkeypatch.setattr(sinks.Folder, "put", full)
        with pytest.raises(DatasetError, match=r"cannot write a\.inr: No space left"):
            sink.write([written("a")])
        assert rows == []

    def test_elsewhere(self, memory):
        rows = []
        open_sink("memory://out", rows.extend).write([written("a/b", b"B")])
        assert memory.cat_file("/out/a/b.inr") == b"B"
        assert len(rows) == 1


class TestShards:
    def test_are_filled_in_turn(self, tmp_path):
        rows = []
        sink = open_sink(str(tmp_path), rows.extend, images_per_shard=3, writer="w1")
        sink.write([written(str(i), bytes([i]) * 600) for i in range(4)])
        assert files_in(tmp_path) == ["shard-w1-000000.tar", "shard-w1-000001.tar.part"]
        assert [row.shard for row in rows] == ["shard-w1-000000.tar"] * 3 + ["shard-w1-000001.tar"]
        sink.write([written("n/" + "long" * 40)])
        sink.close()
        assert files_in(tmp_path) == ["shard-w1-000000.tar", "shard-w1-000001.tar"]
        assert contents(tmp_path / "shard-w1-000000.tar") == {f"{i}.inr": bytes([i]) * 600 for i in range(3)}
        assert list(contents(tmp_path / "shard-w1-000001.tar")) == ["3.inr", "n/" + "long" * 40 + ".inr"]

        more = open_sink(str(tmp_path), rows.extend, images_per_shard=3, writer="w1")
        more.write([written("x")])
        more.close()
        other = open_sink(str(tmp_path), rows.extend, images_per_shard=3, writer="w2")
        other.write([written("y")])
        other.close()
        assert files_in(tmp_path)[2:] == ["shard-w1-000002.tar", "shard-w2-000000.tar"]

    def test_a_sink_without_files_leaves_nothing(self, tmp_path):
        open_sink(str(tmp_path), ignore, images_per_shard=3).close()
        assert files_in(tmp_path) == []
        with pytest.raises(DatasetError, match="letters, digits"):
            open_sink(str(tmp_path), ignore, images_per_shard=3, writer="../x")

    def test_elsewhere_rows_wait_for_the_whole_shard(self, memory):
        rows = []
        sink = open_sink("memory://out", rows.extend, images_per_shard=2)
        sink.write([written("a", b"A")])
        assert (rows, memory.store) == ([], {})
        sink.write([written("b", b"B"), written("c", b"C")])
        assert [row.output for row in rows] == ["a.inr", "b.inr"]
        assert contents(memory.cat_file("/out/shard-0-000000.tar")) == {"a.inr": b"A", "b.inr": b"B"}
        sink.close()
        assert [row.shard for row in rows] == ["shard-0-000000.tar"] * 2 + ["shard-0-000001.tar"]

    def test_the_same_members_give_the_same_bytes(self):
        assert member_bytes("a", b"x") == member_bytes("a", b"x")
        assert len(member_bytes("a", b"x" * 512)) == len(member_bytes("a", b"x")) == 1024


class TestRecovery:
    @pytest.mark.parametrize("cut", [0, 1, 511, 512, 513, 1000, 1024, 1025, 2000, 2048, 2500, 3071, 3072, 3100])
    def test_whole_members_with_rows_are_kept(self, tmp_path, cut):
        rows: list[Row] = []
        sink = open_sink(str(tmp_path), rows.extend, images_per_shard=10)
        sink.write([written(name, name.encode() * 300) for name in "abc"])  # 1024 bytes each
        part = tmp_path / "shard-0-000000.tar.part"
        assert part.stat().st_size == 3072
        with part.open("r+b") as file:  # as a process leaves it that is killed during a write
            file.truncate(cut)  # or longer than before: a part of the zeros at the end
        recover(str(tmp_path), lambda: rows)
        n_whole = cut // 1024 + (cut % 1024 >= 812)  # a header of 512 bytes, 300 bytes, padding
        expected = {f"{name}.inr": name.encode() * 300 for name in "abc"[:n_whole]}
        assert files_in(tmp_path) == (["shard-0-000000.tar"] if expected else [])
        if expected:
            assert contents(tmp_path / "shard-0-000000.tar") == expected
            assert (tmp_path / "shard-0-000000.tar").stat().st_size == 1024 * (len(expected) + 1)

    def test_members_without_rows_go_wherever_they_stand(self, tmp_path):
        rows: list[Row] = []
        sink = open_sink(str(tmp_path), rows.extend, images_per_shard=10, writer="a")
        sink.write([written(name) for name in "abcd"])
        elsewhere = dataclasses.replace(rows[3], shard="shard-a-000007.tar")
        wrong_size = dataclasses.replace(rows[2], n_bytes=8)
        recover(str(tmp_path), lambda: [rows[1], wrong_size, elsewhere])
        assert contents(tmp_path / "shard-a-000000.tar") == {"b.inr": b"content"}
        assert files_in(tmp_path) == ["shard-a-000000.tar"]

    def test_one_writer_at_a_time(self, tmp_path):
        rows: list[Row] = []
        killed = [open_sink(str(tmp_path), rows.extend, images_per_shard=10, writer=writer) for writer in "ab"]
        for sink, name in zip(killed, "ab", strict=True):
            sink.write([written(name)])
        recover(str(tmp_path), lambda: rows, writer="b")
        assert files_in(tmp_path) == ["shard-a-000000.tar.part", "shard-b-000000.tar"]
        recover(str(tmp_path), lambda: rows)
        assert files_in(tmp_path) == ["shard-a-000000.tar", "shard-b-000000.tar"]

    def test_it_may_be_interrupted_itself(self, tmp_path, monkeypatch):
        rows: list[Row] = []
        sink = open_sink(str(tmp_path), rows.extend, images_per_shard=10)
        sink.write([written("a"), written("b")])
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda *_, **__: pytest.exit("killed"))
            with pytest.raises(pytest.exit.Exception):
                recover(str(tmp_path), lambda: rows)
        recover(str(tmp_path), lambda: rows)
        assert files_in(tmp_path) == ["shard-0-000000.tar"]
        assert len(contents(tmp_path / "shard-0-000000.tar")) == 2

    def test_temporary_files_of_killed_writers_go(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a/.inrc-0123456789abcdef.tmp").touch()
        (tmp_path / "a/.inrc-of-the-user.tmp").touch()
        remove_temporary(str(tmp_path))
        assert files_in(tmp_path) == ["a/.inrc-of-the-user.tmp"]


@pytest.mark.parametrize("place", ["local", "memory"])
def test_what_was_replaced_goes_once(tmp_path, memory, place):
    folder = str(tmp_path) if place == "local" else "memory://out"
    tree = open_sink(folder, ignore)
    tree.write([written("a"), written("b")])
    sink = open_sink(folder, ignore, images_per_shard=2)
    sink.write([written(name) for name in "cdef"])
    stale = {("", "a.inr"), ("", "gone.inr"), ("shard-0-000000.tar", "c.inr"), ("shard-9-000000.tar", "x.inr")}
    remove_stale(folder, stale | {("shard-0-000001.tar", "e.inr"), ("shard-0-000001.tar", "f.inr")})
    if place == "local":
        before = (tmp_path / "shard-0-000000.tar").stat()
        remove_stale(folder, stale)
        assert (tmp_path / "shard-0-000000.tar").stat() == before
        assert files_in(tmp_path) == ["b.inr", "shard-0-000000.tar"]
        assert contents(tmp_path / "shard-0-000000.tar") == {"d.inr": b"content"}
    else:
        assert sorted(memory.find("/out")) == ["/out/b.inr", "/out/shard-0-000000.tar"]
        assert contents(memory.cat_file("/out/shard-0-000000.tar")) == {"d.inr": b"content"}
