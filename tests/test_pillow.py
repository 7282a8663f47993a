"""Pillow opens and saves `.inr` files as it does others: lazily, with drafts, and with its own errors."""

import shutil
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
from PIL import Image, UnidentifiedImageError

import inrc
import inrc.pillow
from inrc.errors import ConfigError
from tests.conftest import COFFEE_SMALL
from tests.golden.make import FOLDER, INIT

RGB = FOLDER / "codec-latent-grid.inr"
MODES = {"gray": "L", "gray-alpha": "LA", "codec-siren": "RGB", "rgba": "RGBA", "gray-16": "I;16"}


@pytest.mark.parametrize("name", MODES)
def test_pixels_are_those_of_the_decoder(name):
    path = FOLDER / f"{name}.inr"
    expected = inrc.decode(path).pixels
    with Image.open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("INR", MODES[name], expected.shape[1::-1])
        assert picture.get_format_mimetype() == "image/x-inr"
        np.testing.assert_array_equal(np.asarray(picture), expected[..., 0] if expected.shape[2] == 1 else expected)


def test_colours_of_16_bits_are_opened_with_8():
    expected = inrc.decode(FOLDER / "rgb-16.inr").pixels
    with Image.open(FOLDER / "rgb-16.inr") as picture:
        assert (picture.mode, picture.info["bit_depth"]) == ("RGB", 16)
        np.testing.assert_array_equal(np.asarray(picture), (expected / 257 + 0.5).astype(np.uint8))


def test_opening_decodes_nothing(monkeypatch):
    calls = []
    decode = inrc.pillow.decode
    monkeypatch.setattr(inrc.pillow, "decode", lambda *a, **k: calls.append(k) or decode(*a, **k))
    with Image.open(RGB) as picture:
        n_bytes = RGB.stat().st_size
        assert picture.info["bpp"] == pytest.approx(8 * n_bytes / (picture.width * picture.height))
        assert picture.info["codec"].startswith("latent_grid")
        assert calls == []
        picture.load()
        picture.getpixel((0, 0))
        picture.load()
    assert len(calls) == 1


def test_the_profile_is_in_info_and_is_kept_on_saving(tmp_path):
    profile = inrc.decode(FOLDER / "profile.inr").icc_profile
    with Image.open(FOLDER / "profile.inr") as picture:
        assert picture.info["icc_profile"] == profile
        picture.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.info["icc_profile"] == profile


def test_exif_and_xmp_are_in_info_and_are_saved_only_if_asked_for(tmp_path):
    held = inrc.decode(FOLDER / "metadata.inr")
    with Image.open(FOLDER / "metadata.inr") as picture:
        assert (picture.info["exif"], picture.info["xmp"]) == (held.exif, held.xmp)
        assert picture.getexif()[0x010F] == "golden"
        for metadata in ("keep", "strip"):
            picture.save(tmp_path / f"{metadata}.inr", codec="siren", effort=1, quality=5, metadata=metadata)
    assert inrc.decode(tmp_path / "keep.inr").exif == held.exif
    assert inrc.decode(tmp_path / "strip.inr").exif == b""


def test_a_thumbnail_is_decoded_at_its_size(monkeypatch):
    sizes = []
    decode = inrc.pillow.decode
    monkeypatch.setattr(inrc.pillow, "decode", lambda *a, **k: sizes.append(k["size"]) or decode(*a, **k))
    with Image.open(RGB) as picture:
        width, height = picture.size
        picture.thumbnail((width // 4, height // 4), reducing_gap=1.0)
        assert picture.size == (width // 4, height // 4)
        np.testing.assert_array_equal(np.asarray(picture), decode(RGB, size=picture.size).pixels)
        assert sizes == [picture.size]


def test_a_draft_has_the_asked_for_size_in_both_sides_and_never_enlarges():
    with Image.open(RGB) as picture:
        width, height = picture.size
        assert picture.draft("RGB", (3 * width, 3 * height)) == ("RGB", (0, 0, width, height))
        _, box = picture.draft(None, (width // 2, 1)) or ("", ())
        assert box == (0, 0, width // 2, -(-height * (width // 2) // width))
        picture.load()
        assert picture.size[0] == width // 2
        assert picture.draft(None, (8, 8)) is None  # it is decoded


def test_rendered_enlarges_and_takes_regions():
    with Image.open(RGB) as picture:
        assert isinstance(picture, inrc.pillow.InrImageFile)
        large = picture.rendered(scale=2, region=(4, 8, 16, 12))
        assert (large.size, large.info["bpp"]) == ((32, 24), picture.info["bpp"])
        np.testing.assert_array_equal(np.asarray(large), inrc.decode(RGB, scale=2, region=(4, 8, 16, 12)).pixels)
        with pytest.raises(ConfigError, match="region"):
            picture.rendered(region=(0, 0, 10_000, 1))


def test_file_objects_copies_and_files_with_other_names(tmp_path):
    expected = inrc.decode(RGB).pixels
    shutil.copy(RGB, tmp_path / "photo.bin")
    with (tmp_path / "photo.bin").open("rb") as file:
        np.testing.assert_array_equal(np.asarray(Image.open(file)), expected)
        assert not file.closed
    copy = Image.open(BytesIO(RGB.read_bytes())).copy()
    np.testing.assert_array_equal(np.asarray(copy), expected)
    picture = Image.open(RGB)
    picture.close()
    picture = Image.open(RGB)
    picture.verify()


@pytest.mark.parametrize("n_bytes", [5, 30, -1])
def test_truncated_files_are_oserrors(n_bytes):
    with pytest.raises(OSError, match=r"ends|short|truncated|checksum"):
        Image.open(BytesIO(RGB.read_bytes()[:n_bytes])).load()


def test_a_damaged_file_is_an_oserror():
    data = bytearray(RGB.read_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises(OSError, match="checksum"):
        Image.open(BytesIO(data))


def test_other_files_are_left_to_others():
    with pytest.raises(UnidentifiedImageError):
        Image.open(BytesIO(b"in" + bytes(100)))
    with Image.open(COFFEE_SMALL) as picture:
        assert picture.format == "PNG"


def test_a_missing_init_is_an_oserror_that_names_it(monkeypatch, tmp_path):
    with pytest.raises(OSError, match="shared init"):
        Image.open(FOLDER / "init-landscape.inr")
    shutil.copy(FOLDER / INIT, tmp_path / "mine.npz")
    monkeypatch.setenv("INRC_INIT_PATH", str(tmp_path))
    with Image.open(FOLDER / "init-landscape.inr") as picture:
        assert picture.load()


def test_bombs_are_refused_as_pillow_does(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(RGB)


def test_saving_encodes_with_the_options_of_encode(tmp_path):
    with Image.open(COFFEE_SMALL) as picture:
        picture = picture.convert("RGB").resize((24, 16))
        picture.save(tmp_path / "a.inr", quality=5, effort=1, codec="siren")
        stream = BytesIO()
        picture.save(stream, "INR", quality=5, effort=1, codec="siren", optimize=True)  # Pillow's writers ignore others
    assert stream.getvalue() == (tmp_path / "a.inr").read_bytes()
    with Image.open(tmp_path / "a.inr") as saved:
        assert (saved.mode, saved.size) == ("RGB", (24, 16))
        assert saved.info["codec"].startswith("siren")


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 101}, {"effort": 0}, {"codec": "jpeg"}])
def test_saving_refuses_what_makes_no_sense_and_leaves_no_file(tmp_path, options):
    picture = Image.new("RGB", (8, 8))
    with pytest.raises(ConfigError):
        picture.save(tmp_path / "a.inr", **options)
    assert not list(tmp_path.iterdir())


def test_pictures_that_no_file_holds_are_oserrors(tmp_path):
    with pytest.raises(OSError, match="CMYK"):
        Image.new("CMYK", (8, 8)).save(tmp_path / "a.inr")
