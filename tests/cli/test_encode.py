"""`inrc encode` end to end, on real pictures."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from inrc import shared_init
from inrc.cli.encode import _identity
from inrc.codec.options import EncodeOptions
from inrc.codec.stats import EncodeStats
from inrc.config import ModelConfig
from inrc.metrics import psnr_db
from inrc.signal.image import Image, read_image, write_image
from tests.conftest import COFFEE_SMALL
from tests.shared_init.inits import random_init

INIT = random_init()
N_PIXELS = 96 * 64


def test_json_holds_what_the_file_decodes_to(encoded, decoded, coffee_small):
    stats = encoded.stats
    assert set(stats) == {"input", "output", *(field.name for field in dataclasses.fields(EncodeStats))}
    assert (stats["input"], stats["output"]) == (str(COFFEE_SMALL), str(encoded.path))
    assert (stats["width"], stats["height"], stats["channels"], stats["bit_depth"]) == (96, 64, 3, 8)
    assert stats["n_bytes"] == encoded.path.stat().st_size
    assert stats["bpp"] == 8 * stats["n_bytes"] / N_PIXELS
    assert (stats["codec"], stats["seed"], stats["interrupted"]) == ("siren", 0, False)
    assert psnr_db(coffee_small, decoded) == pytest.approx(stats["psnr_db"], abs=0.01)


def test_summary_is_one_line_on_stderr(encoded):
    assert encoded.stderr.count("\n") == 1
    assert f"{encoded.stats['n_bytes']:,} bytes" in encoded.stderr
    assert f"{encoded.stats['psnr_db']:.2f} dB" in encoded.stderr


def test_default_output_and_the_same_bytes_from_another_folder(inrc_command, encoded, tmp_path):
    shutil.copy(COFFEE_SMALL, tmp_path / "photo.png")
    identity = _identity(read_image(COFFEE_SMALL), EncodeOptions(effort=1))
    (tmp_path / f"photo.inr.{identity}.ckpt").write_text("damaged")
    (tmp_path / "photo.inr.0123456789ab.ckpt.2.77.tmp").write_text("of an encode that was killed")
    done = inrc_command("encode", "photo.png", "-e", 1, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "photo.inr").read_bytes() == encoded.path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.inr", "photo.png"]

    again = inrc_command("encode", "photo.png", "-e", 1, cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr == "inrc: error: photo.inr exists; name an output with -o, or overwrite it with --force\n"


@pytest.mark.slow
def test_max_bytes_is_never_exceeded(inrc_command, encoded, tmp_path):
    limit = encoded.stats["n_bytes"] - 20
    done = inrc_command("encode", COFFEE_SMALL, "-o", tmp_path / "a.inr", "-e", 1, "--max-bytes", limit, "--json")
    assert done.returncode == 0, done.stderr
    assert limit / 2 < json.loads(done.stdout)["n_bytes"] == (tmp_path / "a.inr").stat().st_size <= limit


def test_target_psnr_is_met_from_above(inrc_command, encoded, tmp_path):
    target = encoded.stats["psnr_db"] - 0.4  # the first fit of the search is that of `encoded`
    done = inrc_command("encode", COFFEE_SMALL, "-o", tmp_path / "a.inr", "-e", 1, "--target-psnr", target, "--json")
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)
    assert target <= stats["psnr_db"] <= target + 0.4
    assert stats["n_bytes"] < encoded.stats["n_bytes"]


@pytest.fixture
def init_path(tmp_path):
    path = tmp_path / "init.npz"
    shared_init.save(INIT, path)
    return path


@pytest.mark.slow
def test_a_shared_init_is_needed_again(inrc_command, tmp_path, init_path):
    portrait = read_image(COFFEE_SMALL).pixels[:, :40]
    write_image(tmp_path / "in.png", Image(portrait))
    done = inrc_command("encode", tmp_path / "in.png", "-e", 1, "--init", init_path, "--json")
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)
    assert (stats["init"], stats["width"], stats["height"]) == (INIT.id.hex(), 40, 64)
    out = tmp_path / "out.png"
    for arguments, environment in (
        (("--init", init_path), {}),
        (("--init", INIT.id.hex()), {"INRC_INIT_PATH": str(tmp_path)}),
        ((), {"INRC_INIT_PATH": f"/nowhere:{tmp_path}"}),
    ):
        decoded = inrc_command("decode", tmp_path / "in.inr", "-o", out, *arguments, **environment)
        assert decoded.returncode == 0, decoded.stderr
        assert psnr_db(portrait, read_image(out).pixels) == pytest.approx(stats["psnr_db"], abs=0.01)
        out.unlink()

    values = json.loads(inrc_command("info", tmp_path / "in.inr", "--init", init_path, "--json").stdout)
    assert isinstance(INIT.model, ModelConfig)
    assert (values["init_id"], values["transposed"], values["widths"]) == (INIT.id.hex(), True, list(INIT.model.widths))
    assert (values["width"], values["height"]) == (40, 64)
    assert values["n_weights"] == stats["n_weights"]
    table = inrc_command("info", tmp_path / "in.inr", "--init", init_path).stdout
    assert INIT.id.hex() in table
    assert "frequencies, sees the picture transposed" in table

    shared_init.save(random_init(seed=1), tmp_path / "other.npz")
    for command in (("decode", "-o", out), ("info",)):
        missing = inrc_command(*command, tmp_path / "in.inr")
        assert missing.returncode == 1
        assert missing.stderr.startswith(f"inrc: error: the file needs the shared init {INIT.id.hex()}, which is not")
        assert "--init" in missing.stderr
        wrong = inrc_command(*command, tmp_path / "in.inr", "--init", tmp_path / "other.npz")
        assert wrong.returncode == 1
        assert f"{INIT.id.hex()}, but {random_init(seed=1).id.hex()} was given" in wrong.stderr
    assert not out.exists()


def test_no_init_is_the_same_file_as_none_that_suits(inrc_command, encoded, tmp_path):
    done = inrc_command("encode", COFFEE_SMALL, "-o", tmp_path / "a.inr", "-e", 1, "--init", "none", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["init"] is None
    assert (tmp_path / "a.inr").read_bytes() == encoded.path.read_bytes()


def test_checkpoints_belong_to_the_content_of_an_init(tmp_path, init_path):
    image = read_image(COFFEE_SMALL)
    first = _identity(image, EncodeOptions(init=str(init_path)))
    assert first != _identity(image, EncodeOptions())
    shutil.copy(init_path, tmp_path / "copy.npz")
    assert _identity(image, EncodeOptions(init=str(tmp_path / "copy.npz"))) == first
    shared_init.save(random_init(seed=1), init_path)
    assert _identity(image, EncodeOptions(init=str(init_path))) != first


def _ramps(n_channels: int, dtype: type) -> np.ndarray:
    y, x = np.mgrid[:8, :12]
    planes = [x / 11, y / 7, (x + y) / 18, 1 - x / 22]
    return np.round(np.stack(planes[:n_channels], -1) * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.slow
def test_sixteen_bits_survive(inrc_command, tmp_path):
    _survives(inrc_command, tmp_path, _ramps(1, np.uint16))


@pytest.mark.slow
@pytest.mark.parametrize(("n_channels", "dtype"), [(2, np.uint8), (3, np.uint16), (4, np.uint16)])
def test_more_kinds_of_pictures_survive(inrc_command, tmp_path, n_channels, dtype):
    _survives(inrc_command, tmp_path, _ramps(n_channels, dtype))


@pytest.mark.slow
def test_one_pixel_with_alpha_survives(inrc_command, tmp_path):
    _survives(inrc_command, tmp_path, np.array([[[200, 40, 90, 128]]], np.uint8))


def _survives(inrc_command, folder, pixels):
    kind = b"GRAY" if pixels.shape[2] < 3 else b"RGB "
    profile = (b"\x00" * 12 + b"mntr" + kind + b"XYZ " + b"\x00" * 12 + b"acsp").ljust(132, b"\x00")
    profile = len(profile).to_bytes(4, "big") + profile[4:]
    write_image(folder / "in.png", Image(pixels, profile))
    done = inrc_command("encode", folder / "in.png", "-e", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert inrc_command("decode", folder / "in.inr", "-o", folder / "out.png").returncode == 0
    decoded = read_image(folder / "out.png")
    assert (decoded.pixels.shape, decoded.pixels.dtype) == (pixels.shape, pixels.dtype)
    assert decoded.icc_profile == profile
    expected = psnr_db(pixels, decoded.pixels, bit_depth=decoded.bit_depth)
    assert json.loads(done.stdout)["psnr_db"] == pytest.approx(expected, abs=0.01)
    assert expected > 8.0
