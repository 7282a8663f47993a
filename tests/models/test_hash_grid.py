"""Hash grids: features against a loop in NumPy, the gradient of tables, initialisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import HashGridEncoding, ModelConfig, ModelFamily
from inrc.layout import hash_levels
from inrc.models import build, hash_grid
from inrc.models.hash_grid import entry_indices, hash_features, look_up
from tests.models.networks import random_params, random_points, reference_values, values

SHAPE = (22, 30)
ENCODING = HashGridEncoding(n_levels=4, n_features=2, log2_entries=4, coarsest=3, growth=7)
MODEL = ModelConfig(ModelFamily.HASH_GRID, (7, 5), ENCODING)
PRIMES = 1, 2654435761, 805459861


def random_tables(encoding=ENCODING, shape=SHAPE, seed=0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        generator.normal(size=(encoding.n_features, level.n_entries)).astype(np.float32)
        for level in hash_levels(encoding, shape)
    ]


def loop_features(encoding, tables, points, shape) -> np.ndarray:
    """Features [n_features of all levels, n_points], one corner of one point at a time, in float64."""
    columns = []
    for point in np.transpose(np.array(points, np.float64)):
        column = []
        for level, table in zip(hash_levels(encoding, shape), tables, strict=True):
            u = [(c + 1) / 2 * level.cells * m / max(shape) for c, m in zip(point, shape, strict=True)]
            lower = [min(int(np.floor(x)), n - 2) for x, n in zip(u, level.nodes, strict=True)]
            total = np.zeros(len(table))
            for corner in np.ndindex(*(2,) * len(u)):
                node = [i + up for i, up in zip(lower, corner, strict=True)]
                weight = np.prod([1 - abs(x - i) for x, i in zip(u, node, strict=True)])
                if level.is_hashed:
                    entry = 0
                    for i, prime in zip(reversed(node), PRIMES, strict=False):
                        entry ^= i * prime % 2**32
                    entry %= level.n_entries
                else:
                    entry = int(np.ravel_multi_index(node, level.nodes))
                total += weight * table[:, entry]
            column += list(total)
        columns.append(column)
    return np.array(columns).T


@functools.partial(jax.jit, static_argnums=(0, 3))
def features(encoding, tables, coordinates, shape):
    return hash_features(encoding, tables, coordinates, shape)


def open_axes(counts) -> list[np.ndarray]:
    rank = len(counts)
    return [
        np.linspace(-0.98, 1, n, dtype=np.float32).reshape((1,) * a + (-1,) + (1,) * (rank - 1 - a))
        for a, n in enumerate(counts)
    ]


def test_levels_are_hashed_and_not():
    assert [level.is_hashed for level in hash_levels(ENCODING, SHAPE)] == [False, True, True]


@pytest.mark.parametrize("shape", [(40,), SHAPE, (9, 5, 7)])
def test_features_of_points_equal_a_loops(shape):
    tables, points = random_tables(shape=shape), random_points(25, len(shape))
    points = [np.append(p, [-1, 1]).astype(np.float32) for p in points]
    got = features(ENCODING, tables, points, shape)
    np.testing.assert_allclose(got, loop_features(ENCODING, tables, points, shape), atol=2e-5)


@pytest.mark.parametrize("most_nodes", [512, 6], ids=["products", "pairs"])
@pytest.mark.parametrize("counts", [(5, 40), (40, 3)], ids=["few-rows", "few-columns"])
def test_an_open_grid_has_the_features_of_its_points(counts, most_nodes, monkeypatch):
    monkeypatch.setattr(hash_grid, "_MOST_NODES", most_nodes)
    tables, axes = random_tables(), open_axes(counts)
    arrays = [jnp.asarray(axis) for axis in axes]
    got = np.asarray(jax.jit(lambda t: hash_features(ENCODING, t, arrays, SHAPE))(tables))
    points = [a.ravel() for a in np.broadcast_arrays(*axes)]
    np.testing.assert_allclose(got.reshape(6, -1), loop_features(ENCODING, tables, points, SHAPE), atol=2e-5)


@pytest.mark.parametrize("shape", [(50,), (6, 8, 5)])
def test_open_grids_of_any_rank(shape):
    tables, axes = random_tables(shape=shape), open_axes(shape)
    points = [a.ravel() for a in np.broadcast_arrays(*axes)]
    got = np.asarray(features(ENCODING, tables, axes, shape)).reshape(-1, len(points[0]))
    np.testing.assert_allclose(got, loop_features(ENCODING, tables, points, shape), atol=2e-5)


def test_entries_by_hand():
    level = hash_levels(ENCODING, SHAPE)[1]
    y, x = jnp.int32([0, 1, 2]), jnp.int32([5, 5, 4])
    # 2654435761 ends in the binary digits 0001, twice that in 0010.
    indices = jax.jit(entry_indices, static_argnums=0)
    np.testing.assert_array_equal(indices(level, [y, x]), [5, 0b0001 ^ 5, 0b0010 ^ 4])
    first = hash_levels(ENCODING, SHAPE)[0]
    np.testing.assert_array_equal(indices(first, [y, x]), [5, first.nodes[1] + 5, 2 * first.nodes[1] + 4])


def automatic(table, indices):
    return table[:, indices]


@pytest.mark.parametrize("is_open", [True, False], ids=["grid", "points"])
def test_the_gradient_is_that_of_automatic_differentiation(is_open, monkeypatch):
    tables, coordinates = random_tables(), open_axes((4, 9)) if is_open else random_points(30)
    target = np.random.default_rng(1).normal(size=(6, *np.broadcast_shapes(*(c.shape for c in coordinates))))

    arrays = [jnp.asarray(c) for c in coordinates]

    def gradient():
        return jax.jit(jax.grad(lambda t: jnp.sum((hash_features(ENCODING, t, arrays, SHAPE) - target) ** 2)))(tables)

    own = gradient()
    monkeypatch.setattr(hash_grid, "look_up", automatic)
    for ours, theirs in zip(own, gradient(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_gradient_is_that_of_finite_differences():
    tables, axes = random_tables(seed=5), [jnp.asarray(axis) for axis in open_axes((6, 7))]
    mix = np.random.default_rng(2).normal(size=(6, 6, 7)).astype(np.float32)

    @jax.jit
    def value(tables):
        return jnp.sum(mix * hash_features(ENCODING, tables, axes, SHAPE))

    gradient = jax.jit(jax.grad(value))(tables)
    direction = random_tables(seed=6)
    expected = sum(float(np.sum(g * d)) for g, d in zip(gradient, direction, strict=True))
    # The value is linear in the tables: the difference over a long way is exact but for rounding.
    ahead, back = (float(value([t + sign * d for t, d in zip(tables, direction, strict=True)])) for sign in (1, -1))
    assert (ahead - back) / 2 == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_lookups_of_several_fits_side_by_side():
    tables = np.random.default_rng(3).normal(size=(3, 2, 8)).astype(np.float32)
    indices = jnp.int32([[0, 1, 1], [7, 7, 7], [2, 0, 2]])
    gradient_of = jax.jit(jax.vmap(jax.grad(lambda t, i: jnp.sum(look_up(t, i) ** 2))))
    gradient = np.asarray(gradient_of(jnp.asarray(tables), indices))
    for own, table, entries in zip(gradient, tables, indices, strict=True):
        counts = np.bincount(entries, minlength=8)
        np.testing.assert_allclose(own, 2 * counts * table, rtol=1e-5)


def test_values_equal_the_reference_decoders():
    params, points = random_params(MODEL, SHAPE, 3), random_points(20)
    expected = reference_values(MODEL, SHAPE, params, points)
    np.testing.assert_allclose(values(MODEL, SHAPE, params, points), expected, atol=2e-5)


def test_initial_tables_are_the_papers():
    params = jax.jit(lambda key: build.init(MODEL, SHAPE, 3, key))(jax.random.key(0, impl="rbg"))
    for i in range(3):
        table = np.abs(params[f"table_{i}"])
        assert 0.8e-4 < table.max() <= 1e-4
    assert 0.8 < np.abs(params["layer_0"]).max() <= 1  # He's bound for 6 features
