"""One picture at one rate: a coordinate network fitted, its weights rounded."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import pack
from inrc.codec.decode import render_weights
from inrc.codec.options import EncodeOptions, choose_init, own_colour, resolve, with_codec
from inrc.codec.pack import Weights
from inrc.codec.reference import Reference, reference_of
from inrc.config import ModelConfig
from inrc.fit.config import FitConfig, FitResult, Progress, Start, Target, Task
from inrc.fit.latent_config import LatentFitResult
from inrc.fit.loop import fit
from inrc.metrics.psnr import psnr_db
from inrc.quant.search import search_together
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
    result: FitResult | LatentFitResult

    def packed(self, icc_profile: bytes = b"") -> bytes:
        """The bytes of its file, without hidden units that nothing comes of."""
        return pack.pack(*pack.without_dead_units(self.header, self.weights), icc_profile=icc_profile)

    def rounded(self, indices: tuple[int, ...]) -> Weights:
        """The fitted weights rounded by other steps."""
        return pack.round_by(self.result.params, indices, self.weights.reference)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a picture is to be fitted.

    Attributes:
      header: of the file.
      task: the fit.
      reference: what the weights are differences from.
    """

    header: Header
    task: Task
    reference: Reference | None

    @property
    def n_pixels(self) -> int:
        """Of the picture."""
        return self.header.height * self.header.width

    @property
    def n_evaluations(self) -> int:
        """Measurements that a search over the steps of the fitted weights may take; below 3 there is none."""
        config = self.task.config
        return 0 if config.weight_bits is not None else min(24, int(config.n_passes / 10))


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
        self.options = with_codec(options, image.height * image.width)
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
        colour = own_colour(self.options) if image.channels >= 3 else ColourTransform.RGB
        header = Header(image.width, image.height, image.channels, image.bit_depth, colour, model)
        if init is None:
            return header, config, None
        header = dataclasses.replace(header, init_id=init.id, transposed=image.height > image.width)
        return header, config, reference_of(init, header.shape, header.channels)

    def plan(self, bpp: float, *, target_bits: float | None = None) -> Plan:
        """How a network whose size a rate of `bpp` pays for would be fitted."""
        header, config, reference = self.resolve(bpp)
        pack.check(header, DecodeLimits())
        config = dataclasses.replace(config, target_bits=target_bits)
        target = Target(self.seen(header), *pack.output_transform(header))
        return Plan(header, Task(target, config, None if reference is None else _start(reference, config)), reference)

    def run(self, plan: Plan) -> Candidate:
        """Fits a network and rounds it."""
        task, model = plan.task, plan.header.model
        assert isinstance(model, ModelConfig)
        result = fit(
            task.target,
            model,
            task.config,
            start=task.start,
            progress=self.progress,
            checkpoint_path=self.next_checkpoint(),
        )
        (candidate,) = rounded([plan], [result])
        return candidate

    def seen(self, header: Header) -> np.ndarray:
        """Values [C, h, w] as the network of a file sees them."""
        return np.ascontiguousarray(self.values.swapaxes(1, 2)) if header.transposed else self.values

    def next_checkpoint(self) -> Path | None:
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
        scale=reference.scales,
        steps={name: step * coarser for name, step in init.steps.items()} if coarser else None,
    )


def rounded(plans: Sequence[Plan], results: Sequence[FitResult]) -> list[Candidate]:
    """Fits of one batch, in its order and of one `n_evaluations`, with their weights rounded.

    Steps are searched by measured loss + lambda * bits, for all fits at the same pace.
    """
    candidates = [
        Candidate(plan.header, pack.quantise(result.params, result.steps, plan.reference), result)
        for plan, result in zip(plans, results, strict=True)
    ]
    n_evaluations = plans[0].n_evaluations
    if n_evaluations < 3 or results[0].interrupted:
        return candidates

    bits_weights = np.array([result.lambda_rd / plan.n_pixels for plan, result in zip(plans, results, strict=True)])

    def costs(asked: Sequence[tuple[int, ...]]) -> np.ndarray:
        weights = [candidate.rounded(indices) for candidate, indices in zip(candidates, asked, strict=True)]
        losses = results[0].fitted.distortions(
            [pack.dequantise(plan.header, own) for plan, own in zip(plans, weights, strict=True)]
        )
        return losses + bits_weights * pack.ideal_bits_of_many(weights)

    found = search_together(
        [candidate.weights.step_indices for candidate in candidates], costs, max_evaluations=n_evaluations
    )
    return [
        dataclasses.replace(candidate, weights=candidate.rounded(indices))
        for candidate, (indices, _) in zip(candidates, found, strict=True)
    ]
