"""Weights and bytes: the steps as side values, profiles, shared inits, limits, hostile sections."""

import dataclasses
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inrc.codec.pack import Weights

import inrc
from inrc.bitstream import container
from inrc.bitstream.container import ICC_PROFILE, Container
from inrc.bitstream.header import Header
from inrc.codec import pack
from inrc.codec.decode import render_weights
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import CorruptFileError, FormatError, InitMismatchError, LimitExceededError
from inrc.quant import uniform
from inrc.signal.colour import ColourTransform
from tests.bitstream.latent_files import SMALL, header_of, random_weights
from tests.entropy import weight_stream

HEADER = Header(
    9, 7, 3, 8, ColourTransform.YCBCR, ModelConfig(widths=(4, 3), encoding=EncodingConfig(EncodingKind.NONE))
)
SHAPES = [shape for _, shape in pack.matrices_of(HEADER)]
LIMITS = inrc.DecodeLimits()


def weights(seed: int = 0, steps: tuple[int, ...] = (120, 131, 90)) -> Weights:
    generator = np.random.default_rng(seed)
    return Weights(steps, tuple(generator.integers(-9, 10, shape).astype(np.int32) for shape in SHAPES))


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 99), st.binary(max_size=200))
def test_steps_integers_and_profile_come_back(steps, seed, profile):
    sent = weights(seed, steps)
    header, got, got_profile = pack.unpack(pack.pack(HEADER, sent, icc_profile=profile), LIMITS)
    assert header == dataclasses.replace(HEADER, has_sections=bool(profile))
    assert got.step_indices == steps
    for a, b in zip(got.integers, sent.integers, strict=True):
        np.testing.assert_array_equal(a, b)
    assert got_profile == profile


def test_steps_are_coded_as_differences():
    assert weights(steps=(130, 131, 129)).side() == [(2, 32), (1, 28), (-2, 28)]
    # Steps as expected cost about two bytes; steps at the ladder's ends a few more.
    near, far = (len(pack.pack(HEADER, weights(steps=s))) for s in ((128, 128, 128), (0, 255, 0)))
    assert near < far < near + 16


def test_rounding_takes_the_nearest_step_of_the_ladder():
    params = {"layer_0": np.array([[0.5, -0.26]], np.float32), "layer_1": np.array([[3.0]], np.float32)}
    got = pack.quantise(params, {"layer_0": 0.126, "layer_1": 1.03})
    assert [uniform.step_of_index(i) for i in got.step_indices] == [0.125, 1.0]
    np.testing.assert_array_equal(got.integers[0], [[4, -2]])
    np.testing.assert_array_equal(got.integers[1], [[3]])


def test_dequantised_weights_are_named_and_scaled():
    sent = weights()
    params = pack.dequantise(HEADER, sent)
    assert list(params) == ["layer_0", "layer_1", "layer_2"]
    for matrix, integers, index in zip(params.values(), sent.integers, sent.step_indices, strict=True):
        np.testing.assert_array_equal(matrix, integers.astype(np.float32) * np.float32(uniform.step_of_index(index)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_zero_outputs_are_mid_gray_and_alpha_is_left_alone(channels):
    header = dataclasses.replace(HEADER, channels=channels)
    matrix, offset = pack.output_transform(header)
    np.testing.assert_array_equal(offset, 0.5)
    if channels == 4:
        np.testing.assert_array_equal(matrix[3], [0, 0, 0, 0.5])
        np.testing.assert_array_equal(matrix[:, 3], [0, 0, 0, 0.5])
    if channels >= 3:
        np.testing.assert_allclose(matrix[:3, :3] @ [1, 0, 0], 0.5)  # luma alone is gray
    else:
        np.testing.assert_array_equal(matrix, 0.5 * np.eye(channels))


def test_a_file_that_needs_a_shared_init_says_which():
    data = container.pack(
        Container(dataclasses.replace(HEADER, init_id=bytes(range(8))), b"", {})
    )  # fmt: skip
    with pytest.raises(InitMismatchError, match="0001020304050607"):
        inrc.decode(data)


def test_networks_are_checked_before_they_are_decoded():
    wide = dataclasses.replace(HEADER, model=ModelConfig(widths=(4096,) * 31))
    data = container.pack(Container(wide, b"", {}))
    with pytest.raises(LimitExceededError, match="max_parameters"):
        inrc.info(data)
    n_weights = sum(rows * columns for rows, columns in SHAPES)
    data = pack.pack(HEADER, weights())
    assert inrc.info(data, limits=inrc.DecodeLimits(max_parameters=n_weights)).n_weights == n_weights
    with pytest.raises(LimitExceededError, match=f"{n_weights} weights; the limit is {n_weights - 1}"):
        inrc.info(data, limits=inrc.DecodeLimits(max_parameters=n_weights - 1))


def test_renders_are_checked_before_they_are_made():
    data = pack.pack(HEADER, weights())
    with pytest.raises(LimitExceededError, match="max_pixels"):
        inrc.decode(data, size=(2**20, 2**20))
    with pytest.raises(LimitExceededError, match="max_multiplications"):
        inrc.decode(data, limits=inrc.DecodeLimits(max_multiplications=63 * 20))


def with_sections(sections: dict[int, bytes]) -> bytes:
    parsed = container.unpack(pack.pack(HEADER, weights()), LIMITS)
    return container.pack(Container(HEADER, parsed.weights, sections))


class TestProfiles:
    def test_an_unknown_section_changes_nothing(self):
        plain = inrc.decode(pack.pack(HEADER, weights()))
        more = inrc.decode(with_sections({77: b"anything", 1: zlib.compress(b"profile")}))
        np.testing.assert_array_equal(plain.pixels, more.pixels)
        assert more.icc_profile == b"profile"

    @pytest.mark.parametrize(
        "content",
        [b"not deflated", zlib.compress(b"profile" * 50)[:-3], zlib.compress(b"profile") + b"more", b"\x78"],
    )
    def test_damaged_deflate_is_corrupt(self, content):
        with pytest.raises(CorruptFileError, match="ICC profile"):
            inrc.info(with_sections({ICC_PROFILE: content}))

    def test_a_bomb_is_refused(self):
        bomb = with_sections({ICC_PROFILE: zlib.compress(bytes(10**7), 9)})
        assert len(bomb) < 10_500
        with pytest.raises(LimitExceededError, match="max_section_bytes"):
            inrc.info(bomb, limits=inrc.DecodeLimits(max_section_bytes=1 << 16))
        assert inrc.info(bomb).icc_profile_bytes == 10**7

    def test_a_profile_of_just_the_limit_passes(self):
        data = with_sections({ICC_PROFILE: zlib.compress(bytes(1000))})
        assert inrc.info(data, limits=inrc.DecodeLimits(max_section_bytes=1000)).icc_profile_bytes == 1000
        with pytest.raises(LimitExceededError):
            inrc.info(data, limits=inrc.DecodeLimits(max_section_bytes=999))


def test_steps_off_the_ladder_are_corrupt():
    for side in ([(200, 32), (0, 28), (0, 28)], [(-129, 32), (0, 28), (0, 28)], [(100, 32), (100, 28), (0, 28)]):
        stream = weight_stream.encode(side, weights().integers)
        with pytest.raises(FormatError, match="step"):
            pack.unpack(container.pack(Container(HEADER, stream, {})), LIMITS)


class TestDeadUnits:
    """Hidden units of the synthesis; `random_weights` has 5."""

    def test_what_gets_or_gives_nothing_is_not_written(self):
        header, whole = header_of((12, 16)), random_weights(header_of((12, 16)))
        names = [name for name, _ in pack.matrices_of(header)]
        matrices = dict(zip(names, (matrix.copy() for matrix in whole.integers), strict=True))
        matrices["synthesis_0"][1] = 0
        matrices["synthesis_1"][:, 3] = 0
        dead = dataclasses.replace(whole, integers=tuple(matrices.values()))
        written, got = pack.without_dead_units(header, dead)
        assert written.model == dataclasses.replace(SMALL, synthesis_width=3)
        narrow = dict(zip(names, got.integers, strict=True))
        np.testing.assert_array_equal(narrow["synthesis_0"], matrices["synthesis_0"][[0, 2, 4]])
        np.testing.assert_array_equal(narrow["synthesis_1"], matrices["synthesis_1"][:, [0, 2, 4, 5]])
        np.testing.assert_array_equal(render_weights(written, got), render_weights(header, dead))
        assert len(pack.pack(written, got)) < len(pack.pack(header, dead))

    def test_one_is_left(self):
        header, weights = header_of((12, 16)), random_weights(header_of((12, 16)))
        nothing = dataclasses.replace(weights, integers=tuple(np.zeros_like(m) for m in weights.integers))
        written, got, _ = pack.unpack(pack.pack(*pack.without_dead_units(header, nothing)), LIMITS)
        assert written.model == dataclasses.replace(SMALL, synthesis_width=1)
        assert not render_weights(written, got).any()

    def test_all_are_left_where_all_do_something(self):
        header, weights = header_of((12, 16)), random_weights(header_of((12, 16)))
        assert pack.without_dead_units(header, weights)[0] == header
