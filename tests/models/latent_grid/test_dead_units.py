"""Hidden units that change no pixel, taken out and put in."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from inrc.latent_layout import latent_layout
from inrc.models.latent_grid.dead_units import padded_to_multiple, without_dead_units
from tests.models.latent_grid.samples import SMALL, random_networks


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_units_without_input_or_output_are_taken_out(dtype):
    matrices = {name: np.rint(100 * m).astype(dtype) for name, m in random_networks(SMALL, 3).items()}
    matrices["synthesis_0"][1] = 0
    matrices["synthesis_1"][:, 3] = 0
    model, fewer = without_dead_units(SMALL, matrices)
    assert model == dataclasses.replace(SMALL, synthesis_width=3)
    assert [(name, m.shape) for name, m in fewer.items()] == list(latent_layout(model, 3))
    np.testing.assert_array_equal(fewer["synthesis_0"], matrices["synthesis_0"][[0, 2, 4]])
    np.testing.assert_array_equal(fewer["synthesis_1"], matrices["synthesis_1"][:, [0, 2, 4, 5]])
    assert {m.dtype for m in fewer.values()} == {np.dtype(dtype)}
    assert all(fewer[name] is m for name, m in matrices.items() if name not in ("synthesis_0", "synthesis_1"))


def test_a_unit_with_a_bias_alone_is_alive_and_one_unit_is_left():
    matrices = {name: np.zeros_like(m) for name, m in random_networks(SMALL, 3).items()}
    assert without_dead_units(SMALL, matrices)[0].synthesis_width == 1
    matrices["synthesis_0"][[1, 4], -1] = 1
    matrices["synthesis_1"][0, [1, 4]] = 1
    assert without_dead_units(SMALL, matrices)[0].synthesis_width == 2


@pytest.mark.parametrize(("multiple", "width"), [(1, 5), (4, 8), (5, 5), (16, 16)])
def test_padding_is_undone_by_taking_dead_units_out(multiple, width):
    matrices = random_networks(SMALL, 3)
    model, more = padded_to_multiple(SMALL, matrices, multiple)
    assert model.synthesis_width == width
    assert [(name, m.shape) for name, m in more.items()] == list(latent_layout(model, 3))
    again, fewer = without_dead_units(model, more)
    assert again == SMALL
    for name, matrix in matrices.items():
        np.testing.assert_array_equal(fewer[name], matrix)


def test_dead_units_need_no_jax():
    command = "import sys, inrc.models.latent_grid.dead_units, inrc.models.view; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)
