"""`inrc batch --engine ray`, end to end on a cluster of this machine that the command starts itself."""

import json

import pytest

from tests.dataset.samples import write

pytest.importorskip("ray")
FAST = ("-e", 1, "-q", 10)


@pytest.mark.slow
def test_files_are_those_of_the_local_engine(inrc_command, tmp_path):
    write(tmp_path / "in", 3)
    local = inrc_command("batch", "in", "local", *FAST, "--quiet", cwd=tmp_path)
    assert (local.returncode, local.stdout, local.stderr) == (0, "", "")
    done = inrc_command("batch", "in", "out", *FAST, "--engine", "ray", "--cores", 1, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("out: 3 pictures encoded, ")
    assert json.loads(done.stdout)["n_done"] == 3
    found, expected = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.inr")}
        for name in ("out", "local")
    )
    assert found == expected
    assert len(found) == 3


def test_options_out_of_range_are_one_line(inrc_command, tmp_path):
    write(tmp_path / "in", 1)
    done = inrc_command("batch", "in", "out", "--engine", "ray", "--cores", 0, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "inrc: error: --cores is 0; it must be a number in 1..10000\n"
