"""The contents of a file in memory."""

import dataclasses

import numpy as np

from inrc.bitstream.header import Header
from inrc.codec.sections import NO_SECTIONS, Sections
from inrc.codec.weights import QuantisedWeights
from inrc.layout import Layout


@dataclasses.dataclass(frozen=True, eq=False)
class File:
    """The contents of a file, with everything that rendering needs.

    Attributes:
      header: picture and network.
      layout: (name, (rows, columns)) of every matrix.
      weights: quantised.
      params: {name: float32 matrix}, the same weights as numbers.
      latents: int32 [H, W] of every grid, in coding order; none where the family has none.
      sections: what it holds beside the picture.
    """

    header: Header
    layout: Layout
    weights: QuantisedWeights
    params: dict[str, np.ndarray]
    latents: tuple[np.ndarray, ...] = ()
    sections: Sections = NO_SECTIONS
