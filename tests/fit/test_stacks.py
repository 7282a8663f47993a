"""Stacks: every matrix in its place and back, gradients included."""

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import LatentGridConfig
from inrc.fit.stacks import stacked, stacked_scalars, stacks_of, unstacked, unstacked_scalars
from inrc.latent_layout import latent_layout

LAYOUT = latent_layout(LatentGridConfig(), 3)
STACKS = stacks_of(LAYOUT, 512)


def matrices(seed: int = 0) -> dict[str, jax.Array]:
    generator = np.random.default_rng(seed)
    return {name: jnp.asarray(generator.normal(size=shape), jnp.float32) for name, shape in LAYOUT}


def test_matrices_share_few_stacks_and_little_padding():
    n_weights = sum(rows * columns for _, (rows, columns) in LAYOUT)
    assert len(STACKS) == 2
    assert sum(stack.mask().sum() for stack in STACKS) == n_weights
    assert sum(stack.mask().size for stack in STACKS) < 3 * n_weights


def test_there_and_back():
    own = matrices()
    for name, matrix in unstacked(STACKS, stacked(STACKS, own)).items():
        np.testing.assert_array_equal(matrix, own[name])
    padded = stacked(STACKS, own, padding=7.0)
    for stack in STACKS:
        assert (padded[stack.key][stack.mask() == 0] == 7.0).all()
    scalars = {name: jnp.float32(i) for i, name in enumerate(own)}
    assert unstacked_scalars(STACKS, stacked_scalars(STACKS, scalars)) == scalars


def test_the_gradient_is_in_place_too():
    own, weights = matrices(), matrices(1)

    def loss(arrays):
        return sum(jnp.vdot(weights[name], matrix) for name, matrix in unstacked(STACKS, arrays).items())

    gradient = jax.grad(loss)(stacked(STACKS, own))
    for key, expected in stacked(STACKS, weights).items():
        np.testing.assert_array_equal(gradient[key], expected)


def test_tables_share_no_stack_with_layers():
    stacks = stacks_of((("table_0", (2, 16)), ("table_1", (2, 32)), ("layer_0", (2, 20)), ("table_2", (2, 900))), 512)
    assert [(stack.has_tables, stack.names) for stack in stacks] == [
        (True, ("table_0", "table_1")),
        (False, ("layer_0",)),
        (True, ("table_2",)),
    ]
