"""A file in memory: read once from its bytes, with everything that rendering needs; or made by an encoder and packed.

bytes -> OpenedFile(container, layout) -> File(header, layout, weights, params, latents, sections) -> pixels
"""

import dataclasses
from typing import Any

import numpy as np

from inrc.bitstream import container
from inrc.bitstream.container import Container
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec.contents import File
from inrc.codec.family_format import Description, FamilyFormat
from inrc.codec.formats import format_of, reference_of
from inrc.codec.reference import Reference
from inrc.codec.sections import NO_SECTIONS, Sections, packed, unpacked
from inrc.codec.weights import (
    QuantisedWeights,
    check_offsets,
    dequantise,
    step_delta_scales,
    steps_and_powers_of,
    tail_widths,
)
from inrc.config import WeightStorage
from inrc.entropy import coder, stream
from inrc.errors import ConfigError, CorruptFileError
from inrc.layout import Layout
from inrc.models.view import View
from inrc.shared_init import FindInit, find


@dataclasses.dataclass(frozen=True)
class OpenedFile:
    """A file whose header is known and granted, and whose weights are still coded.

    Attributes:
      container: the parsed bytes.
      format: of the network's family.
      layout: of the network's matrices.
    """

    container: Container
    format: FamilyFormat
    layout: Layout

    @property
    def header(self) -> Header:
        """Picture and network."""
        return self.container.header

    @property
    def description(self) -> Description:
        """The network in words and values."""
        return self.format.describe(self.header.model)

    @property
    def multiplications(self) -> int:
        """Multiplications of a render per sample."""
        return self.format.multiplications(self.header, self.layout)


def layout_of(header: Header) -> Layout:
    """(name, (rows, columns)) of every matrix of a file."""
    return format_of(header.model).layout(header.model, header.shape, header.channels)


def make(
    header: Header,
    weights: QuantisedWeights,
    latents: tuple[np.ndarray, ...] = (),
    sections: Sections = NO_SECTIONS,
) -> File:
    """The file that an encoder has come to."""
    layout = layout_of(header)
    return File(header, layout, weights, dequantise(layout, weights), latents, sections)


def pack(file: File) -> bytes:
    """The file's bytes.

    Raises:
      LimitExceededError: A weight or a latent is larger than the format allows.
    """
    encoder, weights = stream.new_encoder(), file.weights
    coder.encode_weights(encoder, weights.step_deltas(), weights.integers, weights.exponents())
    if weights.tails:
        coder.encode_tails(encoder, weights.tails, tail_widths(weights.integers))
    format_of(file.header.model).encode_latents(encoder, file.header, file.params, file.latents)
    return container.pack(Container(file.header, stream.finish(encoder), packed(file.sections)))


def overhead(header: Header, sections: Sections = NO_SECTIONS) -> int:
    """Bytes of a file that are neither weights nor latents."""
    return len(container.pack(Container(header, b"", packed(sections))))


def check(header: Header, limits: DecodeLimits) -> None:
    """Refuses a file whose weights or latents are more than is granted.

    Raises:
      LimitExceededError: They are.
    """
    _check(format_of(header.model), header, layout_of(header), limits)


def _check(own: FamilyFormat, header: Header, layout: Layout, limits: DecodeLimits) -> None:
    limits.check_parameters(sum(rows * columns for _, (rows, columns) in layout))
    own.check_latents(header, limits)


def open_bytes(data: bytes, limits: DecodeLimits, find_init: FindInit = find) -> OpenedFile:
    """Parses a file as far as its header.

    Args:
      data: the file's bytes.
      limits: what may be spent on them.
      find_init: from the id of a shared init to the init.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than `limits` grant.
      InitMismatchError: The file needs a shared init that is not there.
    """
    parsed = container.unpack(data, limits, find_init)
    header = parsed.header
    own = format_of(header.model)
    layout = own.layout(header.model, header.shape, header.channels)
    _check(own, header, layout, limits)
    return OpenedFile(parsed, own, layout)


def read(opened: OpenedFile, limits: DecodeLimits, view: View | None = None) -> File:
    """Decodes weights and latents.

    Args:
      opened: the file.
      limits: what may be spent on it.
      view: of what the network sees; latents that it does not depend on may be left out. All are decoded if not given.

    Raises:
      FormatError: The stream is damaged, or asks for more than `limits` grant.
    """
    parsed, header, layout = opened.container, opened.header, opened.layout
    reference = None
    if parsed.init is not None:
        try:
            reference = reference_of(parsed.init, header.shape, header.channels)
        except ConfigError as error:
            raise CorruptFileError(f"the file names a shared init that its picture cannot have: {error}") from error
    decoder = stream.new_decoder(parsed.weights)
    weights = _decode_weights(decoder, layout, opened.format.storage(header.model), reference)
    params = dequantise(layout, weights)
    latents = opened.format.decode_latents(decoder, header, params, view)
    return File(header, layout, weights, params, latents, sections_of(opened, limits))


def sections_of(opened: OpenedFile, limits: DecodeLimits) -> Sections:
    """What a file holds beside the picture.

    Raises:
      FormatError: A section is damaged, or larger than `limits` grant.
    """
    return unpacked(opened.container.sections, limits)


def _decode_weights(
    decoder: Any, layout: Layout, storage: WeightStorage, reference: Reference | None
) -> QuantisedWeights:
    shapes = [shape for _, shape in layout]
    deltas = coder.decode_step_deltas(decoder, step_delta_scales(len(shapes), storage))
    step_indices, powers = steps_and_powers_of(deltas, storage)
    exponents = None if reference is None else reference.exponents(step_indices)
    integers = tuple(coder.decode_matrices(decoder, shapes, exponents))
    tails = ()
    if storage is WeightStorage.HALF:
        check_offsets(step_indices, integers)
        tails = tuple(coder.decode_tails(decoder, tail_widths(integers)))
    return QuantisedWeights(step_indices, integers, reference, powers, tails)


def unpack(data: bytes, limits: DecodeLimits, find_init: FindInit = find) -> File:
    """All of a file's contents; arguments and errors as for `open_bytes` and `read`."""
    return read(open_bytes(data, limits, find_init), limits)
