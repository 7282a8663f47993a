"""The header's fields of coordinate networks, families SIREN and FOURIER. See FORMAT.md, section 2."""

import dataclasses

from inrc.bitstream.io import ByteReader, undefined_bits, write_varint
from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.errors import CorruptFileError

_DEFAULT_OMEGA_0 = 30
_DEFAULT_SIGMA = 10.0

_BIAS = 1 << 2
_ENCODING_SHIFT = 3
_OMEGA_0 = 1 << 5
_SIGMA = 1 << 6


def pack(model: ModelConfig) -> bytes:
    """The fields' bytes; bits 0 and 1 of the first byte are 0."""
    encoding = model.encoding
    has_omega_0 = model.omega_0 != _DEFAULT_OMEGA_0
    has_sigma = encoding.kind is EncodingKind.GAUSSIAN and encoding.sigma != _DEFAULT_SIGMA
    first = (
        (_BIAS if model.bias else 0)
        | encoding.kind << _ENCODING_SHIFT
        | (_OMEGA_0 if has_omega_0 else 0)
        | (_SIGMA if has_sigma else 0)
    )
    parts = [bytes([first, len(model.widths)]), *map(write_varint, model.widths)]
    if encoding.kind is not EncodingKind.NONE:
        parts.append(write_varint(encoding.n_frequencies))
    if has_omega_0:
        parts.append(bytes([model.omega_0]))
    if has_sigma:
        parts.append(write_varint(round(encoding.sigma * 4)))
    return b"".join(parts)


def unpack(family: int, first: int, reader: ByteReader) -> ModelConfig:
    """Reads the fields after the first byte.

    Raises:
      TruncatedFileError: The bytes end within the fields.
      CorruptFileError: The fields use bits that version 1 does not define, or too many layers.
      ConfigError: A field lies outside its range.
    """
    n_layers = reader.byte()
    if n_layers > 31:
        raise CorruptFileError(f"the header announces {n_layers} hidden layers; at most 31 are possible")
    widths = tuple(reader.varint() for _ in range(n_layers))
    kind = EncodingKind(first >> _ENCODING_SHIFT & 3)
    if first >> 7 or (first & _SIGMA and kind is not EncodingKind.GAUSSIAN):
        raise undefined_bits()
    default = EncodingConfig()
    encoding = EncodingConfig(kind, reader.varint() if kind is not EncodingKind.NONE else default.n_frequencies)
    omega_0 = reader.byte() if first & _OMEGA_0 else _DEFAULT_OMEGA_0
    if first & _SIGMA:
        encoding = dataclasses.replace(encoding, sigma=reader.varint() / 4)
    return ModelConfig(ModelFamily(family), widths, encoding, omega_0, bool(first & _BIAS))
