from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from jax.test_util import check_grads
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from inrc.metrics import ms_ssim, ms_ssim_index, ssim, ssim_index

Pixels = npt.NDArray[Any]
Plane = npt.NDArray[np.float64]


def noisy(pixels: Pixels, sigma: float, bit_depth: int = 8, seed: int = 0) -> Pixels:
    """Adds Gaussian noise of `sigma` levels; the result is rounded and clipped."""
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 2**bit_depth - 1).astype(pixels.dtype)


def smooth_picture(height: int, width: int, n_channels: int = 3, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth random structure over the full 8-bit range."""
    planes = np.random.default_rng(seed).normal(size=(height, width, n_channels))
    for axis in (0, 1):
        planes = correlate1d(planes, np.hanning(7), axis=axis, mode="wrap")
    planes -= planes.min()
    return np.rint(planes / max(planes.max(), 1e-9) * 255).astype(np.uint8)


def independent_terms(x: Plane, y: Plane, radius: int = 5) -> tuple[Plane, Plane]:
    """Luminance and contrast-structure maps of two [H, W] planes in 0..255, straight from the paper, in float64."""
    taps = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    patches_x = np.lib.stride_tricks.sliding_window_view(x, window.shape)
    patches_y = np.lib.stride_tricks.sliding_window_view(y, window.shape)

    def expectation(patches: Plane) -> Plane:
        return np.einsum("hwij,ij->hw", patches, window)

    mean_x, mean_y = expectation(patches_x), expectation(patches_y)
    deviation_x, deviation_y = patches_x - mean_x[..., None, None], patches_y - mean_y[..., None, None]
    variance_x, variance_y = expectation(deviation_x**2), expectation(deviation_y**2)
    covariance = expectation(deviation_x * deviation_y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variance_x + variance_y + c2)


def independent_ssim(reference: Pixels, decoded: Pixels, radius: int = 5) -> float:
    """SSIM of the first channel in float64, from pixels in 0..255."""
    luminance, contrast_structure = independent_terms(
        reference[..., 0].astype(np.float64), decoded[..., 0].astype(np.float64), radius
    )
    return float(np.mean(luminance * contrast_structure))


def independent_ms_ssim(reference: Pixels, decoded: Pixels, weights: list[float]) -> float:
    """MS-SSIM as a loop over channels and scales, in float64."""
    values = []
    for channel in range(reference.shape[2]):
        x, y = reference[..., channel].astype(np.float64), decoded[..., channel].astype(np.float64)
        value = 1.0
        for scale, weight in enumerate(weights):
            luminance, contrast_structure = independent_terms(x, y)
            last = scale == len(weights) - 1
            value *= max(0.0, float(np.mean(luminance * contrast_structure if last else contrast_structure))) ** weight
            x, y = halve(x), halve(y)
        values.append(value)
    return float(np.mean(values))


def halve(x: Plane) -> Plane:
    """2x2 means by index arithmetic; the last row or column of an odd side is used twice."""
    rows = (x[0::2] + x[np.minimum(np.arange(1, x.shape[0] + 1, 2), x.shape[0] - 1)]) / 2
    return (rows[:, 0::2] + rows[:, np.minimum(np.arange(1, x.shape[1] + 1, 2), x.shape[1] - 1)]) / 2


@pytest.mark.parametrize("sigma", [1.0, 8.0, 40.0])
def test_ssim_agrees_with_scikit_image(coffee_small: npt.NDArray[np.uint8], sigma: float) -> None:
    decoded = noisy(coffee_small, sigma)
    maps = structural_similarity(
        coffee_small,
        decoded,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1]
    expected = np.mean(np.asarray(maps)[5:-5, 5:-5])
    assert ssim(coffee_small, decoded) == pytest.approx(expected, abs=1e-5)


def test_ssim_of_sixteen_bit_pixels_is_that_of_eight_bit_ones(coffee_small: npt.NDArray[np.uint8]) -> None:
    decoded = noisy(coffee_small, 8.0)
    wide = [pixels.astype(np.uint16) * 257 for pixels in (coffee_small, decoded)]
    assert ssim(wide[0], wide[1], bit_depth=16) == pytest.approx(ssim(coffee_small, decoded), abs=1e-6)
    assert ms_ssim(wide[0], wide[1], bit_depth=16) == pytest.approx(ms_ssim(coffee_small, decoded), abs=1e-6)


def test_float32_holds_in_bright_flat_areas() -> None:
    # On raw levels E[x^2] - E[x]^2 has an error .
    reference = np.full((64, 64, 1), 60000, np.uint16)
    reference[::2] += 40
    decoded = noisy(reference, 60.0, bit_depth=16)
    expected = independent_ssim(reference / 257, decoded / 257)
    assert ssim(reference, decoded, bit_depth=16) == pytest.approx(expected, abs=1e-5)


def test_flat_pictures_leave_the_luminance_term() -> None:
    # (2 * 100 * 150 + C1) / (100^2 + 150^2 + C1) with C1 = (0.01 * 255)^2 = 6.5025.
    low, high = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 150, np.uint8)
    assert ssim(low, high) == pytest.approx(30006.5025 / 32506.5025, abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (10, 10), (11, 30), (64, 21)])
def test_identical_pictures_of_any_size_score_1(height: int, width: int) -> None:
    picture = smooth_picture(height, width, n_channels=4)
    assert ssim(picture, picture) == pytest.approx(1.0, abs=1e-6)
    assert ms_ssim(picture, picture) == pytest.approx(1.0, abs=1e-6)


def test_a_single_pixel_is_compared_by_luminance() -> None:
    low, high = np.full((1, 1, 1), 100, np.uint8), np.full((1, 1, 1), 150, np.uint8)
    assert ssim(low, high) == pytest.approx(30006.5025 / 32506.5025, abs=1e-5)


def test_a_small_picture_uses_the_largest_odd_window_that_fits() -> None:
    reference = smooth_picture(8, 12, n_channels=1)
    decoded = noisy(reference, 20.0)
    assert ssim(reference, decoded) == pytest.approx(independent_ssim(reference, decoded, radius=3), abs=1e-5)


@pytest.mark.parametrize("measure", [ssim, ms_ssim])
def test_more_noise_scores_lower(coffee_small: npt.NDArray[np.uint8], measure) -> None:
    scores = [measure(coffee_small, noisy(coffee_small, sigma)) for sigma in (0.0, 2.0, 5.0, 15.0, 50.0)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0, abs=1e-6)
    assert scores[-1] < 0.8


def test_ms_ssim_agrees_with_the_paper_on_five_scales() -> None:
    reference = smooth_picture(177, 203)
    decoded = noisy(reference, 30.0)
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    assert ms_ssim(reference, decoded) == pytest.approx(independent_ms_ssim(reference, decoded, weights), abs=1e-5)


@pytest.mark.parametrize(("short_side", "n_scales"), [(21, 1), (22, 2), (43, 2), (44, 3), (175, 4)])
def test_small_pictures_use_fewer_scales_with_weights_summing_to_1(short_side: int, n_scales: int) -> None:
    reference = smooth_picture(short_side, short_side + 30, n_channels=1)
    decoded = noisy(reference, 25.0)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:n_scales]
    expected = independent_ms_ssim(reference, decoded, list(weights / weights.sum()))
    assert ms_ssim(reference, decoded) == pytest.approx(expected, abs=1e-5)


def test_a_negative_picture_scores_0_not_nan() -> None:
    reference = smooth_picture(40, 40)
    value, gradient = jax.jit(jax.value_and_grad(ms_ssim_index))(unit_range(reference), unit_range(255 - reference))
    assert value == 0.0
    assert np.all(np.isfinite(gradient))


def unit_range(pixels: Pixels) -> jax.Array:
    return jnp.moveaxis(jnp.asarray(pixels, jnp.float32), -1, 0) / 255


@pytest.mark.parametrize("index", [ssim_index, ms_ssim_index])
def test_gradients_in_both_pictures_match_finite_differences(index) -> None:
    reference = smooth_picture(24, 26)
    pair = unit_range(reference), unit_range(noisy(reference, 30.0))
    check_grads(jax.jit(index), pair, order=1, modes=["rev"], atol=2e-3, rtol=2e-2, eps=1e-2)


@pytest.mark.parametrize("index", [ssim_index, ms_ssim_index])
def test_vmap_is_a_loop_and_data_range_a_unit(index) -> None:
    pictures = [smooth_picture(24, 23, seed=seed) for seed in range(3)]
    references = jnp.stack([unit_range(picture) for picture in pictures])
    decoded = jnp.stack([unit_range(noisy(picture, 20.0)) for picture in pictures])
    together = jax.jit(jax.vmap(index))(references, decoded)
    apart = [jax.jit(index)(one, other) for one, other in zip(references, decoded, strict=True)]
    np.testing.assert_allclose(together, apart, atol=1e-6)
    scaled = jax.jit(index, static_argnames="data_range")(255 * references[0], 255 * decoded[0], data_range=255.0)
    np.testing.assert_allclose(scaled, apart[0], atol=1e-6)


def test_the_integer_functions_refuse_float_pixels() -> None:
    pixels = np.zeros((16, 16, 3))
    with pytest.raises(ValueError, match="round"):
        ssim(pixels, pixels)
    with pytest.raises(ValueError, match="round"):
        ms_ssim(pixels, pixels)
