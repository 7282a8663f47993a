"""A picture to the bytes of an `.inr` file."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

import jax.numpy as jnp
import numpy as np

from inrc import presets
from inrc.bitstream import header as headers
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import pack
from inrc.codec.decode import render_weights
from inrc.codec.pack import Weights
from inrc.config import ModelConfig
from inrc.errors import ConfigError, TargetNotReachedError
from inrc.fit.config import FitConfig, FitResult, Progress, Target
from inrc.fit.loop import fit
from inrc.fit.loss import LOSSES
from inrc.fit.program import distortion
from inrc.fit.stages import Schedule
from inrc.metrics.psnr import psnr_db
from inrc.models.encoding import feature_counts
from inrc.quant.search import coarsen_until, search_steps
from inrc.signal.colour import ColourTransform
from inrc.signal.image import Image, ImageSource, read_image, to_unit

_MAX_ATTEMPTS = 4
_MAX_SINGLE_SHRINKS = 24
_DB_PER_OCTAVE = 1.9
"""PSNR that a doubling of the rate buys, for the first guess of a search."""


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


@dataclasses.dataclass(frozen=True)
class EncodeStats:
    """What an encode came to; quality is measured on the pixels that the file decodes to.

    Attributes:
      width, height, channels, bit_depth: of the picture.
      n_bytes: size of the file.
      bpp: 8 * n_bytes over the number of pixels.
      psnr_db: over all channels; infinite for an exact copy.
      n_weights: parameters of the network.
      bits_per_weight: ideal code length of the weights over their number.
      header_bytes: bytes of the file that are neither weights nor optional sections.
      n_steps: optimiser steps of the last fit.
      encode_seconds: everything, reading excepted.
      compile_seconds: part of it that went into the fit's compilation.
      interrupted: whether the user cut the fit short.
      codec: name of the codec.
      seed: of everything random.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    n_bytes: int
    bpp: float
    psnr_db: float
    n_weights: int
    bits_per_weight: float
    header_bytes: int
    n_steps: int
    encode_seconds: float
    compile_seconds: float
    interrupted: bool
    codec: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A file's bytes and what is known of them."""

    data: bytes
    stats: EncodeStats


def encode(
    image: Image | np.ndarray | ImageSource,
    options: EncodeOptions | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> Encoded:
    """Encodes a picture: `encode("photo.png", quality=60, effort=3)`.

    Args:
      image: a picture, its pixels [H, W, C] (uint8 or uint16), or where to read it.
      options: what to aim at; the defaults if not given.
      progress: called between chunks of steps.
      checkpoint_path: where an interrupted encode is kept and resumed from; a search for a PSNR adds .2, .3, ... to the
        name for its later fits. The caller removes them once the result is safe.
      **keywords: fields of `EncodeOptions`, which replace those of `options`.

    Returns:
      The file's bytes, already decoded once: `stats.psnr_db` is that of the decoded pixels.

    Raises:
      ImageError: The picture cannot be read or is of a kind that inrc does not hold.
      ConfigError: The options contradict each other or the picture.
      TargetNotReachedError: The target lies beyond what the codec reaches; the message says what was reached.
    """
    began = time.monotonic()
    options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
    if isinstance(image, np.ndarray):
        image = Image(image)
    elif not isinstance(image, Image):
        image = read_image(image)
    job = _Job(image, options, progress, checkpoint_path)
    if options.target_psnr is not None:
        candidate = _meet_psnr(job, options.target_psnr)
    elif options.target_bpp is not None or options.max_bytes is not None:
        candidate = _meet_bytes(
            job, options.max_bytes or int((options.target_bpp or 0) * image.height * image.width / 8)
        )
    else:
        candidate = job.run(presets.bpp_of_quality(options.quality))
    return _finish(job, candidate, began)


@dataclasses.dataclass(frozen=True)
class _Candidate:
    header: Header
    weights: Weights
    result: FitResult
    lambda_rd: float


class _Job:
    """One picture with its options; `run` fits it at a rate."""

    def __init__(
        self,
        image: Image,
        options: EncodeOptions,
        progress: Callable[[Progress], None] | None,
        checkpoint_path: Path | None,
    ) -> None:
        self.image = image
        self.options = options
        self.progress = progress
        self.checkpoint_path = checkpoint_path
        self.n_runs = 0
        self.n_pixels = image.height * image.width
        self.values = np.ascontiguousarray(np.moveaxis(to_unit(image.pixels), -1, 0))

    def header(self, bpp: float) -> Header:
        codec = presets.codec_by_name(self.options.codec)
        shape = (self.image.height, self.image.width)
        model = self.options.model or presets.model_for(
            codec,
            n_weights=presets.n_weights_for(bpp, self.n_pixels),
            n_inputs=sum(feature_counts(codec.encoding, shape)),
            n_outputs=self.image.channels,
        )
        colour = self.options.colour if self.image.channels >= 3 else ColourTransform.RGB
        return Header(self.image.width, self.image.height, self.image.channels, self.image.bit_depth, colour, model)

    def run(self, bpp: float, *, target_bits: float | None = None) -> _Candidate:
        """Fits a network whose size a rate of `bpp` pays for, and rounds it."""
        options = self.options
        header = self.header(bpp)
        DecodeLimits().check_parameters(
            sum(r * c for _, (r, c) in pack.layout(header.model, header.shape, header.channels))
        )
        config = options.fit or FitConfig(
            n_passes=presets.passes_of_effort(options.effort, self.n_pixels),
            lambda_rd=presets.lambda_of_bpp(bpp) * LOSSES[options.loss].slope,
            loss=LOSSES[options.loss],
            schedule=Schedule(learning_rate=presets.learning_rate_for(header.model)),
            time_budget=options.time_budget,
            seed=options.seed,
        )
        config = dataclasses.replace(config, target_bits=target_bits)
        matrix, offset = pack.output_transform(header)
        result = fit(
            Target(self.values, matrix, offset),
            header.model,
            config,
            progress=self.progress,
            checkpoint_path=self._next_checkpoint(),
        )
        candidate = _Candidate(header, pack.quantise(result.params, result.steps), result, result.lambda_rd)
        n_evaluations = 0 if result.interrupted else min(24, int(config.n_passes / 10))
        return _refine(candidate, self.n_pixels, n_evaluations)

    def _next_checkpoint(self) -> Path | None:
        """A path of its own for every fit of a search, the same ones in the same order when it runs again."""
        self.n_runs += 1
        path = self.checkpoint_path
        return path if path is None or self.n_runs == 1 else path.with_name(f"{path.name}.{self.n_runs}")

    def psnr(self, candidate: _Candidate, weights: Weights) -> float:
        pixels = render_weights(candidate.header, weights)
        return psnr_db(self.image.pixels, pixels, bit_depth=self.image.bit_depth)


def _rounded(candidate: _Candidate, indices: tuple[int, ...]) -> Weights:
    return pack.round_by(candidate.result.params, indices)


def _refine(candidate: _Candidate, n_pixels: int, n_evaluations: int) -> _Candidate:
    """Searches over steps by measured loss + lambda * bits."""
    if n_evaluations < 3:
        return candidate
    result = candidate.result

    def cost(indices: tuple[int, ...]) -> float:
        weights = _rounded(candidate, indices)
        params = {n: jnp.asarray(p) for n, p in pack.dequantise(candidate.header, weights).items()}
        loss = float(distortion(result.problem, params, result.signal))
        return loss + candidate.lambda_rd * pack.ideal_bits(weights) / n_pixels

    indices, _ = search_steps(candidate.weights.step_indices, cost, max_evaluations=n_evaluations)
    return dataclasses.replace(candidate, weights=_rounded(candidate, indices))


def _meet_bytes(job: _Job, max_bytes: int) -> _Candidate:
    """A fit whose rate is steered to the limit, then steps coarse enough to keep it."""
    icc = job.image.icc_profile
    overhead = len(pack.pack(job.header(0.1), Weights((), ()), icc_profile=icc))
    available = max_bytes - overhead
    if available < 16:
        raise TargetNotReachedError(f"{max_bytes} bytes are asked for; the least for this picture is {overhead + 16}")
    candidate = job.run(8 * available / job.n_pixels, target_bits=8.0 * available)

    @functools.cache
    def small_enough(indices: tuple[int, ...]) -> bool:
        return len(pack.pack(candidate.header, _rounded(candidate, indices), icc_profile=icc)) <= max_bytes

    indices = coarsen_until(candidate.weights.step_indices, small_enough)
    if indices is None:
        reached = len(pack.pack(candidate.header, candidate.weights, icc_profile=icc))
        raise TargetNotReachedError(f"{max_bytes} bytes are asked for; {reached} were reached: ask for more")
    return dataclasses.replace(candidate, weights=_rounded(candidate, indices))


def _meet_psnr(job: _Job, target: float) -> _Candidate:
    """Fits at rising or falling rates until one lies above the target, then steps coarse enough to come down to it."""
    bpp, lowest, highest = presets.bpp_of_quality(presets.DEFAULT_QUALITY), 0.0, math.inf
    best: tuple[float, _Candidate] | None = None
    reached = -math.inf
    for _ in range(_MAX_ATTEMPTS):
        candidate = job.run(bpp)
        value = job.psnr(candidate, candidate.weights)
        if candidate.result.interrupted:
            return candidate if best is None or value >= target else best[1]
        reached = max(reached, value)
        if value >= target:
            highest = min(highest, bpp)
            best = (value, candidate)
            if value < target + 0.5:
                break
        else:
            lowest = max(lowest, bpp)
        # Aim a little above: coming down by coarser steps costs next to nothing, coming up costs another fit.
        guess = bpp * 2.0 ** ((target + 0.2 - value) / _DB_PER_OCTAVE)
        if lowest and highest < math.inf:
            guess = math.sqrt(lowest * highest) if not lowest < guess < highest else guess
        bpp = min(max(guess, bpp / 8, 0.005), bpp * 8, presets.bpp_of_quality(presets.MAX_QUALITY) * 2)
    if best is None:
        raise TargetNotReachedError(
            f"{target:g} dB are asked for; {reached:.2f} dB were reached: ask for less or give more effort"
        )
    value, candidate = best
    indices = candidate.weights.step_indices
    # The finest coarsening that falls below the target bounds the last one that does not.
    for shift in range(1, 33):
        coarser = tuple(i + shift for i in candidate.weights.step_indices)
        if job.psnr(candidate, _rounded(candidate, coarser)) < target:
            break
        indices = coarser
    for matrix in range(len(indices)):
        coarser = (*indices[:matrix], indices[matrix] + 1, *indices[matrix + 1 :])
        if job.psnr(candidate, _rounded(candidate, coarser)) >= target:
            indices = coarser
    return dataclasses.replace(candidate, weights=_shrink(_rounded(candidate, indices), job, candidate, target))


def _shrink(weights: Weights, job: _Job, candidate: _Candidate, target: float) -> Weights:
    """Spends what is too little for a step: brings small integers one closer to zero while the target is kept."""
    flat = np.concatenate([matrix.ravel() for matrix in weights.integers])
    order = np.argsort(np.abs(flat), kind="stable")[np.count_nonzero(flat == 0) :]

    def shrunk(positions: np.ndarray) -> Weights:
        values = flat.copy()
        values[positions] -= np.sign(values[positions])
        parts = np.split(values, np.cumsum([matrix.size for matrix in weights.integers])[:-1])
        shaped = (part.reshape(matrix.shape) for part, matrix in zip(parts, weights.integers, strict=True))
        return Weights(weights.step_indices, tuple(shaped))

    def kept(positions: np.ndarray) -> bool:
        return job.psnr(candidate, shrunk(positions)) >= target

    low, high = 0, len(order) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if kept(order[:middle]) else (low, middle)
    chosen = order[:low]
    for position in order[low + 1 : low + 1 + _MAX_SINGLE_SHRINKS]:
        if kept(np.append(chosen, position)):
            chosen = np.append(chosen, position)
    return shrunk(chosen)


def _finish(job: _Job, candidate: _Candidate, began: float) -> Encoded:
    """Packs, decodes the bytes again and measures what they decode to."""
    image, header = job.image, candidate.header
    data = pack.pack(header, candidate.weights, icc_profile=image.icc_profile)
    decoded_header, decoded_weights, _ = pack.unpack(data, DecodeLimits())
    pixels = render_weights(decoded_header, decoded_weights)
    n_weights = sum(m.size for m in candidate.weights.integers)
    stats = EncodeStats(
        width=image.width,
        height=image.height,
        channels=image.channels,
        bit_depth=image.bit_depth,
        n_bytes=len(data),
        bpp=8 * len(data) / job.n_pixels,
        psnr_db=psnr_db(image.pixels, pixels, bit_depth=image.bit_depth),
        n_weights=n_weights,
        bits_per_weight=pack.ideal_bits(candidate.weights) / n_weights,
        header_bytes=len(headers.pack(header)) + 4,
        n_steps=candidate.result.n_steps,
        encode_seconds=time.monotonic() - began,
        compile_seconds=candidate.result.compile_seconds,
        interrupted=candidate.result.interrupted,
        codec=job.options.codec,
        seed=job.options.seed,
    )
    return Encoded(data, stats)
