import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from inrc.baselines.interface import Encoding, MeasuredCodec
from inrc.errors import ExperimentError, MissingDataError, UnsupportedImageError
from inrc.evaluate import records, runner
from inrc.evaluate.experiment import Experiment, load_experiment
from inrc.evaluate.pictures import PictureSet, bundled, kodak
from inrc.metrics import ms_ssim, psnr_db, ssim
from inrc.signal.image import Image, write_image
from tests.conftest import COFFEE_SMALL

PICTURES = bundled(COFFEE_SMALL)
REPOSITORY = Path(__file__).parents[2]


class Coarse:
    """A codec that keeps the upper bits of every sample; `calls` holds the points that it has encoded."""

    def __init__(self, name: str = "coarse", points: tuple[float, ...] = (1.0, 3.0), broken_at: float = -1.0) -> None:
        self.calls: list[float] = []
        self.broken_at = broken_at
        self.codec = MeasuredCodec(
            name, self.encode, self.decode, points, settings=lambda point: {"bits": point}, extension="zz"
        )

    def encode(self, pixels: np.ndarray, point: float) -> bytes:
        self.calls.append(point)
        if point == self.broken_at:
            raise OSError("no space\nleft")
        shift = 8 - int(point)
        return np.array(pixels.shape, "<i4").tobytes() + zlib.compress((pixels >> shift << shift).tobytes())

    @staticmethod
    def decode(data: bytes) -> np.ndarray:
        shape = np.frombuffer(data[:12], "<i4")
        return np.frombuffer(zlib.decompress(data[12:]), np.uint8).reshape(shape)


def experiment(*codecs: MeasuredCodec, pictures: PictureSet = PICTURES) -> Experiment:
    return Experiment("test", pictures, codecs, results="test")


def run(tmp_path, value: Experiment, **options):
    return runner.run_experiment(value, results=tmp_path, files=tmp_path / "files", **options)


def test_records_hold_what_the_written_file_decodes_to(tmp_path, coffee_small):
    coarse = Coarse()
    found = run(tmp_path, experiment(coarse.codec))
    assert [(r.codec, r.point, r.picture, r.width, r.height) for r in found] == [
        ("coarse", 1.0, "coffee_small", 96, 64),
        ("coarse", 3.0, "coffee_small", 96, 64),
    ]
    for record in found:
        data = (tmp_path / "files" / record.file_name).read_bytes()
        pixels = Coarse.decode(data)
        assert record.n_bytes == len(data)
        assert record.bpp == 8 * len(data) / (96 * 64)
        assert record.file_digest == records.digest(data)
        assert record.psnr_db == psnr_db(coffee_small, pixels)
        assert record.mse == pytest.approx(10 ** (-record.psnr_db / 10))
        assert record.ssim == ssim(coffee_small, pixels)
        assert record.ms_ssim == ms_ssim(coffee_small, pixels)
        assert record.settings == {"bits": record.point}
        assert record.encode_seconds > 0
        assert record.decode_seconds > 0
        assert record.versions["inrc"]
        assert record.device
        assert record.measured_at.startswith("20")
    assert found[0].psnr_db < found[1].psnr_db
    again = records.load(tmp_path / "test.jsonl")
    assert [records.to_json(record) for record in again] == [records.to_json(record) for record in found]


def test_a_point_with_a_record_is_not_measured_again(tmp_path):
    coarse = Coarse()
    first = run(tmp_path, experiment(coarse.codec))
    assert coarse.calls == [1.0, 3.0]
    wider = dataclasses.replace(coarse.codec, points=(2.0, 1.0, 3.0))
    calls: list[tuple[float, int, int]] = []
    second = run(
        tmp_path, experiment(wider), progress=lambda record, done, total: calls.append((record.point, done, total))
    )
    assert coarse.calls == [1.0, 3.0, 2.0]
    assert calls == [(2.0, 1, 1)]
    assert [r.point for r in second] == [2.0, 1.0, 3.0]
    assert [r.measured_at for r in second[1:]] == [r.measured_at for r in first]


def test_other_settings_give_another_record(tmp_path):
    coarse = Coarse()
    run(tmp_path, experiment(coarse.codec))
    changed = dataclasses.replace(coarse.codec, settings=lambda point: {"bits": point, "dither": True})
    run(tmp_path, experiment(changed))
    assert coarse.calls == [1.0, 3.0, 1.0, 3.0]


def test_a_failure_is_a_record_and_the_run_goes_on(tmp_path):
    broken, sound = Coarse("broken", broken_at=1.0), Coarse("sound")
    found = run(tmp_path, experiment(broken.codec, sound.codec))
    assert [record.failure for record in found] == ["OSError: no space left", "", "", ""]
    assert np.isnan(found[0].psnr_db)
    assert found[0].n_bytes == 0
    run(tmp_path, experiment(broken.codec, sound.codec))
    assert broken.calls == [1.0, 3.0]
    broken.broken_at = -1.0
    again = run(tmp_path, experiment(broken.codec, sound.codec), again=True)
    assert broken.calls == [1.0, 3.0, 1.0]
    assert [record.failure for record in again] == [""] * 4
    assert sound.calls == [1.0, 3.0]


def test_a_decoder_that_gives_another_shape_has_failed(tmp_path):
    codec = dataclasses.replace(Coarse().codec, decode=lambda data: Coarse.decode(data)[1:])
    assert all("ValueError" in record.failure for record in run(tmp_path, experiment(codec)))


def test_a_codec_may_tell_its_own_seconds_and_more(tmp_path):
    coarse = Coarse(points=(2.0,))

    def encode(pixels: np.ndarray, point: float) -> Encoding:
        return Encoding(coarse.encode(pixels, point), 9.0, 15.0, 2.5, {"n_weights": 3}, [(1.0, 20.0, 0.5)])

    (record,) = run(tmp_path, experiment(dataclasses.replace(coarse.codec, encode=encode)))
    assert (record.encode_seconds, record.encode_compile_seconds, record.encode_cpu_seconds) == (6.5, 2.5, 15.0)
    assert record.details == {"n_weights": 3}
    assert record.trace == ((1.0, 20.0, 0.5),)


def test_quality_is_measured_against_the_codecs_reference(tmp_path, coffee_small):
    codec = dataclasses.replace(
        Coarse(points=(8.0,)).codec,
        reference=lambda original: original[::2, ::2],
        decode=lambda data: Coarse.decode(data)[::2, ::2],
    )
    (record,) = run(tmp_path, experiment(codec))
    assert record.psnr_db == np.inf
    assert record.bpp == 8 * record.n_bytes / (48 * 32)


def test_a_file_that_is_gone_is_made_again_on_request(tmp_path):
    coarse = Coarse()
    first, _ = run(tmp_path, experiment(coarse.codec))
    (tmp_path / "files" / first.file_name).unlink()
    run(tmp_path, experiment(coarse.codec))
    assert coarse.calls == [1.0, 3.0]
    run(tmp_path, experiment(coarse.codec), remake=True)
    assert coarse.calls == [1.0, 3.0, 1.0]
    assert (tmp_path / "files" / first.file_name).is_file()


def test_sixteen_bits_and_alpha_are_refused_before_anything_runs(tmp_path):
    write_image(tmp_path / "deep.png", Image(np.zeros((8, 8, 3), np.uint16)))
    coarse = Coarse()
    with pytest.raises(UnsupportedImageError, match=r"deep\.png"):
        run(tmp_path, experiment(coarse.codec, pictures=bundled(tmp_path / "deep.png")))
    assert coarse.calls == []


KILLED = """
import sys, time
from pathlib import Path
from inrc.evaluate import runner
from tests.evaluate.test_runner import Coarse, experiment

coarse = Coarse(points=(1.0, 2.0, 3.0, 4.0))
inner = coarse.codec.encode
def slow(pixels, point):
    Path({mark!r}).touch() if point == 3.0 else None
    time.sleep(60.0 if point == 3.0 else 0.0)
    return inner(pixels, point)
import dataclasses
slowly = experiment(dataclasses.replace(coarse.codec, encode=slow))
runner.run_experiment(slowly, results=Path({folder!r}), files=Path({folder!r}))
"""


def test_a_run_that_is_killed_resumes_where_it_was(tmp_path):
    mark = tmp_path / "mark"
    program = textwrap.dedent(KILLED.format(mark=str(mark), folder=str(tmp_path)))
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": "."})
    deadline = time.monotonic() + 60
    while not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mark.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [record.point for record in records.load(tmp_path / "test.jsonl")] == [1.0, 2.0]
    coarse = Coarse(points=(1.0, 2.0, 3.0, 4.0))
    found = run(tmp_path, experiment(coarse.codec))
    assert coarse.calls == [3.0, 4.0]
    assert [record.point for record in found] == [1.0, 2.0, 3.0, 4.0]


class TestPictures:
    def test_kodak_is_found_by_its_variable(self, tmp_path, monkeypatch):
        monkeypatch.setenv("INRC_KODAK", str(tmp_path))
        (tmp_path / "kodim05.png").touch()
        assert kodak(5).paths() == [tmp_path / "kodim05.png"]
        assert len(kodak().names) == 24

    def test_where_it_is_missing_one_line_says_how_to_get_it(self, tmp_path, monkeypatch):
        monkeypatch.delenv("INRC_KODAK", raising=False)
        with pytest.raises(MissingDataError, match="INRC_KODAK") as unset:
            kodak().paths()
        with pytest.raises(MissingDataError, match=r"lacks 24 of 24 pictures \(kodim01\.png, \.\.\.\)") as empty:
            kodak().paths(tmp_path)
        for error in (unset, empty):
            assert "\n" not in str(error.value)
            assert "r0k.us" in str(error.value)


class TestExperiment:
    def test_codecs_have_different_names(self):
        with pytest.raises(ExperimentError, match="same name"):
            experiment(Coarse("one").codec, Coarse("one").codec)

    def test_there_is_something_to_measure(self):
        with pytest.raises(ExperimentError, match="nothing to measure"):
            experiment()

    def test_points_are_counted(self):
        assert Experiment("x", kodak(), (Coarse("a").codec, Coarse("b").codec), "x").n_points == 96

    @pytest.mark.parametrize(
        ("content", "message"), [("X = 1", "no Experiment called EXPERIMENT"), ("EXPERIMENT = 3", "no Experiment")]
    )
    def test_a_file_without_one_is_refused(self, tmp_path, content, message):
        (tmp_path / "file.py").write_text(content)
        with pytest.raises(ExperimentError, match=message):
            load_experiment(tmp_path / "file.py")

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ExperimentError, match=r"none\.py"):
            load_experiment(tmp_path / "none.py")
