"""The header of an `.inr` file: the picture's shape and the network's. See FORMAT.md, section 2."""

import dataclasses

from inrc.bitstream.io import ByteReader, write_varint
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, Model, ModelConfig, ModelFamily
from inrc.errors import ConfigError, CorruptFileError, NotInrFileError, UnsupportedVersionError
from inrc.signal.colour import ColourTransform

MAGIC = b"inr"
VERSION = 1
INIT_ID_BYTES = 8

_DEFAULT_OMEGA_0 = 30
_DEFAULT_SIGMA = 10.0

_DEPTH_16 = 1 << 2
_COLOUR_SHIFT = 3
_SECTIONS = 1 << 5
_SHARED_INIT = 1 << 6
_TRANSPOSED = 1 << 7

_BIAS = 1 << 2
_ENCODING_SHIFT = 3
_OMEGA_0 = 1 << 5
_SIGMA = 1 << 6

_REFINEMENT = 1 << 2
_CONTEXT_LAYERS_SHIFT = 3


@dataclasses.dataclass(frozen=True)
class Header:
    """What a decoder must know before it can read the weights.

    Attributes:
      width, height: native size in pixels, 1 or more.
      channels: 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA).
      bit_depth: 8 or 16.
      colour: transform between RGB and the network's outputs.
      model: the network. Where there is a shared init, it is the init's, and the header's bytes do not say it.
      init_id: first 8 bytes of the shared init's SHA-256, or nothing.
      has_sections: whether optional sections follow the weights.
      transposed: whether the network sees the picture with rows and columns exchanged; only with a shared init or
        latents.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    colour: ColourTransform
    model: Model
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
    return MAGIC + bytes([VERSION, flags]) + size + (header.init_id or _pack_model(header.model))


def _pack_model(model: Model) -> bytes:
    if isinstance(model, LatentGridConfig):
        network = (
            model.family | (_REFINEMENT if model.refinement else 0) | model.context_layers << _CONTEXT_LAYERS_SHIFT
        )
        grids = model.n_grids | model.n_hyper << 4
        context = model.n_spatial | model.n_cross_levels << 4
        sizes = bytes([network, grids, context, model.n_cross, model.n_residual])
        return sizes + write_varint(model.synthesis_width)
    encoding = model.encoding
    has_omega_0 = model.omega_0 != _DEFAULT_OMEGA_0
    has_sigma = encoding.kind is EncodingKind.GAUSSIAN and encoding.sigma != _DEFAULT_SIGMA
    network = (
        model.family
        | (_BIAS if model.bias else 0)
        | encoding.kind << _ENCODING_SHIFT
        | (_OMEGA_0 if has_omega_0 else 0)
        | (_SIGMA if has_sigma else 0)
    )
    parts = [bytes([network, len(model.widths)]), *map(write_varint, model.widths)]
    if encoding.kind is not EncodingKind.NONE:
        parts.append(write_varint(encoding.n_frequencies))
    if has_omega_0:
        parts.append(bytes([model.omega_0]))
    if has_sigma:
        parts.append(write_varint(round(encoding.sigma * 4)))
    return b"".join(parts)


def unpack(reader: ByteReader) -> Header:
    """Reads a header.

    Returns:
      The header; where there is a shared init, its model is a default that the caller replaces by the init's.

    Raises:
      NotInrFileError: The magic number is another.
      UnsupportedVersionError: The version is not 1.
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
    try:
        header = Header(
            width,
            height,
            channels=(flags & 3) + 1,
            bit_depth=16 if flags & _DEPTH_16 else 8,
            colour=ColourTransform(flags >> _COLOUR_SHIFT & 3),
            model=ModelConfig() if init_id else _unpack_model(reader),
            init_id=init_id,
            has_sections=bool(flags & _SECTIONS),
            transposed=bool(flags & _TRANSPOSED),
        )
    except (ConfigError, ValueError) as error:
        raise CorruptFileError(f"the header is damaged: {error}") from error
    if width == 0 or height == 0:
        raise CorruptFileError(f"the header announces a picture of {width}x{height} pixels")
    return checked(header)


def checked(header: Header) -> Header:
    """The header, where its fields agree with each other and with the model, which may have come from an init.

    Raises:
      CorruptFileError: They do not.
    """
    has_latents = isinstance(header.model, LatentGridConfig)
    if header.transposed and not (header.init_id or has_latents):
        raise _undefined()
    if header.colour is not ColourTransform.RGB and (header.channels < 3 or has_latents):
        raise _undefined()
    return header


def _unpack_model(reader: ByteReader) -> Model:
    network = reader.byte()
    family = ModelFamily(network & 3)
    if family is ModelFamily.LATENT_GRID:
        return _unpack_latent_grid(network, reader)
    n_layers = reader.byte()
    if n_layers > 31:
        raise CorruptFileError(f"the header announces {n_layers} hidden layers; at most 31 are possible")
    widths = tuple(reader.varint() for _ in range(n_layers))
    kind = EncodingKind(network >> _ENCODING_SHIFT & 3)
    if network >> 7 or (network & _SIGMA and kind is not EncodingKind.GAUSSIAN):
        raise _undefined()
    default = EncodingConfig()
    encoding = EncodingConfig(kind, reader.varint() if kind is not EncodingKind.NONE else default.n_frequencies)
    omega_0 = reader.byte() if network & _OMEGA_0 else _DEFAULT_OMEGA_0
    if network & _SIGMA:
        encoding = dataclasses.replace(encoding, sigma=reader.varint() / 4)
    return ModelConfig(family, widths, encoding, omega_0, bool(network & _BIAS))


def _unpack_latent_grid(network: int, reader: ByteReader) -> LatentGridConfig:
    if network >> _CONTEXT_LAYERS_SHIFT + 3:
        raise _undefined()
    grids, context, n_cross, n_residual = reader.take(4)
    return LatentGridConfig(
        n_grids=grids & 15,
        n_hyper=grids >> 4,
        n_spatial=context & 15,
        n_cross=n_cross,
        n_cross_levels=context >> 4,
        context_layers=network >> _CONTEXT_LAYERS_SHIFT,
        synthesis_width=reader.varint(),
        n_residual=n_residual,
        refinement=bool(network & _REFINEMENT),
    )


def _undefined() -> CorruptFileError:
    return CorruptFileError("the header sets bits that version 1 does not define; get the file again")
