"""`inrc decode` end to end: sizes, regions, formats, and modules that it must not import."""

import json

import numpy as np
import pytest
from PIL import Image

from inrc.metrics import psnr_db
from inrc.signal.image import read_image

FORBIDDEN = ("jax", "flax", "optax", "orbax", "matplotlib", "inrc.fit", "inrc.codec.encode")


def test_default_output_does_not_overwrite(inrc_command, encoded, tmp_path):
    (tmp_path / "photo.inr").write_bytes(encoded.path.read_bytes())
    done = inrc_command("decode", "photo.inr", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert set(values) == {
        *("input", "output", "width", "height", "channels", "bit_depth"),
        "decode_seconds",
    }
    assert (values["output"], values["width"], values["height"], values["bit_depth"]) == ("photo.png", 96, 64, 8)
    assert done.stderr.startswith("photo.png: 96 x 64, ")

    (tmp_path / "photo.png").write_bytes(b"the original")
    refused = inrc_command("decode", "photo.inr", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == "inrc: error: photo.png exists; name an output with -o, or overwrite it with --force\n"
    assert (tmp_path / "photo.png").read_bytes() == b"the original"

    forced = inrc_command("decode", "photo.inr", "--force", "--quiet", cwd=tmp_path)
    assert (forced.returncode, forced.stderr) == (0, "")
    assert read_image(tmp_path / "photo.png").pixels.shape == (64, 96, 3)


def test_fit_makes_a_thumbnail_and_enlarges_nothing(inrc_command, encoded, tmp_path):
    for fit, size in ((48, (48, 32)), (256, (96, 64))):
        done = inrc_command("decode", encoded.path, "-o", tmp_path / "thumbnail.png", "--fit", fit)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / "thumbnail.png") as picture:
            assert picture.size == size
    refused = inrc_command("decode", encoded.path, "-o", tmp_path / "out.png", "--fit", 48, "--scale", 2)
    assert refused.returncode == 2
    assert not (tmp_path / "out.png").exists()


def test_scale_to_jpeg(inrc_command, encoded, tmp_path):
    out = tmp_path / "out.jpg"
    assert inrc_command("decode", encoded.path, "-o", out, "--scale", 1.5, "--quality", 30).returncode == 0
    with Image.open(out) as picture:
        assert (picture.format, picture.size) == ("JPEG", (144, 96))


def test_a_region_at_a_size_shows_that_part(inrc_command, encoded, decoded, tmp_path):
    done = inrc_command("decode", encoded.path, "-o", tmp_path / "part.png", "--region", "8,4,40,30", "--size", "40x30")
    assert done.returncode == 0, done.stderr
    part = read_image(tmp_path / "part.png").pixels
    whole = decoded[4:34, 8:48]
    # The same function at the same pixel centres, except for the order of float additions.
    assert np.abs(part.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("antialias", ["supersample", "damp"])
def test_downscaled_renders_resemble_an_averaged_one(inrc_command, encoded, decoded, tmp_path, antialias):
    out = tmp_path / "small.png"
    arguments = ("-o", out, "--size", "24x16", "--antialias", antialias)
    assert inrc_command("decode", encoded.path, *arguments).returncode == 0
    averaged = decoded.reshape(16, 4, 24, 4, 3).mean((1, 3)).round().astype(np.uint8)
    small = read_image(out).pixels
    assert psnr_db(averaged, small) > (45 if antialias == "supersample" else 25)


def test_decoding_imports_no_jax_and_nothing_of_the_training_stack(inrc_command, encoded, tmp_path):
    code = (
        "import sys; from inrc.cli.app import main; code = main(sys.argv[1:]); "
        "print(code, *(name for name in sys.modules), sep='\\n')"
    )
    done = inrc_command.python(code, "decode", encoded.path, "-o", tmp_path / "out.png")
    code, *modules = done.stdout.split()
    assert code == "0", done.stderr
    assert "inrc.codec.decode" in modules
    assert not [name for name in modules if name.startswith(FORBIDDEN)]
