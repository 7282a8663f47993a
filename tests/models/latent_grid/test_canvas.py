"""Pictures on larger canvases: pixels, bits and gradients are those of the picture alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.latent_layout import canvas_of, grids_of, halved
from inrc.models.latent_grid import edges, forward
from inrc.models.latent_grid.packing import cut_from_canvas, mask_of, pack, packing_of, put_on_canvas, unpack
from inrc.presets import LATENT_CODECS
from tests.models.latent_grid.samples import SMALL, random_latents, random_networks

PRESETS = {name: codec.model for name, codec in LATENT_CODECS.items()}


class TestLadder:
    def test_rungs_have_at_most_four_digits_before_their_zeros(self):
        rungs = sorted({canvas_of((n, 1))[0] for n in range(1, 5000)})
        assert rungs == [n for n in range(1, rungs[-1] + 1) if len(bin(n)[2:].rstrip("0")) <= 4]
        for rung in (128, 256, 512, 576, 704, 768):
            assert canvas_of((rung, rung)) == (rung, rung)

    def test_a_canvas_is_the_smallest_that_holds_the_picture(self):
        assert canvas_of((37, 53)) == (40, 56)
        assert canvas_of((130, 190)) == (144, 192)
        assert canvas_of((1, 17)) == (1, 18)
        assert canvas_of((497, 767)) == (512, 768)
        assert canvas_of((513, 769)) == (576, 832)
        for n in range(1, 5000):
            side = canvas_of((1, n))[1]
            assert n <= side <= max(n, n * 9 / 8)
            assert canvas_of((1, side)) == (1, side)


class TestGrids:
    @pytest.mark.parametrize(("shape", "canvas"), [((37, 53), (40, 56)), ((1, 3), (4, 4)), ((9, 7), (9, 7))])
    def test_grids_on_a_canvas_are_cut_from_it_again(self, shape, canvas):
        config, packing = LatentGridConfig(), packing_of(LatentGridConfig(), canvas)
        latents = random_latents(config, shape)
        on_canvas = put_on_canvas(packing, latents)
        assert [grid.shape for grid in on_canvas] == [grid.shape for grid in grids_of(config, canvas)]
        flat = pack(packing, latents)
        np.testing.assert_array_equal(flat, pack(packing, on_canvas))
        unpacked = [np.asarray(grid) for grid in unpack(packing, jnp.asarray(flat))]
        for one, other in zip(cut_from_canvas(packing, unpacked, shape), latents, strict=True):
            np.testing.assert_array_equal(one, other)
        assert sum(np.abs(grid).sum() for grid in unpacked) == sum(np.abs(grid).sum() for grid in latents)

    def test_the_mask_covers_the_latents_of_the_picture(self):
        config, canvas = LatentGridConfig(), (40, 56)
        packing = packing_of(config, canvas)
        for shape in ((37, 53), (40, 1), canvas):
            mask = mask_of(packing, shape)
            np.testing.assert_array_equal(mask, pack(packing, [np.ones(g.shape) for g in grids_of(config, shape)]))
            assert mask.sum() == sum(np.prod(grid.shape) for grid in grids_of(config, shape))
        np.testing.assert_array_equal(mask_of(packing, canvas), mask_of(packing))


def test_sizes_of_levels_are_rounded_up():
    for shape in ((1, 1), (37, 53), (64, 129)):
        for level in range(8):
            assert tuple(edges.sizes_at(jnp.asarray(shape, jnp.int32), level).tolist()) == halved(shape, level)


@pytest.mark.parametrize("size", [1, 5, 8, 9])
@pytest.mark.parametrize("reach", [1, 2])
def test_the_last_entry_is_repeated_as_far_as_the_filter_reaches(size, reach):
    x = np.random.default_rng(0).normal(size=(2, 9, 4)).astype(np.float32)
    expected = x.copy()
    expected[:, size : size + reach, :3] = x[:, size - 1 : size, :3]
    expected[..., 3] = expected[..., 2]
    got, pull = jax.vjp(lambda x: edges.edges_repeated(x, jnp.array([size, 3]), reach), jnp.asarray(x))
    np.testing.assert_array_equal(got, expected)
    # The transpose of a linear map: <g, f(x)> is <f'(g), x>.
    g = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    np.testing.assert_allclose(np.vdot(pull(jnp.asarray(g))[0], x), np.vdot(g, expected), rtol=1e-4)


def test_without_sizes_nothing_is_done():
    x = jnp.ones((2, 3, 4))
    assert edges.edges_repeated(x, None, 2) is x


def loss_of(config, packing, params, mask, flat, target, sizes):
    """(loss, (values, bits)); NaN in the target beyond the picture must not matter."""
    values, bits = forward.values_and_bits(config, packing, params, mask, mask * flat, sizes)
    inside = jnp.ones(values.shape, bool)
    if sizes is not None:
        for axis in (1, 2):
            inside &= jax.lax.broadcasted_iota(jnp.int32, values.shape, axis) < sizes[axis - 1]
    error = jnp.where(inside, values - jnp.where(inside, target, 0.0), 0.0)
    return 1e3 * jnp.sum(error**2) / jnp.sum(inside) + 0.01 * bits, (values, bits)


def loss_and_gradients(config, packing):
    return jax.value_and_grad(functools.partial(loss_of, config, packing), (0, 2), has_aux=True)


def compiled(function):
    """Compiled in half of the time, for programs that run once."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=options)


class Picture:
    """Random latents and pixels of a shape, and the same on a canvas with garbage beyond."""

    def __init__(self, config: LatentGridConfig, shape: tuple[int, int], canvas: tuple[int, int], seed: int = 0):
        generator = np.random.default_rng(seed)
        self.config, self.shape, self.canvas = config, shape, canvas
        self.params = {n: jnp.asarray(m) for n, m in random_networks(config, 3, seed).items()}
        self.latents = [generator.normal(size=grid.shape).astype(np.float32) for grid in grids_of(config, shape)]
        self.target = generator.uniform(size=(3, *shape)).astype(np.float32)
        self.packing, self.own_packing = packing_of(config, canvas), packing_of(config, shape)

    @functools.cached_property
    def alone(self):
        """Its loss, values, bits and gradients without a canvas."""
        mask = jnp.asarray(mask_of(self.own_packing))
        flat = jnp.asarray(pack(self.own_packing, self.latents))
        run = compiled(loss_and_gradients(self.config, self.own_packing))
        return run(self.params, mask, flat, jnp.asarray(self.target), None)

    def arguments(self):
        mask = mask_of(self.packing, self.shape)
        # Latents beyond the picture may have any values, since they are masked.
        flat = pack(self.packing, self.latents) + 7 * (1 - mask)
        target = np.full((3, *self.canvas), np.nan, np.float32)
        target[:, : self.shape[0], : self.shape[1]] = self.target
        return self.params, *(jnp.asarray(x) for x in (mask, flat, target, np.array(self.shape, np.int32)))

    def assert_same(self, on_canvas) -> None:
        """That a result on the canvas is that of the picture alone."""
        (loss, (values, bits)), (params_gradient, flat_gradient) = self.alone
        (canvas_loss, (canvas_values, canvas_bits)), (canvas_params_gradient, canvas_flat_gradient) = on_canvas
        np.testing.assert_allclose(canvas_loss, loss, rtol=1e-5)
        np.testing.assert_allclose(canvas_bits, bits, rtol=1e-5)
        height, width = self.shape
        assert_close(canvas_values[:, :height, :width], values)
        for name, gradient in params_gradient.items():
            assert_close(canvas_params_gradient[name], gradient, name)
        assert not np.asarray(canvas_flat_gradient)[mask_of(self.packing, self.shape) == 0].any()
        cut = cut_from_canvas(self.packing, unpack_all(self.packing, canvas_flat_gradient), self.shape)
        for one, other in zip(cut, unpack_all(self.own_packing, flat_gradient), strict=True):
            assert_close(one, other)


def unpack_all(packing, flat) -> list[np.ndarray]:
    return [np.asarray(grid) for grid in unpack(packing, jnp.asarray(flat))]


def assert_close(one, other, name: str = "") -> None:
    """To 1e-5 of the largest entry: sums are taken in another order."""
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(np.abs(other).max()) + 1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("preset", "shape", "canvas"),
    [
        ("latent-grid", (37, 53), (40, 56)),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("latent-grid", (130, 190), (144, 192)),
                ("latent-grid", (1, 17), (1, 18)),
                ("latent-grid", (33, 1), (40, 4)),
                ("latent-grid", (64, 64), (96, 72)),
                ("latent-grid", (5, 9), (16, 16)),
                ("cool-chic", (37, 53), (40, 56)),
                ("cool-chic", (1, 33), (1, 36)),
                ("c3", (37, 53), (40, 56)),
                ("c3", (35, 64), (36, 64)),
            )
        ),
    ],
)
def test_a_picture_on_a_canvas_is_the_picture(preset, shape, canvas):
    config = PRESETS[preset]
    picture = Picture(config, shape, canvas)
    picture.assert_same(compiled(loss_and_gradients(config, picture.packing))(*picture.arguments()))


# Sides of 1 pixel, odd ones, a pixel less than the canvas, and all of it; the coarse grids are small enough for filters
# that are products with matrices, the fine ones are not.
SHAPES = [(37, 53), (40, 1), (39, 56), (1, 1)]
CANVAS = (40, 56)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(SMALL, shape, CANVAS, seed) for seed, shape in enumerate(SHAPES)]


@pytest.mark.slow
def test_one_program_serves_all_sizes_of_a_canvas(pictures):
    run = compiled(loss_and_gradients(SMALL, packing_of(SMALL, CANVAS)))
    for picture in pictures:
        picture.assert_same(run(*picture.arguments()))
    assert run._cache_size() == 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.slow
def test_pictures_of_many_sizes_map(pictures):
    arguments = jax.tree.map(lambda *x: jnp.stack(x), *(picture.arguments() for picture in pictures))
    results = compiled(jax.vmap(loss_and_gradients(SMALL, packing_of(SMALL, CANVAS))))(*arguments)
    for i, picture in enumerate(pictures):
        picture.assert_same(jax.tree.map(lambda x, i=i: x[i], results))
