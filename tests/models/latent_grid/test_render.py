"""Renders of random latents: native ones, regions, strips and other sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.latent_layout import grids_of
from inrc.models.latent_grid import forward
from inrc.models.latent_grid import render as rendering
from inrc.models.latent_grid.packing import packing_of
from inrc.models.view import Antialias, view_of
from tests.models.latent_grid.samples import random_latents, random_networks

MODEL = LatentGridConfig(
    n_grids=4, n_hyper=2, n_spatial=2, n_cross=1, n_cross_levels=1, context_layers=0, synthesis_width=5, n_residual=2
)


class Sample:
    """A picture of random latents; `finest` is the finest level that has such."""

    def __init__(
        self, shape: tuple[int, int], *, channels: int = 1, finest: int = 0, model: LatentGridConfig = MODEL
    ) -> None:
        self.shape, self.model = shape, model
        self.params = random_networks(model, channels)
        self.params["synthesis_1"][:, -1] += 0.5
        self.latents = [
            latents * (grid.level >= finest)
            for grid, latents in zip(grids_of(model, shape), random_latents(model, shape), strict=True)
        ]

    def render(self, *, max_value: int = 65535, antialias: Antialias = Antialias.SUPERSAMPLE, **view) -> np.ndarray:
        return rendering.render(
            self.model, self.shape, self.params, self.latents, view_of(self.shape, **view), max_value=max_value,
            antialias=antialias,
        )  # fmt: skip

    def values(self) -> np.ndarray:
        """[H, W, C] as the fit sees them."""
        params = {name: jnp.asarray(matrix) for name, matrix in self.params.items()}
        grids = [jnp.asarray(latents) for latents in self.latents]
        run = jax.jit(functools.partial(forward.render, self.model, packing_of(self.model, self.shape)))
        values = run(params, grids)
        return np.moveaxis(np.asarray(values), 0, -1)


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())


@pytest.fixture(scope="module")
def tall() -> Sample:
    """So high that strips and regions are computed from parts of the grids."""
    return Sample((700, 90))


@pytest.fixture(scope="module")
def whole(tall) -> np.ndarray:
    pixels = tall.render()
    assert pixels.std() > 3000
    return pixels


@pytest.mark.parametrize(("shape", "channels"), [((1, 1), 1), ((17, 31), 3)])
def test_native_pixels_are_the_values_of_the_fit(shape, channels):
    sample = Sample(shape, channels=channels)
    values = sample.values()
    coarse, fine = sample.render(max_value=255), sample.render()
    assert (coarse.dtype, fine.dtype) == (np.uint8, np.uint16)
    assert coarse.shape == fine.shape == (*shape, channels)
    assert largest_difference(coarse, 255 * values) < 0.501
    assert largest_difference(fine, 65535 * values) < 0.6


def test_strips_are_the_whole(tall, whole, monkeypatch):
    monkeypatch.setattr(rendering, "_STRIP_SAMPLES", 9_100)
    calls = []
    part_of = rendering._part

    def noted(model, length, first, n):
        calls.append(part_of(model, length, first, n))
        return calls[-1]

    monkeypatch.setattr(rendering, "_part", noted)
    assert largest_difference(tall.render(), whole) <= 1
    across, *strips = calls
    assert across.window_size == 90
    assert len(strips) == 7
    assert {strip.window_size for strip in strips} == {strips[0].window_size}
    assert strips[0].window_size < 300
    assert len({strip.window for strip in strips}) > 3


@pytest.mark.parametrize("corner", [(0, 0), (11, 260), (50, 633)])
def test_a_region_is_a_cut_of_the_whole(tall, whole, corner):
    x, y = corner
    region = tall.render(region=(x, y, 40, 67))
    assert largest_difference(region, whole[y : y + 67, x : x + 40]) <= 1


def test_half_the_size_is_the_mean_of_four(tall, whole):
    half = tall.render(scale=0.5)
    mean = whole.astype(np.float64).reshape(350, 2, 45, 2, 1).mean((1, 3))
    assert largest_difference(half, mean) <= 1.5


def test_without_antialiasing_a_third_of_the_size_is_every_third_pixel(tall, whole):
    third = tall.render(size=(30, 100), region=(0, 0, 90, 300), antialias=Antialias.NONE)
    assert largest_difference(third, whole[1:300:3, 1::3]) <= 1


def test_twice_the_size_of_what_is_smooth_averages_to_the_native_one():
    sample = Sample((40, 40), finest=3)
    double, native = sample.render(scale=2), sample.render()
    assert double.shape == (80, 80, 1)
    mean = double.astype(np.float64).reshape(40, 2, 40, 2, 1).mean((1, 3))
    # Nearest neighbours would be the native pixels, and have none of the slopes between them.
    assert np.ptp(native) > 10_000
    assert largest_difference(mean, native) < 0.02 * np.ptp(native)
    assert np.abs(mean - native).mean() < 0.003 * np.ptp(native)
    inner = double[1:-1, 1:-1]
    steps = np.abs(np.diff(inner.astype(float), axis=0))
    assert steps[0::2].mean() == pytest.approx(steps[1::2].mean(), rel=0.25)


def test_a_region_of_another_size_is_a_cut_of_the_whole_of_that_size(tall):
    double = tall.render(scale=2)
    region = tall.render(scale=2, region=(20, 300, 30, 25))
    assert largest_difference(region, double[600:650, 40:100]) <= 1


@pytest.mark.parametrize("shape", [pytest.param((1, 1), marks=pytest.mark.slow), (17, 31)])
@pytest.mark.parametrize("antialias", [Antialias.SUPERSAMPLE, Antialias.NONE])
def test_sizes_that_are_no_multiples(shape, antialias):
    sample = Sample(shape, finest=2)
    native = sample.render()
    for size in ((1, 1), (23, 40), (5, 50)):
        pixels = sample.render(size=size, antialias=antialias)
        assert pixels.shape == (size[1], size[0], 1)
        if antialias is Antialias.SUPERSAMPLE or size == (23, 40):
            assert pixels.mean() == pytest.approx(native.mean(), rel=0.05)
        assert pixels.min() >= 0.98 * native.min() - 600
        assert pixels.max() <= 1.02 * native.max() + 600


def test_one_grid_without_anything_else():
    model = LatentGridConfig(1, 0, 1, 0, 0, 0, synthesis_width=2, n_residual=0)
    sample = Sample((13, 9), model=model)
    assert largest_difference(sample.render(), 65535 * sample.values()) < 0.6
