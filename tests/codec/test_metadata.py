"""EXIF and XMP of a picture in its file: only where asked for, within every limit of bytes, and in batches too."""

import io

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as PillowImage

import inrc
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.codec.settings import settings, settings_hash
from inrc.codec.stats import Encoded
from inrc.errors import ConfigError, TargetNotReachedError
from inrc.signal.image import read_image
from tests.bitstream import reference_decoder
from tests.codec import pictures
from tests.codec.latent import test_files as latents
from tests.signal.test_metadata import XMP, camera_exif, tags_of

COORDINATE = EncodeOptions(model=pictures.MODEL, fit=pictures.FIT)
OPTIONS = {"coordinate": COORDINATE, "latent": latents.OPTIONS}


def png(orientation: int) -> bytes:
    stream = io.BytesIO()
    picture = PillowImage.fromarray(pictures.crop(16, 12, 3).pixels)
    picture.save(stream, "PNG", exif=camera_exif(orientation))
    return stream.getvalue()


@pytest.mark.parametrize("family", OPTIONS)
def test_they_are_kept_only_where_asked_for(family):
    stripped, kept = (encode(png(6), OPTIONS[family], metadata=metadata) for metadata in ("strip", "keep"))
    assert (EncodeOptions().metadata, inrc.decode(stripped).exif) == ("strip", b"")
    assert b"a maker" not in stripped.data
    image = inrc.decode(kept)
    expected = tags_of(camera_exif(6)) | {ExifTags.Base.Orientation: 1}
    assert tags_of(image.exif) == expected
    assert (image.height, image.width) == (12, 16)  # the picture is turned, and says so no more
    np.testing.assert_array_equal(image.pixels, inrc.decode(stripped).pixels)
    assert reference_decoder.read(kept.data).exif == image.exif
    info = inrc.info(kept)
    assert (info.exif_bytes, info.xmp_bytes) == (len(image.exif), 0)
    # Section: tag, length and checksum; the stream's length and the number of sections come before the stream.
    around = kept.stats.n_bytes - stripped.stats.n_bytes - info.section_bytes["exif"]
    assert 1 + 1 + 4 + 2 <= around <= 1 + 2 + 4 + 3


def test_every_way_to_give_a_picture(tmp_path):
    path = tmp_path / "in.png"
    path.write_bytes(png(1))
    exif = read_image(path, metadata="keep").exif
    with PillowImage.open(path) as picture:
        sources = [path, path.read_bytes(), picture, read_image(path, metadata="keep")]
        for source in sources:
            assert inrc.decode(encode(source, COORDINATE, metadata="keep")).exif == exif
            assert inrc.decode(encode(source, COORDINATE)).exif == b""
    assert inrc.decode(encode(read_image(path), COORDINATE, metadata="keep")).exif == b""


def test_they_count_as_bytes():
    image = inrc.Image(pictures.crop(24, 32, 3).pixels, exif=camera_exif(1), xmp=XMP % 1)
    stored = inrc.info(encode(image, COORDINATE, metadata="keep")).section_bytes
    limit = sum(stored.values()) + 200
    encoded = encode(image, COORDINATE, metadata="keep", max_bytes=limit)
    assert len(encoded.data) <= limit
    assert inrc.decode(encoded).xmp == XMP % 1
    with pytest.raises(TargetNotReachedError, match=r"the least for this picture is \d{3}"):
        encode(image, COORDINATE, metadata="keep", max_bytes=sum(stored.values()))
    assert len(encode(image, COORDINATE, max_bytes=200).data) <= 200


def test_batches_keep_them_too():
    image = inrc.Image(pictures.crop(16, 12, 3).pixels, exif=camera_exif(1), xmp=XMP % 1)
    (kept,) = inrc.encode_batch([image], COORDINATE, metadata="keep")
    (stripped,) = inrc.encode_batch([image], COORDINATE)
    assert isinstance(kept, Encoded)
    assert isinstance(stripped, Encoded)
    assert (inrc.decode(kept).exif, inrc.decode(kept).xmp) == (image.exif, image.xmp)
    assert (inrc.decode(stripped).exif, inrc.decode(stripped).xmp) == (b"", b"")


def test_settings_change_only_where_they_are_kept():
    """Records and manifests of files from before the option are still those of the same settings."""
    plain, kept = EncodeOptions(codec="siren"), EncodeOptions(codec="siren", metadata="keep")
    assert "metadata" not in settings(plain)
    assert settings(kept) == settings(plain) | {"metadata": "keep"}
    assert settings_hash(kept) != settings_hash(plain)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("value", ["all", "", None, True])
def test_there_are_two_choices(value):
    with pytest.raises(ConfigError, match=r"there is no metadata .*; there are strip, keep"):
        EncodeOptions(metadata=value)
