"""What a named codec is: the kinds of presets. `inrc.presets` has those that inrc comes with."""

import dataclasses

from inrc.config import EncodingConfig, LatentGridConfig, ModelFamily


@dataclasses.dataclass(frozen=True)
class Preset:
    """A codec by name; every family of models derives its own kind.

    Attributes:
      name: what users call it.
      summary: one line.
    """

    name: str
    summary: str


@dataclasses.dataclass(frozen=True)
class CoordinateCodec(Preset):
    """A codec of coordinate networks of one form and many sizes.

    Attributes, beside those of every `Preset`:
      family: of the network.
      encoding: how coordinates enter.
      taper: hidden widths relative to the first.
      omega_0: frequency factor.
      bias: whether layers have biases.
    """

    family: ModelFamily
    encoding: EncodingConfig
    taper: tuple[float, ...]
    omega_0: int = 30
    bias: bool = True


@dataclasses.dataclass(frozen=True)
class LatentCodec(Preset):
    """A codec of latent grids: networks of one size for pictures of all sizes and rates.

    Attributes, beside those of every `Preset`:
      model: the networks.
    """

    model: LatentGridConfig
