"""The header of an `.inr` file: the shapes of the picture and of its network. See FORMAT.md, section 2."""

import dataclasses

from inrc.bitstream import network_fields
from inrc.bitstream.io import ByteReader, undefined_bits, write_varint
from inrc.config import ModelConfig, NetworkConfig
from inrc.errors import CorruptFileError, NotInrFileError, UnsupportedVersionError
from inrc.signal.colour import ColourTransform

MAGIC = b"inr"
VERSION = 1
MIME_TYPE = "image/x-inr"
INIT_ID_BYTES = 8

_DEPTH_16 = 1 << 2
_COLOUR_SHIFT = 3
_SECTIONS = 1 << 5
_SHARED_INIT = 1 << 6
_TRANSPOSED = 1 << 7


@dataclasses.dataclass(frozen=True)
class Header:
    """What a decoder must know before it can read the weights.

    Attributes:
      width, height: native size in pixels, 1 or more.
      channels: 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA).
      bit_depth: 8 or 16.
      colour: transform between RGB and the network's outputs.
      model: the network, of any registered kind. Where there is a shared init, it is the init's, and the header's bytes
        do not describe it.
      init_id: first 8 bytes of the shared init's SHA-256, or nothing.
      has_sections: whether optional sections follow the weights.
      transposed: whether the network sees the picture with rows and columns exchanged; only with a shared init, or
        where the network's kind allows it.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    colour: ColourTransform
    model: NetworkConfig
    init_id: bytes = b""
    has_sections: bool = False
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Samples per axis of the signal that the network sees: (height, width), or the reverse where transposed."""
        return (self.width, self.height) if self.transposed else (self.height, self.width)


def pack(header: Header) -> bytes:
    """The header's bytes, from the magic number to the last field."""
    flags = (
        header.channels - 1
        | (_DEPTH_16 if header.bit_depth == 16 else 0)
        | header.colour << _COLOUR_SHIFT
        | (_SECTIONS if header.has_sections else 0)
        | (_SHARED_INIT if header.init_id else 0)
        | (_TRANSPOSED if header.transposed else 0)
    )
    size = write_varint(header.width) + write_varint(header.height)
    return MAGIC + bytes([VERSION, flags]) + size + (header.init_id or network_fields.pack(header.model))


def unpack(reader: ByteReader) -> Header:
    """Reads a header.

    Returns:
      The header. Where there is a shared init, its model is a default that the caller replaces by the init's.

    Raises:
      NotInrFileError: The magic number is another.
      UnsupportedVersionError: The version is not 1, or the network is of an unknown family.
      TruncatedFileError: The bytes end within the header.
      CorruptFileError: A field has a value that no encoder writes.
    """
    if reader.remaining < len(MAGIC) or reader.take(len(MAGIC)) != MAGIC:
        raise NotInrFileError("this is not an .inr file: it does not begin with 'inr'")
    version = reader.byte()
    if version != VERSION:
        raise UnsupportedVersionError(
            f"the file has format version {version}; this release reads {VERSION}: update inrc"
        )
    flags = reader.byte()
    width, height = reader.varint(), reader.varint()
    init_id = reader.take(INIT_ID_BYTES) if flags & _SHARED_INIT else b""
    header = Header(
        width,
        height,
        channels=(flags & 3) + 1,
        bit_depth=16 if flags & _DEPTH_16 else 8,
        colour=ColourTransform(flags >> _COLOUR_SHIFT & 3),
        model=ModelConfig() if init_id else network_fields.unpack(reader),
        init_id=init_id,
        has_sections=bool(flags & _SECTIONS),
        transposed=bool(flags & _TRANSPOSED),
    )
    if width == 0 or height == 0:
        raise CorruptFileError(f"the header announces a picture of {width}x{height} pixels")
    return checked(header)


def checked(header: Header) -> Header:
    """The header, if its fields agree with each other and with the model, which may have come from an init.

    Raises:
      CorruptFileError: They do not.
    """
    fields = network_fields.fields_of(header.model)
    if header.transposed and not (header.init_id or fields.may_be_transposed):
        raise undefined_bits()
    if header.colour is not ColourTransform.RGB and (header.channels < 3 or not fields.has_colour):
        raise undefined_bits()
    return header
