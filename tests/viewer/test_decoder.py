"""The viewer's decoder agrees with the package on the golden files: integers exactly, pixels within a rounding."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inrc
from inrc.models.view import view_of
from tests.golden.make import FOLDER
from tests.viewer import node

INIT = FOLDER / "init.npz"
NAMES = sorted(path.stem for path in FOLDER.glob("*.inr"))
SOME = ("codec-latent-grid", "codec-nif25", "init-portrait-16", "latent-rgba-16", "latent-portrait", "sigma", "profile")
"""Files of every kind, for the kernels in plain JavaScript."""
RECORD: dict[str, dict[str, Any]] = json.loads((FOLDER / "golden.json").read_text())


def views_of(name: str) -> list[dict[str, Any]]:
    """Options of `inrc.decode`: native, twice the size, a region at an odd size; of some, far above and below, too."""
    height, width = RECORD[name]["shape"][:2]
    region = (0.1 * width, 0.15 * height, 0.7 * width, 0.6 * height)
    tiny = (0.4 * width, 0.4 * height, 0.1 * width, 0.1 * height)
    views = [{}, {"scale": 2.0}, {"region": region, "size": (37, 23)}]
    return [*views, {"scale": 0.4}, {"region": tiny, "size": (41, 19)}] if name in SOME else views


@pytest.fixture(scope="module", params=[True, False], ids=["webassembly", "javascript"])
def decoded(request, tmp_path_factory) -> tuple[Path, dict[str, Any], bool]:
    """The folder of pixels, and what the decoder says of every file."""
    names = NAMES if request.param else SOME
    folder = tmp_path_factory.mktemp("pixels")
    files = {}
    for name in names:
        shape = RECORD[name]["shape"][:2]
        views = [dataclasses.asdict(view_of((shape[0], shape[1]), **view)) for view in views_of(name)]
        files[name] = {"path": str(FOLDER / f"{name}.inr"), "views": views}
    answers = node.run("decode", files=files, init=str(INIT), out=str(folder), vectors=request.param)
    return folder, answers, request.param


def test_integers_are_exact_and_pixels_within_a_rounding(decoded):
    folder, answers, vectors = decoded
    for name, answer in answers.items():
        assert answer["vectors"] == vectors
        assert answer["integers"] == RECORD[name]["integers_sha256"], name
        init = INIT if name.startswith("init-") else None
        for i, view in enumerate(views_of(name)):
            expected = inrc.decode(FOLDER / f"{name}.inr", init=init, **view).pixels
            pixels = np.frombuffer((folder / f"{name}.{i}").read_bytes(), expected.dtype).reshape(expected.shape)
            difference = np.abs(pixels.astype(int) - expected.astype(int))
            assert difference.max() <= (1 if expected.dtype == np.uint8 else 16), (name, view)
            # With 16 bits a pixel is as small as the rounding of a sum.
            assert np.mean(difference > 0) < (0.01 if expected.dtype == np.uint8 else 0.5), (name, view)


def test_bytes_are_told_apart(decoded):
    _, answers, _ = decoded
    name = "codec-latent-grid"
    info = inrc.info(FOLDER / f"{name}.inr")
    assert answers[name]["weightBytes"] == pytest.approx(info.n_weights * info.bits_per_weight / 8, abs=0.1)
    assert answers[name]["latentBytes"] == pytest.approx(info.latent_bytes, abs=0.1)
    profiles = {name for name, answer in answers.items() if answer["iccProfileBytes"]}
    assert profiles == {name for name in answers if RECORD[name]["icc_profile_sha256"]}


def test_tables_and_checksums_are_those_of_the_document():
    tables = node.run("tables")
    assert tables["weights"] == "2355f0987f8d59658bcd435eb5df354e9eca68c1f42c16344b063cc3879f431a"
    assert tables["latents"] == "edaaeb3fdf39f3e9fd830831d3b339f273cd0841e8c7f573f82936c61ecdf8e7"
    assert tables["priors"] == [
        [65536, 65536, 22],
        [65536, 7692387, 21992],
        [65536, 16777216, 62883],
        [21247, 51748008, 59784],
        [256, 4294967296, 59525],
    ]
    assert tables["crc32"] == 0xCBF43926
    assert tables["sha256"] == hashlib.sha256(b"abc" * 100).hexdigest()


def test_both_kinds_of_kernels_agree():
    found = node.run("kernels")
    assert found["vectors"] == [True, False]
    assert found["linear"] < 2e-3  # of sums of up to 3000, in binary32
    assert found["sines"] < 1e-5  # FORMAT.md, section 9; arguments reach 100,000
