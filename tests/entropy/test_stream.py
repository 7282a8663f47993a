"""The end of a stream: the shortest that decodes to the same symbols, found without decoding."""

from typing import Any

import constriction
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.entropy import stream

_MODEL: Any = constriction.stream.model  # pyright: ignore[reportAttributeAccessIssue]
WEIGHTS = [[3, 1, 12], [1, 1, 1], [1e6, 1, 1], [1, 1, 1e7]]
MODELS = [_MODEL.Categorical(np.array(w, np.float64), perfect=False) for w in WEIGHTS]
SYMBOLS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=60)


def decodes(data: bytes, symbols: list[tuple[int, int]]) -> bool:
    decoder = stream.new_decoder(data)
    try:
        return all(decoder.decode(MODELS[which]) == symbol for symbol, which in symbols)
    except AssertionError:
        return False


@settings(max_examples=150, deadline=None)
@given(SYMBOLS, st.sampled_from([0, 2]))
def test_a_stream_is_the_shortest_that_decodes(symbols, repeated):
    # Long runs of likely symbols at the end leave an interval that may hold a carry.
    symbols = symbols + [(repeated, repeated + 1 if repeated == 2 else 2)] * (3 * len(symbols))
    encoder = stream.new_encoder()
    for symbol, which in symbols:
        encoder.encode(symbol, MODELS[which])
    data = stream.finish(encoder)
    assert decodes(data, symbols)
    assert not data.endswith(b"\0")
    # One byte less never does: neither cut, nor cut and one larger.
    if data:
        above = int.from_bytes(data[:-1], "big") + 1
        assert not decodes(data[:-1], symbols)
        assert above >= 256 ** (len(data) - 1) or not decodes(above.to_bytes(len(data) - 1, "big"), symbols)


def test_a_carry_at_the_end_is_followed():
    # The likeliest symbol is last: intervals that touch the upper end of all points.
    for n in range(1, 400, 7):
        symbols = [(2, 3)] * n + [(1, 1)]
        encoder = stream.new_encoder()
        for symbol, which in symbols:
            encoder.encode(symbol, MODELS[which])
        data = stream.finish(encoder)
        assert decodes(data, symbols)
        assert len(data) <= 2 + n // 64


def test_nothing_coded_is_nothing_written():
    assert stream.finish(stream.new_encoder()) == b""
