"""Many pictures at once: planned one by one, fitted side by side, rounded together, coded one by one."""

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Unpack

import jax
import numpy as np

from inrc.codec import latent_job, latent_targets, targets
from inrc.codec.encode import Encoded, as_image, encode, finish
from inrc.codec.job import Candidate, Job, Plan, rounded
from inrc.codec.latent_job import LatentPlan
from inrc.codec.options import EncodeKeywords, EncodeOptions, has_latents
from inrc.config import LatentGridConfig, ModelConfig
from inrc.errors import ConfigError, InrcError
from inrc.fit.config import FitResult, Progress
from inrc.fit.lanes import Lanes
from inrc.fit.latent_config import LatentFitResult
from inrc.fit.latents import LatentCourse, fit_latents_batch, latent_course_of, latent_lanes_for
from inrc.fit.loop import Course, course_of, fit_batch, lanes_for
from inrc.signal.image import Image, ImageSource


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A picture that is ready to be fitted.

    Attributes:
      job: the picture and its options.
      plan: its fit; None where that takes several, one after the other.
      course: what its fit has in common with others.
      bucket: pictures of one bucket are fitted side by side by one compiled program.
      seconds: that it took to come so far.
    """

    job: Job
    plan: Plan | LatentPlan | None
    course: Course | LatentCourse | None
    bucket: Hashable
    seconds: float

    @property
    def image(self) -> Image:
        """The picture."""
        return self.job.image


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A batch that has been fitted; `BatchEncoder.finish` makes files of it.

    Attributes:
      parts: pictures that were fitted side by side, and their fits.
      files: of pictures whose fits went one after the other.
    """

    parts: tuple[tuple[Sequence[Prepared], Sequence[FitResult] | Sequence[LatentFitResult]], ...] = ()
    files: tuple[Encoded | InrcError, ...] = ()


class BatchEncoder:
    """Encodes batches in three stages, which may run in threads of their own.

    `prepare` and `finish` are work of the host and may run for several pictures or batches at once; `fit` keeps the
    devices busy and should run for one batch after the other.

    A picture's file depends neither on the others of its batch nor on the number of devices. Where a device takes one
    picture at a time, as a CPU does with photographs, it is that of `inrc.encode`, byte for byte. Where fits go side by
    side it differs in rounding: as good on average, but not the same bytes.
    """

    def __init__(
        self, options: EncodeOptions | None = None, *, batch_size: int | None = None, **keywords: Unpack[EncodeKeywords]
    ) -> None:
        """Takes the options of all pictures.

        Args:
          options: as for `inrc.encode`; a time budget is that of a picture, on average.
          batch_size: pictures of one batch at most; chosen by the devices and their memory if not given.
          **keywords: fields of `EncodeOptions`, which replace those of `options`.

        Raises:
          ConfigError: The options contradict each other, or the batch size is not above 0.
        """
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"the batch size is {batch_size}; it must be 1 or more")
        self.options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
        self._batch_size = batch_size

    def prepare(self, image: Image | np.ndarray | ImageSource) -> Prepared:
        """Reads a picture and plans its fit.

        Raises:
          ImageError: The picture cannot be read or is of a kind that inrc does not hold.
          ConfigError: The options contradict the picture.
          InitMismatchError: The shared init that the options name is not there.
          TargetNotReachedError: The picture cannot have so few bytes.
        """
        began = time.monotonic()
        job = Job(as_image(image), self.options, None, None)
        if has_latents(job.options):
            return self._prepared_latents(job, began)
        if self.options.target_psnr is not None:
            return Prepared(job, None, None, None, time.monotonic() - began)
        plan = targets.plan(job)
        header, task, model = plan.header, plan.task, plan.header.model
        assert isinstance(model, ModelConfig)
        course = course_of(header.shape, header.channels, model, task.config, task.start, padded=True)
        bucket = course, header.init_id, plan.n_evaluations
        return Prepared(job, plan, course, bucket, time.monotonic() - began)

    def _prepared_latents(self, job: Job, began: float) -> Prepared:
        plan = latent_targets.plan(job)
        header, model = plan.header, plan.header.model
        assert isinstance(model, LatentGridConfig)
        course = latent_course_of(header.shape, header.channels, model, plan.task.config)
        return Prepared(job, plan, course, (course, header.init_id), time.monotonic() - began)

    def batch_size(self, prepared: Prepared) -> int:
        """Pictures of the bucket of `prepared` that are fitted side by side, at most."""
        if prepared.course is None:
            return 1
        best = _lanes(prepared.course, 1).side_by_side * jax.local_device_count()
        return best if self._batch_size is None else self._batch_size

    def fit(self, batch: Sequence[Prepared], *, progress: Callable[[Progress], None] | None = None) -> Fitted:
        """Fits pictures of one bucket, at most `batch_size` of them.

        `progress` may raise KeyboardInterrupt: the best so far is kept. Where the device's memory does not suffice,
        the batch is fitted in halves.
        """
        course = batch[0].course
        if course is None:
            return Fitted(files=tuple(self._alone(prepared, progress) for prepared in batch))
        side_by_side = _lanes(course, 1).side_by_side
        if self._batch_size is not None:
            side_by_side = min(side_by_side, -(-self._batch_size // jax.local_device_count()))
        return Fitted(parts=tuple(self._fitted(batch, course, side_by_side, progress)))

    def _fitted(
        self,
        batch: Sequence[Prepared],
        course: Course | LatentCourse,
        side_by_side: int,
        progress: Callable[[Progress], None] | None,
    ) -> list[tuple[Sequence[Prepared], list[FitResult] | list[LatentFitResult]]]:
        lanes = _lanes(course, len(batch), side_by_side)
        try:
            if isinstance(course, LatentCourse):
                tasks = [prepared.plan.task for prepared in batch if isinstance(prepared.plan, LatentPlan)]
                return [(batch, fit_latents_batch(tasks, course.problem.model, lanes=lanes, progress=progress))]
            tasks = [prepared.plan.task for prepared in batch if isinstance(prepared.plan, Plan)]
            return [(batch, fit_batch(tasks, course.problem.model, lanes=lanes, progress=progress))]
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or len(batch) == 1:
                raise
        middle = len(batch) // 2
        halves = batch[:middle], batch[middle:]
        return [part for half in halves for part in self._fitted(half, course, -(-side_by_side // 2), progress)]

    def _alone(self, prepared: Prepared, progress: Callable[[Progress], None] | None) -> Encoded | InrcError:
        try:
            return encode(prepared.image, self.options, progress=progress)
        except InrcError as error:
            return error

    def finish(self, fitted: Fitted) -> list[Encoded | InrcError]:
        """The files of a batch, in its order, each already decoded once; an error where one came to none."""
        return [*fitted.files, *(outcome for part in fitted.parts for outcome in self._finished(*part))]

    def _finished(
        self, batch: Sequence[Prepared], fits: Sequence[FitResult] | Sequence[LatentFitResult]
    ) -> list[Encoded | InrcError]:
        began = time.monotonic()
        candidates = _candidates(batch, fits)
        shared = (fits[0].seconds + time.monotonic() - began) / len(batch)
        outcomes: list[Encoded | InrcError] = []
        for prepared, candidate in zip(batch, candidates, strict=True):
            began = time.monotonic() - shared - prepared.seconds
            job, plan = prepared.job, prepared.plan
            try:
                if isinstance(plan, LatentPlan):
                    kept = latent_targets.settle(job, plan, candidate)
                else:
                    kept = targets.within_bytes(job, candidate)
                outcomes.append(finish(job, kept, began))
            except InrcError as error:
                outcomes.append(error)
        return outcomes


def _lanes(course: Course | LatentCourse, n_fits: int, side_by_side: int | None = None) -> Lanes:
    if isinstance(course, LatentCourse):
        return latent_lanes_for(course, n_fits, side_by_side)
    return lanes_for(course, n_fits, side_by_side)


def _candidates(batch: Sequence[Prepared], fits: Sequence[FitResult] | Sequence[LatentFitResult]) -> list[Candidate]:
    """The fits of a batch, rounded."""
    latents = [
        latent_job.rounded(prepared.plan, result)
        for prepared, result in zip(batch, fits, strict=True)
        if isinstance(prepared.plan, LatentPlan) and isinstance(result, LatentFitResult)
    ]
    plans = [prepared.plan for prepared in batch if isinstance(prepared.plan, Plan)]
    return latents or rounded(plans, [result for result in fits if isinstance(result, FitResult)])


def encode_batch(
    images: Iterable[Image | np.ndarray | ImageSource],
    options: EncodeOptions | None = None,
    *,
    batch_size: int | None = None,
    progress: Callable[[int], None] | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> list[Encoded | InrcError]:
    """Encodes pictures in batches: `encode_batch(paths, quality=60, effort=3)`.

    Pictures of one shape, or nearly so, are fitted side by side, on all devices of this process. For whole datasets,
    with files, a manifest and resuming, see `inrc batch`.

    Args:
      images: pictures, their pixels [H, W, C] (uint8 or uint16), or where to read them; read one by one.
      options: as for `inrc.encode`.
      batch_size: pictures of one batch at most; chosen by the devices and their memory if not given.
      progress: called with the number of pictures done after every batch.
      **keywords: fields of `EncodeOptions`, which replace those of `options`.

    Returns:
      For every picture, in their order, its file, or the error that it came to: one bad picture stops no other.

    Raises:
      ConfigError: The options contradict each other.
    """
    encoder = BatchEncoder(options, batch_size=batch_size, **keywords)
    outcomes: dict[int, Encoded | InrcError] = {}
    bins: dict[Hashable, list[tuple[int, Prepared]]] = {}

    def flush(waiting: list[tuple[int, Prepared]]) -> None:
        places, batch = zip(*waiting, strict=True)
        outcomes.update(zip(places, encoder.finish(encoder.fit(batch)), strict=True))
        if progress is not None:
            progress(len(outcomes))

    n_images = 0
    for place, image in enumerate(images):
        n_images += 1
        try:
            prepared = encoder.prepare(image)
        except InrcError as error:
            outcomes[place] = error
            continue
        waiting = bins.setdefault(prepared.bucket, [])
        waiting.append((place, prepared))
        if len(waiting) >= encoder.batch_size(prepared):
            flush(bins.pop(prepared.bucket))
    for waiting in bins.values():
        flush(waiting)
    return [outcomes[place] for place in range(n_images)]
