"""What a user may ask of an encode."""

import dataclasses
import os
from typing import TypedDict

from inrc import presets
from inrc.checks import checked_choice, checked_name, checked_number
from inrc.config import NetworkConfig
from inrc.errors import ConfigError
from inrc.fit.task import MAX_SEED, FitConfig
from inrc.presets import LOSSES
from inrc.signal.colour import ColourTransform
from inrc.signal.image import METADATA, STRIP

AUTO_INIT, NO_INIT = "auto", "none"

_MAX_PSNR_DB = 200.0
"""Pictures that differ at all differ by less: one step of 16 bits in one sample of the largest picture is 186 dB."""

_MAX_BPP = 1e6
"""No target needs more: samples as they are take 64 bits per pixel at most."""


@dataclasses.dataclass(frozen=True)
class EncodeOptions:
    """What a user may ask of an encode.

    Attributes:
      codec: name of a codec of `inrc.presets.CODECS`, or "auto": latent grids for all pictures that are not small,
        coordinate networks for small ones and where an option is given that they alone have.
      quality: 0..100; moves the rate.
      effort: 1..9; moves the time and nothing else.
      target_psnr: decibels; the result lies at most 0.1 dB above.
      target_bpp: bits per pixel that the file does not exceed.
      max_bytes: bytes that the file does not exceed. Neither limit makes a file larger than quality 100 does.
      time_budget: seconds for a fit; a search for a PSNR may need several.
      loss: name of a loss of `inrc.presets.LOSSES`; that of the codec, usually "mse", if not given.
      seed: of everything random.
      colour: transform between RGB and the network's outputs, or its name ("ycbcr"); YCbCr if not given. Latent grids
        know RGB alone.
      init: shared init to start from, which decoding then needs: "auto" takes one that comes with the package where it
        suits the picture, the codec, the rate and, for latent grids, the length of the fit; "none" takes none; anything
        else is digits of an id or the path of a .npz file, and the network is that init's, whatever the codec.
      metadata: "keep" carries EXIF and XMP of the picture in the file, which may tell who took it, when and where;
        "strip" carries neither. The orientation and the ICC profile always count.
      model: a network of one's own instead of the codec's.
      fit: a fit of one's own, of the network's kind; effort, time budget, loss and seed are taken from it.

    Raises:
      ConfigError: A name is unknown, a number is out of range, or two options contradict each other.
    """

    codec: str = presets.AUTO_CODEC
    quality: float = presets.DEFAULT_QUALITY
    effort: int = presets.DEFAULT_EFFORT
    target_psnr: float | None = None
    target_bpp: float | None = None
    max_bytes: int | None = None
    time_budget: float | None = None
    loss: str | None = None
    seed: int = 0
    colour: ColourTransform | None = None
    init: str = AUTO_INIT
    metadata: str = STRIP
    model: NetworkConfig | None = None
    fit: FitConfig | None = None

    def __post_init__(self) -> None:
        if self.codec != presets.AUTO_CODEC:
            presets.codec_by_name(self.codec)
        self._check_numbers()
        if self.loss is not None:
            checked_name("loss", self.loss, LOSSES)
        if self.colour is not None:
            object.__setattr__(self, "colour", checked_choice("colour", self.colour, ColourTransform))
        if not isinstance(self.init, str | os.PathLike):
            raise ConfigError(
                f"the init is a {type(self.init).__name__}; give the path of its file, or digits of its id"
            )
        object.__setattr__(self, "init", os.fspath(self.init))
        checked_name("metadata", self.metadata, METADATA)
        targets = [self.target_psnr, self.target_bpp, self.max_bytes]
        if sum(t is not None for t in targets) > 1:
            raise ConfigError("more than one of target_psnr, target_bpp and max_bytes is given; give one of them")
        if self.names_init and self.model is not None:
            raise ConfigError("both a model and an init are given, which has a model of its own; give one of them")

    def _check_numbers(self) -> None:
        """Checks every number, and turns scalars of NumPy and JAX into numbers of Python."""
        numbers = {
            "quality": checked_number("the quality", self.quality, presets.MIN_QUALITY, presets.MAX_QUALITY),
            "effort": checked_number("the effort", self.effort, presets.MIN_EFFORT, presets.MAX_EFFORT, whole=True),
            "seed": checked_number("seed", self.seed, 0, MAX_SEED, whole=True),
        }
        if self.target_psnr is not None:
            numbers["target_psnr"] = checked_number("target_psnr", self.target_psnr, 0, _MAX_PSNR_DB, above=True)
        if self.target_bpp is not None:
            numbers["target_bpp"] = checked_number("target_bpp", self.target_bpp, 0, _MAX_BPP, above=True)
        if self.max_bytes is not None:
            numbers["max_bytes"] = checked_number("max_bytes", self.max_bytes, 1, 2**63 - 1, whole=True)
        if self.time_budget is not None:
            numbers["time_budget"] = checked_number("time_budget", self.time_budget, 0, above=True)
        for name, number in numbers.items():
            object.__setattr__(self, name, number)

    @property
    def has_target(self) -> bool:
        """Whether a PSNR or a number of bytes is asked for."""
        return (self.target_psnr, self.target_bpp, self.max_bytes) != (None, None, None)

    @property
    def loss_name(self) -> str:
        """The loss that is asked for, or that of the codec."""
        return self.loss or presets.loss_of(self.codec)

    @property
    def names_init(self) -> bool:
        """Whether one init and no other is asked for."""
        return self.init not in (AUTO_INIT, NO_INIT)

    def byte_limit(self, n_pixels: int) -> int | None:
        """Bytes that the file of a picture must not exceed, if there is such a limit."""
        return self.max_bytes if self.target_bpp is None else int(self.target_bpp * n_pixels / 8)

    def bpp(self, n_pixels: int) -> float:
        """Bits per pixel that the options aim at: those of the quality, or of a limit up to those of quality 100."""
        limit = self.byte_limit(n_pixels)
        if limit is None:
            return presets.bpp_of_quality(self.quality)
        return min(8 * limit / n_pixels, presets.bpp_of_quality(presets.MAX_QUALITY))


class EncodeKeywords(TypedDict, total=False):
    """The fields of `EncodeOptions` as keyword arguments."""

    codec: str
    quality: float
    effort: int
    target_psnr: float | None
    target_bpp: float | None
    max_bytes: int | None
    time_budget: float | None
    loss: str | None
    seed: int
    colour: ColourTransform | None
    init: str
    metadata: str
    model: NetworkConfig | None
    fit: FitConfig | None
