"""`inrc evaluate`, and from its records `inrc plot` and `inrc report`, end to end."""

import json
import re
import textwrap

import pytest

from tests.conftest import COFFEE_SMALL, ROOT

EXPERIMENT = """
import zlib
import numpy as np
from inrc.baselines import MeasuredCodec
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.pictures import bundled, kodak
from pathlib import Path

def encode(pixels, point):
    if point == BROKEN:
        raise OSError("broken")
    shift = 8 - int(point)
    return np.array(pixels.shape, "<i4").tobytes() + zlib.compress((pixels >> shift << shift).tobytes())

def decode(data):
    return np.frombuffer(zlib.decompress(data[12:]), np.uint8).reshape(np.frombuffer(data[:12], "<i4"))

CODEC = MeasuredCodec("coarse", encode, decode, (2, 4, 6), lambda point: {"bits": point})
EXPERIMENT = Experiment("test", PICTURES, (CODEC,), results="test")
SMOKE = EXPERIMENT
"""


@pytest.fixture
def experiment(tmp_path):
    def write(broken: float = 0.0, pictures: str = f"bundled(Path({str(COFFEE_SMALL)!r}))"):
        path = tmp_path / "experiment.py"
        path.write_text(textwrap.dedent(EXPERIMENT).replace("BROKEN", str(broken)).replace("PICTURES", pictures))
        return path

    return write


def test_records_are_written_once(inrc_command, experiment, tmp_path):
    arguments = ("evaluate", experiment(), "--results", tmp_path / "results", "--files", tmp_path / "files")
    done = inrc_command(*arguments)
    assert done.returncode == 0
    assert [line.split("]")[0] for line in done.stderr.splitlines()] == ["[1/3", "[2/3", "[3/3"]
    lines = (tmp_path / "results" / "test.jsonl").read_text().splitlines()
    assert [json.loads(line)["point"] for line in lines] == [2, 4, 6]
    again = inrc_command(*arguments)
    assert (again.returncode, again.stderr) == (0, "")
    assert (tmp_path / "results" / "test.jsonl").read_text().splitlines() == lines


def test_failures_make_the_exit_code_1(inrc_command, experiment, tmp_path):
    done = inrc_command("evaluate", experiment(broken=4), "--results", tmp_path, "--files", tmp_path)
    assert done.returncode == 1
    assert "OSError: broken" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("inrc: error: 1 of 3 points failed")
    repaired = inrc_command("evaluate", experiment(), "--results", tmp_path, "--files", tmp_path, "--again")
    assert (repaired.returncode, repaired.stderr.count("\n")) == (0, 1)


def test_where_kodak_is_missing_one_line_says_how_to_get_it(inrc_command, experiment, tmp_path):
    arguments = ("evaluate", experiment(pictures="kodak()"), "--results", tmp_path, "--files", tmp_path)
    done = inrc_command(*arguments, INRC_KODAK="")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "INRC_KODAK" in done.stderr
    assert "r0k.us" in done.stderr


@pytest.mark.slow
def test_smoke_from_encode_to_report(inrc_command, tmp_path):
    """Runs the steps of `make rd-smoke` on the bundled photograph."""
    files = tmp_path / "files"
    smoke = ROOT / "experiments" / "smoke.py"
    done = inrc_command("evaluate", smoke, "--smoke", "--results", tmp_path, "--files", files)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "smoke.jsonl").read_text().splitlines()]
    ours = sorted((r for r in records if r["codec"] == "inrc"), key=lambda r: r["bpp"])
    assert len(ours) == 3
    assert ours[0]["psnr_db"] < ours[1]["psnr_db"] < ours[2]["psnr_db"]
    assert all((files / f"{r['picture']}-{r['file_digest']}.inr").stat().st_size == r["n_bytes"] for r in ours)

    done = inrc_command("plot", tmp_path / "smoke.jsonl", "-o", tmp_path / "figures", "--markdown")
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".pdf", ".svg", ".png"}
    assert re.search(r"^\| inrc \|.*\|$", done.stdout, flags=re.MULTILINE)

    page = tmp_path / "report.html"
    shown = ("--pictures", COFFEE_SMALL.parent, "--files", files, "--show", 1, "--rates", 1)
    done = inrc_command("report", tmp_path / "smoke.jsonl", "-o", page, *shown)
    assert done.returncode == 0, done.stderr
    assert "data:image/webp;base64," in page.read_text()
