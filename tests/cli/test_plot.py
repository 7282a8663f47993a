"""`inrc plot` end to end: printed tables, written figures and errors."""

from pathlib import Path

import pytest

from inrc.evaluate.records import append
from tests.evaluate.samples import make_curve_records, make_record

pytest.importorskip("matplotlib")

STEMS = ("rate-psnr", "rate-ssim", "rate-ms-ssim", "seconds", "anytime-inrc-e9", "bd-rate-inrc-e9")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Records of an anchor, of another codec, and of ours at 0.8 times the anchor's rate with one failed point."""
    trace = ((1.0, 20.0, 0.5), (2.0, 24.0, 0.4))
    path = tmp_path / "results.jsonl"
    stale = make_record(codec="inrc e9", point=0.4, bpp=0.4, psnr_db=99.0, extension="inr", settings={"old": 1})
    failed = make_record(codec="inrc e9", picture="kodim04", point=0.4, failure="boom", n_bytes=0)
    for record in (
        stale,
        *make_curve_records(),
        *make_curve_records("webp", rate_factor=0.9),
        *make_curve_records("inrc e9", rate_factor=0.8, extension="inr", trace=trace),
        failed,
    ):
        append(path, record)
    return path


@pytest.mark.slow
def test_tables_are_printed_and_figures_written(inrc_command, results, tmp_path):
    done = inrc_command("plot", results, "-o", tmp_path / "figures", "--markdown")
    assert (done.returncode, done.stderr) == (0, "")
    assert "**Means over 3 pictures**" in done.stdout
    assert "| webp | -10.0 | -10.0 | -10.0 | -10.0 | 3 |" in done.stdout
    assert "| inrc e9 | -20.0 | -20.0 | -20.0 | -20.0 | 3 |" in done.stdout
    expected = {str(tmp_path / "figures" / f"{stem}.{suffix}") for stem in STEMS for suffix in ("pdf", "svg", "png")}
    assert {line for line in done.stdout.splitlines() if line.endswith(("pdf", "svg", "png"))} == expected
    assert {str(path) for path in (tmp_path / "figures").iterdir()} == expected


def test_stderr_names_what_the_records_do_not_allow(inrc_command, results, tmp_path):
    done = inrc_command("plot", results, "--codecs", "inrc e9", "--anchor", "avif_444", cwd=tmp_path)
    assert done.returncode == 0
    notes = done.stderr.splitlines()
    assert notes[0] == "no table of BD-rates: there is no record of avif_444; there are records of inrc e9"
    assert notes[1].startswith("no seconds: there are no two codecs or efforts to compare")
    assert len(notes) == 2
    assert "Means over 3 pictures" in done.stdout
    assert "webp" not in done.stdout
    assert (tmp_path / "out" / "figures" / "rate-psnr.svg").is_file()


def test_errors(inrc_command, results, tmp_path):
    def error(*arguments: object) -> str:
        done = inrc_command("plot", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        return done.stderr

    assert "there is no file" in error(tmp_path / "nothing.jsonl")
    assert "there is no record of coin; there are records of jpeg_444, webp, inrc e9" in error(
        results, "--codecs", "coin"
    )
    assert "has no published curves" in error(results, "--published", tmp_path)
