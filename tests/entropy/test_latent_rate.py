"""Bits of latents against the coder, and of changes against coding all anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.entropy import context, latent_rate, stream, wavefront
from inrc.entropy import latent_tables as tables
from tests.entropy import latents


def drawn_case(seed: int, shape=(33, 46)):
    generator = np.random.default_rng(seed)
    plans = latents.pyramid(shape)
    network = latents.network_of(latents.matrices(generator, plans, magnitude=0.6, log_scale=0.0))
    return generator, network, plans, latents.drawn(generator, network, plans)


@pytest.mark.parametrize("seed", range(3))
def test_bits_are_those_of_the_stream(seed):
    _, network, plans, grids = drawn_case(seed)
    encoder = stream.new_encoder()
    wavefront.encode_latents(encoder, network, plans, grids)
    bits = latent_rate.total_bits(network, plans, grids)
    assert bits > 2000
    assert bits - 8 < 8 * len(stream.finish(encoder)) < bits * 1.0001 + 16
    parts = latent_rate.latent_bits(network, plans, grids)
    assert [part.shape for part in parts] == [plan.shape for plan in plans]
    flags = len(plans) * -np.log2(15 / 16)
    assert sum(float(part.sum()) for part in parts) + flags == pytest.approx(bits, rel=1e-5)


def test_bits_of_escapes_are_those_of_their_symbols():
    row = 80 << tables.FRACTION_BITS | 16
    distances = np.array([-12, 12, 13, -13, 28, 29, -428, 429, 32768])
    counted = latent_rate.symbol_bits(np.full(len(distances), row), distances + tables.LARGEST)
    bits, high, low = tables.bits(), tables.FIRST_HIGH + 80, tables.FIRST_LOW + 80
    above, below = bits[row, tables.ABOVE], bits[row, tables.BELOW]
    expected = [
        bits[row, 0], bits[row, 24],
        above + bits[high, 0] + bits[low, 0], below + bits[high, 0] + bits[low, 0],
        above + bits[high, 0] + bits[low, 15], above + bits[high, 1] + bits[low, 0],
        below + bits[high, 25] + bits[low, 15], above + bits[high, 26] + bits[low, 0] + 12,
        above + bits[high, 26] + bits[low, 3] + 12,
    ]  # fmt: skip
    np.testing.assert_allclose(counted, expected, atol=1e-4)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1, 100]))
def test_a_change_costs_what_coding_all_anew_says(seed, step):
    generator, network, plans, grids = drawn_case(seed, (9, 12))
    before = latent_rate.total_bits(network, plans, grids)
    for index, grid in enumerate(grids):
        changes = latent_rate.change_bits(network, plans, grids, index, grid + step)
        assert changes.shape == grid.shape
        for _ in range(3):
            y, x = (int(generator.integers(side)) for side in grid.shape)
            other = grid.copy()
            other[y, x] += step
            if not np.any(other) or not np.any(grid):
                continue
            after = latent_rate.total_bits(network, plans, [*grids[:index], other, *grids[index + 1 :]])
            assert changes[y, x] == pytest.approx(after - before, abs=1e-3)


def test_nothing_changes_where_nothing_is_changed():
    _, network, plans, grids = drawn_case(4)
    changed = grids[-1].copy()
    changed[5, 6] += 1
    changes = latent_rate.change_bits(network, plans, grids, len(plans) - 1, changed)
    assert changes[5, 6] != 0
    changes[5, 6] = 0
    assert not changes.any()


def test_changes_on_a_lattice_add_up():
    _, network, plans, grids = drawn_case(5)
    index = len(plans) - 1
    rows, columns = context.spacing(network.offsets)
    assert (rows, columns) == (4, 5)
    lattice = np.zeros(plans[index].shape, bool)
    lattice[1::rows, 2::columns] = True
    changed = np.where(lattice, grids[index] - np.sign(grids[index]), grids[index])
    assert (changed != grids[index]).sum() > 20
    together = latent_rate.total_bits(network, plans, [*grids[:-1], changed])
    apart = latent_rate.change_bits(network, plans, grids, index, changed).sum()
    assert together - latent_rate.total_bits(network, plans, grids) == pytest.approx(apart, abs=1e-2)
