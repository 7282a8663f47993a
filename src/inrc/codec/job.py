"""One picture at one rate: a network fitted, its weights rounded."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import pack
from inrc.codec.decode import render_weights
from inrc.codec.options import EncodeOptions, choose_init, resolve
from inrc.codec.pack import Weights
from inrc.codec.reference import Reference, reference_of
from inrc.fit.config import FitConfig, FitResult, Progress, Start, Target
from inrc.fit.loop import fit
from inrc.fit.program import distortion
from inrc.metrics.psnr import psnr_db
from inrc.quant.search import search_steps
from inrc.quant.uniform import steps_of_indices
from inrc.signal.colour import ColourTransform
from inrc.signal.image import Image, to_unit


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A fit and one way to round it.

    Attributes:
      header: of the file.
      weights: rounded.
      result: of the fit.
    """

    header: Header
    weights: Weights
    result: FitResult

    def rounded(self, indices: tuple[int, ...]) -> Weights:
        """The fitted weights rounded by other steps."""
        return pack.round_by(self.result.params, indices, self.weights.reference)


class Job:
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

    def resolve(self, bpp: float) -> tuple[Header, FitConfig, Reference | None]:
        """The header of a file of `bpp` bits per pixel, the fit, and what the weights are differences from."""
        image = self.image
        shape = image.height, image.width
        init = choose_init(self.options, shape, image.channels, bpp)
        model, config = resolve(self.options, shape, image.channels, bpp, init)
        colour = self.options.colour if image.channels >= 3 else ColourTransform.RGB
        header = Header(image.width, image.height, image.channels, image.bit_depth, colour, model)
        if init is None:
            return header, config, None
        header = dataclasses.replace(header, init_id=init.id, transposed=image.height > image.width)
        return header, config, reference_of(init, header.shape, header.channels)

    def run(self, bpp: float, *, target_bits: float | None = None) -> Candidate:
        """Fits a network whose size a rate of `bpp` pays for, and rounds it."""
        header, config, reference = self.resolve(bpp)
        DecodeLimits().check_parameters(
            sum(r * c for _, (r, c) in pack.layout(header.model, header.shape, header.channels))
        )
        config = dataclasses.replace(config, target_bits=target_bits)
        values = np.ascontiguousarray(self.values.swapaxes(1, 2)) if header.transposed else self.values
        target = Target(values, *pack.output_transform(header))
        result = fit(
            target,
            header.model,
            config,
            start=None if reference is None else _start(reference, config),
            progress=self.progress,
            checkpoint_path=self._next_checkpoint(),
        )
        candidate = Candidate(header, pack.quantise(result.params, result.steps, reference), result)
        keep_steps = result.interrupted or config.weight_bits is not None
        n_evaluations = 0 if keep_steps else min(24, int(config.n_passes / 10))
        return _refine(candidate, self.n_pixels, n_evaluations)

    def _next_checkpoint(self) -> Path | None:
        """A path of its own for every fit of a search, the same ones in the same order when it runs again."""
        self.n_runs += 1
        path = self.checkpoint_path
        return path if path is None or self.n_runs == 1 else path.with_name(f"{path.name}.{self.n_runs}")

    def psnr(self, candidate: Candidate, weights: Weights) -> float:
        """PSNR in dB of what weights decode to."""
        pixels = render_weights(candidate.header, weights)
        return psnr_db(self.image.pixels, pixels, bit_depth=self.image.bit_depth)


def _start(reference: Reference, config: FitConfig) -> Start:
    """Where a fit begins.

    Steps follow lambda: the error that they make grows with their square.
    """
    init = reference.init
    coarser = math.sqrt(config.lambda_rd / config.loss.slope / init.lambda_rd)
    return Start(
        mean=reference.mean,
        scale={name: steps_of_indices(indices) for name, indices in reference.scale_indices.items()},
        steps={name: step * coarser for name, step in init.steps.items()} if coarser else None,
    )


def _refine(candidate: Candidate, n_pixels: int, n_evaluations: int) -> Candidate:
    """Searches over steps by measured loss + lambda * bits."""
    if n_evaluations < 3:
        return candidate
    result = candidate.result

    def cost(indices: tuple[int, ...]) -> float:
        weights = candidate.rounded(indices)
        params = {n: jnp.asarray(p) for n, p in pack.dequantise(candidate.header, weights).items()}
        loss = float(distortion(result.problem, params, result.signal))
        return loss + result.lambda_rd * pack.ideal_bits(weights) / n_pixels

    indices, _ = search_steps(candidate.weights.step_indices, cost, max_evaluations=n_evaluations)
    return dataclasses.replace(candidate, weights=candidate.rounded(indices))
