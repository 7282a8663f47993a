"""Quantised weights: their steps as coded differences, rounding and back, with and without a reference."""

import dataclasses

import numpy as np
import pytest

import inrc
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.coordinate.format import INIT_COLOUR
from inrc.codec.decode import render
from inrc.codec.formats import reference_of
from inrc.codec.weights import QuantisedWeights, dequantise, quantise, round_by
from inrc.config import ModelConfig, WeightStorage
from inrc.errors import CorruptFileError
from inrc.quant import uniform
from tests.bitstream import reference_decoder
from tests.codec.test_file import HEADER, SHAPES, weights
from tests.shared_init.inits import MODEL, random_init

INIT = random_init()
assert isinstance(HEADER.model, ModelConfig)
NETWORK = HEADER.model
OFFSETS = tuple(np.full(shape, 4, np.int32) for shape in SHAPES)
TAILS = tuple(np.zeros(shape, np.int32) for shape in SHAPES)


def test_steps_are_coded_as_differences():
    assert weights(steps=(130, 131, 129)).step_deltas() == [(2, 32), (1, 28), (-2, 28)]
    # Steps as expected cost about two bytes; steps at the ladder's ends a few more.
    near, far = (len(files.pack(files.make(HEADER, weights(steps=s)))) for s in ((128, 128, 128), (0, 255, 0)))
    assert near < far < near + 16


def test_rounding_takes_the_nearest_step_of_the_ladder():
    params = {"layer_0": np.array([[0.5, -0.26]], np.float32), "layer_1": np.array([[3.0]], np.float32)}
    got = quantise(params, {"layer_0": 0.126, "layer_1": 1.03})
    assert [uniform.step_of_index(i) for i in got.step_indices] == [0.125, 1.0]
    np.testing.assert_array_equal(got.integers[0], [[4, -2]])
    np.testing.assert_array_equal(got.integers[1], [[3]])


def test_dequantised_weights_are_named_and_scaled():
    sent = weights()
    params = dequantise(files.layout_of(HEADER), sent)
    assert list(params) == ["layer_0", "layer_1", "layer_2"]
    for matrix, integers, index in zip(params.values(), sent.integers, sent.step_indices, strict=True):
        np.testing.assert_array_equal(matrix, integers.astype(np.float32) * np.float32(uniform.step_of_index(index)))


@pytest.mark.parametrize("storage", [WeightStorage.HALF, WeightStorage.COMPANDED])
def test_other_storages_come_back_and_the_reference_decoder_agrees(storage):
    model = dataclasses.replace(NETWORK, storage=storage, modulator=(3, 2))
    header = dataclasses.replace(HEADER, model=model)
    generator = np.random.default_rng(0)
    params = {
        name: generator.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in files.layout_of(header)
    }  # fmt: skip
    params["layer_0"][0, 0] = 0.0
    sent = quantise(params, dict.fromkeys(params, 0.01), storage=storage)
    file = files.make(header, sent)
    data = files.pack(file)
    assert len(data) == pytest.approx(sent.ideal_bits() / 8 + files.overhead(header), abs=6)
    back = files.unpack(data, DecodeLimits())
    assert back.weights.storage is storage
    reference = reference_decoder.read(data)
    for name, matrix, expected in zip(
        params, back.params.values(), reference_decoder.dequantised(reference), strict=True
    ):
        np.testing.assert_array_equal(matrix, file.params[name])
        np.testing.assert_allclose(matrix, expected, rtol=1e-7)
        if storage is WeightStorage.HALF:
            np.testing.assert_array_equal(matrix, params[name].astype(np.float16).astype(np.float32))
    pixels = render(back)
    assert np.abs(pixels.astype(float) - reference_decoder.samples(reference)).max() < 1


def test_uniform_weights_take_thirteen_bits_as_binary16():
    # Ten bits of the significand, one of the sign, two of the exponent, which halves its chances; and a third of a bit
    # that the shape of the tables costs.
    weights = np.random.default_rng(0).uniform(-1 / 32, 1 / 32, (40, 50)).astype(np.float32)
    sent = quantise({"layer_0": weights}, {"layer_0": 1.0}, storage=WeightStorage.HALF)
    assert 13.0 < sent.ideal_bits() / weights.size < 13.4


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (QuantisedWeights((31,) * 3, OFFSETS, tails=TAILS), "not within 0..30"),
        (QuantisedWeights((3,) * 3, OFFSETS, tails=TAILS), "no binary16 number"),
        (QuantisedWeights((128,) * 3, OFFSETS, powers=(24, 65, 24)), "not within 0..64"),
    ],
)
def test_weights_that_no_encoder_stores_are_corrupt(weights, message):
    model = dataclasses.replace(NETWORK, storage=weights.storage)
    header = dataclasses.replace(HEADER, model=model)
    data = files.pack(files.File(header, files.layout_of(header), weights, {}))
    with pytest.raises(CorruptFileError, match=message):
        files.unpack(data, DecodeLimits())


class TestDifferencesFromAReference:
    reference = reference_of(INIT, (17, 31), 3)
    header = Header(31, 17, 3, 8, INIT_COLOUR, MODEL, INIT.id)

    def test_integers_are_differences_and_come_back_as_binary32_sums(self):
        params = {name: mean + np.float32(0.26) for name, mean in self.reference.mean.items()}
        weights = round_by(params, (176, 168, 184), self.reference)  # steps of 1/4, 1/8 and 1/2
        for matrix, integer in zip(weights.integers, (1, 2, 1), strict=True):
            np.testing.assert_array_equal(matrix, integer)
        params = dequantise(files.layout_of(self.header), weights)
        for (name, matrix), step in zip(params.items(), (1 / 4, 1 / 4, 1 / 2), strict=True):
            np.testing.assert_array_equal(matrix, self.reference.mean[name] + np.float32(step))
            assert matrix.dtype == np.float32

    def test_the_mean_costs_next_to_nothing_and_likely_differences_less_than_unlikely_ones(self):
        steps = dict(INIT.steps)
        nothing = quantise(dict(self.reference.mean), steps, self.reference)
        assert all((matrix == 0).all() for matrix in nothing.integers)
        generator = np.random.default_rng(0)
        scales = {name: 2.0 ** (i / 8.0 - 24) for name, i in self.reference.scale_indices.items()}
        likely = {n: m + generator.laplace(0, scales[n]) for n, m in self.reference.mean.items()}
        # The same differences, each at another weight of its matrix.
        unlikely = {
            n: m + generator.permutation((likely[n] - m).ravel()).reshape(m.shape)
            for n, m in self.reference.mean.items()
        }
        costs = [
            quantise(params, steps, self.reference).ideal_bits()
            for params in (dict(self.reference.mean), likely, unlikely)
        ]
        assert costs[0] < 0.5 * costs[1]
        assert costs[1] < 0.9 * costs[2]

    def test_the_coder_spends_what_it_says(self):
        generator = np.random.default_rng(1)
        params = {n: m + generator.normal(0, 0.05, m.shape) for n, m in self.reference.mean.items()}
        weights = quantise(params, dict(INIT.steps), self.reference)
        data = files.pack(files.make(self.header, weights))
        assert len(data) - 15 - 4 == pytest.approx(weights.ideal_bits() / 8, abs=2)
        file = files.unpack(data, inrc.DecodeLimits(), lambda _: INIT)
        got = file.weights
        assert file.header == self.header
        assert got.step_indices == weights.step_indices
        for a, b in zip(got.integers, weights.integers, strict=True):
            np.testing.assert_array_equal(a, b)
