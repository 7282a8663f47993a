"""What is known of a file: from its bytes alone, as `inrc.info` and manifests have it, and from its encode."""

import dataclasses

from inrc.codec.contents import File
from inrc.codec.formats import format_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileStats:
    """How large a file is and what it spends its bytes on.

    Attributes:
      width, height, channels, bit_depth: of the picture.
      n_bytes: size of the file.
      bpp: 8 * n_bytes over the number of pixels.
      n_weights: parameters of the network.
      bits_per_weight: ideal code length of the weights over their number.
      n_latents: integers of all grids; 0 where the family has none.
      latent_bytes: their ideal code length.
      init: id of the shared init that decoding needs, in hexadecimal, if there is one.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    n_bytes: int
    bpp: float
    n_weights: int
    bits_per_weight: float
    n_latents: int
    latent_bytes: float
    init: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeStats(FileStats):
    """What an encode came to, beside the attributes of `FileStats`. Quality is that of the decoded pixels.

    Attributes:
      psnr_db: over all channels; infinite for an exact copy.
      multiplications: that decode a pixel, roughly.
      header_bytes: bytes of the file that are neither weights nor latents nor optional sections.
      n_steps: optimiser steps of the last fit.
      encode_seconds: wall-clock time of everything but reading the picture.
      compile_seconds: the part of it that compiling the fit took.
      interrupted: whether the user cut the fit short.
      is_full_quality: whether the limit of bytes allows more than quality 100 takes: the file is that of quality 100.
      codec: name of the codec.
      seed: of everything random.
    """

    psnr_db: float
    multiplications: int
    header_bytes: int
    n_steps: int
    encode_seconds: float
    compile_seconds: float
    interrupted: bool
    is_full_quality: bool
    codec: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A file's bytes and what is known of them."""

    data: bytes
    stats: EncodeStats


def file_stats(file: File, n_bytes: int) -> FileStats:
    """The stats of a file that has been read from `n_bytes` bytes."""
    header, n_weights = file.header, file.weights.n_weights
    return FileStats(
        width=header.width,
        height=header.height,
        channels=header.channels,
        bit_depth=header.bit_depth,
        n_bytes=n_bytes,
        bpp=8 * n_bytes / (header.width * header.height),
        n_weights=n_weights,
        bits_per_weight=file.weights.ideal_bits() / n_weights,
        n_latents=sum(grid.size for grid in file.latents),
        latent_bytes=format_of(header.model).latent_bits(file) / 8,
        init=header.init_id.hex() or None,
    )


def values_of(stats: FileStats) -> dict[str, object]:
    """The fields of `FileStats` of any stats, for another dataclass that has them too."""
    return {field.name: getattr(stats, field.name) for field in dataclasses.fields(FileStats)}
