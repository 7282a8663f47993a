"""The header's fields of coordinate networks, families SIREN, FOURIER and HASH_GRID. See FORMAT.md, section 2."""

import dataclasses

from inrc.bitstream.io import ByteReader, undefined_bits, write_varint
from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, ModelConfig, ModelFamily, WeightStorage
from inrc.errors import CorruptFileError

_DEFAULT_OMEGA_0 = 30
_DEFAULT_SIGMA = 10.0

_BIAS = 1 << 2
_ENCODING_SHIFT = 3
_OMEGA_0 = 1 << 5
_SIGMA = 1 << 6
_VARIANT = 1 << 7

# The byte of a variant: how weights are stored, sampled phases, the number of the modulator's hidden layers.
_STORAGE_MASK = 3
_SAMPLED_PHASES = 1 << 2
_MODULATOR_SHIFT = 3
_MODULATOR_MASK = 7


def pack(model: ModelConfig) -> bytes:
    """The fields' bytes; bits 0 and 1 of the first byte are 0."""
    encoding, variant = model.encoding, _variant(model)
    has_omega_0 = model.omega_0 != _DEFAULT_OMEGA_0
    first = (_BIAS if model.bias else 0) | (_OMEGA_0 if has_omega_0 else 0) | (_VARIANT if variant else 0)
    parts = [bytes([len(model.widths)]), *map(write_varint, model.widths)]
    if isinstance(encoding, HashGridEncoding):
        parts.append(bytes([encoding.n_levels, encoding.n_features, encoding.log2_entries, encoding.growth]))
        parts.append(write_varint(encoding.coarsest))
    else:
        first |= encoding.kind << _ENCODING_SHIFT
        if encoding.kind is not EncodingKind.NONE:
            parts.append(write_varint(encoding.n_frequencies))
    if has_omega_0:
        parts.append(bytes([model.omega_0]))
    sigma = _sigma(encoding)
    if sigma != _DEFAULT_SIGMA:
        first |= _SIGMA
        parts.append(write_varint(round(sigma * 4)))
    if variant:
        parts += [bytes([variant]), *map(write_varint, model.modulator)]
    return bytes([first]) + b"".join(parts)


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
    if first & _SIGMA and kind is not EncodingKind.GAUSSIAN:
        raise undefined_bits()
    encoding: EncodingConfig | HashGridEncoding
    if family == ModelFamily.HASH_GRID:
        if kind is not EncodingKind.NONE:
            raise undefined_bits()
        n_levels, n_features, log2_entries, growth = reader.take(4)
        encoding = HashGridEncoding(n_levels, n_features, log2_entries, reader.varint(), growth)
    else:
        default = EncodingConfig()
        encoding = EncodingConfig(kind, reader.varint() if kind is not EncodingKind.NONE else default.n_frequencies)
    omega_0 = reader.byte() if first & _OMEGA_0 else _DEFAULT_OMEGA_0
    if first & _SIGMA:
        encoding = dataclasses.replace(encoding, sigma=reader.varint() / 4)
    model = ModelConfig(ModelFamily(family), widths, encoding, omega_0, bool(first & _BIAS))
    return _with_variant(model, reader) if first & _VARIANT else model


def _sigma(encoding: EncodingConfig | HashGridEncoding) -> float:
    """The sigma of Gaussian features; the default where there are none."""
    if isinstance(encoding, EncodingConfig) and encoding.kind is EncodingKind.GAUSSIAN:
        return encoding.sigma
    return _DEFAULT_SIGMA


def _variant(model: ModelConfig) -> int:
    phases = _SAMPLED_PHASES if model.sampled_phases else 0
    return model.storage | phases | len(model.modulator) << _MODULATOR_SHIFT


def _with_variant(model: ModelConfig, reader: ByteReader) -> ModelConfig:
    variant = reader.byte()
    n_layers = variant >> _MODULATOR_SHIFT & _MODULATOR_MASK
    if variant == 0 or variant >> 6:
        raise undefined_bits()
    return dataclasses.replace(
        model,
        modulator=tuple(reader.varint() for _ in range(n_layers)),
        sampled_phases=bool(variant & _SAMPLED_PHASES),
        storage=WeightStorage(variant & _STORAGE_MASK),
    )
