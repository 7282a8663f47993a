"""Sobel derivatives and total variation, against SciPy and by hand, and that padding never counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from inrc.fit.neighbours import inside, sobel_energy, total_variation

SHAPES = [(9, 12), (1, 7), (1, 1)]


def noise(shape: tuple[int, int], channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_those_of_sobel_s_filter(shape):
    error = noise(shape)
    # SciPy's filters have weights that add up to 8, and "nearest" repeats the edge.
    derivatives = [[ndimage.sobel(channel, axis, mode="nearest") / 8 for axis in (0, 1)] for channel in error]
    assert float(jax.jit(sobel_energy)(jnp.asarray(error))) == pytest.approx(np.mean(np.square(derivatives)), rel=1e-5)


@pytest.mark.parametrize(
    ("error", "energy"),
    [
        ([[0.0, 1.0]], 0.5**2 / 2),  # half the difference along the row, none along columns
        ([[0.0], [1.0]], 0.5**2 / 2),
        ([[0.0, 1.0, 2.0]], (0.5**2 + 1.0**2 + 0.5**2) / 3 / 2),
        ([[0.3, 0.3], [0.3, 0.3]], 0.0),
        ([[1.0, 0.0], [0.0, 0.0]], 4 * (0.375**2 + 0.125**2) / 4 / 2),  # smoothed: 3/4 and 1/4
    ],
)
def test_derivatives_by_hand(error, energy):
    assert float(jax.jit(sobel_energy)(jnp.float32([error]))) == pytest.approx(energy, rel=1e-6)


def test_total_variation_by_hand():
    values = jnp.float32([[[0.0, 1.0], [0.5, 0.25]], [[0.2, 0.2], [0.2, 0.2]]])
    np.testing.assert_allclose(total_variation(values), [(0.5 + 0.75 + 1.0 + 0.25) / 4, 0.0], rtol=1e-6)
    assert total_variation(jnp.float32([[[3.0]]])) == 0
    assert float(total_variation(jnp.float32([[[0.0, 1.0, 0.0]]]))[0]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("shape", [(9, 12), (1, 7)])
def test_padding_changes_neither_value_nor_gradient(shape):
    @jax.jit
    @jax.value_and_grad
    def terms(values, sizes=None):
        return sobel_energy(values, sizes) + 3 * total_variation(values, sizes).mean()

    values = noise(shape)
    nonsense = np.pad(values, ((0, 0), (0, 3), (0, 2)), constant_values=77.0)
    value, gradient = terms(values)
    same_value, same_gradient = terms(nonsense, jnp.array(shape))
    assert float(same_value) == pytest.approx(float(value), rel=1e-6)
    np.testing.assert_allclose(same_gradient[:, : shape[0], : shape[1]], gradient, atol=1e-6)
    assert not same_gradient[:, shape[0] :].any()
    assert not same_gradient[:, :, shape[1] :].any()


def test_inside_is_the_top_left_corner():
    expected = [[True, True, False], [False, False, False]]
    np.testing.assert_array_equal(inside((2, 3), jnp.array([1, 2])), expected)
