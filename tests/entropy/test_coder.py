"""The coder of weights: round trips, sizes, frozen bytes, hostile streams."""

import hashlib

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.entropy import coder, tables, weight_scales, zero_lines
from inrc.entropy.stream import new_encoder
from inrc.errors import CorruptFileError, LimitExceededError
from tests.bitstream import reference_decoder
from tests.entropy import weight_stream
from tests.entropy.priors import with_prior

SHAPES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3)
# Small integers, those about every table's largest magnitude, and the extremes.
LANDMARKS = sorted({tables.max_magnitude(i) + d for i in range(64) for d in (-1, 0, 1, 2)} | {coder.MAX_MAGNITUDE})
INTEGERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(LANDMARKS).flatmap(lambda m: st.sampled_from([m, -m])),
    st.integers(-coder.MAX_MAGNITUDE, coder.MAX_MAGNITUDE),
)
STEP_DELTAS = st.lists(st.tuples(st.integers(-2000, 2000), st.integers(0, 63)), max_size=4)


@st.composite
def matrix_lists(draw) -> list[np.ndarray]:
    return [draw(arrays.arrays(np.int32, shape, elements=INTEGERS)) for shape in draw(SHAPES)]


def round_trip(step_deltas, matrices) -> bytes:
    stream = weight_stream.encode(step_deltas, matrices)
    got_step_deltas, got = weight_stream.decode(
        stream, [index for _, index in step_deltas], [m.shape for m in matrices]
    )
    assert got_step_deltas == [value for value, _ in step_deltas]
    for matrix, back in zip(matrices, got, strict=True):
        np.testing.assert_array_equal(back, matrix)
        assert back.dtype == np.int32
    return stream


def fitted(seed: int = 0) -> list[np.ndarray]:
    """Matrices that look like those of a fitted network: units and inputs of different scale."""
    generator = np.random.default_rng(seed)
    matrices = []
    for rows, columns in ((24, 31), (16, 25), (3, 17)):
        scale = np.exp(generator.normal(0, 0.8, (rows, 1)) + generator.normal(0, 0.8, (1, columns)))
        matrices.append(np.rint(generator.laplace(0, 2.5 * scale)).astype(np.int32))
    return matrices


HASH_WITH_PRIOR = "df2dfcf8306402fa7ac5dbad347f8e065701dc556014ddfa6556e5eaa6df291a"
THREE_STEP_DELTAS = [(-9, 32), (4, 28), (17, 28)]


@settings(max_examples=60, deadline=None)
@given(STEP_DELTAS, matrix_lists())
def test_any_integers_come_back(step_deltas, matrices):
    round_trip(step_deltas, matrices)


@settings(max_examples=25, deadline=None)
@given(matrix_lists())
def test_the_reference_decoder_reads_the_same_integers(matrices):
    steps = [128 + 5] * len(matrices)
    step_deltas = [(5, 32), *[(0, 28)] * (len(matrices) - 1)]
    decoder = reference_decoder.RangeDecoder(weight_stream.encode(step_deltas, matrices))
    got_steps, _, got = reference_decoder.weights(decoder, [m.shape for m in matrices])
    assert got_steps == steps
    for matrix, back in zip(matrices, got, strict=True):
        np.testing.assert_array_equal(back, matrix)


@pytest.mark.parametrize("index", [0, 16, 40, 63])
def test_escapes_at_every_tables_edge(index):
    values = [m * sign for m in LANDMARKS for sign in (1, -1)]
    round_trip([(value, index) for value in values], [np.array([values], np.int32)])


def test_integers_beyond_the_limit_are_refused():
    with pytest.raises(LimitExceededError, match=r"1048577.*1048576"):
        weight_stream.encode([], [np.full((1, 1), coder.MAX_MAGNITUDE + 1, np.int32)])


def test_a_stream_of_zeros_is_empty_and_an_empty_stream_decodes():
    matrices = [np.zeros((40, 30), np.int32)]
    assert len(weight_stream.encode([], matrices)) <= 2  # a flag for each of 40 rows
    step_deltas, got = weight_stream.decode(b"", [32], [(2, 2)])
    assert len(step_deltas) == 1
    assert got[0].shape == (2, 2)


@pytest.mark.parametrize("seed", range(4))
def test_coded_size_is_within_two_bytes_of_the_code_length(seed):
    matrices = fitted(seed)
    ideal = coder.ideal_bits(THREE_STEP_DELTAS, matrices) / 8
    assert ideal > 500
    size = len(round_trip(THREE_STEP_DELTAS, matrices))
    assert ideal - 1 < size < ideal + 2
    assert size < 1.01 * ideal


def test_code_length_of_one_integer_is_that_of_its_table():
    counts = tables.frequencies(20)
    largest = tables.max_magnitude(20)
    for value in (0, 1, -5, largest):
        assert coder.ideal_bits([(value, 20)], []) == pytest.approx(24 - np.log2(counts[largest + value]))
    # Excess 5 has three digits: three bits of length, two of digits, one of sign.
    escape = 24 - np.log2(counts[-1])
    assert coder.ideal_bits([(-largest - 5, 20)], []) == pytest.approx(escape + 6)


def test_the_stream_is_cut_to_its_shortest():
    stream = round_trip(THREE_STEP_DELTAS, fitted())
    assert stream[-1] != 0
    scale_indices, shapes = [i for _, i in THREE_STEP_DELTAS], [m.shape for m in fitted()]
    expected = weight_stream.decode(stream, scale_indices, shapes)
    longer = weight_stream.decode(stream + bytes(9), scale_indices, shapes)
    shorter = weight_stream.decode(stream[:-1], scale_indices, shapes)
    assert all(np.array_equal(a, b) for a, b in zip(expected[1], longer[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(expected[1], shorter[1], strict=True))


def test_the_bytes_of_a_stream_never_change():
    stream = weight_stream.encode(THREE_STEP_DELTAS, fitted())
    small = weight_stream.encode([(3, 32), (-1, 28)], [np.arange(-6, 6).reshape(3, 4), np.array([[5000, -70000]])])
    assert small.hex() == "954563bb5bd6d41ca65b87c09aee8ffa3c99"
    assert hashlib.sha256(stream).hexdigest() == "1c4c6b8557fa611374534152c3de964af015704ea44063d72b2a9d61204fa5a4"
    assert len(stream) == 617


class TestContexts:
    """Code lengths show what the adaptation achieves."""

    def bits(self, *matrices: np.ndarray) -> float:
        return coder.ideal_bits([], list(matrices))

    def test_a_unit_of_large_magnitudes_is_learnt(self):
        generator = np.random.default_rng(0)
        matrix = np.rint(generator.laplace(0, 2, (16, 64))).astype(np.int32)
        matrix[3] *= 40
        shuffled = generator.permutation(matrix.ravel()).reshape(matrix.shape)
        assert self.bits(matrix) < 0.93 * self.bits(shuffled)

    def test_an_input_of_large_magnitudes_is_learnt(self):
        generator = np.random.default_rng(1)
        matrix = np.rint(generator.laplace(0, 2, (64, 16))).astype(np.int32)
        matrix[:, 3] *= 40
        shuffled = generator.permutation(matrix.ravel()).reshape(matrix.shape)
        assert self.bits(matrix) < 0.93 * self.bits(shuffled)

    def test_the_scale_of_all_is_learnt_within_a_few_integers(self):
        generator = np.random.default_rng(2)
        for scale in (0.1, 1.0, 30.0, 700.0):
            matrix = np.rint(generator.laplace(0, scale, (30, 40))).astype(np.int32)
            index = tables.index_of_scale(int(np.abs(matrix).mean() * 2**16))
            best = sum(coder.ideal_bits([(int(v), index)], []) for v in matrix.ravel())
            # Following units and inputs that do not differ is not free: about 7 % at scales near 1.
            assert self.bits(matrix) < 1.08 * best + 30

    def test_a_second_matrix_begins_where_the_first_ended(self):
        first = np.rint(np.random.default_rng(3).laplace(0, 300, (20, 20))).astype(np.int32)
        second = np.rint(np.random.default_rng(4).laplace(0, 300, (4, 4))).astype(np.int32)
        together = self.bits(first, second) - self.bits(first)
        assert together < self.bits(second) - 10

    def test_zeros_cost_next_to_nothing(self):
        assert self.bits(np.zeros((64, 64), np.int32)) / 4096 < 0.02


EXPONENTS = st.integers(-coder.MAX_EXPONENT, coder.MAX_EXPONENT)


@st.composite
def matrices_with_exponents(draw) -> tuple[list[np.ndarray], list[np.ndarray]]:
    matrices = draw(matrix_lists())
    return matrices, [draw(arrays.arrays(np.int32, m.shape, elements=EXPONENTS)) for m in matrices]


class TestPriors:
    def decode(self, stream: bytes, exponents: list[np.ndarray]) -> list[np.ndarray]:
        return weight_stream.decode(stream, [], [e.shape for e in exponents], exponents)[1]

    @settings(max_examples=60, deadline=None)
    @given(matrices_with_exponents(), STEP_DELTAS)
    def test_any_integers_come_back_under_any_prior(self, drawn, step_deltas):
        matrices, exponents = drawn
        stream = weight_stream.encode(step_deltas, matrices, exponents)
        got_step_deltas, got = weight_stream.decode(
            stream, [index for _, index in step_deltas], [m.shape for m in matrices], exponents
        )
        assert got_step_deltas == [value for value, _ in step_deltas]
        for matrix, back in zip(matrices, got, strict=True):
            np.testing.assert_array_equal(back, matrix)

    @pytest.mark.parametrize("median", [0.1, 0.5, 2.0, 20.0])
    def test_a_prior_makes_the_stream_shorter(self, median):
        matrices, exponents = with_prior(median)
        stream = weight_stream.encode([], matrices, exponents)
        for matrix, back in zip(matrices, self.decode(stream, exponents), strict=True):
            np.testing.assert_array_equal(back, matrix)
        ideal = coder.ideal_bits([], matrices, exponents)
        assert 8 * len(stream) == pytest.approx(ideal, rel=0.01, abs=16)
        assert ideal < (0.93 if median > 10 else 0.87 if median > 1 else 0.72) * coder.ideal_bits([], matrices)

    @pytest.mark.parametrize("median", [0.1, 0.5, 2.0, 20.0])
    def test_they_cost_little_more_than_under_the_true_scales(self, median):
        matrices, exponents = with_prior(median)
        best = 0.0
        for matrix, known in zip(matrices, exponents, strict=True):
            for value, exponent in zip(matrix.ravel().tolist(), known.ravel().tolist(), strict=True):
                index = tables.index_of_scale(weight_scales.power(exponent, 16))
                best += coder.ideal_bits([(value, index)], [])
        # Where the prior foresees nearly all zeros, flags of zero lines cost more than they win.
        assert coder.ideal_bits([], matrices, exponents) < (1.08 if median < 0.2 else 1.05) * best

    def test_weights_below_a_step_do_not_hide_the_others(self):
        # Nine in ten weights stay 0, every tenth has a scale of eight steps. The zeros must not lower the means of its
        # unit and of its input.
        generator = np.random.default_rng(0)
        exponents = np.where(generator.uniform(size=(40, 50)) < 0.9, -40, 24).astype(np.int32)
        matrix = np.rint(generator.laplace(0, 2 ** (exponents / 8))).astype(np.int32)
        large = matrix[exponents > 0]
        index = tables.index_of_scale(8 << 16)
        alone = sum(coder.ideal_bits([(int(value), index)], []) for value in large)
        assert coder.ideal_bits([], [matrix], [exponents]) < 1.03 * alone

    @pytest.mark.parametrize("factor", [1 / 3, 3.0])
    def test_a_common_error_of_all_scales_is_corrected(self, factor):
        matrices, exponents = with_prior(4.0)
        moved = [np.clip(e + round(8 * np.log2(factor)), -64, 64).astype(np.int32) for e in exponents]
        right, wrong = (coder.ideal_bits([], matrices, known) for known in (exponents, moved))
        assert wrong < 1.03 * right

    @pytest.mark.parametrize("seed", range(3))
    def test_the_reference_decoder_reads_the_same_integers(self, seed):
        matrices, exponents = with_prior(0.7, seed=seed)
        scale_indices = [e + 128 + 5 for e in exponents]
        stream = weight_stream.encode([(5, 32), (0, 28), (0, 28)], matrices, exponents)
        decoder = reference_decoder.RangeDecoder(stream)
        steps, _, got = reference_decoder.weights(decoder, [m.shape for m in matrices], scale_indices)
        assert steps == [133] * 3
        for matrix, back in zip(matrices, got, strict=True):
            np.testing.assert_array_equal(back, matrix)

    def test_the_bytes_of_a_stream_never_change(self):
        stream = weight_stream.encode([(3, 32)], *with_prior(0.7))
        assert (len(stream), hashlib.sha256(stream).hexdigest()) == (323, HASH_WITH_PRIOR)

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=60), matrices_with_exponents())
    def test_any_bytes_give_integers_or_a_typed_error(self, stream, drawn):
        try:
            matrices = self.decode(stream, drawn[1])
        except CorruptFileError:
            return
        assert all(np.abs(m.astype(np.int64)).max() <= coder.MAX_MAGNITUDE for m in matrices)

    def test_exponents_are_kept_within_their_limits(self):
        exponents = coder.exponents_of(np.array([[0, 100, 130, 255]], np.uint8), 100)
        assert exponents.tolist() == [[-64, 0, 30, 64]]


class TestHostileStreams:
    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=60), SHAPES)
    def test_any_bytes_give_integers_or_a_typed_error(self, stream, shapes):
        try:
            _, matrices = weight_stream.decode(stream, [32], shapes)
        except CorruptFileError:
            return
        assert [m.shape for m in matrices] == shapes
        assert all(np.abs(m.astype(np.int64)).max() <= coder.MAX_MAGNITUDE for m in matrices)

    def test_a_coded_magnitude_beyond_the_limit_is_corrupt(self):
        # By hand: the escape of table 0 (m = 4), 21 digits, all of them 1: 4 + 2^21 - 1.
        encoder = new_encoder()
        encoder.encode(9, coder._model(0))
        for bit in [1] * 20 + [0] + [1] * 20 + [0]:
            encoder.encode(bit, coder._BIT)
        stream = np.asarray(encoder.get_compressed()).astype(">u4").tobytes()
        with pytest.raises(CorruptFileError, match="too large"):
            weight_stream.decode(stream, [0], [])

    def test_endless_ones_in_an_escape_are_corrupt(self):
        encoder = new_encoder()
        encoder.encode(9, coder._model(0))
        for _ in range(40):
            encoder.encode(1, coder._BIT)
        stream = np.asarray(encoder.get_compressed()).astype(">u4").tobytes()
        with pytest.raises(CorruptFileError, match="too large"):
            weight_stream.decode(stream, [0], [])


class TestAllAtOnce:
    """Running sums give the scale indices of the context that goes from integer to integer."""

    def one_by_one(self, matrices, exponents=None) -> list[np.ndarray]:
        """Scale indices; 0 in zero lines."""
        context = weight_scales.ScaleContext(has_prior=exponents is not None)
        scale_indices = []
        for i, matrix in enumerate(matrices):
            indices, lines = np.zeros(matrix.shape, int), zero_lines.find(matrix[None])
            context.start_matrix(matrix.shape[0])
            for position in np.flatnonzero(~lines.columns[0]).tolist():
                context.start_input()
                for unit in np.flatnonzero(~lines.rows[0]).tolist():
                    expectation = weight_scales.expectation_of(
                        None if exponents is None else int(exponents[i][unit, position])
                    )
                    indices[unit, position] = context.index(unit, expectation)
                    context.add(unit, expectation, abs(int(matrix[unit, position])))
            scale_indices.append(indices)
        return scale_indices

    @settings(max_examples=60, deadline=None)
    @given(matrix_lists(), st.booleans(), st.integers(0, 1000))
    def test_of_any_integers(self, matrices, has_prior, seed):
        generator = np.random.default_rng(seed)
        exponents = [generator.integers(-64, 65, m.shape) for m in matrices] if has_prior else None
        together = weight_scales.scale_indices([m[None] for m in matrices], exponents and [e[None] for e in exponents])
        for matrix, got, expected in zip(matrices, together, self.one_by_one(matrices, exponents), strict=True):
            np.testing.assert_array_equal(got[0] * zero_lines.find(matrix[None]).coded[0], expected)

    @pytest.mark.parametrize("median", [0.2, 3.0, 40.0])
    def test_of_several_files_with_a_prior(self, median):
        files = [with_prior(median, seed=seed) for seed in range(3)]
        matrices, exponents = (
            [np.stack(parts) for parts in zip(*kind, strict=True)] for kind in zip(*files, strict=True)
        )
        together = weight_scales.scale_indices(matrices, exponents)
        for i, file in enumerate(files):
            for matrix, got, expected in zip(file[0], together, self.one_by_one(*file), strict=True):
                np.testing.assert_array_equal(got[i] * zero_lines.find(matrix[None]).coded[0], expected)

    def test_code_lengths_of_several_files(self):
        files = [fitted(seed) for seed in range(4)]
        bits = coder.ideal_bits_of_many([np.stack(parts) for parts in zip(*files, strict=True)])
        assert bits == pytest.approx([coder.ideal_bits([], matrices) for matrices in files])
