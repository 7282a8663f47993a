"""Named codecs, and what quality and effort mean: from a user's two numbers to a network and a fit.

Quality moves the rate: it names the bits per pixel that an average photograph takes, from which follow lambda and, of
coordinate networks, the number of weights. Effort moves the number of passes over the picture and nothing else.
"""

import itertools
import math

from inrc.checks import checked_name
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig, ModelFamily
from inrc.errors import ConfigError
from inrc.losses import LOSSES as LOSSES
from inrc.preset import CoordinateCodec, LatentCodec, Preset

MIN_QUALITY, MAX_QUALITY = 0.0, 100.0
MIN_EFFORT, MAX_EFFORT = 1, 9
DEFAULT_QUALITY = 50.0
DEFAULT_EFFORT = 5

_LOWEST_BPP = 0.03
_OCTAVES = 6.0
_BITS_PER_WEIGHT = 4.7
_REFERENCE_PIXELS = 768 * 512
_REFERENCE_BPP = 0.15
_REFERENCE_LAMBDA = 7e-3
_MINIBATCH_PIXELS = 24576
_LAST_SHORT_EFFORT = 4
_FEW_STEPS = 1500
_LATENT_REFERENCE_BPP = 0.45
_LATENT_REFERENCE_LAMBDA = 1e-3
_LATENT_STEPS = {1: 100, 2: 200, 3: 400, 4: 600, 5: 1000, 6: 2000, 7: 4000, 8: 10_000, 9: 30_000}
_PASSES = {1: 6.0, 2: 15.0, 3: 35.0, 4: 70.0, 5: 140.0, 6: 300.0, 7: 600.0, 8: 1500.0, 9: 4000.0}


LATENT_CODECS = {
    codec.name: codec
    for codec in (
        LatentCodec(
            "latent-grid",
            "pyramid of latents with hyper grids and cross features (after COOL-CHIC 5); the default from 128x128 on",
            LatentGridConfig(),
        ),
        LatentCodec(
            "cool-chic",
            "pyramid of latents, a context network, a wide pixel-wise synthesis (COOL-CHIC, Ladune 2023)",
            LatentGridConfig(
                n_hyper=0, n_cross=0, n_cross_levels=0, synthesis_width=40, n_residual=0, refinement=False
            ),
        ),
        LatentCodec(
            "c3",
            "pyramid of latents, more neighbours, 3x3 layers at the end (C3, Kim 2024)",
            LatentGridConfig(
                n_hyper=0, n_spatial=14, n_cross=0, n_cross_levels=0, synthesis_width=32, refinement=False
            ),
        ),
    )
}

COORDINATE_CODECS = {
    codec.name: codec
    for codec in (
        CoordinateCodec(
            "siren",
            "tapered SIREN on log-spaced frequencies (after Strümpler 2022, NIF25); the default for small pictures",
            ModelFamily.SIREN,
            EncodingConfig(EncodingKind.LOG_SPACED, 16),
            (1.0, 0.625, 0.4375, 0.375),
        ),
        CoordinateCodec(
            "siren-plain",
            "SIREN of constant width on bare coordinates (COIN's network, Dupont 2021)",
            ModelFamily.SIREN,
            EncodingConfig(EncodingKind.NONE),
            (1.0,) * 10,
        ),
        CoordinateCodec(
            "siren-nerf",
            "tapered SIREN on powers of two (NeRF's encoding, Mildenhall 2020)",
            ModelFamily.SIREN,
            EncodingConfig(EncodingKind.NERF, 9),
            (1.0, 0.625, 0.4375, 0.375),
        ),
        CoordinateCodec(
            "fourier",
            "ReLU network on Gaussian Fourier features (Tancik 2020)",
            ModelFamily.FOURIER,
            EncodingConfig(EncodingKind.GAUSSIAN, 48, sigma=10.0),
            (1.0, 1.0, 1.0),
        ),
    )
}

AUTO_CODEC = "auto"
SMALL_CODEC, LARGE_CODEC = "siren", "latent-grid"
_LARGE_PIXELS = 128 * 128

CODECS: dict[str, Preset] = {**LATENT_CODECS, **COORDINATE_CODECS}
"""All codecs by name; `add` extends it."""


def add(preset: Preset) -> None:
    """Adds a codec.

    Raises:
      ConfigError: Its name is taken.
    """
    if preset.name in CODECS or preset.name == AUTO_CODEC:
        raise ConfigError(f"there is a codec called {preset.name} already; choose another name")
    CODECS[preset.name] = preset


def codec_for(n_pixels: int) -> str:
    """Name of the codec for a picture: small pictures pay more for the networks of latent grids than latents save."""
    return LARGE_CODEC if n_pixels >= _LARGE_PIXELS else SMALL_CODEC


def codec_by_name(name: str) -> Preset:
    """The codec called `name`.

    Raises:
      ConfigError: There is none.
    """
    return CODECS[checked_name("codec", name, CODECS)]


def bpp_of_quality(quality: float) -> float:
    """Bits per pixel that `quality` aims at on an average photograph: 0.03 at 0, doubling every 16.7, 1.92 at 100."""
    if not MIN_QUALITY <= quality <= MAX_QUALITY:
        raise ConfigError(f"the quality is {quality:g}; it must lie in {MIN_QUALITY:g}..{MAX_QUALITY:g}")
    return _LOWEST_BPP * 2.0 ** (quality / MAX_QUALITY * _OCTAVES)


def lambda_of_bpp(bpp: float) -> float:
    """Loss (squared error, unit range) per bit and pixel at which photographs take about `bpp`."""
    return _REFERENCE_LAMBDA * (bpp / _REFERENCE_BPP) ** -1.35


def latent_lambda_of_bpp(bpp: float) -> float:
    """Loss (squared error, unit range) per bit and pixel at which latents of photographs take about `bpp`."""
    return _LATENT_REFERENCE_LAMBDA * (bpp / _LATENT_REFERENCE_BPP) ** -1.35


def quality_of_latent_lambda(lambda_rd: float) -> float:
    """The quality that leads to a lambda where there are latents."""
    bpp = _LATENT_REFERENCE_BPP * (lambda_rd / _LATENT_REFERENCE_LAMBDA) ** (-1 / 1.35)
    return math.log2(bpp / _LOWEST_BPP) / _OCTAVES * MAX_QUALITY


def steps_of_effort(effort: int, n_pixels: int = _REFERENCE_PIXELS) -> int:
    """Steps of a fit of latents at an effort of 1..9; each sees the whole picture.

    The table holds up to 768x512; a larger picture has fewer, by the square root of the ratio and at least a fifth.
    """
    if effort not in _LATENT_STEPS:
        raise ConfigError(f"the effort is {effort}; it must be a whole number in {MIN_EFFORT}..{MAX_EFFORT}")
    return max(1, round(_LATENT_STEPS[effort] * min(max((_REFERENCE_PIXELS / n_pixels) ** 0.5, 0.2), 1.0)))


def phase_factor_for(effort: int, n_pixels: int) -> int:
    """Minibatches of a picture are every n-th row and column of it: here is n, 1..16.

    They have about 24,000 pixels. Up to effort 4 they have a quarter of that: more steps to a pass take a short fit
    much further, and their noise holds a long one back (experiments/NOTES.md).
    """
    wanted = _MINIBATCH_PIXELS if effort > _LAST_SHORT_EFFORT else _MINIBATCH_PIXELS / 4
    return min(max(round(math.sqrt(n_pixels / wanted)), 1), 16)


def learning_rate_for(model: ModelConfig, n_pixels: int = _REFERENCE_PIXELS, phase_factor: int = 4) -> float:
    """Peak learning rate of a network: 3e-3, less for wide ones, for deep ones, and where minibatches are noisy.

    Above 0.2 over the first width fits diverge; above 4 over the number of hidden layers of that, they collapse to the
    mean colour. The variance of a minibatch of m out of n pixels goes with 1 / m - 1 / n.

    Args:
      model: the network.
      n_pixels: of the picture.
      phase_factor: minibatches keep every so many-th row and column.
    """
    variance = _MINIBATCH_PIXELS * (phase_factor**2 - 1) / n_pixels
    noise = 1.0 if variance <= 1.0 else 1.0 / math.sqrt(variance)
    return min(3e-3, 0.2 / model.widths[0]) * min(1.0, 4 / len(model.widths)) * noise


def momentum_for(n_steps: float) -> float:
    """Decay of the optimiser's first moment: short fits cannot wait for a slow one."""
    return 0.9 if n_steps <= _FEW_STEPS else 0.95


def passes_of_effort(effort: int, n_pixels: int = _REFERENCE_PIXELS) -> float:
    """Passes over a picture of `n_pixels` at an effort of 1..9.

    The table holds for 768x512; a smaller picture has fewer steps to a pass and takes more passes, by the ratio to the
    power of 3/4 and at most 32 times as many; a larger one fewer, at least a quarter.
    """
    if effort not in _PASSES:
        raise ConfigError(f"the effort is {effort}; it must be a whole number in {MIN_EFFORT}..{MAX_EFFORT}")
    return _PASSES[effort] * min(max((_REFERENCE_PIXELS / n_pixels) ** 0.75, 0.25), 32.0)


def model_for(codec: CoordinateCodec, *, n_weights: float, n_inputs: int, n_outputs: int) -> ModelConfig:
    """The codec's network of about `n_weights` parameters.

    Args:
      codec: the family.
      n_weights: wanted; the result has the nearest number that whole widths allow.
      n_inputs: features that enter the first layer.
      n_outputs: channels.
    """

    def widths(first: int) -> tuple[int, ...]:
        return tuple(max(2, round(first * ratio)) for ratio in codec.taper)

    def count(first: int) -> int:
        sizes = [n_inputs, *widths(first), n_outputs]
        return sum((a + int(codec.bias)) * b for a, b in itertools.pairwise(sizes))

    low, high = 2, 4096
    while low < high:
        middle = (low + high) // 2
        if count(middle) < n_weights:
            low = middle + 1
        else:
            high = middle
    first = low if low == 2 or count(low) - n_weights < n_weights - count(low - 1) else low - 1
    return ModelConfig(codec.family, widths(first), codec.encoding, codec.omega_0, codec.bias)


def n_weights_for(bpp: float, n_pixels: int) -> float:
    """Parameters that a rate pays for at the usual bits per weight."""
    return max(16.0, math.ceil(bpp * n_pixels / _BITS_PER_WEIGHT))
