import dataclasses
import hashlib
import math
import os
import shutil
import threading
import time

import numpy as np
import pytest

import inrc
from inrc.codec.options import EncodeOptions
from inrc.codec.settings import settings_hash
from inrc.codec.stats import Encoded
from inrc.dataset import pipeline
from inrc.dataset import run as runs
from inrc.dataset.items import output_names
from inrc.dataset.manifest import Row, load_manifest
from inrc.dataset.pipeline import encode_tasks
from inrc.dataset.run import Totals, encode_dataset
from inrc.dataset.sources import list_items
from inrc.dataset.tasks import EncodeTask, RunOptions
from inrc.errors import ConfigError, DatasetError, RecordError
from inrc.metrics import psnr_db, ssim
from inrc.signal.image import write_image
from tests.dataset.samples import ENCODE, OPTIONS, FakeBatch, FakeEncoder, ignore, picture, png, write
from tests.dataset.test_sinks import contents, files_in
from tests.dataset.test_sources import tar_of

FAKE = dataclasses.replace(OPTIONS, measure_ssim=False)


def counts(totals: Totals) -> dict[str, int]:
    names = {
        "n_items": "items",
        "n_kept": "kept",
        "n_kept_failed": "kept_failed",
        "n_done": "done",
        "n_failed": "failed",
    }
    return {short: getattr(totals, name) for name, short in names.items() if getattr(totals, name)}


def tasks_of(source) -> list[EncodeTask]:
    items = list_items(source)
    names = output_names(items, ".inr")
    return [EncodeTask(item, name, "c0") for item, name in zip(items, names, strict=True)]


class TestFiles:
    def test_rows_say_what_the_files_are(self, tmp_path):
        source, out = tmp_path / "in", tmp_path / "out"
        (source / "sub").mkdir(parents=True)
        kinds = {
            "one pixel.png": picture(1, 1, 1),
            "sub/ünï-色.tif": picture(3, 4, 6, 1, 16),
        }
        for name, image in kinds.items():
            write_image(source / name, image)
        totals = encode_dataset(source, out, OPTIONS)
        assert counts(totals) == {"items": 2, "done": 2}
        rows = {row.name: row for row in load_manifest(out)}
        assert rows.keys() == kinds.keys()
        assert files_in(out) == ["manifest.jsonl", "one pixel.inr", "sub/ünï-色.inr"]
        for name, image in kinds.items():
            row = rows[name]
            data, decoded = (out / row.output).read_bytes(), inrc.decode((out / row.output).read_bytes())
            assert row.n_bytes == len(data)
            assert row.output_hash == hashlib.sha256(data).hexdigest()
            assert row.input_hash == hashlib.sha256((source / name).read_bytes()).hexdigest()
            assert (row.height, row.width, row.channels) == image.pixels.shape
            assert row.bit_depth == image.bit_depth
            assert row.bpp == pytest.approx(8 * len(data) / (image.width * image.height), rel=1e-5)
            depth = image.bit_depth
            assert row.psnr_db == pytest.approx(psnr_db(image.pixels, decoded.pixels, bit_depth=depth), abs=1e-3)
            assert row.ssim == pytest.approx(ssim(image.pixels, decoded.pixels, bit_depth=depth), abs=1e-5)
            assert row.config_hash == settings_hash(ENCODE)
            assert (row.status, row.codec, row.init, row.seconds > 0) == ("ok", "siren", "", True)
        assert totals.n_bytes == sum(row.n_bytes for row in rows.values())
        assert totals.input_bytes == sum(path.stat().st_size for path in source.rglob("*.*"))

    def test_as_encoded_alone(self, tmp_path):
        write(tmp_path / "in", 2)
        encode_dataset(tmp_path / "in", tmp_path / "out", dataclasses.replace(OPTIONS, batch_size=1))
        assert (tmp_path / "out/000.inr").read_bytes() == inrc.encode(tmp_path / "in/000.png", ENCODE).data

    def test_a_bad_picture_is_a_row(self, tmp_path):
        source = tmp_path / "in"
        write(source, 3)
        (source / "cut.png").write_bytes(png(0)[:60])
        (source / "text.jpg").write_text("hello")
        (source / "empty.png").touch()
        (source / "gif.webp").write_bytes(b"GIF89a" + bytes(30))
        tar_of(source / "t.tar", {"../x.png": png(1), "y.png": png(2)})
        totals = encode_dataset(source, tmp_path / "out", OPTIONS)
        assert counts(totals) == {"items": 9, "done": 4, "failed": 5}
        rows = {row.name: row for row in load_manifest(tmp_path / "out")}
        assert {name: row.status for name, row in rows.items() if not row.is_ok} == {
            "cut.png": "UnreadableImageError",
            "text.jpg": "UnreadableImageError",
            "empty.png": "UnreadableImageError",
            "gif.webp": "UnsupportedImageError",
            "t/../x.png": "UnsafeNameError",
        }
        assert "GIF" in rows["gif.webp"].message
        assert rows["cut.png"].input_hash == hashlib.sha256(png(0)[:60]).hexdigest()
        assert (rows["cut.png"].output, math.isnan(rows["cut.png"].psnr_db)) == ("", True)
        assert files_in(tmp_path) == sorted(
            [f"in/{name}" for name in files_in(source)]
            + [f"out/{name}" for name in ("000.inr", "001.inr", "below/002.inr", "t/y.inr", "manifest.jsonl")]
        )

    def test_options_that_do_not_suit_one_picture_give_an_error_row(self, tmp_path):
        from tests.shared_init.inits import random_init

        path = tmp_path / "init.npz"
        inrc.shared_init.save(random_init(), path)
        (tmp_path / "in").mkdir()
        write_image(tmp_path / "in/alpha.png", picture(0, 8, 8, 4))
        write_image(tmp_path / "in/small.png", picture(0, 8, 8))
        options = RunOptions(EncodeOptions(init=str(path), fit=ENCODE.fit))
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", options)) == {
            "items": 2,
            "done": 1,
            "failed": 1,
        }
        alpha, small = load_manifest(tmp_path / "out")
        assert (alpha.status, small.status, small.init) == ("ConfigError", "ok", random_init().id.hex())

    def test_names_that_collide_are_told_apart_even_later(self, tmp_path):
        source, out = tmp_path / "in", tmp_path / "out"
        source.mkdir()
        write_image(source / "a.png", picture(0))
        encode_dataset(source, out, OPTIONS)
        write_image(source / "a.webp", picture(1))
        assert counts(encode_dataset(source, out, OPTIONS)) == {"items": 2, "done": 1, "kept": 1}
        assert files_in(out) == ["a.inr", "a.webp.inr", "manifest.jsonl"]
        write_image(source / "a.png", picture(2))
        assert counts(encode_dataset(source, out, OPTIONS)) == {"items": 2, "done": 1, "kept": 1}
        assert files_in(out) == ["a.png.inr", "a.webp.inr", "manifest.jsonl"]  # a.inr was of the old picture


class TestShards:
    def test_files_are_the_same_as_without(self, tmp_path):
        write(tmp_path / "in", 7)
        encode_dataset(tmp_path / "in", tmp_path / "tree", OPTIONS)
        encode_dataset(tmp_path / "in", tmp_path / "shards", dataclasses.replace(OPTIONS, images_per_shard=3))
        assert files_in(tmp_path / "shards") == ["manifest.jsonl", *(f"shard-0-00000{i}.tar" for i in range(3))]
        found = {}
        for path in (tmp_path / "shards").glob("*.tar"):
            found |= contents(path)
        tree = tmp_path / "tree"
        assert found == {name: (tree / name).read_bytes() for name in files_in(tree) if name.endswith("inr")}
        for row in load_manifest(tmp_path / "shards"):
            assert contents(tmp_path / "shards" / row.shard)[row.output] == found[row.output]

    def test_are_kept_until_something_changes(self, tmp_path, fake):
        options = dataclasses.replace(FAKE, images_per_shard=2)
        write(tmp_path / "in", 5)
        encode_dataset(tmp_path / "in", tmp_path / "out", options)
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", options)) == {"items": 5, "kept": 5}
        (tmp_path / "in/000.png").write_bytes(png(99))
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", options)) == {"items": 5, "kept": 4, "done": 1}
        members = [name for path in (tmp_path / "out").glob("*.tar") for name in contents(path)]
        assert sorted(members) == ["000.inr", "001.inr", "003.inr", "004.inr", "below/002.inr"]  # the old one is gone
        row = load_manifest(tmp_path / "out")[1]
        (tmp_path / "out" / row.shard).unlink()
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", options))["done"] in (1, 2)


class TestAgain:
    def test_finished_pictures_are_skipped(self, tmp_path, fake):
        source, out = tmp_path / "in", tmp_path / "out"
        write(source, 6)
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 6, "done": 6}
        n_batches = len(fake.batches)
        times = {path: path.stat().st_mtime_ns for path in out.rglob("*.inr")}
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 6, "kept": 6}
        assert len(fake.batches) == n_batches
        write(source, 1, first=50)
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 7, "kept": 6, "done": 1}
        assert {path: path.stat().st_mtime_ns for path in times} == times

    def test_missing_and_cut_files_are_made_again(self, tmp_path, fake):
        write(tmp_path / "in", 4)
        encode_dataset(tmp_path / "in", tmp_path / "out", FAKE)
        before = (tmp_path / "out/001.inr").read_bytes()
        (tmp_path / "out/000.inr").unlink()
        (tmp_path / "out/001.inr").write_bytes(before[:-1])
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", FAKE)) == {"items": 4, "kept": 2, "done": 2}
        assert (tmp_path / "out/001.inr").read_bytes() == before

    def test_changed_pictures_are_encoded_again_and_touched_ones_are_not(self, tmp_path, fake):
        source, out = tmp_path / "in", tmp_path / "out"
        write(source, 3)
        encode_dataset(source, out, FAKE)
        n_batches = len(fake.batches)
        for path in source.rglob("*.png"):
            os.utime(path, (1, 1))
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 3, "kept": 3}
        assert len(fake.batches) == n_batches  # the hash was the same
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 3, "kept": 3}
        old = {row.name: row for row in load_manifest(out)}
        (source / "000.png").write_bytes(png(77))
        encode_dataset(source, out, FAKE)
        new = {row.name: row for row in load_manifest(out)}
        assert [name for name in old if old[name].input_hash != new[name].input_hash] == ["000.png"]

    def test_other_options_encode_everything_again(self, tmp_path, fake):
        write(tmp_path / "in", 3)
        encode_dataset(tmp_path / "in", tmp_path / "out", FAKE)
        other = dataclasses.replace(FAKE, encode=dataclasses.replace(ENCODE, seed=1))
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", other)) == {"items": 3, "done": 3}
        more = dataclasses.replace(other, batch_size=3, n_readers=3, memory_bytes=10**6)  # these do not decide bytes
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", more)) == {"items": 3, "kept": 3}

    def test_failures_are_tried_again_on_request_or_when_changed(self, tmp_path, fake):
        source, out = tmp_path / "in", tmp_path / "out"
        write(source, 2)
        (source / "a.png").write_bytes(b"bad")
        (source / "b.png").write_bytes(b"bad")
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 4, "done": 2, "failed": 2}
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 4, "kept": 2, "kept_failed": 2}
        again = dataclasses.replace(FAKE, again=True)
        assert counts(encode_dataset(source, out, again)) == {"items": 4, "kept": 2, "failed": 2}
        (source / "a.png").write_bytes(png(5))
        assert counts(encode_dataset(source, out, FAKE)) == {"items": 4, "kept": 2, "kept_failed": 1, "done": 1}

    def test_the_hash_depends_on_all_that_decides_bytes(self, monkeypatch):
        changes = {
            "effort": 5,
            "quality": 51.0,
            "seed": 1,
            "codec": "fourier",
            "loss": "l1",
            "max_bytes": 99,
            "init": "none",
        }
        hashes = {settings_hash(dataclasses.replace(EncodeOptions(), **{k: v})) for k, v in changes.items()}
        before = settings_hash(EncodeOptions())
        assert len(hashes | {before, settings_hash(ENCODE)}) == len(changes) + 2
        assert settings_hash(EncodeOptions(effort=4)) == before
        monkeypatch.setitem(inrc.presets._PASSES, 4, 71.0)
        assert settings_hash(EncodeOptions()) != before


class TestPipeline:
    def test_pictures_of_one_shape_go_together(self, tmp_path):
        for i in range(10):
            write_image(tmp_path / f"wide{i}.png", picture(100 + i, 4, 9))
            write_image(tmp_path / f"high{i}.png", picture(200 + i, 9, 4))
        encoder, rows = FakeEncoder(), []
        encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), FAKE, rows.extend, encoder=encoder)
        assert sorted(encoder.batches) == [2, 2, 4, 4, 4, 4]
        assert len({row.name for row in rows}) == len(rows) == 20

    def test_memory_is_bounded_and_a_bin_that_waits_is_fitted(self, tmp_path):
        shapes = [(h, w) for h in range(4, 12) for w in range(4, 12)]
        for i, (height, width) in enumerate(shapes):
            write_image(tmp_path / f"{i}.png", picture(i + 20, height, width))
        cost = 9 * 3 * 11 * 11
        encoder, rows = FakeEncoder(size=100), []
        options = dataclasses.replace(FAKE, memory_bytes=4 * cost, n_readers=3)
        encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), options, rows.extend, encoder=encoder)
        assert len(rows) == 64
        smallest = 9 * 3 * 4 * 4
        assert encoder.most_in_flight <= 4 * cost // smallest
        assert encoder.batches == [1] * 64
        tight = FakeEncoder(size=100)
        options = dataclasses.replace(FAKE, memory_bytes=1, n_readers=4)
        encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), options, ignore, encoder=tight)
        assert tight.most_in_flight == 1

    def test_ten_thousand_pictures_are_not_read_at_once(self, tmp_path):
        write_image(tmp_path / "000.png", picture(20, 16, 16))
        item = list_items(tmp_path)[0]
        encoder, n_rows = FakeEncoder(size=8), 0

        def count(rows):
            nonlocal n_rows
            n_rows += len(rows)

        tasks = (EncodeTask(dataclasses.replace(item, name=str(i)), f"{i % 50}.inr", "c0") for i in range(2000))
        options = dataclasses.replace(FAKE, memory_bytes=64 * 16 * 16 * 3 * 9)
        encode_tasks(tasks, str(tmp_path / "out"), options, count, encoder=encoder)
        assert n_rows == 2000
        assert encoder.most_in_flight <= 64
        assert sum(encoder.batches) / len(encoder.batches) > 7

    def test_a_batch_that_fails_is_halved_down_to_the_picture(self, tmp_path):
        for i in range(8):
            image = picture(i + 20)
            image.pixels.flat[0] = 13 if i == 5 else 20 + i
            write_image(tmp_path / f"{i}.png", image)
        encoder, rows = FakeEncoder(size=8), []
        encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), FAKE, rows.extend, encoder=encoder)
        assert encoder.batches == [8, 4, 4, 2, 1, 1, 2] or sum(encoder.batches) > 8
        failed = {row.name: (row.status, row.message) for row in rows if not row.is_ok}
        assert failed == {"5.png": ("RuntimeError", "the device is out of memory")}
        assert files_in(tmp_path / "out") == [f"{i}.inr" for i in range(8) if i != 5]

    def test_a_batch_that_cannot_be_finished_is_fitted_one_by_one(self, tmp_path):
        class Fragile(FakeEncoder):
            def finish(self, fitted):
                assert isinstance(fitted, FakeBatch)
                if len(fitted.files) > 1:
                    raise ValueError("not together")
                return super().finish(fitted)

        write(tmp_path, 5)
        encoder, rows = Fragile(), []
        encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), FAKE, rows.extend, encoder=encoder)
        assert [row.status for row in rows] == ["ok"] * 5
        assert sorted(encoder.batches) == [1, 1, 1, 1, 1, 4]

    def test_an_unexpected_error_is_the_row_of_its_picture(self, tmp_path, monkeypatch):
        write(tmp_path, 3)
        prepare = FakeEncoder.prepare

        def fragile(self, image):
            if np.array_equal(image.pixels, picture(1).pixels):
                raise ZeroDivisionError("by\nzero")
            return prepare(self, image)

        monkeypatch.setattr(FakeEncoder, "prepare", fragile)
        rows: list[Row] = []
        encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), FAKE, rows.extend, encoder=FakeEncoder())
        found = {row.name: (row.status, row.message) for row in rows}
        assert found["001.png"] == ("ZeroDivisionError", "by zero")
        assert len(found) == 3

    def test_an_error_of_the_outputs_ends_the_run(self, tmp_path):
        write(tmp_path, 30)
        (tmp_path / "file").touch()
        rows: list[Row] = []
        options = dataclasses.replace(FAKE, images_per_shard=3)
        with pytest.raises(DatasetError, match="cannot write"):
            encode_tasks(tasks_of(tmp_path), str(tmp_path / "file/out"), options, rows.extend, encoder=FakeEncoder())
        assert rows == []

        def refuse(_):
            raise RecordError("no")

        with pytest.raises(RecordError, match="no"):
            encode_tasks(tasks_of(tmp_path), str(tmp_path / "out"), FAKE, refuse, encoder=FakeEncoder())

    def test_stopping_keeps_what_is_finished_and_drops_what_was_cut_short(self, tmp_path):
        stop = threading.Event()

        class Slow(FakeEncoder):
            def fit(self, batch, *, progress=None):
                fitted = super().fit(batch)
                if len(self.batches) < 3:
                    return fitted
                stop.set()
                with pytest.raises(KeyboardInterrupt):
                    progress(None)  # pyright: ignore
                stats = [encoded.stats for encoded in fitted.files]
                cut = (Encoded(b"", dataclasses.replace(s, interrupted=True)) for s in stats)
                return FakeBatch((), tuple(cut))

        write(tmp_path / "in", 20)
        rows: list[Row] = []
        encode_tasks(tasks_of(tmp_path / "in"), str(tmp_path / "out"), FAKE, rows.extend, encoder=Slow(), stop=stop)
        assert len(rows) == 8
        assert files_in(tmp_path / "out") == sorted(row.output for row in rows)


class TestElsewhere:
    @pytest.mark.parametrize("shards", [0, 4])
    def test_in_memory(self, tmp_path, memory, fake, shards):
        options = dataclasses.replace(FAKE, images_per_shard=shards)
        for seed in range(6):
            memory.pipe_file(f"/in/{'b/' * (seed % 2)}{seed}.png", png(seed))
        memory.pipe_file("/in/bad.png", b"bad")
        assert counts(encode_dataset("memory://in", "memory://out", options)) == {"items": 7, "done": 6, "failed": 1}
        found = {path.removeprefix("/out/") for path in memory.find("/out")}
        if shards:
            assert found == {"manifest.jsonl", "shard-0-000000.tar", "shard-0-000001.tar"}
        else:
            assert found == {"0.inr", "2.inr", "4.inr", "b/1.inr", "b/3.inr", "b/5.inr", "manifest.jsonl"}
        assert counts(encode_dataset("memory://in", "memory://out", options)) == {
            "items": 7,
            "kept": 6,
            "kept_failed": 1,
        }
        time.sleep(0.002)
        memory.pipe_file("/in/0.png", png(50))
        assert counts(encode_dataset("memory://in", "memory://out", options)) == {
            "items": 7, "kept": 5, "kept_failed": 1, "done": 1,
        }  # fmt: skip
        assert len(load_manifest("memory://out")) == 7
        memory.rm("/out/shard-0-000000.tar" if shards else "/out/b/1.inr")
        assert counts(encode_dataset("memory://in", "memory://out", options))["done"] in ((3, 4) if shards else (1,))

    def test_file_urls(self, tmp_path, fake):
        write(tmp_path / "in", 3)
        assert counts(encode_dataset(f"file://{tmp_path}/in", f"file://{tmp_path}/out", FAKE)) == {
            "items": 3,
            "done": 3,
        }
        assert counts(encode_dataset(tmp_path / "in", tmp_path / "out", FAKE)) == {"items": 3, "kept": 3}


class TestRun:
    def test_two_runs_at_once_are_refused(self, tmp_path, fake):
        write(tmp_path / "in", 2)
        refused = []

        def engine(tasks, output, options, on_rows, *, stop):
            with pytest.raises(RecordError, match="another run writes"):
                encode_dataset(tmp_path / "in", output, options)
            refused.append(output)

        encode_dataset(tmp_path / "in", tmp_path / "out", FAKE, engine=engine)
        assert len(refused) == 1

    def test_an_engine_gets_what_is_left_and_gives_rows(self, tmp_path, fake):
        write(tmp_path / "in", 5)
        encode_dataset(tmp_path / "in", tmp_path / "out", FAKE)
        (tmp_path / "out/000.inr").unlink()
        (tmp_path / "out/below/002.inr").unlink()
        seen, steps = [], []

        def engine(tasks, output, options, on_rows, *, stop):
            seen.extend(task.item.name for task in tasks)
            encode_tasks(tasks[:1], output, options, on_rows, writer="w1", stop=stop)
            encode_tasks(tasks[1:], output, options, on_rows, writer="w2", stop=stop)

        def progress(totals):
            steps.append(totals.n_left)

        totals = encode_dataset(tmp_path / "in", tmp_path / "out", FAKE, engine=engine, progress=progress)
        assert seen == ["000.png", "below/002.png"]
        assert steps == [2, 1, 0]
        assert counts(totals) == {"items": 5, "kept": 3, "done": 2}

    def test_shards_of_a_lost_worker_are_completed(self, tmp_path, fake, monkeypatch):
        write(tmp_path / "in", 3)

        def engine(tasks, output, options, on_rows, *, stop):
            sink = pipeline.open_sink(output, on_rows, images_per_shard=10, writer="w1")
            with monkeypatch.context() as patch:
                patch.setattr(type(sink), "close", lambda self: self._file.close())  # as if it were killed
                encode_tasks(tasks, output, options, on_rows, writer="w1", stop=stop)

        encode_dataset(tmp_path / "in", tmp_path / "out", dataclasses.replace(FAKE, images_per_shard=10), engine=engine)
        assert files_in(tmp_path / "out") == ["manifest.jsonl", "shard-w1-000000.tar"]
        assert len(contents(tmp_path / "out/shard-w1-000000.tar")) == 3

    def test_a_folder_without_pictures_is_a_typed_error_and_makes_nothing(self, tmp_path):
        (tmp_path / "in").mkdir()
        with pytest.raises(DatasetError, match="nothing to read"):
            encode_dataset(tmp_path / "in", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        (tmp_path / "file").touch()
        write(tmp_path / "in", 1)
        with pytest.raises(DatasetError, match="cannot write to"):
            encode_dataset(tmp_path / "in", tmp_path / "file/out")

    def test_options_out_of_range(self):
        for name in ("batch_size", "n_readers", "memory_bytes"):
            with pytest.raises(ConfigError, match=name):
                dataclasses.replace(FAKE, **{name: 0})

    def test_totals(self):
        totals = Totals(n_items=10, n_kept=2, n_kept_failed=1)
        for row in (
            Row("a", "ok", input_bytes=100, n_bytes=10, psnr_db=30.0),
            Row("b", "ok", input_bytes=50, n_bytes=20, psnr_db=math.inf),
            Row("c", "ok", input_bytes=50, n_bytes=20, psnr_db=40.0),
            Row("d", "ConfigError", input_bytes=50),
        ):
            totals.count(row)
        totals.seconds = 2.0
        assert (totals.n_left, totals.input_bytes, totals.n_bytes) == (3, 200, 50)
        assert (totals.mean_psnr_db, totals.images_per_second, totals.seconds_left) == (35.0, 2.0, 1.5)


def test_a_moved_dataset_is_still_done(tmp_path, fake):
    write(tmp_path / "in", 3)
    encode_dataset(tmp_path / "in", tmp_path / "out", FAKE)
    shutil.move(tmp_path / "in", tmp_path / "elsewhere")
    shutil.move(tmp_path / "out", tmp_path / "out2")
    assert counts(encode_dataset(tmp_path / "elsewhere", tmp_path / "out2", FAKE)) == {"items": 3, "kept": 3}
    assert runs.plan([], {}, str(tmp_path), "", FAKE, Totals()) == []
