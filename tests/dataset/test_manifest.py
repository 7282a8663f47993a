import dataclasses
import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inrc
from inrc.dataset import manifest
from inrc.dataset.manifest import Manifest, Row, from_json, load_manifest, to_json
from inrc.errors import DatasetError, RecordError

ROW = Row("a/ü.png", "ok", input_hash="0" * 64, output="a/ü.inr", n_bytes=123, bpp=0.25, psnr_db=31.5, seconds=0.125)


class TestJson:
    def test_a_row_comes_back(self):
        again = from_json(to_json(dataclasses.replace(ROW, ssim=0.5)))
        assert again == dataclasses.replace(ROW, ssim=0.5)

    def test_infinite_psnr_is_kept_and_an_unknown_number_is_null(self):
        line = to_json(dataclasses.replace(ROW, psnr_db=math.inf))
        values = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert (values["psnr_db"], values["ssim"]) == ("inf", None)
        assert from_json(line).psnr_db == math.inf
        assert math.isnan(from_json(line).ssim)

    @given(st.text())
    def test_any_name_comes_back_on_one_line(self, name):
        line = to_json(dataclasses.replace(ROW, name=name))
        assert "\n" not in line
        assert from_json(line).name == name

    def test_names_that_are_not_unicode(self):
        name = os.fsdecode(b"caf\xe9.png")
        assert from_json(to_json(dataclasses.replace(ROW, name=name)).encode()).name == name

    def test_a_row_of_a_former_version_gets_defaults_for_new_fields(self):
        row = from_json('{"name": "a.png", "status": "ok", "output": "a.inr", "n_bytes": 7, "psnr_db": null}')
        assert (row.name, row.is_ok, row.output, row.n_bytes, row.codec) == ("a.png", True, "a.inr", 7, "")
        assert math.isnan(row.psnr_db)
        assert math.isnan(row.ssim)

    @pytest.mark.parametrize("line", ["", "[]", "{}", "null", '{"name": "a"}', '{"name": "a", "status": 1}', "{"])
    def test_what_is_no_row_is_refused(self, line):
        with pytest.raises(RecordError):
            from_json(line)


def test_the_last_row_of_a_name_counts(tmp_path):
    with Manifest(str(tmp_path)) as held:
        held.add([ROW, Row("b.png", "UnreadableImageError", "gone")])
        held.add([dataclasses.replace(ROW, n_bytes=5)])
    rows = load_manifest(tmp_path)
    assert [(row.name, row.n_bytes, row.is_ok) for row in rows] == [("a/ü.png", 5, True), ("b.png", 0, False)]
    assert inrc.load_manifest(str(tmp_path)) == rows or math.isnan(rows[0].ssim)
    assert len((tmp_path / "manifest.jsonl").read_text().splitlines()) == 3


def test_a_torn_last_line_is_ignored_and_then_repaired(tmp_path):
    path = tmp_path / "manifest.jsonl"
    path.write_text(to_json(ROW) + "\n" + to_json(dataclasses.replace(ROW, name="torn"))[:50])
    with Manifest(str(tmp_path)) as held:
        assert list(held.rows) == [ROW.name]
        held.add([dataclasses.replace(ROW, name="next")])
    assert [json.loads(line)["name"] for line in path.read_text().splitlines()] == [ROW.name, "next"]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "manifest.jsonl").write_text(to_json(ROW) + "\nnonsense\n" + to_json(ROW) + "\n")
    with pytest.raises(RecordError, match=r"manifest\.jsonl:2: a line is no row"):
        load_manifest(tmp_path)
    with pytest.raises(RecordError, match=r":2: "), Manifest(str(tmp_path)):
        pass
    with pytest.raises(RecordError, match=r":2: "), Manifest(str(tmp_path)):  # the first one has released it
        pass


def test_one_run_at_a_time(tmp_path):
    with Manifest(str(tmp_path)), pytest.raises(RecordError, match="another run writes"), Manifest(str(tmp_path)):
        pass
    with Manifest(str(tmp_path)):
        pass


def test_no_manifest_is_a_typed_error(tmp_path, memory):
    with pytest.raises(DatasetError, match="there is no manifest"):
        load_manifest(tmp_path / "missing")
    with pytest.raises(DatasetError, match="there is no manifest"):
        load_manifest("memory://missing")


def test_replaced_files_are_known(tmp_path):
    def ok(name, output, shard=""):
        return Row(name, "ok", output=output, shard=shard)

    with Manifest(str(tmp_path)) as held:
        held.add([ok("a", "a.inr"), ok("b", "b.inr"), ok("c", "c.inr", "s.tar")])
        assert held.stale() == set()
        held.add([ok("a", "a.inr"), Row("b", "ConfigError"), ok("c", "c.inr", "t.tar"), ok("d", "a.png.inr")])
        assert held.stale() == {("s.tar", "c.inr")}  # a failure replaces nothing
        held.add([ok("b", "b.png.inr"), ok("e", "b.inr")])
        assert held.stale() == {("s.tar", "c.inr")}  # b.inr belongs to another row now
    with Manifest(str(tmp_path)) as held:
        assert held.stale() == {("s.tar", "c.inr")}


class TestElsewhere:
    def test_segments_become_one_file(self, memory, monkeypatch):
        monkeypatch.setattr(manifest, "_SEGMENT_SECONDS", -1.0)
        with Manifest("memory://out") as held:
            held.add([ROW])
            held.add([dataclasses.replace(ROW, name="b")])
            assert len(memory.ls("/out")) == 2
            assert [row.name for row in load_manifest("memory://out")] == [ROW.name, "b"]
        assert memory.ls("/out", detail=False) == ["/out/manifest.jsonl"]
        with Manifest("memory://out") as held:
            held.add([dataclasses.replace(ROW, name="b", n_bytes=7)])
        assert [row.n_bytes for row in load_manifest("memory://out")] == [123, 7]
        assert memory.cat_file("/out/manifest.jsonl").count(b"\n") == 3

    def test_a_killed_run_leaves_segments_that_count(self, memory, monkeypatch):
        monkeypatch.setattr(manifest, "_SEGMENT_SECONDS", -1.0)
        killed = Manifest("memory://out").__enter__()
        killed.add([ROW])
        with Manifest("memory://out") as held:
            assert list(held.rows) == [ROW.name]
            held.add([dataclasses.replace(ROW, name="b")])
        assert memory.ls("/out", detail=False) == ["/out/manifest.jsonl"]
        assert [row.name for row in load_manifest("memory://out")] == [ROW.name, "b"]

    def test_rows_wait_for_their_segment(self, memory):
        with Manifest("memory://out") as held:
            held.add([ROW])
            assert not memory.store
        assert len(load_manifest("memory://out")) == 1
