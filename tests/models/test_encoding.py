"""Positional encodings: known values, the Nyquist bound, frozen Gaussian vectors, grids against points."""

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind
from inrc.layout import axis_frequencies, feature_counts
from inrc.models.encoding import encode, gaussian_frequencies
from inrc.signal.coordinates import pixel_centres
from tests.bitstream import reference_decoder

EVERY_KIND = [
    EncodingConfig(EncodingKind.NONE),
    EncodingConfig(EncodingKind.NERF, 5),
    EncodingConfig(EncodingKind.LOG_SPACED, 7),
    EncodingConfig(EncodingKind.GAUSSIAN, 6, sigma=3.0),
]
NO_DAMPING = (0.0, 0.0)


def points(n: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.uniform(-1, 1, n).astype(np.float32) for _ in range(2)]


def whole(config: EncodingConfig, coordinates, shape, attenuation=NO_DAMPING) -> np.ndarray:
    """All features [n_features, n] at points."""
    return np.concatenate(encode(config, [jnp.asarray(c) for c in coordinates], shape, attenuation))


def test_nerf_features_are_sines_of_powers_of_two():
    y, x = np.array([0.25], np.float32), np.array([-0.5], np.float32)
    got = whole(EncodingConfig(EncodingKind.NERF, 3), [y, x], (8, 8))[:, 0]
    angles = np.pi * np.array([1, 2, 4])
    expected = [0.25, *np.sin(0.25 * angles), *np.cos(0.25 * angles)]
    expected += [-0.5, *np.sin(-0.5 * angles), *np.cos(-0.5 * angles)]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_log_spaced_frequencies_have_ratio_1_4():
    assert axis_frequencies(EncodingConfig(EncodingKind.LOG_SPACED, 4), 100) == pytest.approx((1, 1.4, 1.96, 2.744))


@pytest.mark.parametrize("kind", [EncodingKind.NERF, EncodingKind.LOG_SPACED])
@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 5, 16, 17, 768])
def test_no_axis_frequency_exceeds_its_nyquist_rate(kind, n_samples):
    frequencies = axis_frequencies(EncodingConfig(kind, 64), n_samples)
    assert all(f <= n_samples / 2 for f in frequencies)
    base = {EncodingKind.NERF: 2.0, EncodingKind.LOG_SPACED: 1.4}[kind]
    # And none that fits is missing.
    assert base ** len(frequencies) > n_samples / 2
    assert len(frequencies) == 0 if n_samples == 1 else frequencies[0] == 1.0


def test_each_axis_has_its_own_nyquist_rate():
    # 4 rows keep frequencies 1 and 2; 32 columns keep 1, 2, 4, 8, 16.
    assert feature_counts(EncodingConfig(EncodingKind.NERF, 10), (4, 32)) == (1 + 2 * 2, 1 + 2 * 5)


@pytest.mark.parametrize("config", EVERY_KIND, ids=lambda c: c.kind.name)
@pytest.mark.parametrize("shape", [(9,), (1, 1), (7, 5), (3, 4, 5)])
def test_feature_counts_are_those_of_encode(config, shape):
    coordinates = [jnp.zeros((2,), jnp.float32) for _ in shape]
    groups = encode(config, coordinates, shape, (0.0,) * len(shape))
    assert tuple(group.shape[0] for group in groups) == feature_counts(config, shape)
    total = reference_decoder.n_features(config.kind, config.n_frequencies, shape)
    assert sum(feature_counts(config, shape)) == total


@pytest.mark.parametrize("config", EVERY_KIND, ids=lambda c: c.kind.name)
def test_features_equal_the_reference_decoders(config):
    shape, coordinates = (13, 40), points(50)
    expected = reference_decoder.features(config.kind, config.n_frequencies, int(config.sigma * 4), coordinates, shape)
    np.testing.assert_allclose(whole(config, coordinates, shape), expected, atol=1.5e-5)


@pytest.mark.parametrize("config", EVERY_KIND, ids=lambda c: c.kind.name)
def test_a_grid_and_its_points_have_the_same_features(config):
    shape = (6, 9)
    axes = [jnp.asarray(pixel_centres(n)) for n in shape]
    groups = encode(config, [axes[0][:, None], axes[1][None, :]], shape, NO_DAMPING)
    grid = np.concatenate([np.broadcast_to(g, (g.shape[0], *shape)) for g in groups])
    flat = [np.asarray(a).ravel() for a in np.meshgrid(*axes, indexing="ij")]
    np.testing.assert_allclose(grid.reshape(len(grid), -1), whole(config, flat, shape), atol=1e-6)


def test_gaussian_frequencies_never_change():
    config = EncodingConfig(EncodingKind.GAUSSIAN, 5, sigma=10.0)
    frozen = [
        [6.59218692779541, 14.769815444946289],
        [23.35627555847168, -3.5760512351989746],
        [-7.212852954864502, 8.080848693847656],
        [-0.4892549514770508, -7.700374603271484],
        [5.99594259262085, 3.874772787094116],
    ]
    np.testing.assert_array_equal(gaussian_frequencies(config, (512, 768)), np.array(frozen, np.float32))


def test_gaussian_frequencies_have_the_given_spread():
    frequencies = gaussian_frequencies(EncodingConfig(EncodingKind.GAUSSIAN, 1024, sigma=20.0), (4096, 4096))
    np.testing.assert_allclose(frequencies.std(axis=0), 20.0, rtol=0.01)
    np.testing.assert_allclose(frequencies.mean(axis=0), 0.0, atol=0.2)
    assert abs(np.corrcoef(frequencies.T)[0, 1]) < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (3,), (4, 6, 8)])
def test_gaussian_frequencies_are_folded_under_nyquist(shape):
    config = EncodingConfig(EncodingKind.GAUSSIAN, 200, sigma=50.0)
    frequencies = gaussian_frequencies(config, shape)
    assert (np.abs(frequencies) <= np.asarray(shape) / 2).all()
    # Folding is aliasing: at pixel centres the folded wave is the original one but for a sign of its phase.
    wild = gaussian_frequencies(config, (10**6,) * len(shape))
    for axis, n in enumerate(shape):
        centres = pixel_centres(n).astype(np.float64)
        folded, free = (np.cos(np.pi * np.outer(f[:, axis], centres + 1)) for f in (frequencies, wild))
        pattern = np.abs(folded - free).max(axis=1), np.abs(folded + free).max(axis=1)
        assert np.minimum(*pattern).max() < 1e-3


def test_sine_and_cosine_are_damped_by_the_box_response():
    config, shape = EncodingConfig(EncodingKind.NERF, 4), (32, 32)
    coordinates = points(20)
    plain = whole(config, coordinates, shape)
    damped = whole(config, coordinates, shape, (4.0, 0.0))
    gain = np.sinc(np.array([1, 2, 4, 8]) * 4 / 32)
    assert gain[3] == pytest.approx(0.0, abs=1e-12)  # the box holds one whole period
    np.testing.assert_allclose(damped[0], plain[0], atol=1e-7)
    np.testing.assert_allclose(damped[1:5], gain[:, None] * plain[1:5], atol=1e-6)
    np.testing.assert_allclose(damped[5:9], gain[:, None] * plain[5:9], atol=1e-6)
    np.testing.assert_array_equal(damped[9:], plain[9:])


def test_damped_features_are_the_mean_over_the_box():
    config, n = EncodingConfig(EncodingKind.LOG_SPACED, 6), 16
    fine = jnp.asarray(pixel_centres(n, start=4, stop=7, count=3000))
    other = jnp.zeros_like(fine)
    mean = whole(config, [fine, other], (n, n)).mean(axis=1)
    centre = jnp.asarray(pixel_centres(n, start=4, stop=7, count=1))
    damped = whole(config, [centre, jnp.zeros_like(centre)], (n, n), (3.0, 0.0))[:, 0]
    np.testing.assert_allclose(damped, mean, atol=2e-5)


def test_gaussian_features_are_damped_along_both_axes():
    config, shape = EncodingConfig(EncodingKind.GAUSSIAN, 8, sigma=4.0), (32, 48)
    frequencies = gaussian_frequencies(config, shape).astype(np.float64)
    coordinates = points(10)
    gain = np.sinc(frequencies[:, 0] * 2 / 32) * np.sinc(frequencies[:, 1] * 3 / 48)
    damped = whole(config, coordinates, shape, (2.0, 3.0))
    expected = np.concatenate([gain, gain])[:, None] * whole(config, coordinates, shape)
    np.testing.assert_allclose(damped, expected, atol=1e-6)
