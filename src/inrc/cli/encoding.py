"""The options that `inrc encode` and `inrc batch` share: what a file should be."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import create_mutex_group

from inrc.cli.arguments import one_of, value
from inrc.presets import AUTO_CODEC, CODECS, DEFAULT_EFFORT, DEFAULT_QUALITY

if TYPE_CHECKING:
    from inrc.codec.options import EncodeOptions

_TARGET = create_mutex_group(required=False, title="target (instead of -q)")


@dataclasses.dataclass(frozen=True)
class EncodingArguments:
    """What a file should be.

    Attributes:
      quality: 0..100. Moves the rate: 0 is about 0.03 bits per pixel, every 17 more double it.
      effort: 1..9. Moves the time that encoding takes and nothing else. `inrc codecs` says what each means.
      target_psnr: Decibels to reach, with as few bytes as possible.
      target_bpp: Bits per pixel that the file does not exceed.
      max_bytes: Bytes that the file does not exceed.
      time_budget: Seconds after which fitting ends, whatever the effort.
      codec: The network; `inrc codecs` describes them. auto takes latent grids for all but small pictures.
      loss: What the fit minimises; visual and the SSIM kinds trade PSNR for structure.
      colour: Transform between RGB and the network's outputs: auto is the codec's own, which latent grids always have.
      init: The shared init to begin with, which decoding then needs too: auto takes one that comes with inrc where it
        suits picture, codec and rate; none takes none; else digits of an id, or the path of a .npz file.
      seed: Of everything random: the same seed gives the same file.
    """

    quality: Annotated[float, value("0..100", "-q", hint=None)] = DEFAULT_QUALITY
    effort: Annotated[int, value("1..9", "-e", hint=None)] = DEFAULT_EFFORT
    target_psnr: Annotated[float | None, value("DB"), _TARGET] = None
    target_bpp: Annotated[float | None, value("B"), _TARGET] = None
    max_bytes: Annotated[int | None, value("N"), _TARGET] = None
    time_budget: Annotated[float | None, value("S")] = None
    codec: Annotated[str, one_of([AUTO_CODEC, *CODECS])] = AUTO_CODEC
    loss: Literal["mse", "l1", "log-cosh", "visual", "ssim", "msssim"] = "mse"
    colour: Literal["auto", "rgb", "ycbcr", "ycocg", "ycocg-orthonormal"] = "auto"
    init: Annotated[str, value("auto|none|ID|PATH")] = "auto"
    seed: Annotated[int, value("N", hint=None)] = 0

    def options(self) -> "EncodeOptions":
        """The options as the API has them.

        Raises:
          ConfigError: One lies outside its range.
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
            loss=self.loss,
            seed=self.seed,
            init=self.init,
            colour=None if self.colour == "auto" else ColourTransform[self.colour.upper().replace("-", "_")],
        )
