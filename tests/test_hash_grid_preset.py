"""The preset of hash grids: its sizes follow the rate, and no decoder refuses them."""

import pytest

import inrc
from inrc import presets, published
from inrc.config import HashGridEncoding
from inrc.layout import layout

KODAK = (512, 768)


def network(n_weights: float, shape=KODAK, *, exact: bool = False):
    return presets.model_for(published.HASH_GRID, n_weights=n_weights, shape=shape, n_outputs=3, exact=exact)


def n_weights(model, shape=KODAK) -> int:
    return sum(rows * columns for _, (rows, columns) in layout(model, shape, 3))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("wanted", [1_000, 7_000, 25_000, 90_000])
def test_tables_and_layers_follow_the_number_of_weights(wanted, exact):
    model = network(wanted, exact=exact)
    assert n_weights(model) == pytest.approx(wanted, rel=0.45)
    assert isinstance(model.encoding, HashGridEncoding)
    larger = network(4 * wanted)
    assert isinstance(larger.encoding, HashGridEncoding)
    assert larger.encoding.log2_entries > model.encoding.log2_entries
    assert larger.widths >= model.widths


def test_networks_are_the_papers_but_for_their_sizes():
    for rung in published.HASH_GRID.ladder:
        encoding = rung.encoding
        assert isinstance(encoding, HashGridEncoding)
        assert (encoding.n_levels, encoding.n_features, len(set(rung.widths)), len(rung.widths)) == (16, 2, 1, 2)
    assert published.HASH_GRID.ladder[-1].widths == (64, 64)


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (4000, 6000), (40_000, 60_000), (2**16, 2**12)])
def test_no_decoder_refuses_them(shape):
    most = n_weights(network(1e12, shape), shape)
    assert most <= inrc.DecodeLimits().max_parameters
