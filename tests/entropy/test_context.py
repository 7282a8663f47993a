"""The integer context network: exactness, its bound, and how near it is to its formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.entropy import context
from inrc.entropy import latent_tables as tables
from inrc.errors import CorruptFileError
from tests.entropy import latents

WIDTHS = st.tuples(st.integers(1, 14), st.integers(0, 7), st.integers(0, 4))


def case(seed: int, n_spatial: int = 12, n_cross: int = 6, n_layers: int = 2, shape=(24, 37), **options):
    """(matrices, network, plans, latents) with random integers, some of them large."""
    generator = np.random.default_rng(seed)
    plans = latents.pyramid(shape, n_cross_levels=2 if n_cross else 0)
    weights = latents.matrices(generator, plans, n_spatial=n_spatial, n_cross=n_cross, n_layers=n_layers, **options)
    grids = [np.rint(generator.laplace(0, generator.uniform(0.3, 8.0), p.shape)).astype(np.int32) for p in plans]
    return weights, latents.network_of(weights, n_spatial), plans, grids


def real_arithmetic(weights, plans, grids, index, offsets):
    """Mean and logarithm of the scale by the formulas, in float64, one latent at a time.

    And a bound of how far integers may be off: half a unit of every weight and of every value between layers.
    """
    plan, grid = plans[index], grids[index]
    height, width = plan.shape
    weight_error, value_error = 2.0**-9, 2.0**-6
    results = np.empty((4, height, width))
    n_cross = weights["context_skip"].shape[1] - len(offsets)
    for y in range(height):
        for x in range(width):
            inputs, errors = [], []
            for dy, dx in offsets:
                inside = y + dy >= 0 and 0 <= x + dx < width
                inputs.append(float(np.clip(grid[y + dy, x + dx], -63, 63)) if inside else 0.0)
                errors.append(0.0)
            if plan.references:
                r = [
                    float(
                        np.clip(
                            grids[j][y >> (plans[j].level - plan.level), x >> (plans[j].level - plan.level)], -63, 63
                        )
                    )
                    for j in plan.references
                ]
                matrix = weights[f"cross_{plan.level}"].astype(np.float64)
                inputs += list(np.clip(matrix[:, :-1] @ r + matrix[:, -1], -2047 / 32, 2047 / 32))
                errors += [np.abs(r).sum() * weight_error + 2.0**-14 + value_error] * n_cross
            else:
                inputs += [0.0] * n_cross
                errors += [0.0] * n_cross
            c, c_error = np.array(inputs), np.array(errors)
            h, h_error = c, c_error
            layer = 0
            while f"context_{layer}" in weights:
                matrix = weights[f"context_{layer}"].astype(np.float64)
                error = np.abs(matrix[:, :-1] + np.eye(len(c))) @ h_error + (np.abs(h) + h_error).sum() * weight_error
                h = np.clip(matrix[:, :-1] @ h + matrix[:, -1] + h, 0.0, 2047 / 32)
                h_error = error + 2.0**-14 + value_error
                layer += 1
            out, skip = weights["context_out"].astype(np.float64), weights["context_skip"].astype(np.float64)
            results[:2, y, x] = out[:, :-1] @ h + out[:, -1] + skip @ c
            results[2:, y, x] = (
                np.abs(out[:, :-1]) @ h_error + np.abs(skip) @ c_error + 2.0**-14
                + ((np.abs(h) + h_error).sum() + (np.abs(c) + c_error).sum()) * weight_error
            )  # fmt: skip
    results[1] -= 4.0
    return results


@settings(max_examples=25, deadline=None)
@given(WIDTHS, st.integers(0, 2**32 - 1))
def test_integers_follow_the_formulas_on_any_widths(widths, seed):
    n_spatial, n_cross, n_layers = widths
    weights, network, plans, grids = case(seed, n_spatial, n_cross, n_layers, (7, 9), magnitude=0.6)
    for index in range(len(plans)):
        rows, bases = context.table_rows(network, plans, grids, index)
        mean, log_scale, mean_error, scale_error = real_arithmetic(
            weights, plans, grids, index, latents.OFFSETS[:n_spatial]
        )
        got_mean = bases + tables.LARGEST + ((rows & 31) - 16) / 32
        assert (np.abs(got_mean - mean) <= mean_error + 1 / 64 + 1e-9).all()
        got_scale = (rows >> 5) / 16 - 5
        assert (np.abs(got_scale - np.clip(log_scale, -5, 5)) <= scale_error + 1 / 32 + 1e-9).all()


def test_at_the_size_that_files_have_integers_lose_little():
    generator = np.random.default_rng(0)
    plans = latents.pyramid((20, 30))
    weights = latents.matrices(generator, plans, magnitude=1.0)
    network = latents.network_of(weights)
    grids = [np.rint(generator.laplace(0, 1.0, plan.shape)).astype(np.int32) for plan in plans]
    rows, bases = context.table_rows(network, plans, grids, len(plans) - 1)
    mean, log_scale, *_ = real_arithmetic(weights, plans, grids, len(plans) - 1, network.offsets)
    assert np.abs(mean).mean() > 0.3
    # The index alone is off by 1/128 and 1/64 on average.
    assert np.abs(bases + tables.LARGEST + ((rows & 31) - 16) / 32 - mean).mean() < 0.02
    assert np.abs((rows >> 5) / 16 - 5 - np.clip(log_scale, -5, 5)).mean() < 0.025


def test_half_units_are_rounded_up():
    weights = {
        "context_out": np.array([[0.0, 1 / 64], [0.0, 4 + 1 / 32]], np.float32),
        "context_skip": np.array([[3 / 512], [-3 / 512]], np.float32)[:, :1],
    }
    network = context.from_matrices(weights, ((0, -1),))
    rows, bases = context.table_rows(network, [context.GridPlan((1, 2), 0)], [np.array([[63, 0]])], 0)
    # 1/64 is half of 1/32 and goes to 1/32: fraction 17. 3/512 goes to 2/256 and -3/512 to -1/256:
    # 1/64 + 63/128 = 16.25/32 and 1/32 - 63/256 = -3.4/16.
    assert rows.tolist() == [[(80 + 1) << 5 | 17, (80 - 3) << 5 | 0]]
    assert bases.tolist() == [[-12, -11]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 100, 1 << 14]))
def test_chunks_do_not_matter(seed, chunk):
    _, network, plans, grids = case(seed)
    with pytest.MonkeyPatch.context() as patch:
        expected = [context.table_rows(network, plans, grids, i) for i in range(len(plans))]
        patch.setattr(context, "CHUNK", chunk)
        for i, (rows, bases) in enumerate(expected):
            got_rows, got_bases = context.table_rows(network, plans, grids, i)
            np.testing.assert_array_equal(got_rows, rows)
            np.testing.assert_array_equal(got_bases, bases)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_any_float32_arithmetic_gives_the_same_integers(x64, n):
    # The largest sums that are allowed, and float64 beside float32.
    generator = np.random.default_rng(n)
    plans = latents.pyramid((8, 8))
    weights = context.limited(latents.matrices(generator, plans, magnitude=30.0))
    network = latents.network_of(weights)
    assert context.largest_accumulator(network) > 0.9 * 2**24
    evaluation = context.Evaluation(network, range(network.n_inputs + 1), n)
    evaluation.inputs[:12] = generator.integers(-63, 64, (12, n))
    evaluation.inputs[12:18] = generator.integers(-2047, 2048, (6, n))
    rows, bases = evaluation.run(n)

    def forward(inputs, matrices, out, skip, dtype):
        def product(a, b):
            return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)

        ones = jnp.ones((1, inputs.shape[1]), dtype)
        hidden = inputs
        for matrix in matrices:
            hidden = jnp.clip(jnp.floor(product(matrix, jnp.concatenate([hidden, ones]))), 0, 2047)
        return jnp.floor(product(out, jnp.concatenate([hidden, ones])) + product(skip, inputs))

    with jax.enable_x64(x64):
        for dtype in (np.float32, np.float64) if x64 else (np.float32,):
            inputs = evaluation.inputs[:18].astype(dtype)
            inputs[:12] *= 32
            arrays = [[m.astype(dtype) for m in network.layers], network.out.astype(dtype), network.skip.astype(dtype)]
            mean, scale = np.asarray(jax.jit(forward, static_argnums=4)(inputs, *arrays, dtype)).astype(np.int64)
            np.testing.assert_array_equal(mean >> 5, bases)
            np.testing.assert_array_equal((np.clip(scale, 0, 160) << 5) + (mean & 31), rows)


class TestBound:
    def test_no_inputs_reach_the_bound_and_the_worst_come_near(self):
        generator = np.random.default_rng(5)
        for _ in range(20):
            plans = latents.pyramid((8, 8))
            weights = context.limited(latents.matrices(generator, plans, magnitude=generator.uniform(0.1, 40)))
            network = latents.network_of(weights)
            bound = context.largest_accumulator(network)
            worst = 0.0
            for matrix in network.layers:
                signs = np.sign(matrix[:, :-1].astype(np.float64))
                # All partial sums of the worst inputs of a row, biases last, in units of 2^-13.
                terms = 256 * np.concatenate([np.abs(matrix[:, :-1]) * 2047.0, np.abs(matrix[:, -1:])], axis=1)
                worst = max(worst, np.cumsum(terms, axis=1).max())
                assert (terms == np.rint(terms)).all()
                assert (signs * matrix[:, :-1] >= 0).all()
            assert worst <= bound < 2**24

    def test_every_product_and_sum_is_a_whole_number_of_units(self):
        _, network, _, _ = case(0)
        matrices = (*network.layers, network.skip[:1], network.out[:1], *network.cross.values())
        halves = (network.skip[1], network.out[1])
        for units in [256 * m.astype(np.float64) for m in matrices] + [512 * m.astype(np.float64) for m in halves]:
            np.testing.assert_array_equal(units, np.rint(units))
            assert np.abs(units).max() > 1

    def test_a_row_one_too_large_is_refused_and_the_largest_is_not(self):
        # 2^24 > 2047 (w + 256) + 128: w is 7939 units of 2^-8 at most.
        weights = {
            "context_0": np.array([[7939 / 256, 0.0]], np.float32),
            "context_out": np.zeros((2, 2), np.float32),
            "context_skip": np.zeros((2, 1), np.float32),
        }
        network = context.from_matrices(weights, ((0, -1),))
        assert context.largest_accumulator(network) == 2047 * (7939 + 256) + 128 < 2**24
        weights["context_0"][0, 0] = 7941 / 256
        with pytest.raises(CorruptFileError, match=r"16779387.*16777215"):
            context.from_matrices(weights, ((0, -1),))

    @pytest.mark.parametrize("name", ["context_1", "context_out", "context_skip", "cross_0"])
    def test_all_matrices_are_looked_at(self, name):
        plans = latents.pyramid((8, 8))
        weights = latents.matrices(np.random.default_rng(0), plans)
        weights[name][1, 0] = 1e5
        with pytest.raises(CorruptFileError, match="smaller weights"):
            latents.network_of(weights)
        latents.network_of(context.limited(weights))

    def test_limited_leaves_ordinary_weights_alone(self):
        weights = latents.matrices(np.random.default_rng(0), latents.pyramid((8, 8)))
        for name, matrix in context.limited(weights).items():
            np.testing.assert_array_equal(matrix, weights[name])


def test_features_of_a_coarser_grid_by_hand():
    plans = [context.GridPlan((2, 2), 2), context.GridPlan((3, 4), 1), context.GridPlan((5, 7), 0, (1, 0))]
    grids = [np.array([[100, -2], [3, 4]]), np.arange(12).reshape(3, 4), np.zeros((5, 7), int)]
    network = context.ContextNetwork(
        (), (), np.zeros((2, 2), np.float32), np.zeros((2, 1), np.float32), {0: np.array([[32, 320, -5.5]], np.float32)}
    )
    features = context.cross_features(network, plans, grids, 2)
    # 32 y1 + 320 y2 - 5.5, rounded down; 100 counts as 63, and 2047 is the limit.
    expected = [[2047, 2047, 64 - 640 - 6, 96 - 640 - 6], [2047, 2047, 192 - 640 - 6, 224 - 640 - 6]]
    assert features[0, :2].tolist() == expected
    assert features[0, 2].tolist() == [256 + 960 - 6, 288 + 960 - 6, 320 + 1280 - 6, 352 + 1280 - 6]
