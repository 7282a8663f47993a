"""Views, and how unit values become pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.models.view import View, pixels_of, transposed, view_of


def test_a_view_is_native_by_default():
    assert view_of((5, 7)) == View(5, 7, 0, 0, 5, 7)


def test_size_is_width_by_height():
    assert view_of((5, 7), size=(20, 10)) == View(10, 20, 0, 0, 5, 7)


def test_scale_rounds_and_never_reaches_zero():
    assert (view_of((5, 7), scale=0.5).height, view_of((5, 7), scale=0.5).width) == (2, 4)
    assert (view_of((5, 7), scale=0.01).height, view_of((5, 7), scale=0.01).width) == (1, 1)


@pytest.mark.parametrize(
    ("shape", "options", "size"),
    [
        ((512, 768), {"fit": 256}, (171, 256)),
        ((768, 512), {"fit": 256}, (256, 171)),
        ((512, 768), {"fit": 768}, (512, 768)),
        ((5, 7), {"fit": 256}, (5, 7)),  # nothing is enlarged
        ((2, 3000), {"fit": 100}, (1, 100)),
        ((512, 768), {"fit": 128, "region": (0, 0, 100, 400)}, (128, 32)),
        ((512, 768), {"fit": 4096, "region": (0, 0, 100.4, 400)}, (400, 100)),
    ],
)
def test_fit_bounds_the_longer_side_and_keeps_the_shape(shape, options, size):
    view = view_of(shape, **options)
    assert (view.height, view.width) == size


def test_fit_is_exact_for_every_side():
    assert all(view_of((side, 1), fit=256).height == 256 for side in range(256, 5000))


def test_region_is_x_y_width_height():
    assert view_of((5, 7), region=(2, 1, 4, 3)) == View(3, 4, 1, 2, 4, 6)


@pytest.mark.parametrize(
    "options",
    [
        {"size": (4, 4), "scale": 2.0},
        {"size": (4, 4), "fit": 4},
        {"scale": 2.0, "fit": 4},
        {"fit": 0},
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": float("nan")},
        {"scale": float("inf")},
        {"size": (0, 5)},
        {"region": (0, 0, 8, 5)},
        {"region": (-1, 0, 4, 4)},
        {"region": (0, 0, 0, 4)},
        {"region": (0, float("nan"), 2, 2)},
    ],
)
def test_impossible_views_are_config_errors(options):
    with pytest.raises(ConfigError):
        view_of((5, 7), **options)


def test_a_transposed_view_swaps_the_axes_and_its_own_transpose_is_the_view():
    view = view_of((5, 7), region=(2, 1, 4, 3), scale=2.0)
    assert transposed(view) == View(8, 6, top=2, left=1, bottom=6, right=4)
    assert transposed(transposed(view)) == view


@pytest.mark.parametrize(("max_value", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_pixels_are_rounded_half_up_and_clipped(max_value, dtype):
    values = np.array([[[-0.5, 0.0, 0.5 / max_value, 1.0]], [[2.0, np.nan, 100.4 / max_value, np.inf]]], np.float32)
    pixels = pixels_of(values, max_value)
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, [[[0, max_value], [0, 0], [1, 100], [max_value, max_value]]])
    traced = jax.jit(pixels_of, static_argnums=1)(jnp.asarray(values), max_value)
    assert traced.dtype == dtype
    np.testing.assert_array_equal(traced, pixels)
