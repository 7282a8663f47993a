"""Files that earlier releases wrote: their integers exactly, their pixels within 1."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inrc
from inrc import shared_init
from inrc.codec import file as files
from inrc.config import EncodingConfig, HashGridEncoding, LatentGridConfig, ModelConfig
from inrc.presets import CODECS, LATENT_CODECS
from inrc.signal.image import read_image
from tests.bitstream import reference_decoder
from tests.golden import make

INIT = make.FOLDER / make.INIT
FIND_INIT = shared_init.lookup_of(shared_init.load(INIT))
NAMES = sorted(path.stem for path in make.FOLDER.glob("*.inr"))
LIMITS = inrc.DecodeLimits()

pytestmark = pytest.mark.skipif(not NAMES, reason="no golden files yet: `make golden` writes them before the release")


@pytest.fixture(scope="module")
def record() -> dict[str, dict[str, Any]]:
    return json.loads((make.FOLDER / "golden.json").read_text())


def data_of(name: str) -> bytes:
    return (make.FOLDER / f"{name}.inr").read_bytes()


def test_every_file_is_on_record(record):
    assert sorted(record) == NAMES
    assert sorted(path.stem for path in make.FOLDER.glob("*.png")) == NAMES
    readme = (make.FOLDER / "README.md").read_text()
    assert all(f"| {name} |" in readme for name in NAMES)


def test_every_kind_of_picture_and_every_codec_is_there(record):
    shapes = {(entry["shape"][2], entry["bit_depth"]) for entry in record.values()}
    assert shapes == {(channels, depth) for channels in (1, 2, 3, 4) for depth in (8, 16)}
    assert {f"codec-{name}" for name in CODECS} <= set(NAMES)
    headers = [inrc.info(data_of(name), init=INIT).header for name in NAMES]
    assert {int(h.colour) for h in headers} == {0, 1, 2, 3}
    models = [h.model for h in headers if isinstance(h.model, ModelConfig)]
    encodings = [model.encoding for model in models]
    assert {int(each.kind) for each in encodings if isinstance(each, EncodingConfig)} == {0, 1, 2, 3}
    assert any(isinstance(each, HashGridEncoding) for each in encodings)
    assert {model.bias for model in models} == {True, False}
    by_init = [name for name, h in zip(NAMES, headers, strict=True) if h.init_id]
    assert by_init == [name for name in NAMES if name.startswith("init-")]
    assert by_init
    assert sum(h.transposed for h in headers if h.init_id) == 1
    by_latents = {name for name, h in zip(NAMES, headers, strict=True) if isinstance(h.model, LatentGridConfig)}
    assert by_latents == {name for name in NAMES if name.startswith("latent-")} | {
        f"codec-{name}" for name in LATENT_CODECS
    }
    assert sum(h.transposed for h in headers if not h.init_id) == 1


def test_the_latents_are_of_every_kind():
    largest = {
        name: [int(np.abs(grid).max()) for grid in files.unpack(data_of(name), LIMITS).latents]
        for name in NAMES
        if name.startswith("latent-")
    }
    assert largest["latent-zero"] == [0] * 6
    assert max(largest["latent-loud"]) == 1 << 15  # large-magnitude latents, beyond their tables
    assert len(largest["latent-single"]) == 1
    assert len(largest["latent-large"]) == 13


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_untouched(record, name):
    assert hashlib.sha256(data_of(name)).hexdigest() == record[name]["file_sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_integers_are_exact(record, name):
    file = files.unpack(data_of(name), LIMITS, FIND_INIT)
    assert make.integers_hash(file) == record[name]["integers_sha256"]
    expected, profile = record[name]["icc_profile_sha256"], file.sections.icc_profile
    assert (hashlib.sha256(profile).hexdigest() if profile else None) == expected


def test_metadata_is_exact():
    file, image = reference_decoder.read(data_of("metadata")), inrc.decode(data_of("metadata"))
    assert (file.exif, file.xmp) == (image.exif, image.xmp) == (make.EXIF, make.XMP)
    assert [name for name in NAMES if inrc.info(data_of(name), init=INIT).exif_bytes] == ["metadata"]


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_within_a_rounding(record, name):
    expected = read_image(make.FOLDER / f"{name}.png").pixels
    decoded = inrc.decode(data_of(name), init=INIT).pixels
    assert list(decoded.shape) == record[name]["shape"]
    assert decoded.dtype == expected.dtype
    assert np.abs(decoded.astype(int) - expected.astype(int)).max() <= (1 if decoded.dtype == np.uint8 else 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_written_from_the_document_agrees(record, name):
    file = reference_decoder.read(data_of(name), INIT.read_bytes())
    digest = hashlib.sha256(np.array(file.step_indices, "<i4").tobytes())
    for matrix in (*file.matrices, *file.grids, np.array(file.powers), *file.tails):
        digest.update(matrix.astype("<i4").tobytes())
    assert digest.hexdigest() == record[name]["integers_sha256"]
    expected = read_image(make.FOLDER / f"{name}.png").pixels
    tolerance = 1 if record[name]["bit_depth"] == 8 else 16  # FORMAT.md, section 9
    assert np.abs(reference_decoder.pixels(file).astype(int) - expected.astype(int)).max() <= tolerance


def test_packing_the_integers_again_gives_the_same_bytes():
    for name in NAMES:
        file = files.unpack(data_of(name), LIMITS, FIND_INIT)
        if name != "unknown-sections":
            assert files.pack(file) == data_of(name)


def test_making_them_again_is_refused(tmp_path):
    (tmp_path / "old.inr").write_bytes(b"kept")
    command = [sys.executable, "-m", "tests.golden.make", "--out", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert run.returncode != 0
    assert "--force" in run.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["old.inr"]


def test_adding_what_is_there_changes_nothing(tmp_path):
    folder = shutil.copytree(make.FOLDER, tmp_path / "v1")
    with pytest.raises(SystemExit, match="nothing is missing"):
        make.write(folder, missing_only=True)
    for path in make.FOLDER.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
