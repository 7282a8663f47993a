"""The viewer's range decoder is exact on any stream, as Python's integers are."""

import itertools

import numpy as np

from tests.bitstream.reference_decoder import RangeDecoder
from tests.viewer import node

Tables = list[list[int]]


def random_tables(generator: np.random.Generator, n: int) -> Tables:
    """Ends of intervals whose widths range from 1 to nearly 2^24."""
    tables = []
    for _ in range(n):
        cuts = (2 ** generator.uniform(0, 24, generator.integers(1, 30))).astype(int)
        cuts = cuts if generator.random() < 0.5 else 2**24 - cuts
        tables.append([0, *sorted({int(c) for c in cuts if 0 < c < 2**24}), 2**24])
    return tables


def expected(data: bytes, tables: Tables) -> list[int]:
    """The symbols that the reference decoder finds, and -1 where the stream is corrupt."""
    decoder = RangeDecoder(data)
    found = []
    for ends in tables:
        try:
            found.append(decoder.symbol(ends))
        except AssertionError:
            return [*found, -1]
    return found


def check(cases: list[tuple[bytes, Tables]]) -> list[list[int]]:
    streams = [{"stream": data.hex(), "tables": tables} for data, tables in cases]
    found = node.run("symbols", streams=streams)
    assert found == [expected(data, tables) for data, tables in cases]
    return found


def test_symbols_of_random_streams():
    generator = np.random.default_rng(7)
    found = check([(generator.bytes(2000), random_tables(generator, 200)) for _ in range(60)])
    assert sum(map(len, found)) > 3000


def test_a_point_beyond_all_intervals_is_corrupt():
    assert check([(b"\xff" * 8, [[0, 5, 2**24]])]) == [[-1]]


def test_whole_quotients():
    """Points that are whole multiples of the unit or just below, where a rounded quotient would be wrong."""
    cases = []
    for q, below in itertools.product((1, 2**12, 2**23 + 1, 2**24 - 1), (0, 1)):
        point = q * (2**40 - 1) - below
        cases.append((point.to_bytes(8, "big"), [[0, q, 2**24]] * 3))
    firsts = [symbols[0] for symbols in check(cases)]
    assert firsts == [1, 0] * 4
