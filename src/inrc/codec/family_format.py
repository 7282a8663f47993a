"""What a file needs to know of a family of models: layout, latents, rendering. Decoding needs this and nothing else."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec.contents import File
from inrc.config import NetworkConfig, WeightStorage
from inrc.layout import Layout
from inrc.models.view import Antialias, View
from inrc.shared_init import SharedInit

Matrices = Mapping[str, np.ndarray]


class Description(NamedTuple):
    """A network for people and programs.

    Attributes:
      family: name of the family.
      sizes: what distinguishes networks of the family, in a few words.
      inputs: what enters the network, in a few words; may be empty.
      values: JSON values of its configuration.
    """

    family: str
    sizes: str
    inputs: str
    values: dict[str, Any]

    @property
    def words(self) -> str:
        """All of it in one phrase."""
        return " ".join(filter(None, (self.family, self.sizes, self.inputs)))


class FamilyFormat(abc.ABC):
    """How a family of models is stored in files and rendered; its subclasses are final.

    Nothing here may need the training stack: decoding imports it.

    Attributes:
      network: type of the family's network configurations.
    """

    network: ClassVar[type]

    @abc.abstractmethod
    def layout(self, model: NetworkConfig, shape: tuple[int, int], n_channels: int) -> Layout:
        """(name, (rows, columns)) of every matrix, in the order of a file, for a picture of (height, width)."""

    def storage(self, model: NetworkConfig) -> WeightStorage:
        """How files hold the weights."""
        del model
        return WeightStorage.INTEGERS

    @abc.abstractmethod
    def multiplications(self, header: Header, layout: Layout) -> int:
        """Multiplications of a render per sample."""

    @abc.abstractmethod
    def render(self, file: File, view: View, antialias: Antialias) -> np.ndarray:
        """Pixels uint8 or uint16 [height, width, C] of a view of what the network sees."""

    @abc.abstractmethod
    def describe(self, model: NetworkConfig) -> Description:
        """What `inrc info` and `inrc codecs` tell of a network."""

    # What families with shared inits have ------------------------------------------------------------------------

    def misfit(self, init: SharedInit, shape: tuple[int, int], n_channels: int) -> str:
        """Why a picture of (height, width), as the network sees it, cannot use an init; empty if it can."""
        del init, shape, n_channels
        return "is of a family that has no shared inits"

    def matrices_of_init(
        self, init: SharedInit, shape: tuple[int, int], n_channels: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """({name: float32 mean}, {name: scale indices}) of the weights that the network of a picture has."""
        raise AssertionError(f"{type(self).__name__} has no shared inits")

    def rates_of_init(self, init: SharedInit, shape: tuple[int, int], n_channels: int) -> dict[str, np.ndarray]:
        """{name: [k, rows, columns]}: rates of the inner steps of these weights; empty if there are none."""
        del init, shape, n_channels
        return {}

    # What families with latents have -----------------------------------------------------------------------------

    def check_latents(self, header: Header, limits: DecodeLimits) -> None:
        """Refuses a file with more latents than is granted.

        Raises:
          LimitExceededError: It has more.
        """
        return

    def encode_latents(self, encoder: Any, header: Header, params: Matrices, latents: tuple[np.ndarray, ...]) -> None:
        """Codes latents into the stream that already holds the weights."""
        return

    def decode_latents(
        self, decoder: Any, header: Header, params: Matrices, view: View | None
    ) -> tuple[np.ndarray, ...]:
        """Inverse of `encode_latents`; may leave out what a view of what the network sees does not depend on."""
        del decoder, header, params, view
        return ()

    def latent_bits(self, file: File) -> float:
        """Code length of the latents under the coder's own tables."""
        del file
        return 0.0

    def compacted(self, file: File) -> File:
        """The same picture in a file with as few bytes as possible: without units that change no pixel, say."""
        return file
