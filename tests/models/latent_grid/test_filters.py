"""Filters with hand-written gradients against their transposes and against convolutions of SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from inrc.latent_layout import UPSAMPLING_KERNEL
from inrc.models.latent_grid import filters
from inrc.models.latent_grid.laplace import laplace_bits
from tests.models.latent_grid import reference

SHAPES = [(1, 1), (1, 6), (5, 1), (3, 4), (12, 11)]


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def pulled(function, g, *arrays):
    """The gradients of a function with respect to its arrays, from that of its outputs."""
    return jax.jit(lambda g, *arrays: jax.vjp(function, *arrays)[1](g))(jnp.asarray(g), *arrays)


def assert_gradient(function, *arrays):
    """Both gradients of a bilinear function follow from its values: <g, f(x + d) - f(x)> is <gradient, d>."""
    function = jax.jit(function)
    g = normal(*function(*arrays).shape, seed=9)
    for i, (array, gradient) in enumerate(zip(arrays, pulled(function, g, *arrays), strict=True)):
        for seed in range(3):
            direction = normal(*array.shape, seed=10 + seed)
            ends = [function(*arrays[:i], array + sign * 0.25 * direction, *arrays[i + 1 :]) for sign in (1, -1)]
            slope = 2 * np.vdot(g, ends[0] - ends[1])
            bound = float(np.linalg.norm(gradient) * np.linalg.norm(direction))
            np.testing.assert_allclose(np.vdot(gradient, direction), slope, atol=2e-4 * bound + 1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_twice(shape):
    x, kernel = normal(2, *shape), normal(4)
    expected = [reference.along_both(grid, lambda line: reference.doubled_line(line, kernel)) for grid in x]
    np.testing.assert_allclose(filters.twice(x, kernel), expected, atol=1e-5)
    if shape != (3, 4):
        g = normal(2, 2 * shape[0], 2 * shape[1], seed=3)
        (gradient,) = pulled(lambda x: filters.twice(x, kernel), g, x)
        np.testing.assert_allclose(np.vdot(g, filters.twice(x, kernel)), np.vdot(gradient, x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("filtering", [filters._twice_rows, filters._twice_columns])
def test_gradients_of_doubling(filtering):
    for shape in SHAPES[1:4]:
        assert_gradient(filtering, normal(2, *shape), normal(4))


def test_the_first_kernel_is_the_cubic_one():
    # Keys, 1981, with a = -3/4, at the distances of the four nearest samples.
    near, far = (lambda t: 1.25 * t**3 - 2.25 * t**2 + 1), (lambda t: -0.75 * (t**3 - 5 * t**2 + 8 * t - 4))
    np.testing.assert_allclose(UPSAMPLING_KERNEL, [far(1.75), near(0.75), near(0.25), far(1.25)], atol=1e-12)
    assert sum(UPSAMPLING_KERNEL) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_symmetric_filter(shape):
    x, half = normal(*shape), normal(4)
    kernel = np.concatenate([half[:0:-1], half])
    expected = scipy.ndimage.correlate1d(np.asarray(x, np.float64), kernel, axis=0, mode="constant")
    expected = scipy.ndimage.correlate1d(expected, kernel, axis=1, mode="constant")
    np.testing.assert_allclose(filters.symmetric_filter(x, half), expected, atol=2e-5)
    np.testing.assert_allclose(filters._symmetric_both(x, half), expected, atol=2e-5)


def test_gradient_of_the_symmetric_filter():
    for x in (normal(1, 5), normal(7, 6)):
        g = normal(*x.shape, seed=2)
        ours, derived = (
            pulled(function, g, x, normal(4)) for function in (filters._symmetric_both, filters.symmetric_filter)
        )
        for one, other in zip(ours, derived, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (6, 7)])
def test_convolution(shape):
    x, matrix = normal(2, *shape), normal(3, 19)
    kernels = matrix[:, :-1].reshape(3, 3, 3, 2)
    expected = [
        sum(scipy.ndimage.correlate(x[c], kernels[o, :, :, c], mode="nearest") for c in range(2)) + matrix[o, -1]
        for o in range(3)
    ]
    np.testing.assert_allclose(filters.convolve_3x3(x, matrix), expected, atol=1e-5)
    assert_gradient(filters.convolve_3x3, x, matrix)


def test_laplace_bits_and_their_slopes():
    x, log_scale = np.meshgrid([-7.3, -0.5, -0.2, 0.0, 0.49, 0.51, 3.0], [-5.0, -1.0, 0.3, 5.0])
    bits = laplace_bits(jnp.asarray(x, jnp.float32), jnp.asarray(log_scale, jnp.float32))
    np.testing.assert_allclose(bits, reference.laplace_bits(x, 0, np.exp(log_scale)), rtol=2e-4, atol=1e-6)
    slopes = jax.grad(lambda *a: jnp.sum(laplace_bits(*a)), (0, 1))(
        *(jnp.asarray(a, jnp.float32) for a in (x, log_scale))
    )
    d = 1e-6
    numeric = (
        (reference.laplace_bits(x + d, 0, np.exp(log_scale)) - reference.laplace_bits(x - d, 0, np.exp(log_scale))),
        (reference.laplace_bits(x, 0, np.exp(log_scale + d)) - reference.laplace_bits(x, 0, np.exp(log_scale - d))),
    )
    smooth = np.abs(np.abs(x) - 0.5) > 1e-3
    for slope, difference in zip(slopes, numeric, strict=True):
        np.testing.assert_allclose(slope[smooth], (difference / (2 * d))[smooth], rtol=2e-3, atol=1e-4)
