"""Renders of any size and region: tiles, crops, pixel centres, antialiasing, bounded memory."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.models import coordinate_render as renders
from inrc.models.coordinate_render import render
from inrc.models.view import Antialias, View, view_of
from tests.conftest import ROOT
from tests.models.networks import random_params

SHAPE = (24, 36)
SMOOTH = ModelConfig(widths=(8, 6), encoding=EncodingConfig(EncodingKind.NONE), omega_0=5)
IDENTITY = 0.5 * np.eye(3), np.full(3, 0.5)


def pixels(params, view: View, *, model: ModelConfig = SMOOTH, shape=SHAPE, max_value: int = 65535, **options):
    matrix, offset = IDENTITY
    params = {name: np.asarray(layer) for name, layer in params.items()}
    n = len(params[f"layer_{len(model.widths)}"])
    return render(model, shape, params, matrix[:n, :n], offset[:n], view, max_value=max_value, **options)


@pytest.fixture(scope="module")
def params():
    return random_params(SMOOTH, SHAPE, 3, seed=1)


@pytest.fixture(scope="module")
def native(params) -> np.ndarray:
    return pixels(params, view_of(SHAPE))


def as_int(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int64)


def test_one_native_sample_sits_at_its_pixel_centre():
    # A network that is x itself: a wave so long that its sine is linear.
    model = ModelConfig(widths=(1,), encoding=EncodingConfig(EncodingKind.NONE), omega_0=1)
    params = {"layer_0": jnp.float32([[0.0, 1e-3, 0.0]]), "layer_1": jnp.float32([[1e3, 0.0]])}
    row = pixels(params, view_of((1, 4)), model=model, shape=(1, 4), max_value=255)[0, :, 0]
    # x = -0.75, -0.25, 0.25, 0.75 becomes (x + 1) / 2 of 255.
    np.testing.assert_array_equal(row, np.floor(np.array([0.125, 0.375, 0.625, 0.875]) * 255 + 0.5))


@pytest.mark.parametrize("max_value", [255, 65535])
def test_tiles_equal_the_whole(params, monkeypatch, max_value):
    view = view_of(SHAPE)
    whole = pixels(params, view, max_value=max_value)
    monkeypatch.setattr(renders, "_TILE_VALUES", 8 * 50)  # 50 pixels: one row, cut into two unequal parts
    tiled = pixels(params, view, max_value=max_value)
    assert np.abs(as_int(tiled) - as_int(whole)).max() <= (1 if max_value == 255 else 4)
    monkeypatch.setattr(renders, "_TILE_VALUES", 8 * 20)
    tiled = pixels(params, view, max_value=max_value)
    assert np.abs(as_int(tiled) - as_int(whole)).max() <= (1 if max_value == 255 else 4)


def test_tiles_of_a_downscaled_render_equal_the_whole(params, monkeypatch):
    view = view_of(SHAPE, size=(13, 7))
    whole = pixels(params, view)
    monkeypatch.setattr(renders, "_TILE_VALUES", 8 * 3 * 10)
    assert np.abs(as_int(pixels(params, view)) - as_int(whole)).max() <= 4


def test_a_region_is_a_crop(params, native):
    got = pixels(params, view_of(SHAPE, region=(5, 3, 20, 11)))
    assert got.shape == (11, 20, 3)
    assert np.abs(as_int(got) - as_int(native[3:14, 5:25])).max() <= 4


def test_a_region_between_pixels_samples_between_them(params):
    double = pixels(params, view_of(SHAPE, scale=2.0))
    # Half a native pixel to the right and down is one pixel of the doubled render.
    got = pixels(params, view_of(SHAPE, region=(4.5, 2.5, 6, 5), scale=2.0))
    assert np.abs(as_int(got) - as_int(double[5:15, 9:21])).max() <= 4


def test_a_doubled_render_averages_to_the_native_one(params, native):
    double = pixels(params, view_of(SHAPE, scale=2.0)).astype(np.float64)
    mean = double.reshape(24, 2, 36, 2, 3).mean(axis=(1, 3))
    inside = (native > 0) & (native < 65535)  # clipping does not commute with averaging
    spread = native[inside].std()
    # A grid that is off by half a pixel differs by far more: measured below.
    error = np.abs(mean - native)[inside].mean()
    shifted = np.abs(as_int(native[:, 1:]) - as_int(native[:, :-1])).mean() / 2
    assert error < 0.02 * spread
    assert error < 0.2 * shifted


def test_supersampling_is_the_mean_of_the_finer_render(params):
    # 36 x 24 to 9 x 8: 4 x 3 native pixels each.
    finer = pixels(params, view_of(SHAPE)).astype(np.float64)
    got = pixels(params, view_of(SHAPE, size=(9, 8)))
    unclipped = ((finer > 0) & (finer < 65535)).reshape(8, 3, 9, 4, 3).all(axis=(1, 3))
    expected = finer.reshape(8, 3, 9, 4, 3).mean(axis=(1, 3))
    assert unclipped.mean() > 0.5
    assert np.abs(got - expected)[unclipped].max() < 4


def stripes(period_pixels: float, n: int):
    """A network whose only content is a wave along x of `period_pixels` native pixels."""
    model = ModelConfig(widths=(1,), encoding=EncodingConfig(EncodingKind.NONE), omega_0=1)
    slope = np.pi * n / period_pixels  # n / period cycles over [-1, 1]
    params = {"layer_0": jnp.float32([[0.0, slope, 0.3]]), "layer_1": jnp.float32([[0.8, 0.0]])}
    return model, params


def contrast(array: np.ndarray) -> float:
    return float(array.astype(np.float64).std())


def test_downscaling_aliases_without_and_not_with_supersampling():
    # 64 x 64 at a quarter of the size: a wave of 4.4 pixels lies above the new Nyquist rate (8 pixels).
    model, params = stripes(4.4, 64)
    options = {"model": model, "shape": (64, 64), "max_value": 255}
    view = view_of((64, 64), scale=0.25)
    full = contrast(pixels(params, view_of((64, 64)), **options))
    aliased = contrast(pixels(params, view, antialias=Antialias.NONE, **options))
    averaged = contrast(pixels(params, view, antialias=Antialias.SUPERSAMPLE, **options))
    assert full == pytest.approx(0.8 / 2 * 255 / np.sqrt(2), rel=0.05)
    assert aliased > 0.9 * full
    # The response of a box of 4 pixels to a wave of 4.4, in four samples: sin(pi 4/4.4) / (4 sin(pi/4.4)) = 0.107.
    assert averaged == pytest.approx(0.107 * full, rel=0.25)


def test_low_frequencies_pass_both_ways():
    model, params = stripes(32, 64)
    options = {"model": model, "shape": (64, 64), "max_value": 255}
    for antialias in Antialias:
        got = pixels(params, view_of((64, 64), scale=0.25), antialias=antialias, **options)
        assert contrast(got) == pytest.approx(0.8 / 2 * 255 / np.sqrt(2), rel=0.06)


@pytest.mark.parametrize(("frequency", "scale"), [(8, 0.3125), (4, 0.25), (8, 0.5), (2, 0.5)])
def test_damping_attenuates_encoded_frequencies_by_sinc(frequency, scale):
    # A network that shows one feature of the encoding alone: the sine of `frequency` cycles along x, of 32 pixels.
    model = ModelConfig(ModelFamily.FOURIER, (2,), EncodingConfig(EncodingKind.NERF, 4))
    n_features = 1 + 2 * 4
    layer = np.zeros((2, 2 * n_features + 1), np.float32)
    column = n_features + 1 + int(np.log2(frequency))
    layer[:, column] = [1, -1]  # relu(s) - relu(-s) = s
    params = {"layer_0": jnp.asarray(layer), "layer_1": jnp.float32([[0.9, -0.9, 0.0]])}
    options = {"model": model, "shape": (32, 32), "max_value": 65535}
    view = view_of((32, 32), scale=scale)
    plain = pixels(params, view, antialias=Antialias.NONE, **options).astype(np.float64) - 32767.5
    damped = pixels(params, view, antialias=Antialias.DAMP, **options).astype(np.float64) - 32767.5
    gain = np.sinc(frequency / 32 / scale)
    np.testing.assert_allclose(damped, gain * plain, atol=2.0)
    assert np.abs(plain).max() > 5000


def test_damping_leaves_native_and_larger_renders_alone():
    model = ModelConfig(widths=(8, 6), encoding=EncodingConfig(EncodingKind.LOG_SPACED, 4))
    params = random_params(model, SHAPE, 3)
    for scale in (1.0, 1.5):
        view = view_of(SHAPE, scale=scale)
        plain, damped = (pixels(params, view, model=model, antialias=a) for a in (Antialias.NONE, Antialias.DAMP))
        np.testing.assert_array_equal(plain, damped)


def test_weights_that_are_not_numbers_give_pixels(params):
    broken = {name: jnp.full_like(p, jnp.nan) for name, p in params.items()}
    assert (pixels(broken, view_of(SHAPE), max_value=255) == 0).all()
    infinite = {name: jnp.full_like(p, jnp.inf) for name, p in params.items()}
    assert pixels(infinite, view_of(SHAPE), max_value=255).shape == (*SHAPE, 3)


def test_values_beyond_the_range_are_clipped():
    model = ModelConfig(widths=(1,), encoding=EncodingConfig(EncodingKind.NONE))
    for bias, expected in ((50.0, 255), (-50.0, 0), (0.0, 128)):
        params = {"layer_0": jnp.zeros((1, 3)), "layer_1": jnp.float32([[0.0, bias]])}
        assert (pixels(params, view_of((2, 2)), model=model, shape=(2, 2), max_value=255) == expected).all()


MEASURE_A_RENDER = """
import sys
import numpy as np
import inrc
from inrc.bitstream.header import Header
from inrc.codec import file as files
from inrc.codec.weights import QuantisedWeights
from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.layout import layout
from inrc.models.view import Antialias
from inrc.signal.colour import ColourTransform
from tests.memory import peak_gib

gaussian = ModelConfig(ModelFamily.FOURIER, (2,), EncodingConfig(EncodingKind.GAUSSIAN, 1024))
model, size = {
    "50 megapixels": (ModelConfig(widths=(24, 16, 12)), (8192, 6104)),
    "thumbnail of 50 megapixels": (ModelConfig(widths=(24, 16, 12)), (1, 1)),
    "features wider than the network": (gaussian, (2000, 1000)),
}[sys.argv[1]]
header = Header(8192, 6104, 3, 8, ColourTransform.YCBCR, model)
generator = np.random.default_rng(0)
shapes = [shape for _, shape in layout(header.model, header.shape, 3)]
integers = tuple(generator.integers(-4, 5, shape).astype(np.int32) for shape in shapes)
file = files.make(header, QuantisedWeights((116,) * len(shapes), integers))
limits = inrc.DecodeLimits(max_multiplications=1 << 60)
image = inrc.decode(files.pack(file), size=size, antialias=Antialias[sys.argv[2]], limits=limits)
print(image.pixels.shape[0] * image.pixels.shape[1], peak_gib())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "antialias", "n_pixels"),
    [
        ("50 megapixels", "SUPERSAMPLE", 8192 * 6104),
        ("thumbnail of 50 megapixels", "SUPERSAMPLE", 1),
        ("features wider than the network", "NONE", 2_000_000),
    ],
)
def test_memory_of_a_render_stays_under_1_5_gib(what, antialias, n_pixels):
    command = [sys.executable, "-c", MEASURE_A_RENDER, what, antialias]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    got_pixels, gib = run.stdout.split()
    assert int(got_pixels) == n_pixels
    assert float(gib) < 1.5
