"""Polyphase minibatches: nothing is lost, nothing is counted twice, coordinates stay with their samples."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.fit.coordinate.minibatches import open_grid, polyphase
from inrc.signal.coordinates import pixel_centres


def signal(*shape: int) -> np.ndarray:
    """Every sample has a value of its own."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def samples(phases) -> list[tuple[float, ...]]:
    """(value of the first channel, coordinates...) of every valid sample of every tile."""
    result = []
    n_phases, n_tiles = phases.targets.shape[:2]
    for p, t in itertools.product(range(n_phases), range(n_tiles)):
        axes = [np.asarray(phases.axes[0][p, t]), *(np.asarray(a[p]) for a in phases.axes[1:])]
        valid = [np.asarray(phases.valid[0][p, t]), *(np.asarray(v[p]) for v in phases.valid[1:])]
        tile = np.asarray(phases.targets[p, t, 0])
        for index in np.ndindex(*tile.shape):
            if all(v[i] for v, i in zip(valid, index, strict=True)):
                result.append((float(tile[index]), *(float(a[i]) for a, i in zip(axes, index, strict=True))))
    return result


@pytest.mark.parametrize("tile_samples", [1, 7, 12, 10_000])
@pytest.mark.parametrize(
    ("shape", "factor"),
    [((8, 12), 4), ((8, 12), 1), ((7, 5), 2), ((1, 1), 1), ((9, 10), 4), ((13,), 4), ((3, 5, 4), 2), ((5, 7), 5)],
)
def test_phases_reassemble_the_signal_with_its_coordinates(shape, factor, tile_samples):
    target = signal(1, *shape)
    valid = samples(polyphase(target, factor, tile_samples))
    centres = [pixel_centres(n) for n in shape]
    expected = [
        (float(target[(0, *index)]), *(float(c[i]) for c, i in zip(centres, index, strict=True)))
        for index in np.ndindex(*shape)
    ]
    assert sorted(valid) == expected


def test_a_phase_is_every_nth_row_and_column():
    target = signal(2, 8, 6)
    phases = polyphase(target, 2, 10_000)
    assert phases.targets.shape == (4, 1, 2, 4, 3)
    np.testing.assert_array_equal(phases.targets[0, 0], target[:, ::2, ::2])
    np.testing.assert_array_equal(phases.targets[1, 0], target[:, ::2, 1::2])
    np.testing.assert_array_equal(phases.targets[2, 0], target[:, 1::2, ::2])


def test_padding_repeats_the_last_sample_and_is_not_valid():
    phases = polyphase(signal(1, 5, 3), 2, 10_000)
    # Phase (1, 1) has 2 of 3 rows and 1 of 2 columns.
    np.testing.assert_array_equal(phases.valid[0][3, 0], [1, 1, 0])
    np.testing.assert_array_equal(phases.valid[1][3], [1, 0])
    # Row 3 and then row 4 again in the place of row 5; column 1 and column 2 in the place of 3.
    np.testing.assert_array_equal(phases.targets[3, 0, 0], [[4, 5], [10, 11], [13, 14]])


@pytest.mark.parametrize("tile_samples", [1, 5, 12, 24, 1000])
def test_tiles_hold_no_more_samples_than_their_limit(tile_samples):
    phases = polyphase(signal(3, 20, 6), 1, tile_samples)
    rows = phases.targets.shape[3]
    assert rows == 1 or rows * 6 <= tile_samples
    assert phases.targets.shape[1] * rows - 20 < phases.targets.shape[1]  # tiles differ by a row at most


def test_open_grids_broadcast_against_each_other():
    grid = open_grid([jnp.zeros(3), jnp.zeros(4), jnp.zeros(5)])
    assert [axis.shape for axis in grid] == [(3, 1, 1), (1, 4, 1), (1, 1, 5)]
