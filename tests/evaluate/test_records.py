import dataclasses
import json
import math
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrc.errors import RecordError
from inrc.evaluate import records
from inrc.evaluate.records import Record

RECORD = Record(
    picture="kodim05",
    picture_digest="0123456789abcdef",
    width=768,
    height=512,
    codec="jpeg_444",
    point=28.0,
    settings={"quality": 28, "subsampling": "4:4:4"},
    settings_digest="fedcba9876543210",
    n_bytes=1234,
    bpp=0.0251,
    mse=0.001,
    psnr_db=30.0,
    trace=((0.5, 20.25, 0.125), (1.0, 22.5, 0.0625)),
)


def of_point(point: float, **changes) -> Record:
    settings = {"quality": point}
    changes = {"settings": settings, "settings_digest": records.settings_digest(settings), **changes}
    return dataclasses.replace(RECORD, point=point, **changes)


class TestJson:
    def test_a_record_comes_back(self):
        line = records.to_json(RECORD)
        assert "\n" not in line
        again = records.from_json(line)
        for field in dataclasses.fields(Record):
            one, other = getattr(RECORD, field.name), getattr(again, field.name)
            assert one == other or (math.isnan(one) and math.isnan(other)), field.name

    @given(st.floats(allow_nan=False, allow_infinity=False), st.text())
    def test_numbers_and_names_come_back_exactly(self, number, name):
        record = dataclasses.replace(RECORD, bpp=number, picture=name)
        again = records.from_json(records.to_json(record))
        assert (again.bpp, again.picture) == (number, name)

    def test_infinite_psnr_is_kept_and_an_unknown_number_is_null(self):
        line = records.to_json(dataclasses.replace(RECORD, psnr_db=math.inf, lpips=math.nan))
        values = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert (values["psnr_db"], values["lpips"]) == ("inf", None)
        assert records.from_json(line).psnr_db == math.inf

    @pytest.mark.parametrize("line", ["", "[]", "{}", "null", '{"picture": "a"}', '{"nonsense": 1}', "{", "\x00"])
    def test_what_is_no_record_is_refused(self, line):
        with pytest.raises(RecordError):
            records.from_json(line)

    def test_the_order_of_settings_does_not_matter(self):
        assert records.settings_digest({"a": 1, "b": 2}) == records.settings_digest({"b": 2, "a": 1})
        assert records.settings_digest({"a": 1}) != records.settings_digest({"a": 2})


class TestFile:
    def test_records_come_in_the_order_of_writing(self, tmp_path):
        path = tmp_path / "some.jsonl"
        for point in (1.0, 3.0, 2.0):
            records.append(path, of_point(point))
        assert [record.point for record in records.load(path)] == [1.0, 3.0, 2.0]

    def test_no_file_is_no_record(self, tmp_path):
        assert records.load(tmp_path / "none.jsonl") == []
        with pytest.raises(RecordError, match=r"none\.jsonl"):
            records.load_all([tmp_path / "none.jsonl"])

    @pytest.mark.parametrize("n_kept", [0, 1, 100])
    def test_a_torn_last_line_is_ignored_and_replaced(self, tmp_path, n_kept):
        path = tmp_path / "some.jsonl"
        records.append(path, of_point(1.0))
        with path.open("ab") as file:
            file.write(records.to_json(of_point(2.0)).encode()[:n_kept])
        assert [record.point for record in records.load(path)] == [1.0]
        records.append(path, of_point(3.0))
        assert [record.point for record in records.load(path)] == [1.0, 3.0]

    def test_a_damaged_line_elsewhere_is_named(self, tmp_path):
        path = tmp_path / "some.jsonl"
        records.append(path, of_point(1.0))
        with path.open("ab") as file:
            file.write(b"{damaged\n")
        records.append(path, of_point(3.0))
        with pytest.raises(RecordError, match=r"some\.jsonl:2"):
            records.load(path)

    def test_a_second_run_is_refused_while_the_first_holds_the_file(self, tmp_path):
        path = tmp_path / "some.jsonl"
        program = f"""
            from pathlib import Path
            from inrc.evaluate import records
            with records.exclusive(Path({str(path)!r})):
                pass
        """
        other = [sys.executable, "-c", textwrap.dedent(program)]
        with records.exclusive(path):
            held = subprocess.run(other, capture_output=True, text=True, check=False)
        assert "another run writes to" in held.stderr
        subprocess.run(other, check=True)


class TestNewest:
    def test_old_settings_of_a_point_give_way_to_new_ones(self, tmp_path):
        one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
        for picture in ("a", "b"):
            records.append(one, of_point(1.0, picture=picture, picture_digest=picture))
            records.append(one, of_point(2.0, picture=picture, picture_digest=picture))
        new = {"settings": {"quality": 1.0, "new": True}, "settings_digest": "new"}
        records.append(two, of_point(1.0, picture="a", picture_digest="a", **new))
        found = [(record.picture, record.point, record.settings_digest) for record in records.load_all([one, two])]
        old = records.settings_digest({"quality": 2.0})
        assert found == [("a", 2.0, old), ("b", 2.0, old), ("a", 1.0, "new")]

    def test_a_point_measured_again_counts_once(self, tmp_path):
        path = tmp_path / "some.jsonl"
        records.append(path, of_point(1.0, failure="OSError: disk"))
        records.append(path, of_point(1.0))
        assert [record.failure for record in records.load_all([path])] == [""]
