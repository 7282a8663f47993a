"""Many pictures at once: planned one by one, fitted side by side, rounded together, coded one by one."""

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Unpack

import jax

from inrc import forks
from inrc.checks import checked_number
from inrc.codec.encode import finish
from inrc.codec.job import Job
from inrc.codec.options import EncodeKeywords, EncodeOptions
from inrc.codec.plan import Plan
from inrc.codec.search import meet_target
from inrc.codec.stats import Encoded
from inrc.errors import ConfigError, InrcError
from inrc.fit.task import FitResult, Progress
from inrc.signal.image import Image
from inrc.signal.inputs import ImageLike, image_of, is_one_picture


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A picture that is ready to be fitted.

    Attributes:
      job: the picture and its options.
      plan: its fit.
      bucket: pictures of one bucket are fitted side by side by one compiled program.
      seconds: that preparing it took.
    """

    job: Job
    plan: Plan
    bucket: Hashable
    seconds: float

    @property
    def image(self) -> Image:
        """The picture."""
        return self.job.image


@dataclasses.dataclass(frozen=True, eq=False)
class FittedBatch:
    """A batch that has been fitted; `BatchEncoder.finish` makes files of it.

    Attributes:
      parts: pictures that were fitted side by side, and their fits.
    """

    parts: tuple[tuple[Sequence[Prepared], Sequence[FitResult]], ...]


class BatchEncoder:
    """Encodes batches in three stages, which may run in threads of their own.

    `prepare` and `finish` are work of the host and may run for several pictures or batches at once; `fit` keeps the
    devices busy and should run for one batch after the other. Where the options ask for a PSNR or a number of bytes,
    the first fits go side by side, and `finish` fits again those pictures that need further trials.

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
          ForkedProcessError: The process was forked from one that had used JAX.
        """
        forks.check()
        if batch_size is not None:
            batch_size = checked_number("the batch size", batch_size, 1, whole=True)
        self.options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
        self._batch_size = batch_size

    def prepare(self, image: ImageLike) -> Prepared:
        """Reads a picture and plans its fit.

        Raises:
          ImageError: The picture cannot be read or is of a kind that inrc does not hold.
          ConfigError: The options contradict the picture.
          InitMismatchError: The shared init that the options name is not there.
          TargetNotReachedError: The picture cannot have so few bytes.
        """
        began = time.monotonic()
        job = Job(image_of(image, metadata=self.options.metadata), self.options, None, None)
        plan = job.first_plan()
        bucket = type(job.family), job.family.bucket(plan)
        return Prepared(job, plan, bucket, time.monotonic() - began)

    def batch_size(self, prepared: Prepared) -> int:
        """Pictures of the bucket of `prepared` that are fitted side by side, at most."""
        if self._batch_size is not None:
            return self._batch_size
        return prepared.job.family.side_by_side(prepared.plan) * jax.local_device_count()

    def fit(self, batch: Sequence[Prepared], *, progress: Callable[[Progress], None] | None = None) -> FittedBatch:
        """Fits pictures of one bucket, at most `batch_size` of them.

        `progress` may raise KeyboardInterrupt: the best so far is kept. Where the device's memory does not suffice,
        the batch is fitted in halves.
        """
        side_by_side = batch[0].job.family.side_by_side(batch[0].plan)
        if self._batch_size is not None:
            side_by_side = min(side_by_side, -(-self._batch_size // jax.local_device_count()))
        return FittedBatch(tuple(_fitted(batch, side_by_side, progress)))

    def finish(self, fitted: FittedBatch) -> list[Encoded | InrcError]:
        """The files of a batch, in its order, each already decoded once; an error where one came to none."""
        return [outcome for part in fitted.parts for outcome in _finished(*part)]


def _fitted(
    batch: Sequence[Prepared], side_by_side: int, progress: Callable[[Progress], None] | None
) -> list[tuple[Sequence[Prepared], Sequence[FitResult]]]:
    """The fits of a batch, in parts that the memory of the devices holds."""
    family, plans = batch[0].job.family, [prepared.plan for prepared in batch]
    try:
        return [(batch, family.fit(plans, side_by_side=side_by_side, progress=progress))]
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) or len(batch) == 1:
            raise
    middle = len(batch) // 2
    halves = batch[:middle], batch[middle:]
    return [part for half in halves for part in _fitted(half, -(-side_by_side // 2), progress)]


def _finished(batch: Sequence[Prepared], fits: Sequence[FitResult]) -> list[Encoded | InrcError]:
    began = time.monotonic()
    candidates = batch[0].job.family.rounded([prepared.plan for prepared in batch], fits)
    shared = (fits[0].seconds + time.monotonic() - began) / len(batch)
    outcomes: list[Encoded | InrcError] = []
    for prepared, candidate in zip(batch, candidates, strict=True):
        began = time.monotonic() - shared - prepared.seconds
        try:
            outcomes.append(finish(prepared.job, meet_target(prepared.job, prepared.plan, candidate), began))
        except InrcError as error:
            outcomes.append(error)
    return outcomes


def encode_batch(
    images: Iterable[ImageLike],
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
      ConfigError: The options contradict each other, or one picture is given instead of several.
    """
    if is_one_picture(images) or not isinstance(images, Iterable):
        raise ConfigError(f"a {type(images).__name__} is given where several pictures are meant; give a list of them")
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
