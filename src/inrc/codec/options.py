"""What a user may ask of an encode, and the network and the fit that follow from it."""

import dataclasses
import math
from typing import TypedDict

from inrc import presets, shared_init
from inrc.codec.reference import INIT_COLOUR, misfit, reference_of, seen_shape
from inrc.config import ModelConfig
from inrc.errors import ConfigError
from inrc.fit.config import FitConfig
from inrc.fit.loss import LOSSES
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stages import Schedule
from inrc.layout import feature_counts
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform

AUTO_INIT, NO_INIT = "auto", "none"
_NEAR_SIZE = 1.6
"""Ratio of numbers of weights up to which an init serves a rate: lambda does the rest."""


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
      init: shared init to begin with, which decoding then needs: "auto" takes one that comes with the package where it
        suits the picture, the codec and the rate, "none" takes none; else digits of an id, or the path of a .npz file,
        and the network is that init's, whatever the codec.
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
    init: str = AUTO_INIT
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
        if self.names_init and self.model is not None:
            raise ConfigError("both a model and an init are given, which has a model of its own; give one of them")
        for name in ("target_psnr", "target_bpp", "max_bytes", "time_budget"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise ConfigError(f"{name} is {value}; it must be above 0")

    @property
    def names_init(self) -> bool:
        """Whether one init and no other is asked for."""
        return self.init not in (AUTO_INIT, NO_INIT)


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
    init: str
    model: ModelConfig | None
    fit: FitConfig | None


def choose_init(options: EncodeOptions, shape: tuple[int, int], n_channels: int, bpp: float) -> SharedInit | None:
    """The shared init that the options ask for, if they ask for one.

    Args:
      options: what is asked for.
      shape: (height, width) of the picture.
      n_channels: of the picture.
      bpp: bits per pixel that the weights should take.

    Raises:
      InitMismatchError: The named init is not there.
      ConfigError: It does not suit the picture.
    """
    if options.init == NO_INIT:
        return None
    shape = seen_shape(shape)
    if options.names_init:
        init = shared_init.by_name(options.init)
        reference_of(init, shape, n_channels)
        if not _has_colour_of_inits(options, n_channels):
            raise ConfigError(
                f"the shared init {init.id.hex()} is of {INIT_COLOUR.name}, the colour {options.colour.name} is asked "
                "for; leave the colour away or use no init (--init none)"
            )
        return init
    weight_bits = None if options.fit is None else options.fit.weight_bits
    if options.model is not None or weight_bits is not None or not _has_colour_of_inits(options, n_channels):
        return None
    codec = presets.codec_by_name(options.codec)
    wanted = presets.n_weights_for(bpp, math.prod(shape))

    def distance(init: SharedInit) -> float:
        return abs(math.log(reference_of(init, shape, n_channels).n_weights / wanted))

    suitable = [
        init
        for init in shared_init.shipped()
        if isinstance(init.model, ModelConfig)
        and (init.model.family, init.model.encoding) == (codec.family, codec.encoding)
        and not misfit(init, shape, n_channels)
        and distance(init) <= math.log(_NEAR_SIZE)
    ]
    return min(suitable, key=distance, default=None)


def _has_colour_of_inits(options: EncodeOptions, n_channels: int) -> bool:
    return n_channels < 3 or options.colour is INIT_COLOUR


def resolve(
    options: EncodeOptions, shape: tuple[int, ...], n_channels: int, bpp: float, init: SharedInit | None = None
) -> tuple[ModelConfig, FitConfig]:
    """The network whose size a rate pays for, and the fit of the options' effort.

    Args:
      options: what is asked for.
      shape: of the signal.
      n_channels: of the signal.
      bpp: bits per sample position that the weights should take.
      init: whose network it is, if there is one (`choose_init`).
    """
    codec = presets.codec_by_name(options.codec)
    n_pixels = math.prod(shape)
    model = options.model
    if init is not None:
        assert isinstance(init.model, ModelConfig)
        model = init.model
    model = model or presets.model_for(
        codec,
        n_weights=presets.n_weights_for(bpp, n_pixels),
        n_inputs=sum(feature_counts(codec.encoding, shape)),
        n_outputs=n_channels,
    )
    n_passes = presets.passes_of_effort(options.effort, n_pixels)
    factor = presets.phase_factor_for(options.effort, n_pixels)
    config = options.fit or FitConfig(
        n_passes=n_passes,
        phase_factor=factor,
        optimiser=OptimiserConfig(beta_1=presets.momentum_for(n_passes * factor**2)),
        lambda_rd=presets.lambda_of_bpp(bpp) * LOSSES[options.loss].slope,
        loss=LOSSES[options.loss],
        schedule=Schedule(learning_rate=presets.learning_rate_for(model, n_pixels, factor)),
        time_budget=options.time_budget,
        seed=options.seed,
    )
    return model, config
