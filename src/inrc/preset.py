"""What a named codec is: the kinds of presets. `inrc.presets` has those that inrc comes with."""

import dataclasses

from inrc.config import EncodingConfig, HashGridEncoding, LatentGridConfig, ModelFamily, WeightStorage
from inrc.training import Training


@dataclasses.dataclass(frozen=True)
class Preset:
    """A codec by name; every family of models derives its own kind.

    Attributes:
      name: what users call it.
      summary: one line.
      year: of the publication that it follows; 0 for this project's own.
      about: of a published system, what is the same here, what differs, and why.
    """

    name: str
    summary: str
    year: int = dataclasses.field(default=0, kw_only=True)
    about: str = dataclasses.field(default="", kw_only=True)


@dataclasses.dataclass(frozen=True)
class Rung:
    """A network of a published ladder of sizes.

    Attributes:
      widths: hidden widths.
      modulator: hidden widths of the modulator.
      encoding: in place of the codec's. Networks of such a ladder are never scaled: their tables are as large as their
        encoding says.
    """

    widths: tuple[int, ...]
    modulator: tuple[int, ...] = ()
    encoding: EncodingConfig | HashGridEncoding | None = None


@dataclasses.dataclass(frozen=True)
class CoordinateCodec(Preset):
    """A codec of coordinate networks of one form and many sizes.

    Attributes, beside those of every `Preset`:
      family: of the network.
      encoding: how coordinates enter.
      taper: hidden widths relative to the first; of a ladder, those of its rungs.
      omega_0: frequency factor.
      bias: whether layers have biases.
      ladder: sizes of a published system, small to large. A quality chooses the nearest one, and other rates scale it.
      sampled_phases, storage: as in `ModelConfig`.
      bits_per_weight: that files take, roughly.
      colour: space of the outputs by name ("RGB", "YCBCR", ...); None leaves it to the codec.
      training: of a published system; None trains as this project does.
    """

    family: ModelFamily
    encoding: EncodingConfig | HashGridEncoding
    taper: tuple[float, ...] = ()
    omega_0: int = 30
    bias: bool = True
    ladder: tuple[Rung, ...] = ()
    sampled_phases: bool = False
    storage: WeightStorage = WeightStorage.INTEGERS
    bits_per_weight: float = 4.7
    colour: str | None = None
    training: Training | None = None


@dataclasses.dataclass(frozen=True)
class LatentCodec(Preset):
    """A codec of latent grids: networks of one size for pictures of all sizes and rates.

    Attributes, beside those of every `Preset`:
      model: the networks.
    """

    model: LatentGridConfig
