"""Where models, quantisers, coders and the container meet: weights and latents to a file's bytes and back."""

import dataclasses
import math
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inrc.bitstream import container
from inrc.bitstream.container import ICC_PROFILE, Container
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import grids
from inrc.codec.reference import Reference, reference_of
from inrc.config import LatentGridConfig, ModelConfig
from inrc.entropy import coder, stream
from inrc.errors import ConfigError, CorruptFileError
from inrc.latent_layout import context_macs, grids_of, latent_layout
from inrc.layout import Layout, layout
from inrc.models.latent_grid import dead_units
from inrc.quant import uniform
from inrc.shared_init import FindInit, SharedInit, find

_FIRST_STEP = 128
"""Expected index of the first matrix's step (2^-8), and the scale indices of the tables that code the step of the
first matrix and the differences between the others: Laplace scales 16 and 8 in eighths of an octave."""
_FIRST_STEP_SCALE = 32
_NEXT_STEP_SCALE = 28


@dataclasses.dataclass(frozen=True)
class Weights:
    """A quantised network and its latents, if it has such.

    Attributes:
      step_indices: index of every matrix's step, in the order of `matrices_of`.
      integers: int32 matrices, in the same order.
      reference: what the weights are differences from, and how large these are expected to be; 0 and unknown if None.
      latents: int32 [H, W] of every grid, in coding order.
    """

    step_indices: tuple[int, ...]
    integers: tuple[np.ndarray, ...]
    reference: Reference | None = None
    latents: tuple[np.ndarray, ...] = ()

    def side(self) -> list[tuple[int, int]]:
        """The steps as (integer, scale index) pairs for the coder."""
        expected = [_FIRST_STEP, *self.step_indices][: len(self.step_indices)]
        return list(
            zip(
                (s - e for s, e in zip(self.step_indices, expected, strict=True)),
                _side_scales(len(expected)),
                strict=True,
            )
        )

    def exponents(self) -> list[np.ndarray] | None:
        """What the coder expects of the integers, if there is a reference."""
        return None if self.reference is None else self.reference.exponents(self.step_indices)


def matrices_of(header: Header) -> Layout:
    """(name, (rows, columns)) of every matrix of a file, in its order."""
    if isinstance(header.model, LatentGridConfig):
        return latent_layout(header.model, header.channels)
    assert isinstance(header.model, ModelConfig)
    return layout(header.model, header.shape, header.channels)


def quantise(
    params: Mapping[str, np.ndarray], steps: Mapping[str, float], reference: Reference | None = None
) -> Weights:
    """Rounds every matrix of `params` by the step nearest to its own in `steps`."""
    return round_by(params, tuple(uniform.index_of_step(steps[name]) for name in params), reference)


def round_by(
    params: Mapping[str, np.ndarray], step_indices: tuple[int, ...], reference: Reference | None = None
) -> Weights:
    """Rounds every matrix of `params`, or its difference from the reference, by the step of its index."""
    integers = (
        uniform.quantise(matrix, uniform.step_of_index(index), _origin(reference, name))
        for (name, matrix), index in zip(params.items(), step_indices, strict=True)
    )
    return Weights(step_indices, tuple(integers), reference)


def dequantise(header: Header, weights: Weights) -> dict[str, np.ndarray]:
    """{name: float32 matrix} of the network that a decoder sees."""
    names = (name for name, _ in matrices_of(header))
    return {
        name: uniform.dequantise(integers, uniform.step_of_index(index), _origin(weights.reference, name))
        for name, index, integers in zip(names, weights.step_indices, weights.integers, strict=True)
    }


def ideal_bits(weights: Weights) -> float:
    """Code length of the weights under the coder's own tables."""
    return coder.ideal_bits(weights.side(), weights.integers, weights.exponents())


def ideal_bits_of_many(files: Sequence[Weights]) -> np.ndarray:
    """`ideal_bits` [files] of networks of one layout, all with references or none."""
    integers = [np.stack(matrices) for matrices in zip(*(weights.integers for weights in files), strict=True)]
    known = [exponents for exponents in (weights.exponents() for weights in files) if exponents is not None]
    exponents = [np.stack(matrices) for matrices in zip(*known, strict=True)] or None
    side_bits = [coder.step_delta_bits(weights.side()) for weights in files]
    return np.array(side_bits) + coder.ideal_bits_of_many(integers, exponents)


def latent_bits(header: Header, weights: Weights) -> float:
    """Code length of the latents under the coder's own tables; 0 where there are none."""
    if not isinstance(header.model, LatentGridConfig):
        return 0.0
    return grids.bits(header.model, header.shape, dequantise(header, weights), weights.latents)


def overhead(header: Header, icc_profile: bytes = b"") -> int:
    """Bytes of a file that are neither weights nor latents."""
    return len(container.pack(Container(header, b"", _sections(icc_profile))))


def _sections(icc_profile: bytes) -> dict[int, bytes]:
    return {ICC_PROFILE: zlib.compress(icc_profile, 9)} if icc_profile else {}


def pack(header: Header, weights: Weights, *, icc_profile: bytes = b"") -> bytes:
    """The file's bytes."""
    encoder = stream.new_encoder()
    coder.encode_weights(encoder, weights.side(), weights.integers, weights.exponents())
    if isinstance(header.model, LatentGridConfig):
        grids.encode(encoder, header.model, header.shape, dequantise(header, weights), weights.latents)
    return container.pack(Container(header, stream.finish(encoder), _sections(icc_profile)))


def without_dead_units(header: Header, weights: Weights) -> tuple[Header, Weights]:
    """The same function with fewer hidden units per pixel, if some of them get or give nothing.

    A fit that pays for its weights ends with such units, and the coder, which has to learn that of each, spends
    about 5 bytes on it. Networks that are differences from a shared init keep its width.
    """
    model = header.model
    if not isinstance(model, LatentGridConfig) or weights.reference is not None:
        return header, weights
    names = (name for name, _ in matrices_of(header))
    model, matrices = dead_units.without_dead_units(model, dict(zip(names, weights.integers, strict=True)))
    return dataclasses.replace(header, model=model), dataclasses.replace(weights, integers=tuple(matrices.values()))


def unpack(
    data: bytes,
    limits: DecodeLimits,
    find_init: FindInit = find,
    needed: Callable[[Header], tuple[int, int]] | None = None,
) -> tuple[Header, Weights, bytes]:
    """(header, weights, ICC profile) of a file.

    Args:
      data: the file's bytes.
      limits: what may be spent on them.
      find_init: from the id of a shared init to the init.
      needed: how many of the first rows and columns of the finest latents are wanted; all if not given.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there.
    """
    parsed = container.unpack(data, limits, find_init)
    header = parsed.header
    check(header, limits)
    shapes = [shape for _, shape in matrices_of(header)]
    reference = None if parsed.init is None else _reference(parsed.init, header)

    decoder = stream.new_decoder(parsed.weights)
    step_indices = _step_indices(coder.decode_step_deltas(decoder, _side_scales(len(shapes))))
    exponents = None if reference is None else reference.exponents(step_indices)
    integers = coder.decode_matrices(decoder, shapes, exponents)
    weights = Weights(step_indices, tuple(integers), reference)
    if isinstance(header.model, LatentGridConfig):
        part = None if needed is None else needed(header)
        latents = grids.decode(decoder, header.model, header.shape, dequantise(header, weights), part)
        weights = dataclasses.replace(weights, latents=latents)
    return header, weights, _inflate(parsed.sections.get(ICC_PROFILE, b""), limits)


def output_transform(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """(matrix [C, C], offset [C]) with unit values = matrix @ outputs + offset, of a coordinate network.

    Outputs are centred at 0 and span about [-1, 1]; the colour transform acts on the first three of three or four
    channels.
    """
    n = header.channels
    matrix, offset = np.eye(n), np.full(n, 0.5)
    if n >= 3:
        matrix[:3, :3] = header.colour.inverse_matrix
    return 0.5 * matrix, offset


def check(header: Header, limits: DecodeLimits) -> None:
    """Refuses a file whose weights or latents are more than is granted.

    Raises:
      LimitExceededError: They are.
    """
    limits.check_parameters(sum(rows * columns for _, (rows, columns) in matrices_of(header)))
    if isinstance(header.model, LatentGridConfig):
        n_latents = sum(math.prod(grid.shape) for grid in grids_of(header.model, header.shape))
        limits.check_latents(n_latents, context_macs(header.model))


def _reference(init: SharedInit, header: Header) -> Reference:
    try:
        return reference_of(init, header.shape, header.channels)
    except ConfigError as error:
        raise CorruptFileError(f"the file names a shared init that its picture cannot have: {error}") from error


def _origin(reference: Reference | None, name: str) -> np.ndarray | float:
    return 0.0 if reference is None else reference.mean[name]


def _step_indices(side: Sequence[int]) -> tuple[int, ...]:
    indices = np.cumsum([_FIRST_STEP, *side])[1:].tolist()
    if min(indices) < 0 or max(indices) >= uniform.N_STEPS:
        raise CorruptFileError(
            f"quantisation steps have indices {min(indices)}..{max(indices)}, not within 0..255; get the file again"
        )
    return tuple(indices)


def _side_scales(n_matrices: int) -> list[int]:
    return ([_FIRST_STEP_SCALE] + [_NEXT_STEP_SCALE] * (n_matrices - 1))[:n_matrices]


def _inflate(content: bytes, limits: DecodeLimits) -> bytes:
    if not content:
        return b""
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(content, limits.max_section_bytes)
    except zlib.error as error:
        raise CorruptFileError(f"the ICC profile is damaged ({error}); get the file again") from error
    if not inflater.eof and len(profile) >= limits.max_section_bytes:
        limits.check_section(limits.max_section_bytes + 1)
    if not inflater.eof or inflater.unused_data:
        raise CorruptFileError("the ICC profile does not end where its section does; get the file again")
    return profile
