"""Latents to bytes and back: round trips, an independent decoder, frozen bytes, other processes, hostile streams."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.entropy import coder, context, latent_rate, stream, wavefront
from inrc.entropy import latent_tables as tables
from inrc.errors import CorruptFileError, LimitExceededError
from tests.bitstream.reference_decoder import RangeDecoder
from tests.entropy import latent_reference_decoder, latents, weight_stream

SIDE = st.integers(1, 40)


def encoded(network, plans, grids) -> bytes:
    encoder = stream.new_encoder()
    wavefront.encode_latents(encoder, network, plans, grids)
    return stream.finish(encoder)


def assert_decodes(data: bytes, network, plans, grids) -> None:
    got = wavefront.decode_latents(stream.new_decoder(data), network, plans)
    for grid, plan, back in zip(grids, plans, got, strict=True):
        np.testing.assert_array_equal(back, grid)
        assert back.dtype == np.int32
        assert back.shape == plan.shape


@st.composite
def cases(draw, side=SIDE):
    """(weights, network, plans, latents): any sizes and weights; latents small, large, of the extremes and none."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_spatial, n_cross = draw(st.integers(1, 14)), draw(st.integers(0, 5))
    n_grids = draw(st.integers(1, 5))
    plans = latents.pyramid(
        (draw(side), draw(side)),
        n_grids,
        draw(st.integers(0, n_grids - 1)),
        draw(st.integers(0, n_grids - 1)) if n_cross else 0,
    )
    weights = latents.matrices(
        generator,
        plans,
        n_spatial=n_spatial,
        n_cross=n_cross,
        n_layers=draw(st.integers(0, 3)),
        magnitude=draw(st.sampled_from([0.0, 0.3, 1.0, 20.0])),
        log_scale=draw(st.sampled_from([-6.0, -2.0, 0.0, 5.0])),
    )
    weights = context.limited(weights)
    grids = []
    for plan in plans:
        grid = np.rint(generator.laplace(0, draw(st.sampled_from([0.0, 0.3, 3.0, 100.0])), plan.shape))
        if draw(st.booleans()):
            some = generator.uniform(size=plan.shape) < 0.05
            grid = np.where(some, generator.integers(-wavefront.MAX_LATENT, wavefront.MAX_LATENT + 1, plan.shape), grid)
        grids.append(grid.astype(np.int32))
    return weights, latents.network_of(weights, n_spatial), plans, grids


@settings(max_examples=80, deadline=None)
@given(cases())
def test_any_latents_come_back(case):
    _, network, plans, grids = case
    data = encoded(network, plans, grids)
    assert_decodes(data, network, plans, grids)
    bits = latent_rate.total_bits(network, plans, grids)
    assert len(data) < bits / 8 * 1.0001 + 2
    assert len(data) > bits / 8 * 0.9999 - 2


@settings(max_examples=25, deadline=None)
@given(cases(st.integers(1, 12)))
def test_the_reference_decoder_reads_the_same_integers(case):
    weights, network, plans, grids = case
    kinds = [(p.level, i + 1 < len(plans) and plans[i + 1].level == p.level) for i, p in enumerate(plans)]
    matrices = {name: matrix.tolist() for name, matrix in weights.items()}
    symbol = RangeDecoder(encoded(network, plans, grids)).symbol
    got = latent_reference_decoder.decode(symbol, matrices, plans[-1].shape, kinds, len(network.offsets))
    assert got == [grid.tolist() for grid in grids]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2), (3, 2), (2, 3), (70, 5), (5, 200), (130, 67)])
@pytest.mark.parametrize("n_spatial", [1, 3, 12])
def test_sizes_at_the_edges(shape, n_spatial):
    generator = np.random.default_rng(1)
    plans = latents.pyramid(shape)
    network = latents.network_of(latents.matrices(generator, plans, n_spatial=n_spatial), n_spatial)
    grids = [generator.integers(-3, 4, plan.shape) for plan in plans]
    assert_decodes(encoded(network, plans, grids), network, plans, grids)


def test_weights_and_latents_share_a_stream():
    generator = np.random.default_rng(2)
    plans = latents.pyramid((30, 41))
    network = latents.network_of(latents.matrices(generator, plans))
    grids = latents.drawn(generator, network, plans)
    matrices = [generator.integers(-9, 10, (5, 7)).astype(np.int32)]
    encoder = stream.new_encoder()
    coder.encode_weights(encoder, [(3, 32)], matrices)
    wavefront.encode_latents(encoder, network, plans, grids)
    data = stream.finish(encoder)
    apart = len(weight_stream.encode([(3, 32)], matrices)) + len(encoded(network, plans, grids))
    assert apart - 3 <= len(data) <= apart + 1
    decoder = stream.new_decoder(data)
    assert coder.decode_step_deltas(decoder, [32]) == [3]
    np.testing.assert_array_equal(coder.decode_matrices(decoder, [(5, 7)])[0], matrices[0])
    for grid, back in zip(grids, wavefront.decode_latents(decoder, network, plans), strict=True):
        np.testing.assert_array_equal(back, grid)


@pytest.mark.parametrize(("n_spatial", "skew"), [(1, 0), (2, 1), (3, 1), (4, 2), (12, 2), (14, 2)])
def test_the_skew_is_the_smallest_that_the_neighbours_allow(n_spatial, skew):
    offsets = latents.OFFSETS[:n_spatial]
    assert wavefront.skew_of(offsets) == skew
    assert all(dx + skew * dy < 0 for dy, dx in offsets)
    assert skew == 0 or any(dx + (skew - 1) * dy >= 0 for dy, dx in offsets)


def test_a_far_neighbour_to_the_right_needs_a_larger_skew():
    assert wavefront.skew_of(((0, -1), (-1, 2))) == 3
    assert wavefront.skew_of(((0, -1), (-2, 3))) == 2
    assert wavefront.skew_of(((-1, -2),)) == 0
    # Kodak's ten grids: 3,732 wavefronts.
    assert sum(wavefront.n_steps(p.shape, 2) for p in latents.pyramid((512, 768), 7, 3, 3)) == 3732


def test_empty_grids_cost_four_bits_each():
    plans = latents.pyramid((100, 150), 7, 3, 3)
    network = latents.network_of(latents.matrices(np.random.default_rng(0), plans))
    grids = [np.zeros(plan.shape, np.int32) for plan in plans]
    data = encoded(network, plans, grids)
    assert len(data) <= 6
    assert latent_rate.total_bits(network, plans, grids) == pytest.approx(40, abs=0.01)
    assert_decodes(data, network, plans, grids)


def frozen_case():
    """Weights and latents from arithmetic, not from a random generator that may change."""
    plans = latents.pyramid((19, 26))
    weights = latents.matrices(np.random.default_rng(0), plans)
    values = 0
    for matrix in weights.values():
        terms = (np.arange(matrix.size) + values) * 7919 % 23 - 11
        matrix[:] = (terms / 128).reshape(matrix.shape)
        values += matrix.size
    weights["context_out"][1, -1] = 3.0
    grids = []
    for i, plan in enumerate(plans):
        y, x = np.indices(plan.shape)
        grids.append(((y * y * 31 + x * 17 + i) % 11 // 4 - 1).astype(np.int32))
    grids[-1][4, 5], grids[-1][10, 20], grids[-2][3, 3] = -40, 32768, 500
    return plans, weights, grids


def test_the_bytes_of_a_stream_never_change():
    plans, weights, grids = frozen_case()
    data = encoded(latents.network_of(weights), plans, grids)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (
        264,
        "219bc960492dfaa8fb4b33f619f6d54bae4155bf1c14a3b89c9bcc6ab9f509ff",
    )


DECODER = """
    import hashlib, json, sys
    import numpy as np
    from inrc.entropy import context, stream, wavefront
    case = json.load(sys.stdin)
    plans = [context.GridPlan(tuple(shape), level, tuple(references)) for shape, level, references in case["plans"]]
    weights = {name: np.array(matrix, np.float32) for name, matrix in case["weights"].items()}
    network = context.from_matrices(weights, case["offsets"])
    grids = wavefront.decode_latents(stream.new_decoder(bytes.fromhex(case["data"])), network, plans)
    unwanted = [name for name in sys.modules if name.split(".")[0] in ("jax", "flax", "optax", "orbax")]
    unwanted += [name for name in sys.modules if name.startswith(("inrc.fit", "inrc.codec", "inrc.models"))]
    encoder = stream.new_encoder()
    wavefront.encode_latents(encoder, network, plans, grids)
    digest = hashlib.sha256(b"".join(grid.astype("<i4").tobytes() for grid in grids)).hexdigest()
    print(json.dumps([digest, stream.finish(encoder).hex(), unwanted]))
"""


@pytest.mark.parametrize("n_threads", [1, 4])
def test_a_process_of_its_own_with_any_threads_reads_and_writes_the_same(n_threads):
    generator = np.random.default_rng(7)
    plans = latents.pyramid((150, 220), 6, 3, 3)
    weights = latents.matrices(generator, plans)
    network = latents.network_of(weights)
    grids = latents.drawn(generator, network, plans)
    data = encoded(network, plans, grids)
    case = {
        "plans": plans,
        "weights": {name: matrix.tolist() for name, matrix in weights.items()},
        "offsets": network.offsets,
        "data": data.hex(),
    }
    threads = {f"{library}_NUM_THREADS": str(n_threads) for library in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DECODER)],
        input=json.dumps(case), capture_output=True, text=True, check=True, env=os.environ | threads,
    )  # fmt: skip
    digest, again, unwanted = json.loads(done.stdout)
    assert digest == hashlib.sha256(b"".join(grid.astype("<i4").tobytes() for grid in grids)).hexdigest()
    assert bytes.fromhex(again) == data
    assert unwanted == []


@pytest.mark.parametrize("ring", [1, 2, 7, 1000])
def test_how_wavefronts_are_kept_does_not_matter(ring, monkeypatch):
    plans, weights, grids = frozen_case()
    network = latents.network_of(weights)
    data = encoded(network, plans, grids)
    monkeypatch.setattr(wavefront, "_RING_STEPS", ring)
    assert_decodes(data, network, plans, grids)


class TestHostileStreams:
    @settings(max_examples=150, deadline=None)
    @given(cases(st.integers(1, 16)), st.binary(max_size=80))
    def test_any_bytes_give_integers_or_a_typed_error(self, case, data):
        _, network, plans, _ = case
        try:
            got = wavefront.decode_latents(stream.new_decoder(data), network, plans)
        except CorruptFileError:
            return
        assert [grid.shape for grid in got] == [plan.shape for plan in plans]
        assert max(int(np.abs(grid).max()) for grid in got) <= wavefront.MAX_LATENT

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 255))
    def test_a_byte_that_differs_gives_integers_or_a_typed_error(self, position, mask):
        plans, weights, grids = frozen_case()
        network = latents.network_of(weights)
        data = bytearray(encoded(network, plans, grids))
        # Not the last byte: more than one of its values may mean the same.
        data[position % (len(data) - 1)] ^= mask
        try:
            got = wavefront.decode_latents(stream.new_decoder(bytes(data)), network, plans)
        except CorruptFileError:
            return
        assert any(not np.array_equal(a, b) for a, b in zip(got, grids, strict=True))

    def one(self, *events: tuple[int, int]) -> np.ndarray:
        """Decodes a grid of one latent of centre 0 from hand-made symbols."""
        encoder = stream.new_encoder()
        for row, symbol in events:
            encoder.encode(np.array([symbol], np.int32), wavefront._TABLES, tables.coder_weights()[[row]])
        weights = {
            "context_out": np.array([[0.0, 0.0], [0.0, 4.0]], np.float32),
            "context_skip": np.zeros((2, 1), np.float32),
        }
        network = context.from_matrices(weights, ((0, -1),))
        return wavefront.decode_latents(
            stream.new_decoder(stream.finish(encoder)), network, [context.GridPlan((1, 1), 0)]
        )[0]

    ROW, HIGH, LOW = 80 << 5 | 16, tables.FIRST_HIGH + 80, tables.FIRST_LOW + 80

    def test_the_largest_latents_by_hand(self):
        # 32768 = 13 + 16 * (26 + 0x7e5) + 3.
        digits = [(tables.DIGIT, 0x7), (tables.DIGIT, 0xE), (tables.DIGIT, 0x5)]
        events = [(tables.FLAG, 0), (self.ROW, tables.ABOVE), (self.HIGH, 26), (self.LOW, 3), *digits]
        assert self.one(*events).tolist() == [[32768]]
        events[1] = (self.ROW, tables.BELOW)
        assert self.one(*events).tolist() == [[-32768]]
        events[3] = (self.LOW, 4)
        with pytest.raises(CorruptFileError, match="too large"):
            self.one(*events)

    @pytest.mark.parametrize("symbol", [16, 26])
    def test_digits_that_are_none_are_corrupt(self, symbol):
        with pytest.raises(CorruptFileError):
            self.one((tables.FLAG, 0), (self.ROW, tables.ABOVE), (self.HIGH, 0), (self.LOW, symbol))
        with pytest.raises(CorruptFileError):
            self.one((tables.FLAG, 0), (self.ROW, tables.ABOVE), (self.HIGH, 26), (self.LOW, 0), (tables.DIGIT, symbol))

    def test_flags_that_are_none_are_corrupt(self):
        assert self.one((tables.FLAG, 1)).tolist() == [[0]]
        with pytest.raises(CorruptFileError, match="flag"):
            self.one((tables.FLAG, 2))

    @pytest.mark.parametrize("shape", [(1 << 20, 1), (1, 1 << 21), (1 << 28, 1)])
    def test_too_many_wavefronts_are_refused_at_once(self, shape):
        network = latents.network_of(latents.matrices(np.random.default_rng(0), []))
        start = time.perf_counter()
        with pytest.raises(LimitExceededError, match="wavefronts; the limit is 1048576"):
            wavefront.decode_latents(stream.new_decoder(b""), network, [context.GridPlan(shape, 0)])
        assert time.perf_counter() - start < 0.1

    def test_the_encoder_refuses_what_the_decoder_would(self):
        network = latents.network_of(latents.matrices(np.random.default_rng(0), []))
        with pytest.raises(LimitExceededError, match=r"32769.*32768"):
            encoded(network, [context.GridPlan((1, 2), 0)], [np.array([[0, -32769]])])
