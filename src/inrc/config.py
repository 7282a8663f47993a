"""Configuration values: frozen, validated, built in Python.

`ModelConfig` and `LatentGridConfig` describe networks, which a decoder must know too. Settings of fits, which only
encoders know, are in `inrc.fit`.
"""

import dataclasses
import enum
import math
from typing import Protocol, runtime_checkable

from inrc.errors import ConfigError


def _check_limits(config: object, limits: dict[str, tuple[int, int]]) -> None:
    for name, (low, high) in limits.items():
        if not low <= getattr(config, name) <= high:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must lie in {low}..{high}")


class EncodingKind(enum.IntEnum):
    """How coordinates enter the network; the integer is written to files."""

    NONE = 0
    NERF = 1
    LOG_SPACED = 2
    GAUSSIAN = 3


class ModelFamily(enum.IntEnum):
    """The families of networks that inrc has itself; the integer is written to files."""

    SIREN = 0
    FOURIER = 1
    LATENT_GRID = 2
    HASH_GRID = 3


class WeightStorage(enum.IntEnum):
    """How a file holds the weights of a coordinate network; the integer is written to files.

    Members:
      INTEGERS: multiples of a quantisation step per matrix.
      HALF: binary16 numbers, without loss (COIN, Dupont et al., 2021).
      COMPANDED: powers of integers, times a step per matrix (NIF25, Catania and Allegra, 2025).
    """

    INTEGERS = 0
    HALF = 1
    COMPANDED = 2


@dataclasses.dataclass(frozen=True)
class EncodingConfig:
    """A positional encoding of coordinates in [-1, 1].

    Attributes:
      kind: none (the coordinates themselves), NeRF's powers of two (Mildenhall et al., 2020), log-spaced
        frequencies of ratio 1.4 (Strümpler et al., 2022) or Gaussian features (Tancik et al., 2020).
      n_frequencies: sine-cosine pairs per axis (Gaussian: in all).
      sigma: standard deviation of Gaussian frequencies, in cycles across the picture; a multiple of 0.25.

    Frequencies above the picture's own Nyquist rate are left out (Gaussian: folded back under it).
    """

    kind: EncodingKind = EncodingKind.LOG_SPACED
    n_frequencies: int = 16
    sigma: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.n_frequencies <= 1024:
            raise ConfigError(f"n_frequencies is {self.n_frequencies}; it must lie in 0..1024")
        if self.kind is not EncodingKind.NONE and self.n_frequencies == 0:
            raise ConfigError("n_frequencies is 0; an encoding needs at least 1, or use kind NONE")
        if not (0.25 <= self.sigma <= 16_383 and float(self.sigma * 4).is_integer()):
            raise ConfigError(f"sigma is {self.sigma} cycles; it must be a multiple of 0.25 in 0.25..16383")


@dataclasses.dataclass(frozen=True)
class HashGridEncoding:
    """Features that are read from tables of a file, at several resolutions (Instant-NGP, Müller et al., 2022).

    Level l lays a grid of N_l = floor(coarsest * 2^(growth * l / 8)) cells along the picture's longer side, and of
    square cells along the other. Its nodes have features; where there are more nodes than entries of a table, several
    nodes share one by a hash. A level whose cells are smaller than two pixels is left out.

    Attributes:
      n_levels: grids, 1..16.
      n_features: of a node, 1..8.
      log2_entries: a table has at most 2^log2_entries entries, 4..18.
      coarsest: cells of the first level along the longer side, 1..1024.
      growth: eighths of an octave between two levels, 1..16.
    """

    n_levels: int = 8
    n_features: int = 2
    log2_entries: int = 12
    coarsest: int = 16
    growth: int = 5

    def __post_init__(self) -> None:
        limits = {
            "n_levels": (1, 16),
            "n_features": (1, 8),
            "log2_entries": (4, 18),
            "coarsest": (1, 1024),
            "growth": (1, 16),
        }
        _check_limits(self, limits)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A coordinate network, as a decoder must know it to rebuild it.

    Attributes:
      family: `SIREN` (sine activations, Sitzmann et al., 2020), `FOURIER` (ReLU on an encoding, Tancik et al.) or
        `HASH_GRID` (ReLU on a `HashGridEncoding`, Müller et al., 2022).
      widths: hidden widths, first to last; falling widths are a tapered network (Catania and Allegra, 2023).
      encoding: how coordinates enter.
      omega_0: the frequency factor of every sine layer; a whole number in 1..255.
      bias: whether layers have biases.
      modulator: hidden widths of a second SIREN whose one output moves omega_0 from place to place (NIF, Catania and
        Allegra, 2023); none if empty.
      sampled_phases: whether sines have fixed phases and periods in place of biases (NIF25).
      storage: how files hold the weights.
    """

    family: ModelFamily = ModelFamily.SIREN
    widths: tuple[int, ...] = (64, 40, 28, 24)
    encoding: EncodingConfig | HashGridEncoding = EncodingConfig()
    omega_0: int = 30
    bias: bool = True
    modulator: tuple[int, ...] = ()
    sampled_phases: bool = False
    storage: WeightStorage = WeightStorage.INTEGERS

    def __post_init__(self) -> None:
        if self.family is ModelFamily.LATENT_GRID:
            raise ConfigError("LATENT_GRID is no family of coordinate networks; use LatentGridConfig")
        if (self.family is ModelFamily.HASH_GRID) != isinstance(self.encoding, HashGridEncoding):
            raise ConfigError(
                f"the family is {self.family.name} and the encoding a {type(self.encoding).__name__}; HASH_GRID needs "
                "a HashGridEncoding, and no other family has one"
            )
        if not 1 <= len(self.widths) <= 31:
            raise ConfigError(f"{len(self.widths)} hidden layers; between 1 and 31 are possible")
        if len(self.modulator) > 7:
            raise ConfigError(f"{len(self.modulator)} hidden layers of the modulator; at most 7 are possible")
        for width in (*self.widths, *self.modulator):
            if not 1 <= width <= 4096:
                raise ConfigError(f"a hidden width is {width}; it must lie in 1..4096")
        if not 1 <= self.omega_0 <= 255:
            raise ConfigError(f"omega_0 is {self.omega_0}; it must be a whole number in 1..255")
        if (self.modulator or self.sampled_phases) and self.family is not ModelFamily.SIREN:
            raise ConfigError(f"{self.family.name} has a modulator or sampled phases; only SIREN can have them")
        if self.sampled_phases and self.bias:
            raise ConfigError("the network has biases and sampled phases, which take their place; set bias=False")


@dataclasses.dataclass(frozen=True)
class LatentGridConfig:
    """A pyramid of quantised latents with its networks (COOL-CHIC, Ladune et al., 2023), as a decoder must know it.

    Attributes:
      n_grids: latent grids, of resolutions 1, 1/2, 1/4, ...
      n_hyper: further grids, at the coarsest levels, that only the entropy model uses.
      n_spatial: causal neighbours from which the distribution of a latent is predicted.
      n_cross: features of coarser grids from which it is predicted, too.
      n_cross_levels: number of grids, from the finest on, that have such features.
      context_layers: hidden layers of the context network, all of width n_spatial + n_cross, residual.
      synthesis_width: hidden units per pixel.
      n_residual: 3x3 layers on the channels at the end.
      refinement: whether a grid is filtered by itself before it joins the coarser ones.
    """

    n_grids: int = 7
    n_hyper: int = 3
    n_spatial: int = 12
    n_cross: int = 6
    n_cross_levels: int = 3
    context_layers: int = 2
    synthesis_width: int = 32
    n_residual: int = 2
    refinement: bool = True

    def __post_init__(self) -> None:
        limits = {
            "n_grids": (1, 12),
            "n_hyper": (0, self.n_grids - 1),
            "n_spatial": (1, 14),
            "n_cross": (0, 32),
            "n_cross_levels": (0, self.n_grids - 1),
            "context_layers": (0, 4),
            "synthesis_width": (1, 256),
            "n_residual": (0, 4),
        }
        _check_limits(self, limits)
        if (self.n_cross == 0) != (self.n_cross_levels == 0):
            raise ConfigError("n_cross and n_cross_levels must both be 0 or both be above 0")

    @property
    def family(self) -> ModelFamily:
        """Always `ModelFamily.LATENT_GRID`."""
        return ModelFamily.LATENT_GRID

    @property
    def n_context(self) -> int:
        """Number of inputs and width of the context network."""
        return self.n_spatial + self.n_cross

    @property
    def hyper_levels(self) -> range:
        """Levels that have a hyper grid."""
        return range(self.n_grids - self.n_hyper, self.n_grids)


Model = ModelConfig | LatentGridConfig
"""The configurations of networks that inrc has itself."""


@runtime_checkable
class NetworkConfig(Protocol):
    """The configuration of a network of any family: one of `Model`, or a frozen dataclass that is registered.

    A family is added by `inrc.bitstream.network_fields.register`, which says how files describe its networks.
    """

    @property
    def family(self) -> int:
        """The number that files name the family by."""
        ...


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of a loss, each of them of signals in [0, 1].

    Attributes:
      mse: of e^2, where e is decoded minus reference.
      l1: of |e|.
      log_cosh: of log(cosh(2 e)): log-cosh in the range [-1, 1].
      ssim: of 1 - SSIM.
      ms_ssim: of 1 - MS-SSIM.
      charbonnier: of sqrt(e^2 + 0.005^2) - 0.005.
      gradient: of the mean square of e's two Sobel derivatives.
      total_variation: of |TV(decoded) - TV(reference)|, per channel and sample.

    They are the terms of Catania and Allegra's study (NIF, 2023, and NIF25, 2025), whose range is [-1, 1]. A weight
    there is 4 times as large here where the term is quadratic in e (mse, gradient), twice as large where it is linear
    for large e (l1, Charbonnier, total variation), and the same for log-cosh, SSIM and MS-SSIM. NIF's log-cosh + 0.01
    (1 - SSIM) is nearly mse + 0.005 (1 - SSIM), since log-cosh is half a square near zero.
    """

    mse: float = 1.0
    l1: float = 0.0
    log_cosh: float = 0.0
    ssim: float = 0.0
    ms_ssim: float = 0.0
    charbonnier: float = 0.0
    gradient: float = 0.0
    total_variation: float = 0.0

    def __post_init__(self) -> None:
        weights = dataclasses.astuple(self)
        if not all(0 <= weight < math.inf for weight in weights) or max(weights) <= 0:
            raise ConfigError(
                f"loss weights are {weights}; they must be numbers of 0 or more with at least one above 0"
            )

    @property
    def structural(self) -> bool:
        """Whether a term compares windows or neighbours instead of samples."""
        return self.ssim > 0 or self.ms_ssim > 0 or self.gradient > 0 or self.total_variation > 0

    @property
    def slope(self) -> float:
        """Decrease of this loss per decrease of the mse, as bits are added; roughly, on photographs at 0.1 to 0.5 bpp.

        Lambda is multiplied by it, so that a quality leads to about the same rate with every loss.
        """
        pointwise = self.mse + 10 * self.l1 + 2 * self.log_cosh + 9.7 * self.charbonnier
        structural = 200 * self.ssim + 80 * self.ms_ssim + 0.25 * self.gradient + 12 * self.total_variation
        return pointwise + structural
