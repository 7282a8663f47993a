"""What a user may ask of an encode, and the network and the fit that follow from it."""

import dataclasses
import math
from typing import TypedDict

from inrc import presets
from inrc.config import ModelConfig
from inrc.errors import ConfigError
from inrc.fit.config import FitConfig
from inrc.fit.loss import LOSSES
from inrc.fit.stages import Schedule
from inrc.layout import feature_counts
from inrc.signal.colour import ColourTransform


@dataclasses.dataclass(frozen=True)
class EncodeOptions:
    """What a user may ask of an encode.

    Attributes:
      codec: name of a codec of `inrc.presets.CODECS`.
      quality: 0..100; moves the rate.
      effort: 1..9; moves the time and nothing else.
      target_psnr: decibels; the result lies at most 0.1 dB above.
      target_bpp: bits per pixel that the file does not exceed.
      max_bytes: bytes that the file does not exceed.
      time_budget: seconds for a fit; a search for a PSNR may need several.
      loss: name of a loss of `inrc.fit.loss.LOSSES`.
      seed: of everything random.
      colour: transform between RGB and the network's outputs.
      model: a network of one's own instead of the codec's.
      fit: a fit of one's own; effort, time budget, loss and seed are taken from it.
    """

    codec: str = "siren"
    quality: float = presets.DEFAULT_QUALITY
    effort: int = presets.DEFAULT_EFFORT
    target_psnr: float | None = None
    target_bpp: float | None = None
    max_bytes: int | None = None
    time_budget: float | None = None
    loss: str = "mse"
    seed: int = 0
    colour: ColourTransform = ColourTransform.YCBCR
    model: ModelConfig | None = None
    fit: FitConfig | None = None

    def __post_init__(self) -> None:
        presets.codec_by_name(self.codec)
        presets.bpp_of_quality(self.quality)
        presets.passes_of_effort(self.effort)
        if self.loss not in LOSSES:
            raise ConfigError(f"there is no loss {self.loss!r}; there are {', '.join(LOSSES)}")
        targets = [self.target_psnr, self.target_bpp, self.max_bytes]
        if sum(t is not None for t in targets) > 1:
            raise ConfigError("more than one of target_psnr, target_bpp and max_bytes is given; give one of them")
        for name in ("target_psnr", "target_bpp", "max_bytes", "time_budget"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise ConfigError(f"{name} is {value}; it must be above 0")


class EncodeKeywords(TypedDict, total=False):
    """The fields of `EncodeOptions` as keyword arguments."""

    codec: str
    quality: float
    effort: int
    target_psnr: float | None
    target_bpp: float | None
    max_bytes: int | None
    time_budget: float | None
    loss: str
    seed: int
    colour: ColourTransform
    model: ModelConfig | None
    fit: FitConfig | None


def resolve(
    options: EncodeOptions, shape: tuple[int, ...], n_channels: int, bpp: float
) -> tuple[ModelConfig, FitConfig]:
    """The network whose size a rate pays for, and the fit of the options' effort.

    Args:
      options: what is asked for.
      shape: of the signal.
      n_channels: of the signal.
      bpp: bits per sample position that the weights should take.
    """
    codec = presets.codec_by_name(options.codec)
    n_pixels = math.prod(shape)
    model = options.model or presets.model_for(
        codec,
        n_weights=presets.n_weights_for(bpp, n_pixels),
        n_inputs=sum(feature_counts(codec.encoding, shape)),
        n_outputs=n_channels,
    )
    config = options.fit or FitConfig(
        n_passes=presets.passes_of_effort(options.effort, n_pixels),
        lambda_rd=presets.lambda_of_bpp(bpp) * LOSSES[options.loss].slope,
        loss=LOSSES[options.loss],
        schedule=Schedule(learning_rate=presets.learning_rate_for(model)),
        time_budget=options.time_budget,
        seed=options.seed,
    )
    return model, config
