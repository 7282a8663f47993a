import threading

import numpy as np
import pytest

import inrc
from inrc.dataset.pictures import DecodeOptions, decode_all
from inrc.errors import CorruptFileError, DatasetError, UnsafeNameError
from inrc.signal.image import read_image
from tests.dataset.samples import ENCODE, picture
from tests.dataset.test_sinks import files_in
from tests.dataset.test_sources import tar_of


@pytest.fixture(scope="module")
def data() -> list[bytes]:
    return [inrc.encode(picture(seed), ENCODE).data for seed in range(3)]


def test_a_folder_becomes_a_folder(tmp_path, data):
    for name, content in zip(("a.inr", "b/c.inr", "b/ü.inr"), data, strict=True):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    totals = decode_all(tmp_path / "in", tmp_path / "out", DecodeOptions(scale=2.0))
    assert vars(totals) == {"n_items": 3, "n_kept": 0, "n_done": 3, "n_failed": 0, "skipped": {}}
    assert files_in(tmp_path / "out") == ["a.png", "b/c.png", "b/ü.png"]
    expected = inrc.decode(data[1], scale=2.0).pixels
    assert expected.shape == (12, 16, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "out/b/c.png").pixels, expected)

    (tmp_path / "out/a.png").unlink()
    (tmp_path / "out/b/c.png").write_bytes(b"kept")
    totals = decode_all(tmp_path / "in", tmp_path / "out")
    assert (totals.n_kept, totals.n_done) == (2, 1)
    assert (tmp_path / "out/b/c.png").read_bytes() == b"kept"
    assert decode_all(tmp_path / "in", tmp_path / "out", DecodeOptions(fit=4, force=True)).n_done == 3
    assert read_image(tmp_path / "out/b/c.png").pixels.shape == (3, 4, 3)
    assert decode_all(tmp_path / "in", tmp_path / "out", DecodeOptions(force=True)).n_done == 3
    assert read_image(tmp_path / "out/b/c.png").pixels.shape == (6, 8, 3)


def test_shards_here_and_elsewhere(tmp_path, data, memory):
    tar_of(tmp_path / "s.tar", {"x/a.inr": data[0], "b.inr": data[1], "../c.inr": data[2]})
    errors = []
    options = DecodeOptions(format="ppm", region=(0, 0, 4, 3))
    totals = decode_all(tmp_path, "memory://out", options, on_error=lambda *error: errors.append(error))
    assert (totals.n_done, totals.n_failed) == (2, 1)
    assert sorted(memory.find("/out")) == ["/out/s/b.ppm", "/out/s/x/a.ppm"]
    assert memory.cat_file("/out/s/b.ppm").startswith(b"P6")
    assert [(name, type(error)) for name, error in errors] == [("s/../c.inr", UnsafeNameError)]
    assert decode_all(tmp_path, "memory://out", options).n_kept == 2


def test_a_damaged_file_does_not_stop_the_others(tmp_path, data):
    (tmp_path / "in").mkdir()
    for i, content in enumerate(data):
        (tmp_path / f"in/{i}.inr").write_bytes(content)
    damaged = bytearray(data[1])
    damaged[-3] ^= 1
    (tmp_path / "in/1.inr").write_bytes(damaged)
    errors = []
    totals = decode_all(tmp_path / "in", tmp_path / "out", on_error=lambda *error: errors.append(error))
    assert (totals.n_done, totals.n_failed) == (2, 1)
    assert [(name, type(error)) for name, error in errors] == [("1.inr", CorruptFileError)]
    assert files_in(tmp_path / "out") == ["0.png", "2.png"]


def test_stopping_and_nothing_to_do(tmp_path, data):
    (tmp_path / "a.inr").write_bytes(data[0])
    stop = threading.Event()
    stop.set()
    assert decode_all(tmp_path, tmp_path / "out", stop=stop).n_done == 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="nothing to read"):
        decode_all(tmp_path / "empty", tmp_path / "out")
