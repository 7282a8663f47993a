"""One picture with its options, and how a fit of it is planned."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inrc import forks, presets
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.contents import File
from inrc.codec.decode import render
from inrc.codec.families import choose_init, family_of, named
from inrc.codec.formats import reference_of
from inrc.codec.options import EncodeOptions
from inrc.codec.plan import Candidate, Plan
from inrc.codec.reference import Reference
from inrc.codec.sections import sections_of
from inrc.errors import TargetNotReachedError
from inrc.fit.task import FitConfig, Progress, Start, Task
from inrc.metrics.psnr import psnr_db
from inrc.signal.image import Image, to_unit


class Job:
    """One picture with its options.

    Attributes:
      image: the picture.
      options: what is asked for; the codec is named.
      family: of the models that the options mean.
      n_pixels: of the picture.
    """

    def __init__(
        self,
        image: Image,
        options: EncodeOptions,
        progress: Callable[[Progress], None] | None,
        checkpoint_path: Path | None,
    ) -> None:
        forks.check()
        self.image = image
        self.n_pixels = image.height * image.width
        self.options = named(options, self.n_pixels)
        self.family = family_of(self.options)
        self._sections = sections_of(image, options.metadata)
        self._progress = progress
        self._checkpoint_path = checkpoint_path
        self._n_fits = 0
        self._values = np.ascontiguousarray(np.moveaxis(to_unit(image.pixels), -1, 0))

    def first_plan(self) -> Plan:
        """The fit that the options' quality or number of bytes asks for.

        Where more bytes are allowed than quality 100 usually takes, it is the fit of quality 100.

        Raises:
          TargetNotReachedError: So few bytes hold no file.
        """
        most = self.options.bpp(self.n_pixels)
        probe = self.plan(most)
        max_bytes = self.options.byte_limit(self.n_pixels)
        if max_bytes is None:
            return probe
        overhead = files.overhead(probe.header, self._sections)
        available = max_bytes - overhead
        if available < self.family.least_payload:
            least = overhead + self.family.least_payload
            raise TargetNotReachedError(f"{max_bytes} bytes are asked for; the least for this picture is {least}")
        full_bpp = presets.bpp_of_quality(presets.MAX_QUALITY)
        bpp = min(self.family.bpp_of_bytes(max_bytes, overhead, self.n_pixels), full_bpp)
        plan = probe if bpp == probe.bpp else self.plan(bpp)
        options, shape = dataclasses.replace(self.options, fit=None), (self.image.height, self.image.width)
        full_quality = self.family.resolve(options, shape, self.image.channels, full_bpp)
        plan = plan.with_config(least_lambda=min(full_quality.config.lambda_rd, plan.task.config.lambda_rd))
        return plan if bpp == full_bpp else self.with_limit(plan, max_bytes)

    def with_limit(self, plan: Plan, max_bytes: int) -> Plan:
        """The plan of a fit whose lambda follows the rate, so that it ends in about `max_bytes`."""
        overhead = files.overhead(plan.header, self._sections)
        return plan.with_config(target_bits=8.0 * (max_bytes - overhead))

    def plan(self, bpp: float) -> Plan:
        """The fit that leads to about `bpp` bits per pixel on an average photograph."""
        image, family, options = self.image, self.family, self.options
        shape = image.height, image.width
        init = choose_init(options, shape, image.channels, bpp)
        model, config, colour = family.resolve(options, shape, image.channels, bpp, init)
        header = Header(
            image.width,
            image.height,
            image.channels,
            image.bit_depth,
            colour,
            model,
            init_id=b"" if init is None else init.id,
            transposed=family.sees_transposed(shape, init is not None),
        )
        files.check(header, DecodeLimits())
        values = np.ascontiguousarray(self._values.swapaxes(1, 2)) if header.transposed else self._values
        target = family.target(values, header)
        if init is None:
            return Plan(header, Task(target, config), None, bpp, False, self._sections)
        reference = reference_of(init, header.shape, header.channels)
        task = Task(target, config, start_of(reference, config))
        return Plan(header, task, reference, bpp, not options.names_init, self._sections)

    def fit(self, plan: Plan) -> Candidate:
        """Fits the picture by itself, and rounds the result."""
        results = self.family.fit([plan], progress=self._progress, checkpoint_path=self._next_checkpoint())
        (candidate,) = self.family.rounded([plan], results)
        return candidate

    def psnr_of(self, file: File) -> float:
        """PSNR in dB of what a file decodes to."""
        return psnr_db(self.image.pixels, render(file), bit_depth=self.image.bit_depth)

    def _next_checkpoint(self) -> Path | None:
        """A path of its own for every fit of a search, the same ones in the same order when it runs again."""
        self._n_fits += 1
        path = self._checkpoint_path
        return path if path is None or self._n_fits == 1 else path.with_name(f"{path.name}.{self._n_fits}")


def start_of(reference: Reference, config: FitConfig) -> Start:
    """Where a fit with a shared init starts.

    The error that quantisation steps make grows with their square, so that they follow the root of lambda. The init's
    lambda is of squared errors, the fit's of its own loss, whose slope is divided out.
    """
    init = reference.init
    coarser = math.sqrt(config.squared_error_lambda / init.lambda_rd)
    return Start(
        mean=reference.mean,
        scale=reference.scales,
        steps={name: step * coarser for name, step in init.steps.items()} if coarser else None,
        inner_rates=reference.inner_rates,
    )
