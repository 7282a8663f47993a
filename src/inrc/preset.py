"""What a named codec is: the kinds of presets. `inrc.presets` has those that inrc comes with."""

import dataclasses

from inrc.config import EncodingConfig, HashGridEncoding, LatentGridConfig, ModelConfig, ModelFamily, WeightStorage
from inrc.losses import DEFAULT_LOSS
from inrc.training import LatentTraining, Training


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

    @property
    def loss(self) -> str:
        """Name of the loss that its fits minimise unless another one is named."""
        return DEFAULT_LOSS


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

    @property
    def taper(self) -> tuple[float, ...]:
        """Hidden widths relative to the first."""
        return tuple(width / self.widths[0] for width in self.widths)


def tapered(taper: tuple[float, ...], first: int) -> tuple[int, ...]:
    """Hidden widths, none below 2, that relate to the first as `taper` says."""
    return tuple(max(2, round(first * ratio)) for ratio in taper)


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

    def network(
        self,
        widths: tuple[int, ...],
        modulator: tuple[int, ...] = (),
        encoding: EncodingConfig | HashGridEncoding | None = None,
    ) -> ModelConfig:
        """The codec's network of these hidden widths, with an encoding in place of its own if one is given."""
        return ModelConfig(
            self.family,
            widths,
            self.encoding if encoding is None else encoding,
            self.omega_0,
            self.bias,
            modulator,
            self.sampled_phases,
            self.storage,
        )

    def has_form_of(self, model: ModelConfig) -> bool:
        """Whether a network is one of the codec's, of whatever size."""
        rungs = self.ladder or (Rung(tapered(self.taper, model.widths[0])),)
        widths = (tapered(rung.taper, model.widths[0]) for rung in rungs)
        return any(
            model == self.network(w, rung.modulator, rung.encoding) for w, rung in zip(widths, rungs, strict=True)
        )

    @property
    def loss(self) -> str:
        """That of the training, if there is one."""
        return DEFAULT_LOSS if self.training is None else self.training.loss


@dataclasses.dataclass(frozen=True)
class LatentCodec(Preset):
    """A codec of latent grids: networks of one size for pictures of all sizes and rates.

    Attributes, beside those of every `Preset`:
      model: the networks.
      large: those of long fits; None where all fits have the same.
      training: of a published system; this project's own if None.
    """

    model: LatentGridConfig
    training: LatentTraining | None = None
    large: LatentGridConfig | None = None
