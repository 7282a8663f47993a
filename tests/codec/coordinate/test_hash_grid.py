"""Hash grids through the codec: files, regions and sizes of small pictures."""

import numpy as np
import pytest

import inrc
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.config import HashGridEncoding, ModelConfig, ModelFamily
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.optimiser import OptimiserConfig
from inrc.models.view import Antialias
from tests.bitstream import reference_decoder
from tests.codec import pictures

MODEL = ModelConfig(ModelFamily.HASH_GRID, (9,), HashGridEncoding(3, 2, 5, 4, 8))
FIT = CoordinateFitConfig(
    n_passes=40,
    lambda_rd=2e-4,
    phase_factor=2,
    steps_per_group=4,
    groups_per_chunk=2,
    optimiser=OptimiserConfig(preconditioned=False),
    schedule=Schedule(learning_rate=2e-2),
)
KINDS = {"gray": pictures.crop(16, 16, 1), "RGBA, 16 bit": pictures.crop(16, 16, 4, 16)}


@pytest.fixture(scope="module", params=["gray", pytest.param("RGBA, 16 bit", marks=pytest.mark.slow)])
def case(request):
    image = KINDS[request.param]
    return image, encode(image, EncodeOptions(model=MODEL, fit=FIT))


def as_int(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.int64)


def test_files_hold_the_tables_and_show_the_picture(case):
    image, encoded = case
    info = inrc.info(encoded.data)
    assert info.header.model == MODEL
    # 5 x 5 nodes have an entry each, 9 x 9 share 32; 16 cells would be finer than two pixels.
    n_channels = image.channels
    assert info.n_weights == 2 * (25 + 32) + 9 * (4 + 1) + n_channels * (9 + 1)
    assert encoded.stats.psnr_db > 15


def test_the_reference_decoder_decodes_the_same_picture(case):
    image, encoded = case
    difference = as_int(inrc.decode(encoded.data).pixels) - as_int(
        reference_decoder.pixels(reference_decoder.read(encoded.data))
    )
    assert np.abs(difference).max() <= (1 if image.bit_depth == 8 else 16)


def test_regions_and_sizes(case):
    image, encoded = case
    tolerance = 1 if image.bit_depth == 8 else 16
    whole = as_int(inrc.decode(encoded.data).pixels)
    region = as_int(inrc.decode(encoded.data, region=(3, 5, 8, 6)).pixels)
    assert np.abs(region - whole[5:11, 3:11]).max() <= tolerance
    double = as_int(inrc.decode(encoded.data, scale=2).pixels)
    assert double.shape == (32, 32, image.channels)
    # Four pixels lie around the centre of each one of the native picture.
    means = double.reshape(16, 2, 16, 2, -1).mean(axis=(1, 3))
    assert np.abs(means - whole).mean() < 0.02 * (2**image.bit_depth - 1)


def test_damped_is_supersampled(case):
    _, encoded = case
    damped, whole = (
        inrc.decode(encoded.data, scale=0.5, antialias=way).pixels for way in (Antialias.DAMP, Antialias.SUPERSAMPLE)
    )
    np.testing.assert_array_equal(damped, whole)
