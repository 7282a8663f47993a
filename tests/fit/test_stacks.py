"""Stacks: every matrix in its place and back, gradients included, and an optimiser that does not notice."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.fit import optimiser
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stacks import (
    stacked,
    stacked_moments,
    stacked_scalars,
    stacks_of,
    unstacked,
    unstacked_moments,
    unstacked_scalars,
)
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


@pytest.mark.parametrize(
    "config", [pytest.param(OptimiserConfig(), marks=pytest.mark.slow), OptimiserConfig(preconditioned=False)]
)
def test_steps_are_those_of_single_matrices(config):
    layout = (("tall", (20, 3)), ("wide", (2, 12)), ("row", (1, 9)), ("square", (12, 12)))
    stacks = stacks_of(layout, 512)
    assert len(stacks) == 2
    generator = np.random.default_rng(0)
    params = {name: jnp.zeros(shape, jnp.float32) for name, shape in layout}

    def known(pair):
        """A side of which the covariance is of full rank: bases of what no gradient has reached are of rounding."""
        return pair and (jnp.diag(jnp.asarray(generator.uniform(1, 9, len(pair[0])), jnp.float32)), pair[1])

    alone = {
        name: own._replace(left=known(own.left), right=known(own.right))
        for name, own in optimiser.init(config, params).items()
    }
    together = stacked_moments(stacks, alone)
    update = jax.jit(functools.partial(optimiser.update, config))
    refresh, refresh_stacks = (
        jax.jit(functools.partial(f, config)) for f in (optimiser.refresh, optimiser.refresh_stacks)
    )
    for step in range(6):
        gradients = {name: jnp.asarray(generator.normal(size=shape), jnp.float32) for name, shape in layout}
        if step % 3 == 0:
            alone, together = refresh(alone), refresh_stacks(together)
        expected, alone = update(gradients, alone, jnp.float32(step))
        found, together = update(stacked(stacks, gradients), together, jnp.float32(step))
        if step == 3:  # the state goes out and in again
            together = stacked_moments(stacks, unstacked_moments(stacks, together, alone))
        for key, padded in found.items():
            assert not padded[next(stack for stack in stacks if stack.key == key).mask() == 0].any()
        for name, direction in unstacked(stacks, found).items():
            np.testing.assert_allclose(direction, expected[name], atol=2e-3)
    for one, other in zip(
        jax.tree.leaves(unstacked_moments(stacks, together, alone)), jax.tree.leaves(alone), strict=True
    ):
        assert one.shape == other.shape
