"""How the configurations of networks are written in a header, by family. See FORMAT.md, section 2.

The two kinds of networks that inrc has itself are registered here. `register` adds one from outside.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from inrc.bitstream import coordinate_fields, latent_fields
from inrc.bitstream.io import ByteReader
from inrc.config import LatentGridConfig, ModelConfig, ModelFamily, NetworkConfig
from inrc.errors import ConfigError, CorruptFileError, UnsupportedVersionError

_FAMILY_MASK = 3
_NUMBER_FOLLOWS = 3
"""In bits 0 and 1 of the first byte, this says that the family's number is the next byte."""
_LAST_FAMILY = 255


class NetworkFields(NamedTuple):
    """The header's fields of one kind of networks.

    Attributes:
      families: the family numbers, as written in files, whose configurations are of type `config`. New families take
        numbers from 4 to 255.
      config: the type of the configurations. Each has the family number as its attribute `family`.
      pack: maps a configuration to its bytes, one at least. Bits 0 and 1 of the first byte must be 0: the header
        writes the family there. The other bits of the first byte are the family's own.
      unpack: maps the family number, the first byte with bits 0 and 1 set to 0, and a reader at the byte after it (and
        after the family number, where that is a byte of its own) to the configuration. It may raise `ConfigError` or
        `ValueError` for values outside their range, besides `FormatError`.
      may_be_transposed: whether the network may see a picture with rows and columns exchanged without a shared init.
      has_colour: whether the network's outputs may be in another colour space than RGB.
    """

    families: tuple[int, ...]
    config: type
    pack: Callable[[Any], bytes]
    unpack: Callable[[int, int, ByteReader], Any]
    may_be_transposed: bool
    has_colour: bool


_by_config: dict[type, NetworkFields] = {}
_by_family: dict[int, NetworkFields] = {}


def register(fields: NetworkFields) -> None:
    """Adds a kind of networks.

    Raises:
      ConfigError: A family number is taken or outside 0..255, or the type of configurations is taken.
    """
    for family in fields.families:
        if not 0 <= family <= _LAST_FAMILY:
            raise ConfigError(f"the network family is {family}; it must lie in 4..{_LAST_FAMILY}")
        if family in _by_family:
            taken_by = _by_family[family].config.__name__
            raise ConfigError(
                f"the network family {family} is taken by {taken_by}; choose another of 4..{_LAST_FAMILY}"
            )
    if fields.config in _by_config:
        raise ConfigError(f"the fields of {fields.config.__name__} are registered already; register each type once")
    _by_config[fields.config] = fields
    _by_family.update(dict.fromkeys(fields.families, fields))


def fields_of(model: NetworkConfig) -> NetworkFields:
    """The fields of a network's kind.

    Raises:
      ConfigError: Its type is not registered.
    """
    if type(model) not in _by_config:
        raise ConfigError(f"{type(model).__name__} is no registered network; give its header fields to `register`")
    return _by_config[type(model)]


def fields_of_family(family: int) -> NetworkFields:
    """The fields of the kind that a family number stands for.

    Raises:
      UnsupportedVersionError: The number is not registered.
    """
    if family not in _by_family:
        raise UnsupportedVersionError(
            f"the file's network is of family {family}, which is unknown here: update inrc, or add that family to it"
        )
    return _by_family[family]


def pack(model: NetworkConfig) -> bytes:
    """The header's bytes that describe a network.

    Raises:
      ConfigError: The type of the configuration is not registered.
    """
    content = fields_of(model).pack(model)
    first, family = content[0], model.family
    assert first & _FAMILY_MASK == 0, "the family is written to these bits"
    start = [first | family] if family < _NUMBER_FOLLOWS else [first | _NUMBER_FOLLOWS, family]
    return bytes(start) + content[1:]


def unpack(reader: ByteReader) -> NetworkConfig:
    """Reads the bytes that describe a network.

    Raises:
      TruncatedFileError: The bytes end within the fields.
      UnsupportedVersionError: The family is unknown.
      CorruptFileError: A field has a value that no encoder writes.
    """
    first = reader.byte()
    family = first & _FAMILY_MASK
    if family == _NUMBER_FOLLOWS:
        family = reader.byte()
        if family < _NUMBER_FOLLOWS:
            raise CorruptFileError(f"the header writes network family {family} in its long form; get the file again")
    try:
        return fields_of_family(family).unpack(family, first & ~_FAMILY_MASK, reader)
    except ValueError as error:  # a ConfigError is one
        raise CorruptFileError(f"the header is damaged: {error}") from error


register(
    NetworkFields(
        families=(ModelFamily.SIREN, ModelFamily.FOURIER, ModelFamily.HASH_GRID),
        config=ModelConfig,
        pack=coordinate_fields.pack,
        unpack=coordinate_fields.unpack,
        may_be_transposed=False,
        has_colour=True,
    )
)
register(
    NetworkFields(
        families=(ModelFamily.LATENT_GRID,),
        config=LatentGridConfig,
        pack=latent_fields.pack,
        unpack=latent_fields.unpack,
        may_be_transposed=True,
        has_colour=False,
    )
)
