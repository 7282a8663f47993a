"""What a user may ask of an encode, and the network and the fit that follow from it."""

import dataclasses
import math
from typing import TypedDict

from inrc import presets, shared_init
from inrc.codec.reference import INIT_COLOUR, misfit, reference_of, seen_shape
from inrc.config import LatentGridConfig, Model, ModelConfig
from inrc.errors import ConfigError
from inrc.fit.config import FitConfig
from inrc.fit.latent_config import LatentFitConfig
from inrc.fit.loss import LOSSES
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stages import Schedule
from inrc.layout import feature_counts
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform

AUTO_INIT, NO_INIT = "auto", "none"
_GROUPS_PER_CHUNK = 4
"""Of all fits of latents: efforts share their compiled programs."""
_STEPS_WITH_INIT = 600
"""Of fits of latents, up to which the shipped inits shorten them; longer ones end better from random networks."""
_NEAR_SIZE = 1.6
"""Ratio of numbers of weights up to which an init serves a rate: lambda does the rest."""


@dataclasses.dataclass(frozen=True)
class EncodeOptions:
    """What a user may ask of an encode.

    Attributes:
      codec: name of a codec of `inrc.presets.CODECS`, or "auto": latent grids for all pictures that are not small, but
        where an option is given that coordinate networks alone have.
      quality: 0..100; moves the rate.
      effort: 1..9; moves the time and nothing else.
      target_psnr: decibels; the result lies at most 0.1 dB above.
      target_bpp: bits per pixel that the file does not exceed.
      max_bytes: bytes that the file does not exceed.
      time_budget: seconds for a fit; a search for a PSNR may need several.
      loss: name of a loss of `inrc.fit.loss.LOSSES`.
      seed: of everything random.
      colour: transform between RGB and the network's outputs; YCbCr if not given. Latent grids know RGB alone.
      init: shared init to begin with, which decoding then needs: "auto" takes one that comes with the package where it
        suits the picture, the codec, the rate and, for latent grids, the length of the fit, "none" takes none; else
        digits of an id, or the path of a .npz file, and the network is that init's, whatever the codec.
      model: a network of one's own instead of the codec's.
      fit: a fit of one's own, of the network's kind; effort, time budget, loss and seed are taken from it.
    """

    codec: str = presets.AUTO_CODEC
    quality: float = presets.DEFAULT_QUALITY
    effort: int = presets.DEFAULT_EFFORT
    target_psnr: float | None = None
    target_bpp: float | None = None
    max_bytes: int | None = None
    time_budget: float | None = None
    loss: str = "mse"
    seed: int = 0
    colour: ColourTransform | None = None
    init: str = AUTO_INIT
    model: Model | None = None
    fit: FitConfig | LatentFitConfig | None = None

    def __post_init__(self) -> None:
        if self.codec != presets.AUTO_CODEC:
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

    def byte_limit(self, n_pixels: int) -> int | None:
        """Bytes that the file of a picture must not exceed, if there is such a limit."""
        return self.max_bytes if self.target_bpp is None else int(self.target_bpp * n_pixels / 8)


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
    colour: ColourTransform | None
    init: str
    model: Model | None
    fit: FitConfig | LatentFitConfig | None


def with_codec(options: EncodeOptions, n_pixels: int) -> EncodeOptions:
    """The options with a codec by name where they leave the choice."""
    if options.codec != presets.AUTO_CODEC:
        return options
    codec = presets.codec_for(n_pixels)
    if isinstance(options.model, LatentGridConfig) or isinstance(options.fit, LatentFitConfig):
        codec = presets.LARGE_CODEC
    elif isinstance(options.model, ModelConfig) or isinstance(options.fit, FitConfig) or options.colour is not None:
        codec = presets.SMALL_CODEC
    return dataclasses.replace(options, codec=codec)


def own_colour(options: EncodeOptions) -> ColourTransform:
    """The transform of a coordinate network of three or more channels."""
    return INIT_COLOUR if options.colour is None else options.colour


def has_latents(options: EncodeOptions) -> bool:
    """Whether options with a named codec ask for latent grids.

    Raises:
      InitMismatchError: The named init is not there.
    """
    if options.names_init:
        return isinstance(shared_init.by_name(options.init).model, LatentGridConfig)
    model = options.model or presets.codec_by_name(options.codec)
    return isinstance(model, LatentGridConfig | presets.LatentCodec)


def choose_init(options: EncodeOptions, shape: tuple[int, int], n_channels: int, bpp: float) -> SharedInit | None:
    """The shared init that the options ask for, if they ask for one.

    Args:
      options: what is asked for.
      shape: (height, width) of the picture.
      n_channels: of the picture.
      bpp: bits per pixel that the weights, or weights and latents, should take.

    Raises:
      InitMismatchError: The named init is not there.
      ConfigError: It does not suit the picture.
    """
    if options.init == NO_INIT:
        return None
    options = with_codec(options, math.prod(shape))
    shape = seen_shape(shape)
    if options.names_init:
        init = shared_init.by_name(options.init)
        reference_of(init, shape, n_channels)
        _check_colour(options, n_channels, init)
        return init
    if options.model is not None:
        return None
    codec = presets.codec_by_name(options.codec)
    if isinstance(codec, presets.LatentCodec):
        if _latent_steps(options, shape) > _STEPS_WITH_INIT:
            return None
        return _latent_init(codec, shape, n_channels, _latent_lambda(options, bpp))
    return _coordinate_init(options, codec, shape, n_channels, bpp)


def _check_colour(options: EncodeOptions, n_channels: int, init: SharedInit) -> None:
    colour = options.colour
    if n_channels < 3 or colour is None or isinstance(init.model, LatentGridConfig) or colour is INIT_COLOUR:
        return
    raise ConfigError(
        f"the shared init {init.id.hex()} is of {INIT_COLOUR.name}, the colour {colour.name} is asked for; leave the "
        "colour away or use no init (--init none)"
    )


def _latent_init(
    codec: presets.LatentCodec, shape: tuple[int, int], n_channels: int, lambda_rd: float
) -> SharedInit | None:
    """The shipped init of the nearest lambda."""
    suitable = [
        init for init in shared_init.shipped() if init.model == codec.model and not misfit(init, shape, n_channels)
    ]
    return min(suitable, key=lambda init: abs(math.log(init.lambda_rd / lambda_rd)), default=None)


def _coordinate_init(
    options: EncodeOptions, codec: presets.Codec, shape: tuple[int, int], n_channels: int, bpp: float
) -> SharedInit | None:
    """The shipped init whose network is nearest in size to what the rate pays for."""
    has_levels = isinstance(options.fit, FitConfig) and options.fit.weight_bits is not None
    if has_levels or (n_channels >= 3 and options.colour not in (None, INIT_COLOUR)):
        return None
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


def resolve(
    options: EncodeOptions, shape: tuple[int, ...], n_channels: int, bpp: float, init: SharedInit | None = None
) -> tuple[ModelConfig, FitConfig]:
    """The coordinate network whose size a rate pays for, and the fit of the options' effort.

    Args:
      options: what is asked for.
      shape: of the signal.
      n_channels: of the signal.
      bpp: bits per sample position that the weights should take.
      init: whose network it is, if there is one (`choose_init`).
    """
    n_pixels = math.prod(shape)
    model = options.model if init is None else init.model
    if model is None:
        named = options.codec != presets.AUTO_CODEC
        codec = presets.codec_by_name(options.codec if named else presets.SMALL_CODEC)
        assert isinstance(codec, presets.Codec)
        model = presets.model_for(
            codec,
            n_weights=presets.n_weights_for(bpp, n_pixels),
            n_inputs=sum(feature_counts(codec.encoding, shape)),
            n_outputs=n_channels,
        )
    assert isinstance(model, ModelConfig)
    if isinstance(options.fit, LatentFitConfig):
        raise ConfigError("the fit is one of latent grids, the network is none; give a FitConfig")
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


def resolve_latents(
    options: EncodeOptions, shape: tuple[int, ...], bpp: float, init: SharedInit | None = None
) -> tuple[LatentGridConfig, LatentFitConfig]:
    """The networks of latent grids, and the fit of the options' effort.

    Args:
      options: what is asked for.
      shape: of the picture.
      bpp: bits per pixel that the file of a photograph should take; lambda follows from it.
      init: whose networks they are, if there is one (`choose_init`).

    Raises:
      ConfigError: The options are those of a coordinate network.
    """
    model = options.model if init is None else init.model
    if model is None:
        codec = presets.codec_by_name(options.codec)
        assert isinstance(codec, presets.LatentCodec)
        model = codec.model
    assert isinstance(model, LatentGridConfig)
    if options.colour not in (None, ColourTransform.RGB):
        raise ConfigError(f"the colour {options.colour.name} is asked for; latent grids know RGB alone: leave it away")
    if isinstance(options.fit, FitConfig):
        raise ConfigError("the fit is one of a coordinate network, latent grids need a LatentFitConfig")
    config = options.fit or LatentFitConfig(
        n_steps=_latent_steps(options, shape),
        lambda_rd=_latent_lambda(options, bpp),
        loss=LOSSES[options.loss],
        groups_per_chunk=_GROUPS_PER_CHUNK,
        time_budget=options.time_budget,
        seed=options.seed,
    )
    return model, config


def _latent_steps(options: EncodeOptions, shape: tuple[int, ...]) -> int:
    if isinstance(options.fit, LatentFitConfig):
        return options.fit.n_steps
    return presets.steps_of_effort(options.effort, math.prod(shape))


def _latent_lambda(options: EncodeOptions, bpp: float) -> float:
    if isinstance(options.fit, LatentFitConfig):
        return options.fit.lambda_rd
    return presets.latent_lambda_of_bpp(bpp) * LOSSES[options.loss].slope
