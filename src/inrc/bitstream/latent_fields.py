"""The header's fields of latent grids, family LATENT_GRID. See FORMAT.md, section 2."""

from inrc.bitstream.io import ByteReader, undefined_bits, write_varint
from inrc.config import LatentGridConfig

_REFINEMENT = 1 << 2
_CONTEXT_LAYERS_SHIFT = 3


def pack(model: LatentGridConfig) -> bytes:
    """The fields' bytes; bits 0 and 1 of the first byte are 0."""
    first = (_REFINEMENT if model.refinement else 0) | model.context_layers << _CONTEXT_LAYERS_SHIFT
    grids = model.n_grids | model.n_hyper << 4
    context = model.n_spatial | model.n_cross_levels << 4
    return bytes([first, grids, context, model.n_cross, model.n_residual]) + write_varint(model.synthesis_width)


def unpack(family: int, first: int, reader: ByteReader) -> LatentGridConfig:
    """Reads the fields after the first byte.

    Raises:
      TruncatedFileError: The bytes end within the fields.
      CorruptFileError: The fields use bits that version 1 does not define.
      ConfigError: A field lies outside its range.
    """
    del family  # there is one
    if first >> _CONTEXT_LAYERS_SHIFT + 3:
        raise undefined_bits()
    grids, context, n_cross, n_residual = reader.take(4)
    return LatentGridConfig(
        n_grids=grids & 15,
        n_hyper=grids >> 4,
        n_spatial=context & 15,
        n_cross=n_cross,
        n_cross_levels=context >> 4,
        context_layers=first >> _CONTEXT_LAYERS_SHIFT,
        synthesis_width=reader.varint(),
        n_residual=n_residual,
        refinement=bool(first & _REFINEMENT),
    )
