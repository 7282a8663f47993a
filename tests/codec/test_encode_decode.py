"""Pictures of every kind through the codec and back, and what the encoder claims about its files."""

import base64
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import inrc
from inrc.bitstream import container
from inrc.bitstream.header import pack as pack_header
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.codec.stats import Encoded
from inrc.errors import ConfigError, TargetNotReachedError, UnreadableImageError
from inrc.metrics.psnr import psnr_db
from inrc.signal.colour import ColourTransform
from inrc.signal.image import Image
from tests.bitstream import reference_decoder
from tests.codec import pictures

OPTIONS = EncodeOptions(model=pictures.MODEL, fit=pictures.FIT)
KINDS = {
    "one gray pixel": pictures.crop(1, 1, 1),
    "a row of gray and alpha, 16 bit": pictures.crop(1, 7, 2, 16),
    "RGB, odd": pictures.crop(17, 31, 3),
    "RGB, odd, 16 bit": pictures.crop(17, 31, 3, 16),
    "RGBA, portrait, with a profile": pictures.crop(24, 11, 4, icc=pictures.icc_profile()),
}


@pytest.fixture(scope="module")
def files() -> dict[str, Encoded]:
    """Every kind of picture, encoded."""
    return {name: encode(image, OPTIONS) for name, image in KINDS.items()}


@pytest.fixture(scope="module", params=KINDS)
def case(request, files) -> tuple[Image, Encoded]:
    return KINDS[request.param], files[request.param]


def test_the_decoded_picture_has_the_form_of_the_original(case):
    image, encoded = case
    decoded = inrc.decode(encoded.data)
    assert decoded.pixels.shape == image.pixels.shape
    assert decoded.pixels.dtype == image.pixels.dtype
    assert decoded.icc_profile == image.icc_profile


def test_stats_are_those_of_the_bytes(case):
    image, encoded = case
    stats = encoded.stats
    assert (stats.width, stats.height) == (image.width, image.height)
    assert (stats.channels, stats.bit_depth) == (image.channels, image.bit_depth)
    assert stats.n_bytes == len(encoded.data)
    assert stats.bpp == 8 * len(encoded.data) / (image.width * image.height)
    parsed = container.unpack(encoded.data, inrc.DecodeLimits())
    ideal = stats.bits_per_weight * stats.n_weights / 8
    assert len(parsed.weights) == pytest.approx(ideal, abs=2)
    sections = sum(len(content) for content in parsed.sections.values())
    # A section adds its tag, length and checksum, and the stream its length.
    around = stats.n_bytes - len(parsed.weights) - sections - stats.header_bytes
    assert around == 0 if not sections else 6 <= around <= 12
    assert stats.header_bytes == len(pack_header(parsed.header)) + 4


def test_psnr_is_that_of_the_decoded_pixels(case):
    image, encoded = case
    decoded = inrc.decode(encoded.data).pixels
    peak = 255.0 if image.bit_depth == 8 else 65535.0
    mse = np.mean((decoded.astype(np.float64) - image.pixels.astype(np.float64)) ** 2)
    expected = np.inf if mse == 0 else 10 * np.log10(peak**2 / mse)
    assert encoded.stats.psnr_db == pytest.approx(expected, abs=1e-6)
    assert encoded.stats.psnr_db > 10


DECODE = """
import base64, json, sys
import inrc
files = json.load(sys.stdin)
pixels = {name: inrc.decode(base64.b64decode(data)).pixels.tolist() for name, data in files.items()}
loaded = [name for name in ("optax", "orbax", "matplotlib", "inrc.fit") if name in sys.modules]
print(json.dumps([pixels, loaded]))
"""


def test_a_fresh_process_decodes_the_same_picture_without_the_training_stack(files):
    sent = json.dumps({name: base64.b64encode(encoded.data).decode() for name, encoded in files.items()})
    run = subprocess.run([sys.executable, "-c", DECODE], input=sent, capture_output=True, text=True, check=True)
    pixels, loaded = json.loads(run.stdout)
    assert loaded == []
    for name, encoded in files.items():
        image = KINDS[name]
        decoded = np.array(pixels[name], image.pixels.dtype)
        value = psnr_db(image.pixels, decoded, bit_depth=image.bit_depth)
        assert value == pytest.approx(encoded.stats.psnr_db, abs=0.01)


def test_the_reference_decoder_decodes_the_same_picture(case):
    image, encoded = case
    file = reference_decoder.read(encoded.data)
    assert file.icc_profile == image.icc_profile
    difference = inrc.decode(encoded.data).pixels.astype(int) - reference_decoder.pixels(file).astype(int)
    # FORMAT.md, section 9.
    assert np.abs(difference).max() <= (1 if image.bit_depth == 8 else 16)


def test_info_says_what_the_file_holds(case):
    image, encoded = case
    info = inrc.info(encoded.data)
    assert (info.header.width, info.header.height, info.header.channels) == (image.width, image.height, image.channels)
    assert info.n_bytes == len(encoded.data)
    assert info.bpp == encoded.stats.bpp
    assert info.n_weights == encoded.stats.n_weights
    assert info.bits_per_weight == pytest.approx(encoded.stats.bits_per_weight)
    assert info.icc_profile_bytes == len(image.icc_profile)
    assert info.header.model == pictures.MODEL
    assert len(info.steps) == 2
    assert info.header.colour is (ColourTransform.YCBCR if image.channels >= 3 else ColourTransform.RGB)


def test_the_same_seed_gives_the_same_bytes(files):
    again = encode(KINDS["RGB, odd"], OPTIONS)
    assert again.data == files["RGB, odd"].data
    other = encode(KINDS["RGB, odd"], OPTIONS, fit=dataclasses.replace(pictures.FIT, seed=1))
    assert other.data != again.data


def test_pixels_a_path_and_an_image_are_the_same_picture(files, tmp_path):
    image = KINDS["RGB, odd"]
    path = tmp_path / "crop.png"
    inrc.write_image(path, image)
    expected = files["RGB, odd"].data
    assert encode(image.pixels, OPTIONS).data == encode(path, OPTIONS).data == expected


def test_colour_transforms_are_undone():
    image = KINDS["RGB, odd"]
    for colour in ColourTransform:
        encoded = encode(image, OPTIONS, colour=colour)
        assert inrc.info(encoded.data).header.colour is colour
        assert encoded.stats.psnr_db > 12


class TestViews:
    @pytest.fixture
    def data(self, files) -> bytes:
        return files["RGB, odd"].data

    def test_sizes_scales_and_regions(self, data):
        assert inrc.decode(data, size=(40, 10)).pixels.shape == (10, 40, 3)
        assert inrc.decode(data, scale=0.5).pixels.shape == (8, 16, 3)
        whole = inrc.decode(data).pixels.astype(int)
        part = inrc.decode(data, region=(3, 2, 9, 5)).pixels.astype(int)
        assert np.abs(part - whole[2:7, 3:12]).max() <= 1

    def test_half_the_size_is_the_mean(self, data):
        whole = inrc.decode(data).pixels[:16, :30].astype(float)
        mean = whole.reshape(8, 2, 15, 2, 3).mean(axis=(1, 3))
        half = inrc.decode(data, region=(0, 0, 30, 16), scale=0.5).pixels
        untouched = ((whole > 0) & (whole < 255)).reshape(8, 2, 15, 2, 3).all(axis=(1, 3))  # by clipping
        assert untouched.mean() > 0.5
        assert np.abs(half - mean)[untouched].max() <= 1

    @pytest.mark.parametrize(
        "options", [{"size": (4, 4), "scale": 1.0}, {"region": (0, 0, 32, 17)}, {"scale": 0.0}, {"size": (0, 3)}]
    )
    def test_views_that_make_no_sense_are_config_errors(self, data, options):
        with pytest.raises(ConfigError):
            inrc.decode(data, **options)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"codec": "jpeg"}, "no codec 'jpeg'"),
            ({"quality": -1.0}, "quality is -1"),
            ({"quality": 100.5}, "quality is 100.5"),
            ({"quality": float("nan")}, "quality is nan"),
            ({"effort": 0}, "effort is 0"),
            ({"effort": 10}, "effort is 10"),
            ({"loss": "psnr"}, "no loss 'psnr'"),
            ({"target_psnr": 30.0, "max_bytes": 100}, "more than one"),
            ({"target_bpp": 0.1, "max_bytes": 100}, "more than one"),
            ({"target_psnr": 30.0, "target_bpp": 1.0}, "more than one"),
            ({"target_psnr": -3.0}, "target_psnr is -3"),
            ({"target_psnr": float("inf")}, "target_psnr is inf"),
            ({"target_bpp": 0.0}, "target_bpp is 0"),
            ({"max_bytes": 0}, "max_bytes is 0"),
            ({"time_budget": -1.0}, "time_budget is -1"),
        ],
    )
    def test_contradictions_are_config_errors(self, options, message):
        with pytest.raises(ConfigError, match=message):
            EncodeOptions(**options)

    @pytest.mark.parametrize("seed", [-1, 2**40])
    def test_seeds_out_of_range_are_config_errors(self, seed):
        with pytest.raises(ConfigError, match="seed"):
            encode(KINDS["one gray pixel"], EncodeOptions(seed=seed, effort=1))

    def test_too_few_bytes_are_refused_with_the_least(self):
        with pytest.raises(TargetNotReachedError, match=r"10 bytes are asked for; the least for this picture is 3\d"):
            encode(KINDS["RGB, odd"], OPTIONS, max_bytes=10)


@pytest.mark.usefixtures("unchecked_types")
def test_decode_and_info_take_paths_buffers_open_files_and_what_encode_returns(files, tmp_path):
    encoded = files["one gray pixel"]
    data = encoded.data
    path = tmp_path / "a.inr"
    path.write_bytes(encoded.data)
    for source in (
        path,
        str(path),
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        encoded,
    ):
        np.testing.assert_array_equal(inrc.decode(source).pixels, inrc.decode(data).pixels)
        if not hasattr(source, "read"):
            assert inrc.info(source) == inrc.info(data)
    with pytest.raises(UnreadableImageError, match="check the path"):
        inrc.decode("b.inr")
    with pytest.raises(ConfigError, match="a int holds no file"):
        inrc.info(3)  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("images", ["a.png", b"png", Path("a.png"), np.zeros((2, 2, 3), np.uint8), io.BytesIO(), 7])
def test_a_batch_is_of_several_pictures(images):
    with pytest.raises(ConfigError, match=f"a {type(images).__name__} is given where several pictures are meant"):
        inrc.encode_batch(images)
