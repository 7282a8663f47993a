"""What encoding needs of a family of models: one interface, from the user's options to a file's contents.

    options -> resolve -> Plan -> fit -> FitResult -> rounded -> Candidate -> meet the target -> File

`encode` and `batch` know no family. A further family derives `Family` and `FamilyFormat`, and is given to
`inrc.codec.families.register`; CONTRIBUTING, "Add a family", says how.
"""

import abc
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from inrc.bitstream.header import Header
from inrc.bitstream.network_fields import NetworkFields
from inrc.codec.family_format import FamilyFormat
from inrc.codec.options import EncodeOptions
from inrc.codec.plan import Candidate, Fitter, Goal, Plan, Resolved, Trial
from inrc.errors import ConfigError
from inrc.fit.task import FitResult, Progress, Target
from inrc.presets import Preset
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform


class Family(abc.ABC):
    """A family of models as the encoder sees it; its subclasses are final.

    Attributes:
      format: how its models are stored.
      fields: how its networks are written in headers.
      fit_config: type of the configurations of its fits.
      preset: type of its presets.
      codecs: its presets.
      least_payload: bytes that a file needs beside its overhead, at least.
      psnr_margin_db: by how much a trial may exceed an asked-for PSNR and end the search.
    """

    format: ClassVar[FamilyFormat]
    fields: ClassVar[NetworkFields]
    fit_config: ClassVar[type]
    preset: ClassVar[type]
    codecs: ClassVar[tuple[Preset, ...]] = ()
    least_payload: ClassVar[int] = 1
    psnr_margin_db: ClassVar[float] = 0.1

    @abc.abstractmethod
    def resolve(
        self,
        options: EncodeOptions,
        shape: tuple[int, ...],
        n_channels: int,
        bpp: float,
        init: SharedInit | None = None,
    ) -> Resolved:
        """The network and the fit that options mean.

        Args:
          options: what is asked for; the codec is named.
          shape: samples per axis of the picture.
          n_channels: of the picture.
          bpp: bits per pixel that the file should take.
          init: whose network it is, if there is one.

        Raises:
          ConfigError: The options do not suit the family.
        """

    @abc.abstractmethod
    def bucket(self, plan: Plan) -> Hashable:
        """Plans of one bucket can be fitted and rounded together."""

    @abc.abstractmethod
    def side_by_side(self, plan: Plan) -> int:
        """Fits of the plan's bucket that suit one device at a time."""

    @abc.abstractmethod
    def fit(
        self,
        plans: Sequence[Plan],
        *,
        side_by_side: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        checkpoint_path: Path | None = None,
    ) -> Sequence[FitResult]:
        """Fits pictures of one bucket.

        Args:
          plans: of the pictures.
          side_by_side: fits of a group on one device; None for a picture alone, which then need not be padded.
          progress: called between chunks of steps; may raise KeyboardInterrupt, which ends the fits early.
          checkpoint_path: where an interrupted fit is kept and resumed from.
        """

    @abc.abstractmethod
    def rounded(self, plans: Sequence[Plan], results: Sequence[FitResult]) -> list[Candidate]:
        """Contents of files from the fits of one bucket."""

    def sees_transposed(self, shape: tuple[int, int], has_init: bool) -> bool:
        """Whether the network sees a picture of (height, width) with rows and columns exchanged."""
        del shape, has_init
        return False

    def target(self, values: np.ndarray, header: Header) -> Target:
        """What is fitted, from unit values [C, h, w] as the network sees them."""
        del header
        return Target(values)

    def shipped_init(
        self, options: EncodeOptions, shape: tuple[int, int], n_channels: int, bpp: float
    ) -> SharedInit | None:
        """The init among those of the package that suits a picture best, if one does."""
        del options, shape, n_channels, bpp
        return None

    def check_init(self, options: EncodeOptions, n_channels: int, init: SharedInit) -> None:
        """Refuses an init by name whose use contradicts other options.

        Raises:
          ConfigError: It does.
        """
        return

    def bpp_of_bytes(self, max_bytes: int, overhead: int, n_pixels: int) -> float:
        """Bits per pixel to plan for where a file may have `max_bytes`.

        Args:
          max_bytes: of the file.
          overhead: bytes of them that are neither weights nor latents.
          n_pixels: of the picture.
        """
        del overhead
        return 8 * max_bytes / n_pixels

    # Meeting a target: see `inrc.codec.search` --------------------------------------------------------------------

    def may_refit(self, trials: list[Trial], goal: Goal, *, trimming_failed: bool = False) -> bool:
        """Whether a search that has come to these trials takes another fit.

        Args:
          trials: so far.
          goal: of the search.
          trimming_failed: whether `trimmed` has made nothing of them that keeps what is asked for.
        """
        del trials, goal, trimming_failed
        return False

    def refit(self, picture: Fitter, trials: list[Trial], goal: Goal) -> tuple[Plan, Candidate]:
        """Another fit, nearer to the goal than the trials so far."""
        raise AssertionError(f"{type(self).__name__} takes no further fits")

    def trimmed(self, picture: Fitter, trials: list[Trial], best: Trial | None, goal: Goal) -> Trial | None:
        """The best trial, or one that is made of another by coarser rounding and is better."""
        del picture, trials, goal
        return best

    # ---------------------------------------------------------------------------------------------------------------

    def accepts(self, options: EncodeOptions) -> bool:
        """Whether the network, the fit and the colour that options name are of this family."""
        return (
            (options.model is None or isinstance(options.model, self.format.network))
            and (options.fit is None or isinstance(options.fit, self.fit_config))
            and (options.colour is None or self.fields.has_colour or self._is_rgb_by_name(options))
        )

    def _is_rgb_by_name(self, options: EncodeOptions) -> bool:
        """Whether RGB is asked for beside a network or a fit, which then decides the family."""
        return options.colour is ColourTransform.RGB and (options.model, options.fit) != (None, None)

    def check(self, options: EncodeOptions) -> None:
        """Refuses options that name parts of another family.

        Raises:
          ConfigError: They do.
        """
        if options.model is not None and not isinstance(options.model, self.format.network):
            raise ConfigError(
                f"the model is a {type(options.model).__name__}; the codec {options.codec} needs a "
                f"{self.format.network.__name__}"
            )
        if options.fit is not None and not isinstance(options.fit, self.fit_config):
            raise ConfigError(
                f"the fit is a {type(options.fit).__name__}; this network needs a {self.fit_config.__name__}"
            )
        if options.colour not in (None, ColourTransform.RGB) and not self.fields.has_colour:
            raise ConfigError(
                f"the colour {options.colour.name} is asked for; networks of this family know RGB alone: leave it away"
            )
