"""The whole model against NumPy loops, its gradient against differences, and what must not matter."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.latent_layout import grids_of
from inrc.models.latent_grid import context, forward
from inrc.models.latent_grid.packing import mask_of, pack, packing_of, unpack
from tests.models.latent_grid import reference
from tests.models.latent_grid.samples import SMALL, random_latents, random_networks

SHAPES = [(17, 31), (1, 1), (1, 9), (40, 3)]


def on_device(tree):
    return jax.tree.map(jnp.asarray, tree)


@pytest.mark.parametrize("shape", SHAPES)
def test_packing_keeps_every_latent_and_nothing_else(shape):
    packing = packing_of(LatentGridConfig(), shape)
    latents = random_latents(LatentGridConfig(), shape)
    flat = pack(packing, latents)
    for one, other in zip(unpack(packing, jnp.asarray(flat)), latents, strict=True):
        np.testing.assert_array_equal(one, other)
    mask = mask_of(packing)
    assert mask.sum() == sum(grid.size for grid in latents)
    assert not flat[mask == 0].any()
    assert not mask[: 3 * packing.slots[0].stride + 3].any()


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_bits_are_those_of_the_formulas(shape):
    params, latents = random_networks(SMALL, 3), random_latents(SMALL, shape)
    packing = packing_of(SMALL, shape)
    grids = [(g.level, g.hyper, v) for g, v in zip(grids_of(SMALL, shape), latents, strict=True)]
    run = jax.jit(functools.partial(forward.values_and_bits, SMALL, packing))
    values, bits = run(on_device(params), jnp.asarray(mask_of(packing)), jnp.asarray(pack(packing, latents)))
    expected_bits = 0.0
    for i, (_, _, grid) in enumerate(grids):
        mean, scale = reference.mean_and_scale(SMALL, params, grids, i)
        expected_bits += reference.laplace_bits(grid, mean, scale).sum()
    np.testing.assert_allclose(bits, expected_bits, rtol=2e-4)
    z = reference.features(SMALL, params, [v for _, hyper, v in reversed(grids) if not hyper])
    expected = np.clip(reference.pixels(SMALL, params, z), 0, 1)
    np.testing.assert_allclose(values, expected, atol=2e-4)


@pytest.mark.slow
def test_tiles_change_neither_bits_nor_gradients(monkeypatch):
    shape = (33, 20)
    params, packing = on_device(random_networks(SMALL, 3)), packing_of(SMALL, shape)
    flat, mask = jnp.asarray(pack(packing, random_latents(SMALL, shape))), jnp.asarray(mask_of(packing))

    def run():
        def loss(p, f):
            values, bits = forward.values_and_bits(SMALL, packing, p, mask, f)
            return bits + jnp.sum(values**2)

        return jax.jit(jax.value_and_grad(loss, (0, 1)))(params, flat)

    whole = run()
    monkeypatch.setattr(context, "_TILE", 100)
    monkeypatch.setattr("inrc.models.latent_grid.synthesis._TILE", 128)
    assert context.positions_of(packing)[0] > 8
    for one, other in zip(jax.tree.leaves(run()), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4 * float(jnp.abs(other).max()))


def test_gradient_is_that_of_differences():
    shape = (9, 12)
    params, packing = on_device(random_networks(SMALL, 3)), packing_of(SMALL, shape)
    generator = np.random.default_rng(1)
    mask = jnp.asarray(mask_of(packing))
    flat = mask * jnp.asarray(generator.normal(size=packing.size), jnp.float32)

    def loss(p, f):
        values, bits = forward.values_and_bits(SMALL, packing, p, mask, mask * f)
        return bits + 100 * jnp.sum(0.1 * values)

    # Unclamped, for a straight-through gradient is not that of the clamped values.
    @jax.jit
    def plain(p, f):
        grids = unpack(packing, mask * f)
        visible = [grid for slot, grid in zip(packing.slots, grids, strict=True) if not slot.grid.hyper]
        z = forward.upsample(SMALL, p, visible[::-1])
        bits = context.latent_bits(SMALL, p, packing, mask, mask * f, grids)
        return bits + 100 * jnp.sum(0.1 * forward.synthesise(SMALL, p, z))

    gradient = jax.jit(jax.grad(loss, (0, 1)))(params, flat)
    direction = jax.tree.map(
        lambda x: jnp.asarray(generator.normal(size=x.shape), jnp.float32) * (1 if x.ndim > 1 else 0.1), (params, flat)
    )
    slope = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True))
    epsilon = 1e-3
    ends = [plain(*jax.tree.map(lambda x, d, s=s: x + s * epsilon * d, (params, flat), direction)) for s in (1.0, -1.0)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * epsilon), rtol=2e-2)


def test_a_latent_is_predicted_from_what_is_decoded_before_it():
    shape = (12, 14)
    params, packing = on_device(random_networks(SMALL, 3)), packing_of(SMALL, shape)
    mask = mask_of(packing)
    flat = jnp.asarray(pack(packing, random_latents(SMALL, shape)))

    def means(flat):
        length = context.positions_of(packing)[1]
        inputs = [
            context.spatial_contexts(packing, SMALL.n_spatial, flat),
            context.cross_features(SMALL, params, packing, unpack(packing, flat)),
            jnp.ones((1, length)),
        ]
        return context.predict(SMALL, params, jnp.concatenate(inputs))[0]

    where = np.concatenate([np.arange(b.start, b.start + b.size) for b in packing.blocks])
    jacobian = np.asarray(jax.jit(jax.jacobian(means))(flat))[: len(where)]
    rank = np.full(packing.size, -1)
    for order, slot in enumerate(packing.slots):
        for y, x in np.ndindex(slot.grid.shape):
            rank[slot.start + y * slot.stride + x] = order * 10_000 + x + 2 * y
    for row, position in zip(jacobian, where, strict=True):
        if mask[position]:
            used = np.flatnonzero(row)
            used = used[mask[used] > 0]
            assert (rank[used] < rank[position]).all()


def test_the_clamp_lets_gradients_through():
    config = LatentGridConfig(n_grids=1, n_hyper=0, n_cross=0, n_cross_levels=0, n_residual=0, synthesis_width=1)
    params = {n: jnp.zeros_like(jnp.asarray(m)) for n, m in random_networks(config, 1).items()}
    params["synthesis_1"] = params["synthesis_1"].at[0, -1].set(1.7)
    packing = packing_of(config, (2, 2))
    grids = (jnp.zeros((2, 2)),)
    values = forward.render(config, packing, params, grids)
    np.testing.assert_array_equal(values, 1.0)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(forward.render(config, packing, p, grids))))(params)
    assert gradient["synthesis_1"][0, -1] == 4.0


@pytest.mark.slow
def test_pictures_map():
    shape = (9, 12)
    packing, mask = packing_of(SMALL, shape), jnp.asarray(mask_of(packing_of(SMALL, shape)))
    params = [on_device(random_networks(SMALL, 3, seed)) for seed in range(2)]
    flats = [jnp.asarray(pack(packing, random_latents(SMALL, shape, seed))) for seed in range(2)]

    def loss(p, f):
        values, bits = forward.values_and_bits(SMALL, packing, p, mask, f)
        return bits + jnp.sum(values)

    alone = jax.jit(jax.value_and_grad(loss, (0, 1)))
    one = [alone(p, f) for p, f in zip(params, flats, strict=True)]
    both = jax.jit(jax.vmap(jax.value_and_grad(loss, (0, 1))))(
        jax.tree.map(lambda *x: jnp.stack(x), *params), jnp.stack(flats)
    )
    for i in range(2):
        for x, y in zip(jax.tree.leaves(one[i]), (leaf[i] for leaf in jax.tree.leaves(both)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4 * float(jnp.abs(x).max()))
