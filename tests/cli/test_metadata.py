"""`--metadata` of encode, decode, info and batch, end to end."""

import json

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as PillowImage

from inrc.signal.image import Image, read_image, write_image
from tests.signal.test_metadata import XMP, camera_exif, tags_of

PIXELS = np.add.outer(np.arange(0, 120, 10), np.arange(0, 80, 5)).astype(np.uint8)[..., None].repeat(3, 2)


@pytest.fixture(scope="module")
def kept(inrc_command, tmp_path_factory):
    """photo.inr with EXIF and XMP, beside photo.jpg that it was made of, in whose orientation it lies on its side."""
    folder = tmp_path_factory.mktemp("kept")
    write_image(folder / "photo.jpg", Image(PIXELS, exif=camera_exif(1), xmp=XMP % 1))
    data = (folder / "photo.jpg").read_bytes()
    assert data.count(camera_exif(1)) == 1
    (folder / "photo.jpg").write_bytes(data.replace(camera_exif(1), camera_exif(6)))
    done = inrc_command("encode", folder / "photo.jpg", "--metadata", "keep", "-e", 1)
    assert done.returncode == 0, done.stderr
    return folder / "photo.inr"


def test_the_default_carries_neither(inrc_command, kept, tmp_path):
    done = inrc_command("encode", kept.with_name("photo.jpg"), "-o", tmp_path / "a.inr", "-e", 1)
    assert done.returncode == 0, done.stderr
    assert json.loads(inrc_command("info", tmp_path / "a.inr", "--json").stdout)["section_bytes"] == {}
    assert inrc_command("decode", tmp_path / "a.inr", "-o", tmp_path / "a.png").returncode == 0
    with PillowImage.open(tmp_path / "a.png") as picture:
        assert picture.size == (12, 16)
        assert set(picture.info) <= {"dpi"}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_decode_restores_them_upright(inrc_command, kept, tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    done = inrc_command("decode", kept, "-o", out, "--scale", 2)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    image = read_image(out, metadata="keep")
    assert image.pixels.shape == (32, 24, 3)
    assert image.xmp == XMP % 1
    tags = tags_of(image.exif)
    assert tags.pop(ExifTags.Base.Orientation, 1) == 1
    expected = tags_of(camera_exif(6))
    del expected[ExifTags.Base.Orientation]
    assert tags == expected


def test_decode_says_what_a_format_does_not_hold(inrc_command, kept, tmp_path):
    done = inrc_command("decode", kept, "-o", tmp_path / "out.ppm")
    assert done.returncode == 0
    assert done.stderr.splitlines()[1:] == [
        f"inrc: {tmp_path / 'out.ppm'}: the {name} of the file is left out: it does not fit into ppm; write png or tif"
        for name in ("EXIF", "XMP")
    ]
    for arguments in (("--quiet",), ("--metadata", "strip")):
        done = inrc_command("decode", kept, "-o", tmp_path / "out.ppm", *arguments)
        assert (done.returncode, "left out" in done.stderr) == (0, False)


def test_decode_strips_them_where_asked_for(inrc_command, kept, tmp_path):
    done = inrc_command("decode", kept, "-o", tmp_path / "out.png", "--metadata", "strip")
    assert done.returncode == 0
    image = read_image(tmp_path / "out.png", metadata="keep")
    assert (image.exif, image.xmp) == (b"", b"")


def test_info_says_what_is_there(inrc_command, kept):
    values = json.loads(inrc_command("info", kept, "--json").stdout)
    assert (values["exif_bytes"], values["xmp_bytes"]) == (len(camera_exif(6)), len(XMP % 1))
    stored = values["section_bytes"]
    assert set(stored) == {"exif", "xmp"}
    table = inrc_command("info", kept).stdout
    assert f"  EXIF     {values['exif_bytes']:,} bytes, {stored['exif']:,} in the file\n" in table
    assert f"  XMP      {values['xmp_bytes']:,} bytes, {stored['xmp']:,} in the file\n" in table


def test_many_files(inrc_command, kept, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(kept.with_name("photo.jpg").read_bytes())
    done = inrc_command("batch", tmp_path / "in", tmp_path / "out", "-e", 1, "--metadata", "keep", "--no-ssim")
    assert done.returncode == 0, done.stderr
    assert inrc_command("decode", tmp_path / "out", "-o", tmp_path / "back").returncode == 0
    assert tags_of(read_image(tmp_path / "back/a.png", metadata="keep").exif)[ExifTags.IFD.GPSInfo][1] == "N"
    done = inrc_command("decode", tmp_path / "out", "-o", tmp_path / "ppm", "--format", "ppm")
    assert done.returncode == 0
    assert "inrc: a.inr: the EXIF of the file is left out: it does not fit into ppm; write png or tif\n" in done.stderr
    done = inrc_command("decode", tmp_path / "out", "-o", tmp_path / "plain", "--metadata", "strip")
    assert read_image(tmp_path / "plain/a.png", metadata="keep").exif == b""
