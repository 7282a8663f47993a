"""`inrc batch`, and `inrc decode` of many files, end to end."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import inrc
from inrc.cli.batch import _summary, amount, results
from inrc.dataset.run import Totals
from inrc.signal.image import read_image
from tests.cli.test_interrupt import CommandOnTerminal
from tests.conftest import COFFEE_SMALL
from tests.dataset.samples import png, write
from tests.dataset.test_sinks import files_in

FAST = ("-e", 1, "-q", 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, inrc_command) -> Path:
    """`in` with three pictures and a damaged one, and `out` of the first run over it."""
    root = tmp_path_factory.mktemp("batch")
    write(root / "in", 3)
    (root / "in/bad.png").write_bytes(b"bad")
    done = inrc_command("batch", "in", "out", *FAST, "--json", cwd=root)
    (root / "done.json").write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
    return root


def test_one_bad_picture_is_the_exit_code_and_a_row(folder):
    code, stdout, stderr = json.loads((folder / "done.json").read_text())
    assert code == 1
    summary, error = stderr.splitlines()
    assert summary.startswith("out: 3 pictures encoded, 1 failed, ")
    assert error == (
        "inrc: error: 1 of 4 pictures failed; their lines in out/manifest.jsonl say why, and --again tries them again"
    )
    values = json.loads(stdout)
    rows = {row.name: row for row in inrc.load_manifest(folder / "out")}
    assert {key: values[key] for key in ("n_images", "n_kept", "n_done", "n_failed", "n_left")} == {
        "n_images": 4, "n_kept": 0, "n_done": 3, "n_failed": 1, "n_left": 0,
    }  # fmt: skip
    good = [row for row in rows.values() if row.is_ok]
    assert values["n_bytes"] == sum(row.n_bytes for row in good)
    assert values["mean_psnr_db"] == pytest.approx(np.mean([row.psnr_db for row in good]), abs=1e-3)
    assert rows["bad.png"].status == "UnreadableImageError"
    assert all(0 < row.ssim < 1 for row in good)
    assert files_in(folder / "out") == ["000.inr", "001.inr", "below/002.inr", "manifest.jsonl"]


def test_files_are_those_of_encode(folder, inrc_command, tmp_path):
    assert inrc_command("encode", folder / "in/001.png", "-o", tmp_path / "alone.inr", *FAST).returncode == 0
    batch, alone = (inrc.decode(path.read_bytes()) for path in (folder / "out/001.inr", tmp_path / "alone.inr"))
    assert np.abs(batch.pixels.astype(int) - alone.pixels).mean() < 2
    sizes = [path.stat().st_size for path in (folder / "out/001.inr", tmp_path / "alone.inr")]
    assert abs(sizes[0] - sizes[1]) <= 2


def test_a_second_run_encodes_what_is_left(folder, inrc_command):
    times = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.inr")}
    kept = inrc_command("batch", "in", "out", *FAST, "--json", cwd=folder)
    assert kept.returncode == 1
    assert (json.loads(kept.stdout)["n_kept"], json.loads(kept.stdout)["n_failed"]) == (3, 1)
    assert kept.stderr.startswith("out: 0 pictures encoded, 3 kept, 1 failed\n")
    (folder / "in/bad.png").write_bytes(png(2))
    healed = inrc_command("batch", "in", "out", *FAST, "--quiet", cwd=folder)
    assert (healed.returncode, healed.stdout, healed.stderr) == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (folder / "out/bad.inr").read_bytes()[:3] == b"inr"


def test_shards_there_and_back(folder, inrc_command, tmp_path):
    archive = tmp_path / "in.tar"
    with tarfile.open(archive, "w") as tar:
        for seed in range(3):
            info = tarfile.TarInfo(f"n/{seed}.png")
            info.size = len(png(seed))
            tar.addfile(info, io.BytesIO(png(seed)))
    out = f"file://{tmp_path}/shards"
    options = (*FAST, "--shards", 2, "--batch-size", 2, "--readers", 1, "--no-ssim")
    done = inrc_command("batch", archive, out, *options)
    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "shards") == ["manifest.jsonl", "shard-0-000000.tar", "shard-0-000001.tar"]
    assert all(np.isnan(row.ssim) for row in inrc.load_manifest(out))

    back = inrc_command("decode", tmp_path / "shards", "-o", tmp_path / "back", "--scale", 2, "--json")
    assert back.returncode == 0, back.stderr
    assert {k: v for k, v in json.loads(back.stdout).items() if k.startswith("n_")} == {
        "n_items": 3, "n_kept": 0, "n_done": 3, "n_failed": 0,
    }  # fmt: skip
    names = {name.partition("/")[2] for name in files_in(tmp_path / "back")}
    assert names == {"n/0.png", "n/1.png", "n/2.png"}
    dataset = inrc.open_dataset(tmp_path / "shards", scale=2.0)
    for name, pixels in zip(dataset.names, dataset, strict=True):
        np.testing.assert_array_equal(read_image(tmp_path / "back" / f"{name[:-4]}.png").pixels, pixels)
        assert pixels.shape == (12, 16, 3)


class TestDecode:
    def test_failures_are_lines_and_the_rest_is_kept(self, folder, inrc_command, tmp_path):
        for name in ("000.inr", "001.inr"):
            (tmp_path / name).write_bytes((folder / "out" / name).read_bytes())
        (tmp_path / "cut.inr").write_bytes((folder / "out/000.inr").read_bytes()[:-4])
        done = inrc_command("decode", tmp_path / "*.inr", "-o", "back", "--format", "jpg", "-q", "80", cwd=tmp_path)
        assert done.returncode == 1
        lines = done.stderr.splitlines()
        assert len(lines) == 3
        assert lines[0].startswith("inrc: error: cut.inr: ")
        assert lines[1].startswith("back: 2 pictures decoded, 1 failed, ")
        assert lines[2] == "inrc: error: 1 of 3 files failed; the lines above say why"
        assert files_in(tmp_path / "back") == ["000.jpg", "001.jpg"]
        (tmp_path / "cut.inr").unlink()
        again = inrc_command("decode", tmp_path, "-o", "back", "--format", "jpg", cwd=tmp_path)
        assert again.returncode == 0
        assert again.stderr.startswith("back: 0 pictures decoded, 2 kept, ")

    def test_many_need_a_folder(self, folder, inrc_command, tmp_path):
        done = inrc_command("decode", folder / "out")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "name a folder for their pictures with -o" in done.stderr
        empty = inrc_command("decode", tmp_path, "-o", tmp_path / "back")
        assert (empty.returncode, empty.stderr.count("\n")) == (1, 1)
        assert "there is nothing to read" in empty.stderr


def test_special_files_fail_and_other_files_are_counted(inrc_command, tmp_path):
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in/pipe.png")
    for name in ("note.md", "a.mov", "b.MOV"):
        (tmp_path / "in" / name).touch()
    done = inrc_command("batch", "in", "out", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "out: 0 pictures encoded, 1 failed, 3 files skipped (2 .mov, 1 .md)",
        "inrc: error: 1 of 1 pictures failed; their lines in out/manifest.jsonl say why, and --again tries them again",
    ]
    assert json.loads(done.stdout)["skipped"] == {".mov": 2, ".md": 1}
    (row,) = inrc.load_manifest(tmp_path / "out")
    assert row.message.endswith("in/pipe.png: it is a named pipe, not a file; check the path")
    os.mkfifo(tmp_path / "in/pipe.inr")
    back = inrc_command("decode", "in", "-o", "back", cwd=tmp_path)
    assert back.returncode == 1
    assert "pipe.inr: it is a named pipe, not a file" in back.stderr
    assert "back: 0 pictures decoded, 1 failed, 4 files skipped (2 .mov, 1 .md, 1 .png), " in back.stderr


def test_messages_of_urls_hold_no_secrets(inrc_command, tmp_path):
    for arguments in (
        ("batch", "https://me:SECRET@localhost:1/a.png?sig=SECRET", "out"),
        ("batch", "nofs://me:SECRET@h/a?sig=SECRET", "out"),
        ("decode", "https://localhost:1/a.inr?sig=SECRET", "-o", "back"),
    ):
        done = inrc_command(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert "SECRET" not in done.stderr


def test_errors_before_any_work_are_one_line(inrc_command, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (("empty", "out"), "there is nothing to read in empty"),
        (("missing", "out"), "there is no missing"),
        (("empty", "out", "-q", 101), "the quality is 101"),
        (("empty", "out", "--batch-size", 0), "--batch-size is 0; it must be a number"),
        (("nofs://x", "out"), "cannot use nofs://x"),
    ):
        done = inrc_command("batch", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert message in done.stderr
    assert files_in(tmp_path) == []


def test_ctrl_c_ends_early_and_prints_how_much_is_left(inrc_command, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(2):
        (tmp_path / f"in/{i}.png").write_bytes(COFFEE_SMALL.read_bytes())
    terminal = CommandOnTerminal(inrc_command, "batch", tmp_path / "in", tmp_path / "out", "-e", 9, "--batch-size", 1)
    terminal.wait_for("encoding")
    terminal.process.send_signal(signal.SIGINT)
    terminal.finish()
    assert terminal.process.returncode == 130, terminal.output
    assert "stopping after the next steps" in terminal.output
    assert "interrupted with 2 pictures left; the same command encodes them" in terminal.output
    assert "Traceback" not in terminal.output
    assert files_in(tmp_path / "out") == ["manifest.jsonl"]  # a fit that was cut short is not a result
    assert (tmp_path / "out/manifest.jsonl").read_bytes() == b""


@pytest.mark.slow
def test_a_terminal_shows_the_progress(inrc_command, folder, tmp_path):
    terminal = CommandOnTerminal(inrc_command, "batch", folder / "in", tmp_path / "out", *FAST)
    terminal.finish()
    for text in ("images/s", " to ", " dB", "/4"):
        assert text in terminal.output


CORES = """
import sys
from inrc.cli.jax_setup import use_all_cores
from inrc.parallel import n_cores
use_all_cores()
import jax
print(len(jax.devices()), n_cores())
"""


def test_every_core_is_a_device_unless_the_user_sets_a_number(inrc_command):
    def devices(**environment: str) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", CORES],
            capture_output=True,
            text=True,
            check=True,
            env={**inrc_command.environment, "JAX_PLATFORMS": "cpu", **environment},
        ).stdout.split()

    n_devices, n_cores = devices()
    assert n_devices == n_cores == str(len(os.sched_getaffinity(0)))
    assert devices(JAX_NUM_CPU_DEVICES="3")[0] == "3"
    assert devices(XLA_FLAGS="--xla_force_host_platform_device_count=5")[0] == "5"


def test_the_parts_of_the_summary():
    values = (0, 999, 1000, 1234567, 5.5e13)
    assert [amount(n) for n in values] == ["0 bytes", "999 bytes", "1 kB", "1.23 MB", "55 TB"]
    totals = Totals(n_items=9, n_done=2, n_failed=1, input_bytes=5000, n_bytes=1000, sum_psnr_db=60, n_psnr=2)
    totals.seconds = 6.0
    assert results(totals) == ["1 failed", "5 kB to 1 kB", "30.00 dB", "0.5 images/s"]
    assert results(Totals()) == []
    totals.skipped = {".mov": 2, "other": 1}
    assert _summary(totals).endswith("0.5 images/s, 3 files skipped (2 .mov, 1 other)")
