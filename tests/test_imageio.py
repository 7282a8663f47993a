"""imageio reads and writes `.inr` files by their name, and others by the name of the plug-in."""

import shutil
from io import BytesIO
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

import inrc
import inrc.imageio
from inrc.errors import ConfigError
from inrc.signal.image import read_image
from tests.conftest import COFFEE_SMALL
from tests.golden.make import FOLDER, INIT

RGB = FOLDER / "codec-latent-grid.inr"
ALL: Any = ...
"""imageio's own index for a stack of all pictures, which its annotations leave out."""


@pytest.mark.parametrize("name", ["codec-siren", "gray", "gray-alpha-16", "rgba", "rgb-16"])
def test_pixels_are_those_of_the_decoder(name):
    expected = inrc.decode(FOLDER / f"{name}.inr").pixels
    expected = expected[..., 0] if expected.shape[2] == 1 else expected
    pixels = iio.imread(FOLDER / f"{name}.inr")
    assert pixels.dtype == expected.dtype
    np.testing.assert_array_equal(pixels, expected)
    properties = iio.improps(FOLDER / f"{name}.inr")
    assert (properties.shape, properties.dtype, properties.is_batch) == (expected.shape, expected.dtype, False)


def test_bytes_open_files_and_other_names_need_the_plugin(tmp_path):
    expected = inrc.decode(RGB).pixels
    shutil.copy(RGB, tmp_path / "photo.bin")
    for source in (RGB.read_bytes(), BytesIO(RGB.read_bytes()), tmp_path / "photo.bin"):
        np.testing.assert_array_equal(iio.imread(source, plugin="inrc"), expected)
    np.testing.assert_array_equal(iio.imread(RGB.read_bytes(), extension=".inr"), expected)


def test_any_size_and_region():
    view = {"scale": 2, "region": (4, 8, 16, 12)}
    np.testing.assert_array_equal(iio.imread(RGB, **view), inrc.decode(RGB, **view).pixels)
    with pytest.raises(ConfigError, match="region"):
        iio.imread(RGB, region=(0, 0, 10_000, 1))


def test_a_file_is_a_stack_of_one():
    expected = inrc.decode(RGB).pixels
    np.testing.assert_array_equal(iio.imread(RGB, index=ALL), expected[None])
    np.testing.assert_array_equal(iio.imread(RGB, index=0), expected)
    assert [frame.shape for frame in iio.imiter(RGB)] == [expected.shape]
    assert iio.improps(RGB, index=ALL).shape == (1, *expected.shape)
    with pytest.raises(IndexError, match="holds one"):
        iio.imread(RGB, index=1)


def test_metadata_needs_no_decode(monkeypatch):
    monkeypatch.setattr(inrc.imageio, "decode", None)
    metadata = iio.immeta(FOLDER / "profile.inr")
    assert metadata["icc_profile"] == inrc.decode(FOLDER / "profile.inr").icc_profile
    header = inrc.info(FOLDER / "profile.inr")
    assert (metadata["bpp"], metadata["codec"]) == (header.bpp, header.network.words)
    assert "icc_profile" not in iio.immeta(RGB)


def test_an_init_is_found_by_the_path_of_its_file():
    with pytest.raises(OSError, match="shared init"):
        iio.imread(FOLDER / "init-landscape.inr")
    opening: Any = {"init": FOLDER / INIT}  # of the plug-in
    with iio.imopen(FOLDER / "init-landscape.inr", "r", **opening) as file:
        assert file.read().shape == read_image(FOLDER / "init-landscape.png").pixels.shape


@pytest.mark.parametrize("n_bytes", [30, -1])
def test_truncated_files_are_oserrors(tmp_path, n_bytes):
    (tmp_path / "a.inr").write_bytes(RGB.read_bytes()[:n_bytes])
    with pytest.raises(OSError, match=r"ends|short|truncated|checksum"):
        iio.imread(tmp_path / "a.inr")


def test_other_files_are_refused_by_the_plugin():
    with pytest.raises(OSError, match="inr"):
        iio.imread(COFFEE_SMALL, plugin="inrc")
    assert iio.imread(COFFEE_SMALL).shape == (64, 96, 3)


def test_writing_encodes_with_the_options_of_encode(tmp_path):
    pixels = read_image(COFFEE_SMALL).pixels[::4, ::4]
    options = {"quality": 5, "effort": 1, "codec": "siren"}
    iio.imwrite(tmp_path / "a.inr", pixels, **options)
    data = (tmp_path / "a.inr").read_bytes()
    assert iio.imwrite("<bytes>", [pixels], extension=".inr", **options) == data
    assert iio.imread(tmp_path / "a.inr").shape == pixels.shape
    with pytest.raises(ConfigError, match="quality"):
        iio.imwrite(tmp_path / "b.inr", pixels, quality=101)
    with pytest.raises(ConfigError, match="holds one"):
        iio.imwrite(tmp_path / "b.inr", np.stack([pixels, pixels]), is_batch=True)
    with pytest.raises(OSError, match="float"):
        iio.imwrite(tmp_path / "b.inr", pixels / 255)
