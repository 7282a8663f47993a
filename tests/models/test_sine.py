"""The fast sine against float64, and its derivatives of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.models.sine import cosine, sine, sine_of_sum


@pytest.fixture(scope="module")
def arguments() -> np.ndarray:
    """float32 in [-1000, 1000]: evenly spread, multiples of pi/2 and their neighbours, tiny and zero."""
    turns = np.arange(-636, 637) * (np.pi / 2)
    near = [np.nextafter(turns.astype(np.float32), np.float32(s * 1e9)) for s in (-1, 1)]
    even = np.linspace(-1000, 1000, 400_001)
    return np.concatenate([even, turns, *near, [0.0, -0.0, 1e-30, -1e-6]]).astype(np.float32)


@pytest.mark.parametrize(("fast", "exact", "bound"), [(sine, np.sin, 2e-6), (cosine, np.cos, 1e-5)])
def test_error_against_float64(arguments, fast, exact, bound):
    error = np.abs(np.asarray(jax.jit(fast)(arguments), np.float64) - exact(arguments.astype(np.float64)))
    assert error.max() < bound


def test_error_stays_small_where_only_hostile_weights_lead():
    arguments = np.linspace(-1e5, 1e5, 100_001).astype(np.float32)
    assert np.abs(np.asarray(sine(arguments)) - np.sin(arguments.astype(np.float64))).max() < 1e-4


def test_values_at_landmarks():
    x = np.array([0.0, np.pi / 6, np.pi / 2, np.pi, 1.5 * np.pi, 100 * np.pi + 0.5], np.float32)
    expected = [0.0, 0.5, 1.0, 0.0, -1.0, np.sin(float(x[5]))]
    np.testing.assert_allclose(sine(x), expected, atol=2e-6)
    assert sine(jnp.float32(0.0)) == 0.0


def test_sine_is_odd_and_cosine_even(arguments):
    np.testing.assert_array_equal(sine(-arguments), -np.asarray(sine(arguments)))
    np.testing.assert_array_equal(cosine(-arguments), cosine(arguments))


def test_not_a_number_goes_through_and_huge_arguments_do_not_raise():
    assert np.isnan(sine(jnp.float32(np.nan)))
    assert sine(jnp.float32(3e38)).shape == ()


@pytest.mark.parametrize("mode", [jax.jvp, "grad"])
def test_first_derivative_is_the_cosine(arguments, mode):
    x = jnp.asarray(arguments)
    if mode == "grad":
        derivative = jax.grad(lambda x: jnp.sum(sine(x)))(x)
    else:
        derivative = jax.jvp(sine, (x,), (jnp.ones_like(x),))[1]
    np.testing.assert_allclose(derivative, np.cos(arguments.astype(np.float64)), atol=1e-5)


def test_second_and_third_derivatives(arguments):
    x = arguments[::500]
    second = jax.vmap(jax.grad(jax.grad(sine)))(x)
    third = jax.vmap(jax.grad(jax.grad(jax.grad(sine))))(x)
    np.testing.assert_allclose(second, -np.sin(x.astype(np.float64)), atol=2e-6)
    np.testing.assert_allclose(third, -np.cos(x.astype(np.float64)), atol=1e-5)


def test_jit_and_vmap_change_nothing():
    x = np.linspace(-40, 40, 60, dtype=np.float32).reshape(3, 20)
    np.testing.assert_allclose(jax.jit(sine)(x), sine(x), atol=1e-6)
    np.testing.assert_allclose(jax.vmap(sine)(x), sine(x), atol=1e-6)
    by_row = jax.vmap(lambda row: jax.grad(lambda r: jnp.sum(sine(r)))(row))(x)
    np.testing.assert_allclose(by_row, np.cos(x.astype(np.float64)), atol=1e-5)


def terms_of(shape_seed: int) -> tuple[jax.Array, ...]:
    generator = np.random.default_rng(shape_seed)
    shapes = [(5, 7, 1), (5, 1, 6), (5, 1, 1)][: shape_seed + 1]
    return tuple(jnp.asarray(generator.uniform(-60, 60, shape), jnp.float32) for shape in shapes)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_sine_of_sum_is_the_sine_of_the_sum(count):
    terms = terms_of(count - 1)
    exact = sum(np.asarray(t, np.float64) for t in terms)
    got = sine_of_sum(terms)
    assert got.shape == np.broadcast_shapes(*(t.shape for t in terms))
    np.testing.assert_allclose(got, np.sin(exact), atol=3e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradients_of_sine_of_sum(count):
    terms = terms_of(count - 1)
    weights = np.random.default_rng(9).normal(size=np.broadcast_shapes(*(t.shape for t in terms)))
    exact = sum(np.asarray(t, np.float64) for t in terms)
    gradients = jax.grad(lambda t: jnp.sum(jnp.asarray(weights, jnp.float32) * sine_of_sum(t)))(terms)
    for term, gradient in zip(terms, gradients, strict=True):
        whole = weights * np.cos(exact)
        axes = tuple(a for a in range(3) if term.shape[a] == 1 and whole.shape[a] > 1)
        np.testing.assert_allclose(gradient, whole.sum(axes, keepdims=True), atol=1e-3)


def test_second_derivative_of_sine_of_sum():
    a, b = jnp.float32(0.3), jnp.float32(-1.2)
    mixed = jax.grad(lambda a: jax.grad(lambda b: sine_of_sum((a, b)))(b))(a)
    np.testing.assert_allclose(mixed, -np.sin(0.3 - 1.2), atol=2e-5)
