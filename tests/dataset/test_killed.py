"""Runs in processes of their own that are killed at random moments: nothing is lost, half-written or done twice."""

import hashlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import inrc
from inrc.dataset.manifest import MANIFEST, load_manifest
from tests.conftest import ROOT
from tests.dataset.samples import write
from tests.dataset.test_sinks import contents, files_in

RUN = """
import dataclasses, sys, time
from inrc.cli.jax_setup import jax_set_up
from inrc.dataset import pipeline
from inrc.dataset.run import encode_dataset
from tests.dataset.samples import OPTIONS, FakeEncoder

class Slow(FakeEncoder):
    def fit(self, batch, *, progress=None):
        time.sleep(0.02)
        return super().fit(batch)

source, output, shards, kind = sys.argv[1:]
if kind == "fake":
    pipeline.BatchEncoder = lambda *_, **__: Slow()
options = dataclasses.replace(OPTIONS, images_per_shard=int(shards), measure_ssim=kind != "fake")
with jax_set_up():
    print(encode_dataset(source, output, options))
"""


def start(tmp_path: Path, shards: int, kind: str) -> subprocess.Popen:
    environment = {**os.environ, "INRC_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", RUN, str(tmp_path / "in"), str(tmp_path / "out"), str(shards), kind]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def n_rows(out: Path) -> int:
    return (out / MANIFEST).read_bytes().count(b"\n") if (out / MANIFEST).exists() else 0


def killed_and_finished(tmp_path: Path, n: int, n_kills: int, shards: int, kind: str) -> None:
    """Kills runs within the time of their share of the pictures, lets the last run end, and checks the outputs."""
    rng = random.Random(n + shards)
    write(tmp_path / "in", n)
    out = tmp_path / "out"
    n_before = []
    for kill in range(n_kills):
        process = start(tmp_path, shards, kind)
        target = rng.randint(n_rows(out), max(n_rows(out), n * (kill + 1) // (n_kills + 1)))
        deadline = time.monotonic() + 300
        while n_rows(out) < target and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05) if target else rng.uniform(0, 2))
        assert process.poll() is None, process.communicate()[0]
        process.kill()
        process.communicate()
        n_before.append(n_rows(out))
        if not shards and out.exists():
            check_files(out)
    assert n_before == sorted(n_before)
    assert 0 < n_before[-1] < n

    last = start(tmp_path, shards, kind)
    said = last.communicate(timeout=600)[0]
    assert last.returncode == 0, said
    assert f"n_kept={n_before[-1]}," in said
    assert f"n_done={n - n_before[-1]}," in said
    lines = [row.name for row in inrc.dataset.manifest.iterate(str(out))]
    assert Counter(lines) == Counter(dict.fromkeys(files_in(tmp_path / "in"), 1))  # none twice
    rows = load_manifest(out)
    found = all_files(out)
    assert {row.output for row in rows} == found.keys()
    for row in rows:
        assert row.is_ok
        assert row.input_hash == hashlib.sha256((tmp_path / "in" / row.name).read_bytes()).hexdigest()
        assert row.output_hash == hashlib.sha256(found[row.output]).hexdigest()
        assert row.n_bytes == len(found[row.output])
    expected = {"manifest.jsonl", *({row.shard for row in rows} if shards else found)}
    assert set(files_in(out)) == expected


def check_files(out: Path) -> None:
    """Checks that every file is whole, whether it has a row or not."""
    hashes = {row.output: row.output_hash for row in load_manifest(out)} if (out / MANIFEST).exists() else {}
    for path in out.rglob("*.inr"):
        data = path.read_bytes()
        expected = hashes.get(str(path.relative_to(out)))
        assert expected is None or expected == hashlib.sha256(data).hexdigest()
        if data.startswith(b"inr"):
            inrc.decode(data)
        else:
            assert data.removeprefix(b"first sample ").isdigit()


def all_files(out: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.inr")}
    for path in out.glob("*.tar"):
        members = contents(path)
        assert not members.keys() & found.keys()
        found |= members
    return found


@pytest.mark.parametrize("shards", [0, 7])
@pytest.mark.slow
def test_three_times(tmp_path, shards):
    killed_and_finished(tmp_path, 80, 3, shards, "fake")


@pytest.mark.slow
@pytest.mark.parametrize("shards", [0, 7])
def test_ten_times_with_the_real_encoder(tmp_path, shards):
    killed_and_finished(tmp_path, 150, 10, shards, "real")
    for data in list(all_files(tmp_path / "out").values())[::10]:
        assert inrc.decode(data).pixels.shape == (6, 8, 3)


@pytest.mark.slow
@pytest.mark.parametrize("shards", [0, 300])
def test_ten_times_of_two_thousand(tmp_path, shards):
    killed_and_finished(tmp_path, 2000, 10, shards, "real")


@pytest.mark.slow
def test_a_thousand_large_pictures_in_four_gigabytes(tmp_path):
    """All pictures are links to one of 768x512 pixels, and each is fitted for a moment."""
    import numpy as np

    from inrc.signal.image import Image, write_image

    (tmp_path / "in").mkdir()
    rows, columns = np.mgrid[:512, :768]
    pixels = np.stack([rows // 2, columns // 3, (rows + columns) // 5], axis=-1).astype(np.uint8)
    write_image(tmp_path / "large.png", Image(pixels))
    for i in range(1000):
        (tmp_path / f"in/{i}.png").symlink_to(tmp_path / "large.png")
    code = """
import dataclasses, sys
from inrc.dataset.run import encode_dataset
from tests.dataset.samples import OPTIONS
from tests.memory import peak_gib
fit = dataclasses.replace(OPTIONS.encode.fit, n_passes=0.05, phase_factor=8, steps_per_group=1)
options = dataclasses.replace(OPTIONS, encode=dataclasses.replace(OPTIONS.encode, fit=fit), measure_ssim=False)
totals = encode_dataset(sys.argv[1], sys.argv[2], options)
print(totals.n_done, peak_gib())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "in"), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n_done, gib = done.stdout.split()
    assert int(n_done) == 1000
    assert float(gib) < 4
    print(f"peak memory {float(gib):.2f} GiB")
