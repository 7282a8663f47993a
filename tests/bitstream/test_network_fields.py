"""Networks in headers: families from outside, and what is refused of them."""

import dataclasses

import pytest

from inrc.bitstream import header as headers
from inrc.bitstream import network_fields
from inrc.bitstream.header import Header
from inrc.bitstream.io import ByteReader, write_varint
from inrc.bitstream.network_fields import NetworkFields
from inrc.config import LatentGridConfig, ModelConfig
from inrc.errors import ConfigError, CorruptFileError, TruncatedFileError, UnsupportedVersionError
from inrc.signal.colour import ColourTransform


@dataclasses.dataclass(frozen=True)
class Wavelets:
    """A family that inrc does not have: a number of levels, and whether they are biorthogonal."""

    n_levels: int
    biorthogonal: bool = False
    family: int = 77

    def __post_init__(self) -> None:
        if self.n_levels < 1:
            raise ConfigError(f"n_levels is {self.n_levels}; it must be 1 or more")


def unpack(family: int, first: int, reader: ByteReader) -> Wavelets:
    assert first & 3 == 0
    return Wavelets(reader.varint(), bool(first >> 2), family)


WAVELETS = NetworkFields(
    families=(77, 255),
    config=Wavelets,
    pack=lambda model: bytes([model.biorthogonal << 2]) + write_varint(model.n_levels),
    unpack=unpack,
    may_be_transposed=False,
    has_colour=False,
)


@pytest.fixture
def _registered(monkeypatch):
    """The family is there for one test."""
    for registry in ("_by_config", "_by_family"):
        monkeypatch.setattr(network_fields, registry, dict(getattr(network_fields, registry)))
    network_fields.register(WAVELETS)


def header_of(model, **changes) -> Header:
    return dataclasses.replace(Header(6, 4, 3, 8, ColourTransform.RGB, model), **changes)


def parse(data: bytes) -> Header:
    return headers.unpack(ByteReader(data))


START = b"inr" + bytes([1, 2, 6, 4])


@pytest.mark.usefixtures("_registered")
class TestAFamilyFromOutside:
    @pytest.mark.parametrize(
        ("model", "content"),
        [
            (Wavelets(5), [3, 77, 5]),
            (Wavelets(300, biorthogonal=True), [3 | 4, 77, 0xAC, 2]),
            (Wavelets(1, family=255), [3, 255, 1]),
        ],
    )
    def test_its_number_takes_a_byte_and_its_fields_come_back(self, model, content):
        packed = headers.pack(header_of(model))
        assert packed == START + bytes(content)
        assert parse(packed) == header_of(model)

    def test_values_outside_their_range_are_corrupt(self):
        with pytest.raises(CorruptFileError, match="n_levels is 0"):
            parse(START + bytes([3, 77, 0]))

    def test_colour_and_transposition_are_as_it_says(self):
        for changes in ({"colour": ColourTransform.YCBCR}, {"transposed": True}):
            with pytest.raises(CorruptFileError, match="bits"):
                parse(headers.pack(header_of(Wavelets(5), **changes)))

    def test_it_cannot_be_added_twice(self):
        with pytest.raises(ConfigError, match="family 77 is taken by Wavelets"):
            network_fields.register(WAVELETS)
        with pytest.raises(ConfigError, match="Wavelets are registered already"):
            network_fields.register(WAVELETS._replace(families=(78,)))


def test_a_family_that_is_not_there_needs_a_newer_release():
    with pytest.raises(UnsupportedVersionError, match=r"family 77.*update inrc"):
        parse(START + bytes([3, 77, 5]))
    with pytest.raises(ConfigError, match="Wavelets is no registered network"):
        headers.pack(header_of(Wavelets(5)))


@pytest.mark.parametrize("family", [0, 1, 2])
def test_families_below_three_have_no_byte_of_their_own(family):
    with pytest.raises(CorruptFileError, match=f"family {family}"):
        parse(START + bytes([3, family, 5]))


def test_a_header_that_ends_before_the_families_number_is_truncated():
    with pytest.raises(TruncatedFileError):
        parse(START + bytes([3]))


@pytest.mark.parametrize("family", [0, 1, 2])
def test_the_numbers_of_the_packages_own_families_are_taken(family):
    with pytest.raises(ConfigError, match=f"family {family} is taken by"):
        network_fields.register(WAVELETS._replace(families=(family,)))


@pytest.mark.parametrize("family", [-1, 256])
def test_numbers_that_no_byte_holds_are_refused(family):
    with pytest.raises(ConfigError, match=r"4\.\.255"):
        network_fields.register(WAVELETS._replace(families=(family,)))


def test_what_the_packages_own_families_allow():
    assert network_fields.fields_of(ModelConfig()).has_colour
    assert not network_fields.fields_of(ModelConfig()).may_be_transposed
    assert network_fields.fields_of(LatentGridConfig()).may_be_transposed
    assert not network_fields.fields_of(LatentGridConfig()).has_colour
    assert network_fields.fields_of_family(1).config is ModelConfig
