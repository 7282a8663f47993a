"""Named codecs, and what quality and effort mean: from a user's two numbers to a network and a fit.

Quality moves the rate: it names the bits per pixel that an average photograph takes, from which follow lambda and, of
coordinate networks, the number of weights. Effort moves the number of passes over the picture and nothing else.
"""

import itertools
import math
from collections.abc import Sequence

from inrc import published_latents
from inrc.checks import checked_name
from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, LatentGridConfig, ModelConfig, ModelFamily
from inrc.errors import ConfigError
from inrc.layout import feature_counts, n_in_tables
from inrc.losses import DEFAULT_LOSS as DEFAULT_LOSS
from inrc.losses import LOSSES as LOSSES
from inrc.preset import CoordinateCodec, LatentCodec, Preset, Rung, tapered
from inrc.published import SYSTEMS
from inrc.training import Training

MIN_QUALITY, MAX_QUALITY = 0.0, 100.0
MIN_EFFORT, MAX_EFFORT = 1, 9
DEFAULT_QUALITY = 50.0
DEFAULT_EFFORT = 4

_LOWEST_BPP = 0.03
_OCTAVES = 6.0
_BITS_PER_WEIGHT = 4.7
_NEAR_RUNG = 1.5
_MOST_WEIGHTS = 1 << 19
"""Weights that every decoder accepts."""
_REFERENCE_PIXELS = 768 * 512
_REFERENCE_BPP = 0.15
_REFERENCE_LAMBDA = 7e-3
_RELU_RATE = 2e-2
_MINIBATCH_PIXELS = 24576
_LAST_SHORT_EFFORT = 4
_FEW_STEPS = 1500
_LATENT_REFERENCE_BPP = 0.45
_LATENT_REFERENCE_LAMBDA = 1e-3
LONGEST_WITH_INIT = 600
"""Steps of a fit of latents up to which it starts at the shipped inits (experiments/NOTES.md, section 19)."""
_LEAST_LONG = 5000
"""Steps from which a fit has the slow schedule and, of a large picture, large networks (experiments/NOTES.md, 26)."""
_LARGE_NETWORK_PIXELS = 1 << 16
"""From which large networks win more than their hundred bytes (experiments/NOTES.md, 26.3)."""
_LATENT_STEPS = {1: 100, 2: 200, 3: 400, 4: 600, 5: 1000, 6: 2000, 7: 4000, 8: 10_000, 9: 30_000}
_PASSES = {1: 6.0, 2: 15.0, 3: 35.0, 4: 70.0, 5: 140.0, 6: 300.0, 7: 600.0, 8: 1500.0, 9: 4000.0}


LATENT_CODECS = {
    codec.name: codec
    for codec in (
        LatentCodec(
            "latent-grid",
            "pyramid of latents with hyper grids and cross features (after COOL-CHIC 5); the default from 128x128 on",
            LatentGridConfig(),
            large=LatentGridConfig(n_spatial=14, synthesis_width=48),
        ),
        published_latents.COOL_CHIC,
        published_latents.C3,
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
            "SIREN of constant width on bare coordinates (COIN's network), trained and stored as this project does",
            ModelFamily.SIREN,
            EncodingConfig(EncodingKind.NONE),
            (1.0,) * 10,
        ),
        CoordinateCodec(
            "siren-paper",
            "SIREN of four equally wide sine layers on bare coordinates (SIREN, Sitzmann 2020)",
            ModelFamily.SIREN,
            EncodingConfig(EncodingKind.NONE),
            (1.0,) * 4,
            year=2020,
            about=(
                "Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions. The same: the "
                "network that the paper fits to pictures, omega_0 = 30, and its initialisation. Different: the paper "
                "stores no files, so that widths follow the rate, and training and storage are this project's."
            ),
        ),
        CoordinateCodec(
            "siren-nerf",
            "tapered SIREN on powers of two (NeRF's encoding, Mildenhall 2020)",
            ModelFamily.SIREN,
            EncodingConfig(EncodingKind.NERF, 9),
            (1.0, 0.625, 0.4375, 0.375),
        ),
        CoordinateCodec(
            "nerf-pe",
            "ReLU network on powers of two (the positional encoding of NeRF, Mildenhall 2020)",
            ModelFamily.FOURIER,
            EncodingConfig(EncodingKind.NERF, 10),
            (1.0, 1.0, 1.0, 1.0),
            year=2020,
            about=(
                "Mildenhall et al., NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis, as an "
                "image codec. The same: coordinates with ten powers of two, a ReLU network of equal widths. Different: "
                "frequencies are multiples of pi, as in the paper's formula, and stop at the picture's Nyquist rate; "
                "four layers for its eight; outputs are linear; training and storage are this project's."
            ),
        ),
        CoordinateCodec(
            "fourier",
            "ReLU network on Gaussian Fourier features (Tancik 2020)",
            ModelFamily.FOURIER,
            EncodingConfig(EncodingKind.GAUSSIAN, 48, sigma=10.0),
            (1.0, 1.0, 1.0),
            year=2020,
            about=(
                "Tancik et al., Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional "
                "Domains. The same: Gaussian frequencies with a standard deviation of 10 cycles, a ReLU network of "
                "equal widths. Different: 48 frequencies for 256, since the first layer is part of the file; they are "
                "a fixed sequence that every decoder knows; outputs are linear; training and storage are this "
                "project's."
            ),
        ),
        *SYSTEMS,
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


def loss_of(codec: str) -> str:
    """Name of the loss of the codec called `codec`; the usual one where the choice of the codec is left."""
    return CODECS[codec].loss if codec in CODECS else DEFAULT_LOSS


def bpp_of_quality(quality: float) -> float:
    """Bits per pixel that `quality` aims at on an average photograph: 0.03 at 0, doubling every 16.7, 1.92 at 100."""
    if not MIN_QUALITY <= quality <= MAX_QUALITY:
        raise ConfigError(f"the quality is {quality:g}; it must lie in {MIN_QUALITY:g}..{MAX_QUALITY:g}")
    return _LOWEST_BPP * 2.0 ** (quality / MAX_QUALITY * _OCTAVES)


def quality_of_bpp(bpp: float) -> float:
    """The quality that aims at so many bits per pixel; inverse of `bpp_of_quality`."""
    return math.log2(bpp / _LOWEST_BPP) / _OCTAVES * MAX_QUALITY


def lambda_of_bpp(bpp: float) -> float:
    """Loss (squared error, unit range) per bit and pixel at which photographs take about `bpp`."""
    return _REFERENCE_LAMBDA * (bpp / _REFERENCE_BPP) ** -1.35


def latent_lambda_of_bpp(bpp: float) -> float:
    """Loss (squared error, unit range) per bit and pixel at which latents of photographs take about `bpp`."""
    return _LATENT_REFERENCE_LAMBDA * (bpp / _LATENT_REFERENCE_BPP) ** -1.35


def quality_of_latent_lambda(lambda_rd: float) -> float:
    """The quality that leads to a lambda where there are latents."""
    bpp = _LATENT_REFERENCE_BPP * (lambda_rd / _LATENT_REFERENCE_LAMBDA) ** (-1 / 1.35)
    return quality_of_bpp(bpp)


def steps_of_effort(effort: int, n_pixels: int = _REFERENCE_PIXELS) -> int:
    """Steps of a fit of latents at an effort of 1..9; each sees the whole picture.

    The table holds up to 768x512; a larger picture has fewer, by the square root of the ratio and at least a fifth.
    """
    if effort not in _LATENT_STEPS:
        raise ConfigError(f"the effort is {effort}; it must be a whole number in {MIN_EFFORT}..{MAX_EFFORT}")
    return max(1, round(_LATENT_STEPS[effort] * min(max((_REFERENCE_PIXELS / n_pixels) ** 0.5, 0.2), 1.0)))


def is_long(n_steps: int) -> bool:
    """Whether a fit of latents has steps enough for the slow schedule, and its picture for large networks."""
    return n_steps >= _LEAST_LONG


def latent_model_for(codec: LatentCodec, n_steps: int, n_pixels: int) -> LatentGridConfig:
    """The networks of a codec for a fit: large ones where it is long and the picture pays for them."""
    if codec.large is None or not is_long(n_steps) or n_pixels < _LARGE_NETWORK_PIXELS:
        return codec.model
    return codec.large


def phase_factor_for(effort: int, n_pixels: int) -> int:
    """Minibatches of a picture are every n-th row and column of it: here is n, 1..16.

    They have about 24,000 pixels. Up to effort 4 they have a quarter of that: more steps to a pass take a short fit
    much further, and their noise holds a long one back (experiments/NOTES.md).
    """
    wanted = _MINIBATCH_PIXELS if effort > _LAST_SHORT_EFFORT else _MINIBATCH_PIXELS / 4
    return min(max(round(math.sqrt(n_pixels / wanted)), 1), 16)


def learning_rate_for(model: ModelConfig, n_pixels: int = _REFERENCE_PIXELS, phase_factor: int = 4) -> float:
    """Peak learning rate of a network, less for deep ones and where minibatches are noisy.

    ReLU networks, hash grids among them, take 2e-2 at any width: 3e-3 is 1.2 dB worse at equal bytes with a hash grid,
    and 2e-3 is up to 9 dB worse without one. Sine networks take 3e-3, and less where they are wide: they diverge above
    0.2 over the first width. Above 4 over the number of hidden layers of that, networks collapse to the mean colour.
    The variance of a minibatch of m out of n pixels goes with 1 / m - 1 / n.

    Args:
      model: the network.
      n_pixels: of the picture.
      phase_factor: minibatches keep every so many-th row and column.
    """
    variance = _MINIBATCH_PIXELS * (phase_factor**2 - 1) / n_pixels
    noise = 1.0 if variance <= 1.0 else 1.0 / math.sqrt(variance)
    peak = min(3e-3, 0.2 / model.widths[0]) if model.family is ModelFamily.SIREN else _RELU_RATE
    return peak * min(1.0, 4 / len(model.widths)) * noise


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


def model_for(
    codec: CoordinateCodec, *, n_weights: float, shape: Sequence[int], n_outputs: int, exact: bool = False
) -> ModelConfig:
    """The codec's network of about `n_weights` parameters.

    Args:
      codec: the family.
      n_weights: wanted; the result has the nearest number that whole widths allow.
      shape: samples per axis of the signal.
      n_outputs: channels.
      exact: whether the sizes of a published ladder are scaled to that number where the nearest of them is within a
        factor of 1.5; usually it is taken as it is.
    """

    def count(widths: tuple[int, ...], encoding: EncodingConfig | HashGridEncoding = codec.encoding) -> int:
        sizes = [sum(feature_counts(encoding, shape)), *widths, n_outputs]
        return n_in_tables(encoding, shape) + sum((a + int(codec.bias)) * b for a, b in itertools.pairwise(sizes))

    rung = Rung(())
    if codec.ladder:
        counts = [count(each.widths, each.encoding or codec.encoding) for each in codec.ladder]
        distances = [abs(math.log(n / n_weights)) if n <= _MOST_WEIGHTS else math.inf for n in counts]
        rung = codec.ladder[distances.index(min(distances))]
        if rung.encoding is not None or (not exact and min(distances) <= math.log(_NEAR_RUNG)):
            return codec.network(rung.widths, rung.modulator, rung.encoding)
    taper = rung.taper or codec.taper

    def widths(first: int) -> tuple[int, ...]:
        return tapered(taper, first)

    low, high = 2, 4096
    while low < high:
        middle = (low + high) // 2
        if count(widths(middle)) < n_weights:
            low = middle + 1
        else:
            high = middle
    is_nearest = low == 2 or count(widths(low)) - n_weights < n_weights - count(widths(low - 1))
    return codec.network(widths(low if is_nearest else low - 1), rung.modulator)


def training_passes(training: Training, effort: int, n_pixels: int) -> tuple[float, int]:
    """(passes over a picture, phase factor of its minibatches) of a published training at an effort of 1..9.

    Effort 9 is the published schedule. Below it, fits have as many passes as this project's own, if that is fewer, in
    its minibatches, so that they lose as few steps as possible.
    """
    n_passes = passes_of_effort(effort, n_pixels)
    if effort == MAX_EFFORT or n_passes >= training.n_passes:
        return training.n_passes, training.phase_factor
    return n_passes, max(training.phase_factor, phase_factor_for(effort, n_pixels))


def n_weights_for(bpp: float, n_pixels: int, bits_per_weight: float = _BITS_PER_WEIGHT) -> float:
    """Parameters that a rate pays for at a number of bits per weight; if not given, at that of this project's fits."""
    return max(16.0, math.ceil(bpp * n_pixels / bits_per_weight))
