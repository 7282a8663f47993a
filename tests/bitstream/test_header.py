"""The header: round trips of all values, sizes, and refusal of undefined values."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc import presets
from inrc.bitstream import header as headers
from inrc.bitstream.header import Header
from inrc.bitstream.io import ByteReader
from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, LatentGridConfig, ModelConfig, ModelFamily
from inrc.errors import (
    CorruptFileError,
    FormatError,
    InrcError,
    NotInrFileError,
    TruncatedFileError,
    UnsupportedVersionError,
)
from inrc.signal.colour import ColourTransform


@st.composite
def encodings(draw) -> EncodingConfig:
    kind = draw(st.sampled_from(EncodingKind))
    if kind is EncodingKind.NONE:
        return EncodingConfig(kind)
    n_frequencies = draw(st.integers(1, 1024))
    if kind is EncodingKind.GAUSSIAN:
        return EncodingConfig(kind, n_frequencies, sigma=draw(st.integers(1, 65532)) / 4)
    return EncodingConfig(kind, n_frequencies)


def hash_grids() -> st.SearchStrategy[HashGridEncoding]:
    bounds = (1, 16), (1, 8), (4, 18), (1, 1024), (1, 16)
    return st.builds(HashGridEncoding, *(st.integers(*bound) for bound in bounds))


@st.composite
def coordinate_networks(draw) -> ModelConfig:
    family = draw(st.sampled_from([ModelFamily.SIREN, ModelFamily.FOURIER, ModelFamily.HASH_GRID]))
    return ModelConfig(
        family,
        tuple(draw(st.lists(st.integers(1, 4096), min_size=1, max_size=31))),
        draw(hash_grids() if family is ModelFamily.HASH_GRID else encodings()),
        draw(st.integers(1, 255)),
        draw(st.booleans()),
    )


@st.composite
def latent_grids(draw) -> LatentGridConfig:
    n_grids = draw(st.integers(1, 12))
    n_cross_levels = draw(st.integers(0, n_grids - 1))
    return LatentGridConfig(
        n_grids,
        draw(st.integers(0, n_grids - 1)),
        draw(st.integers(1, 14)),
        draw(st.integers(1, 32)) if n_cross_levels else 0,
        n_cross_levels,
        draw(st.integers(0, 4)),
        draw(st.integers(1, 256)),
        draw(st.integers(0, 4)),
        draw(st.booleans()),
    )


@st.composite
def header_values(draw) -> Header:
    channels = draw(st.integers(1, 4))
    model = draw(st.one_of(coordinate_networks(), latent_grids()))
    has_latents = isinstance(model, LatentGridConfig)
    may_have_colour = channels >= 3 and not has_latents
    init_id = draw(st.one_of(st.just(b""), st.binary(min_size=8, max_size=8)))
    return Header(
        width=draw(st.integers(1, 2**32 - 1)),
        height=draw(st.integers(1, 2**32 - 1)),
        channels=channels,
        bit_depth=draw(st.sampled_from([8, 16])),
        colour=draw(st.sampled_from(ColourTransform)) if may_have_colour else ColourTransform.RGB,
        model=model,
        init_id=init_id,
        has_sections=draw(st.booleans()),
        transposed=(bool(init_id) or has_latents) and draw(st.booleans()),
    )


def is_bare(model: ModelConfig) -> bool:
    """Whether coordinates enter as they are."""
    return isinstance(model.encoding, EncodingConfig) and model.encoding.kind is EncodingKind.NONE


SMALL = Header(300, 200, 3, 8, ColourTransform.YCBCR, ModelConfig(widths=(9, 130)))


def parse(data: bytes) -> Header:
    return headers.unpack(ByteReader(data))


@settings(deadline=None)
@given(header_values(), st.binary(max_size=5))
def test_everything_a_header_can_say_comes_back(header, rest):
    reader = ByteReader(headers.pack(header) + rest)
    back = headers.unpack(reader)
    if header.init_id:
        back = dataclasses.replace(back, model=header.model)  # the init has it
    elif isinstance(header.model, ModelConfig) and is_bare(header.model):
        # Parameters of an encoding are not written where there is none.
        assert isinstance(back.model, ModelConfig)
        assert is_bare(back.model)
        back = dataclasses.replace(back, model=header.model)
    assert back == header
    assert reader.remaining == len(rest)


@settings(deadline=None)
@given(header_values(), st.data())
def test_every_truncation_is_a_typed_error(header, data):
    packed = headers.pack(header)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(TruncatedFileError if cut >= 3 else NotInrFileError):
        parse(packed[:cut])


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40))
def test_any_bytes_give_a_header_or_a_format_error(rest):
    try:
        header = parse(b"inr\x01" + rest)
    except FormatError:
        return
    assert header.width >= 1
    assert header.height >= 1
    # What is read can be written: at most the two fields with a default grow shorter.
    assert len(headers.pack(header)) <= 4 + len(rest)
    assert parse(headers.pack(header)) == header


@pytest.mark.parametrize("quality", [0.0, presets.DEFAULT_QUALITY, 100.0])
@pytest.mark.parametrize("codec", presets.COORDINATE_CODECS.values(), ids=lambda c: c.name)
def test_a_kodak_header_with_its_checksum_takes_at_most_24_bytes(codec, quality):
    shape = (512, 768)
    model = presets.model_for(
        codec,
        n_weights=presets.n_weights_for(presets.bpp_of_quality(quality), shape[0] * shape[1]),
        shape=shape,
        n_outputs=3,
    )
    size = len(headers.pack(Header(768, 512, 3, 8, ColourTransform.YCBCR, model))) + 4
    # Widths take two bytes each at the highest quality, and published systems have up to thirteen and a modulator.
    assert size <= (36 if codec.name == "siren-plain" or codec.ladder else 24)


def test_the_default_codecs_kodak_header_byte_by_byte():
    model = ModelConfig(widths=(56, 35, 24, 21))
    packed = headers.pack(Header(768, 512, 3, 8, ColourTransform.YCBCR, model))
    assert packed == b"inr" + bytes([1, 2 | 1 << 3, 0x80, 6, 0x80, 4, 0 | 4 | 2 << 3, 4, 56, 35, 24, 21, 16])
    assert len(packed) + 4 == 20


def test_with_an_init_the_network_is_not_written():
    init_id = bytes(range(8))
    header = Header(768, 512, 3, 8, ColourTransform.YCBCR, ModelConfig(widths=(56, 35, 24, 21)), init_id)
    packed = headers.pack(header)
    assert packed == b"inr" + bytes([1, 2 | 1 << 3 | 1 << 6, 0x80, 6, 0x80, 4]) + init_id
    assert headers.pack(dataclasses.replace(header, model=ModelConfig(widths=(3,) * 20, omega_0=7))) == packed
    transposed = dataclasses.replace(header, transposed=True)
    assert headers.pack(transposed) == packed[:4] + bytes([packed[4] | 1 << 7]) + packed[5:]
    assert parse(headers.pack(transposed)).transposed


def test_the_network_of_a_transposed_picture_sees_its_columns_first():
    header = Header(300, 200, 3, 8, ColourTransform.YCBCR, ModelConfig(), bytes(8))
    assert header.shape == (200, 300)
    assert dataclasses.replace(header, transposed=True).shape == (300, 200)


def set_byte(position: int, value: int, header: Header = SMALL) -> bytes:
    packed = bytearray(headers.pack(header))
    packed[position] = value
    return bytes(packed)


NETWORK = 9  # position of the network byte in SMALL: 3 + 1 + 1 + two varints of two bytes


def test_positions_in_the_small_header():
    assert headers.pack(SMALL)[NETWORK] == 4 | 2 << 3
    assert parse(headers.pack(SMALL)) == SMALL


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotInrFileError),
        (b"in", NotInrFileError),
        (b"\x89PNG\r\n\x1a\n", NotInrFileError),
        (set_byte(3, 0), UnsupportedVersionError),
        (set_byte(3, 2), UnsupportedVersionError),
        (set_byte(4, 0x80), CorruptFileError),  # transposed without an init
        (set_byte(4, 0x48) + bytes(8), CorruptFileError),  # a colour transform of gray, with an init
        (set_byte(4, 0 | 1 << 3), CorruptFileError),  # a colour transform of gray
        (set_byte(NETWORK, 0x84)[:-1] + b"\x00", CorruptFileError),  # a variant that is none
        (set_byte(NETWORK, 0x84)[:-1] + b"\x41", CorruptFileError),  # reserved bits of a variant
        (set_byte(NETWORK, 0x84)[:-1] + b"\x03", CorruptFileError),  # an unknown storage of weights
        (set_byte(NETWORK, 0x84)[:-1] + b"\x04", CorruptFileError),  # sampled phases and biases
        (set_byte(NETWORK, 0x84)[:-1] + b"\x08\x00", CorruptFileError),  # a width of 0 in the modulator
        (set_byte(NETWORK, 3), CorruptFileError),  # family 2, in the form of families above 2
        (set_byte(NETWORK, 1 << 6), CorruptFileError),  # a sigma without Gaussian features
        (set_byte(NETWORK, 1 << 5) + b"\0", CorruptFileError),  # omega_0 = 0 (NONE: the 16 becomes omega_0)
        (set_byte(NETWORK + 1, 0), CorruptFileError),  # no hidden layer
        (set_byte(NETWORK + 1, 32), CorruptFileError),  # more than 31
        (set_byte(NETWORK + 2, 0), CorruptFileError),  # a width of 0
        (headers.pack(SMALL)[:-1] + b"\0", CorruptFileError),  # no frequencies
        (headers.pack(SMALL)[:-1] + b"\x81\x08", CorruptFileError),  # 1025 frequencies
    ],
)
def test_what_version_1_does_not_define_is_refused(data, error):
    if data.endswith(b"\x10\0"):
        data = data[:-2] + b"\0"
    with pytest.raises(error):
        parse(data)


HASH_GRID = Header(
    300, 200, 3, 8, ColourTransform.YCBCR, ModelConfig(ModelFamily.HASH_GRID, (24,), HashGridEncoding(7, 2, 11, 200, 5))
)


def test_the_network_of_a_hash_grid_byte_by_byte():
    packed = headers.pack(HASH_GRID)
    assert packed[NETWORK:] == bytes([3 | 4, 3, 1, 24, 7, 2, 11, 5, 0x80 | 72, 1])
    assert parse(packed) == HASH_GRID


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 3 | 4 | 1 << 3),  # an encoding
        (0, 3 | 4 | 1 << 6),  # a sigma
        (1, 2),  # family 2, in the form of families above 2
        (2, 0),  # no hidden layer
        *[(4, n) for n in (0, 17)],  # levels
        *[(5, n) for n in (0, 9)],  # features
        *[(6, n) for n in (3, 19)],  # entries
        *[(7, n) for n in (0, 17)],  # growth
        (9, 9),  # 1224 cells
        (8, 0x80),  # cells of more bytes than they need
    ],
)
def test_what_a_hash_grid_cannot_be_is_refused(place, value):
    with pytest.raises(CorruptFileError):
        parse(set_byte(NETWORK + place, value, HASH_GRID) if place != 8 else headers.pack(HASH_GRID)[:-2] + b"\x80\0")


LATENT = Header(300, 200, 3, 8, ColourTransform.RGB, LatentGridConfig(), transposed=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (-5, 0x80 | 2 | 1 << 3),  # a colour transform
        (0, 2 | 4 | 2 << 3 | 1 << 6),  # reserved bits
        (0, 2 | 4 | 2 << 3 | 1 << 7),
        (0, 2 | 5 << 3),  # five context layers
        (1, 0),  # no grid
        (1, 13),
        (1, 7 | 7 << 4),  # as many hyper grids as grids
        (2, 0 | 3 << 4),  # no neighbours
        (2, 15 | 3 << 4),
        (2, 12),  # features of no level
        (2, 12 | 7 << 4),  # features of the coarsest level
        (3, 0),  # levels without features
        (3, 33),
        (4, 5),  # five 3x3 layers
        (5, 0),  # no hidden unit
    ],
)
def test_what_version_1_does_not_define_of_latents_is_refused(place, value):
    assert headers.pack(LATENT)[NETWORK:] == bytes([2 | 4 | 2 << 3, 7 | 3 << 4, 12 | 3 << 4, 6, 2, 32])
    assert parse(headers.pack(LATENT)) == LATENT
    with pytest.raises(CorruptFileError):
        parse(set_byte(NETWORK + place, value, LATENT))


def test_257_hidden_units_are_refused():
    largest = dataclasses.replace(LATENT, model=LatentGridConfig(synthesis_width=256))
    assert parse(headers.pack(largest)) == largest
    with pytest.raises(CorruptFileError, match="synthesis_width is 257"):
        parse(headers.pack(largest)[:-2] + b"\x81\x02")


@pytest.mark.parametrize("codec", presets.LATENT_CODECS.values(), ids=lambda c: c.name)
def test_a_kodak_header_of_latents_with_its_checksum_takes_19_bytes(codec):
    packed = headers.pack(Header(768, 512, 3, 8, ColourTransform.RGB, codec.model))
    assert packed[:9] == b"inr" + bytes([1, 2, 0x80, 6, 0x80, 4])
    assert len(packed) + 4 == 19


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_empty_pictures_are_refused(width, height):
    with pytest.raises(CorruptFileError, match=f"{width}x{height}"):
        parse(headers.pack(dataclasses.replace(SMALL, width=width, height=height)))


def test_messages_name_the_value_and_stay_on_one_line():
    for data in (b"nope", set_byte(3, 9), set_byte(4, 0x80), set_byte(NETWORK + 2, 0), headers.pack(SMALL)[:6]):
        with pytest.raises(InrcError) as raised:
            parse(data)
        assert "\n" not in str(raised.value)
    with pytest.raises(UnsupportedVersionError, match="version 9"):
        parse(set_byte(3, 9))
