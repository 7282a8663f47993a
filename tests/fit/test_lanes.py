"""How fits are spread over lanes."""

import jax
import pytest

from inrc.fit.lanes import spread


@pytest.mark.parametrize(
    ("n_fits", "side_by_side", "expected"), [(1, 1, (1, 1, 1)), (5, 4, (4, 2, 1)), (16, 16, (16, 1, 1))]
)
def test_one_device(n_fits, side_by_side, expected):
    lanes = spread(n_fits, side_by_side, jax.devices()[:1])
    assert (lanes.side_by_side, lanes.n_turns, lanes.n // (lanes.side_by_side * lanes.n_turns)) == expected
    assert lanes.n >= n_fits
