"""The options of a file, which `inrc encode` and `inrc batch` share."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import create_mutex_group

from inrc.cli.arguments import one_of, value
from inrc.presets import AUTO_CODEC, CODECS, DEFAULT_EFFORT, DEFAULT_QUALITY, LOSSES

if TYPE_CHECKING:
    from inrc.codec.options import EncodeOptions

_TARGET = create_mutex_group(required=False, title="target (instead of -q)")


@dataclasses.dataclass(frozen=True)
class EncodingArguments:
    """The options of a file.

    Attributes:
      quality: The rate, from 0 to 100: 0 is about 0.03 bits per pixel, and every 17 more double the rate.
      effort: How long encoding takes, from 1 to 9; the rate stays the same. `inrc codecs` shows the steps of every
        effort.
      target_psnr: Reach so many decibels with as few bytes as possible.
      target_bpp: Write a file of at most so many bits per pixel.
      max_bytes: Write a file of at most so many bytes.
      time_budget: End the fit after so many seconds, whatever the effort.
      codec: The network; `inrc codecs` describes every one. auto takes latent grids for all but small pictures.
      loss: The loss that the fit minimises; auto takes the codec's, usually mse, which gives the best PSNR. visual and
        all names with ssim trade PSNR for structure, gradient for edges, total-variation for texture; l1 and
        charbonnier let a few pixels differ more.
      colour: The transform between RGB and the outputs of the network. auto takes the codec's own, and latent grids
        allow no other.
      init: The shared init that the fit starts from; decoding needs it too. auto takes an init that comes with inrc if
        one suits the picture, the codec and the rate. none takes none. Any other value is the first digits of an id, or
        the path of a .npz file.
      seed: The seed of everything random: the same seed gives the same file.
      metadata: What becomes of EXIF and XMP, which may tell who took a picture, when and where. strip leaves both out;
        keep carries them in the file, and decode restores them. The orientation and the ICC profile always count.
    """

    quality: Annotated[float, value("0..100", "-q", hint=None)] = DEFAULT_QUALITY
    effort: Annotated[int, value("1..9", "-e", hint=None)] = DEFAULT_EFFORT
    target_psnr: Annotated[float | None, value("DB"), _TARGET] = None
    target_bpp: Annotated[float | None, value("B"), _TARGET] = None
    max_bytes: Annotated[int | None, value("N"), _TARGET] = None
    time_budget: Annotated[float | None, value("S")] = None
    codec: Annotated[str, one_of([AUTO_CODEC, *CODECS])] = AUTO_CODEC
    loss: Annotated[str, one_of(("auto", *LOSSES))] = "auto"
    colour: Literal["auto", "rgb", "ycbcr", "ycocg", "ycocg-orthonormal"] = "auto"
    init: Annotated[str, value("auto|none|ID|PATH")] = "auto"
    seed: Annotated[int, value("N", hint=None)] = 0
    metadata: Literal["strip", "keep"] = "strip"

    def options(self) -> "EncodeOptions":
        """Returns the options as the Python API takes them.

        Raises:
          ConfigError: A value lies outside its range.
        """
        from inrc.codec.options import EncodeOptions
        from inrc.signal.colour import ColourTransform

        return EncodeOptions(
            codec=self.codec,
            quality=self.quality,
            effort=self.effort,
            target_psnr=self.target_psnr,
            target_bpp=self.target_bpp,
            max_bytes=self.max_bytes,
            time_budget=self.time_budget,
            loss=None if self.loss == "auto" else self.loss,
            seed=self.seed,
            init=self.init,
            metadata=self.metadata,
            colour=None if self.colour == "auto" else ColourTransform[self.colour.upper().replace("-", "_")],
        )
