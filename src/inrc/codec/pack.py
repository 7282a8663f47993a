"""Where models, quantisers, coders and the container meet: weights to a file's bytes and back."""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.bitstream import container
from inrc.bitstream.container import ICC_PROFILE, Container
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.entropy import coder
from inrc.errors import CorruptFileError, InitMismatchError
from inrc.models.build import layout
from inrc.quant import uniform

_FIRST_STEP = 128
"""Expected index of the first matrix's step (2^-8), and the scale indices of the tables that code the step of the
first matrix and the differences between the others: Laplace scales 16 and 8 in eighths of an octave."""
_FIRST_STEP_SCALE = 32
_NEXT_STEP_SCALE = 28


@dataclasses.dataclass(frozen=True)
class Weights:
    """A quantised network.

    Attributes:
      step_indices: index of every matrix's step, in the order of `models.build.layout`.
      integers: int32 matrices, in the same order.
    """

    step_indices: tuple[int, ...]
    integers: tuple[np.ndarray, ...]

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


def quantise(params: Mapping[str, np.ndarray], steps: Mapping[str, float]) -> Weights:
    """Rounds every matrix of `params` by the step nearest to its own in `steps`."""
    return round_by(params, tuple(uniform.index_of_step(steps[name]) for name in params))


def round_by(params: Mapping[str, np.ndarray], step_indices: tuple[int, ...]) -> Weights:
    """Rounds every matrix of `params` by the step of its index."""
    pairs = zip(params.values(), step_indices, strict=True)
    return Weights(step_indices, tuple(uniform.quantise(matrix, uniform.step_of_index(i)) for matrix, i in pairs))


def dequantise(header: Header, weights: Weights) -> dict[str, np.ndarray]:
    """{name: float32 matrix} of the network that a decoder sees."""
    names = (name for name, _ in layout(header.model, header.shape, header.channels))
    return {
        name: uniform.dequantise(integers, uniform.step_of_index(index))
        for name, index, integers in zip(names, weights.step_indices, weights.integers, strict=True)
    }


def ideal_bits(weights: Weights) -> float:
    """Code length of the weights under the coder's own tables."""
    return coder.ideal_bits(weights.side(), weights.integers)


def pack(header: Header, weights: Weights, *, icc_profile: bytes = b"") -> bytes:
    """The file's bytes."""
    sections = {ICC_PROFILE: zlib.compress(icc_profile, 9)} if icc_profile else {}
    return container.pack(Container(header, coder.encode(weights.side(), weights.integers), sections))


def unpack(data: bytes, limits: DecodeLimits) -> tuple[Header, Weights, bytes]:
    """(header, weights, ICC profile) of a file.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init.
    """
    parsed = container.unpack(data, limits)
    header = parsed.header
    shapes = _shapes(header, limits)
    if header.init_id:
        raise InitMismatchError(
            f"the file needs the shared init {header.init_id.hex()}, which this release does not have: update inrc"
        )
    side, integers = coder.decode(parsed.weights, _side_scales(len(shapes)), shapes)
    indices = np.cumsum([_FIRST_STEP, *side])[1:]
    if indices.min() < 0 or indices.max() >= uniform.N_STEPS:
        raise CorruptFileError(
            f"quantisation steps have indices {indices.min()}..{indices.max()}, not within 0..255; get the file again"
        )
    weights = Weights(tuple(int(i) for i in indices), tuple(integers))
    return header, weights, _inflate(parsed.sections.get(ICC_PROFILE, b""), limits)


def output_transform(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """(matrix [C, C], offset [C]) with unit values = matrix @ outputs + offset.

    Outputs are centred at 0 and span about [-1, 1]; the colour transform acts on the first three of three or four
    channels.
    """
    n = header.channels
    matrix, offset = np.eye(n), np.full(n, 0.5)
    if n >= 3:
        matrix[:3, :3] = header.colour.inverse_matrix
    return 0.5 * matrix, offset


def _shapes(header: Header, limits: DecodeLimits) -> Sequence[tuple[int, int]]:
    shapes = [shape for _, shape in layout(header.model, header.shape, header.channels)]
    limits.check_parameters(sum(rows * columns for rows, columns in shapes))
    return shapes


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
