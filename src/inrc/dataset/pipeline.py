"""A share of a dataset through the encoder: readers, bins of one shape, fits, writers, in bounded memory.

    tasks -> readers: bytes -> picture -> prepare -> bins -> fit (one thread) -> finishers: bytes, SSIM, file, row

A picture counts against the memory from when it is decoded until its row is written. Readers wait while there is no
room; when they do and no bin is full, the largest is fitted as it is.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import math
import threading
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from inrc import shared_init
from inrc.codec.batch import BatchEncoder, Fitted, Prepared
from inrc.codec.decode import decode
from inrc.codec.encode import Encoded
from inrc.codec.options import EncodeOptions
from inrc.dataset.manifest import OK, Row
from inrc.dataset.sinks import OnRows, Sink, Written, failed, open_sink
from inrc.dataset.sources import Item, read_item
from inrc.errors import ConfigError
from inrc.metrics import ssim
from inrc.signal.image import Image, read_image

_N_FINISHERS = 2
_BYTES_PER_SAMPLE = 8
"""A picture's float32 target, and as much again for what a fit keeps on the host."""
_LARGE_INPUT = 8 << 20
_POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How a dataset is encoded.

    Attributes:
      encode: what is asked of every picture.
      batch_size: pictures side by side; chosen from the device's memory if not given.
      images_per_shard: of tar shards; 0 writes a file per image.
      n_readers: threads that read and prepare.
      memory_bytes: of pictures in flight.
      measure_ssim: decodes every file once more.
      again: tries again what failed before.
    """

    encode: EncodeOptions = dataclasses.field(default_factory=EncodeOptions)
    batch_size: int | None = None
    images_per_shard: int = 0
    n_readers: int = 2
    memory_bytes: int = 1 << 30
    measure_ssim: bool = True
    again: bool = False

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("images_per_shard", 0), ("n_readers", 1), ("memory_bytes", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}")


@dataclasses.dataclass(frozen=True, slots=True)
class EncodeTask:
    """One picture to encode.

    Attributes:
      item: the picture.
      output: path of its file below the folder of outputs.
      config_hash: for its row.
      former: a row whose file is good if the input's bytes are still those of its hash.
    """

    item: Item
    output: str
    config_hash: str
    former: Row | None = None


def encode_tasks(
    tasks: Iterable[EncodeTask],
    output: str,
    options: RunOptions,
    on_rows: OnRows,
    *,
    writer: str = "0",
    encoder: BatchEncoder | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Encodes pictures and writes their files. Every argument but the callbacks may be sent to another process.

    A picture that fails gives a row with the type of its error. What is unfinished when `stop` is set has no row.

    Args:
      tasks: what to encode; read as it is needed.
      output: path or URL of the folder of outputs.
      options: how.
      on_rows: takes rows whose files are safe, in no order. Called from several threads.
      writer: letters and digits that no other writer to the folder has at the time; names tar shards.
      encoder: to use again; a new one if not given.
      stop: ends the fit that runs after its next steps and begins no other.

    Raises:
      DatasetError: The outputs cannot be written.
    """
    encoder = encoder or BatchEncoder(options.encode, batch_size=options.batch_size)
    sink = open_sink(output, on_rows, images_per_shard=options.images_per_shard, writer=writer)
    try:
        _Pipeline(tasks, encoder, sink, options, on_rows, stop or threading.Event()).run()
    finally:
        sink.close()


@dataclasses.dataclass(eq=False)
class _Picture:
    """A picture in flight."""

    row: Row
    prepared: Prepared
    cost: int


class _Pipeline:
    """See the module's docstring. One condition guards all that the threads share."""

    def __init__(
        self,
        tasks: Iterable[EncodeTask],
        encoder: BatchEncoder,
        sink: Sink,
        options: RunOptions,
        on_rows: OnRows,
        stop: threading.Event,
    ) -> None:
        self._tasks = iter(tasks)
        self._encoder = encoder
        self._sink = sink
        self._options = options
        self._on_rows = on_rows
        self._stop = stop
        named = options.encode.init if options.encode.names_init else None
        self._init = None if named is None else shared_init.by_name(named)
        self._taking = threading.Lock()
        self._decoding_large = threading.Lock()
        self._state = threading.Condition()
        self._ready: deque[_Picture] = deque()
        self._bins: dict[Hashable, deque[_Picture]] = {}  # these four belong to the thread that fits
        self._full: deque[Hashable] = deque()
        self._sizes: dict[Hashable, int] = {}
        self._binned = 0
        self._alone: deque[_Picture] = deque()
        self._memory = 0
        self._waiting: list[int] = []
        self._n_reading = options.n_readers
        self._n_finishing = 0
        self._failure: BaseException | None = None

    def run(self) -> None:
        readers = [
            threading.Thread(target=self._read_all, name="inrc-reader", daemon=True)
            for _ in range(self._options.n_readers)
        ]
        for reader in readers:
            reader.start()
        try:
            with ThreadPoolExecutor(_N_FINISHERS, "inrc-finisher") as finishers:
                while (batch := self._next_batch()) is not None:
                    self._fit(batch, finishers)
        except BaseException as error:
            self._break(error)
            raise
        finally:
            for reader in readers:
                reader.join()
        if self._failure is not None:
            raise self._failure

    # Reading ---------------------------------------------------------------------------------------------------

    def _read_all(self) -> None:
        try:
            while not self._over and (task := self._next_task()) is not None:
                self._read(task)
        except BaseException as error:  # of the outputs or of this code: pictures' own errors are rows
            self._break(error)
        finally:
            with self._state:
                self._n_reading -= 1
                self._state.notify_all()

    def _next_task(self) -> EncodeTask | None:
        with self._taking:
            return next(self._tasks, None)

    def _read(self, task: EncodeTask) -> None:
        row = Row(task.item.name, OK, stamp=task.item.stamp, config_hash=task.config_hash, output=task.output)
        cost = 0
        try:
            data = read_item(task.item)
            row = dataclasses.replace(row, input_hash=hashlib.sha256(data).hexdigest(), input_bytes=len(data))
            if task.former is not None and task.former.input_hash == row.input_hash:
                self._on_rows([dataclasses.replace(task.former, stamp=row.stamp)])
                return
            with self._decoding_large if len(data) > _LARGE_INPUT else contextlib.nullcontext():
                image = read_image(data)
                cost = self._reserve(image)
            prepared = self._encoder.prepare(image)
        except Exception as error:
            self._release(cost)
            self._on_rows([failed(_finished(row), error)])
            return
        with self._state:
            self._ready.append(_Picture(row, prepared, cost))
            self._state.notify_all()

    def _reserve(self, image: Image) -> int:
        """Waits for room; a picture that is larger than all of it is let through alone."""
        cost = image.pixels.nbytes + _BYTES_PER_SAMPLE * image.pixels.size
        with self._state:
            self._waiting.append(cost)
            self._state.notify_all()
            while not self._fits(cost) and not self._over:
                self._state.wait(_POLL_SECONDS)
            self._waiting.remove(cost)
            self._memory += cost
        return cost

    def _fits(self, cost: int) -> bool:
        return self._memory == 0 or self._memory + cost <= self._options.memory_bytes

    def _release(self, cost: int) -> None:
        with self._state:
            self._memory -= cost
            self._state.notify_all()

    @property
    def _over(self) -> bool:
        return self._stop.is_set() or self._failure is not None

    def _break(self, error: BaseException) -> None:
        with self._state:
            self._failure = self._failure or error
            self._state.notify_all()

    # Fitting ---------------------------------------------------------------------------------------------------

    def _next_batch(self) -> list[_Picture] | None:
        """Waits for pictures worth fitting; None when there will be no more."""
        with self._state:
            while not self._over:
                self._sort()
                if self._alone:
                    return [self._alone.popleft()]
                if self._full:
                    return self._take(self._full.popleft())
                if self._bins and (self._n_reading == 0 or self._is_short()):
                    return self._take(max(self._bins, key=lambda bucket: sum(p.cost for p in self._bins[bucket])))
                if self._n_reading == 0 and self._n_finishing == 0:
                    return None
                self._state.wait(_POLL_SECONDS)
        return None

    def _sort(self) -> None:
        """Puts what is ready into bins, and notes those that are full."""
        while self._ready:
            picture = self._ready.popleft()
            bucket = picture.prepared.bucket
            if bucket not in self._sizes:
                self._sizes[bucket] = max(1, self._encoder.batch_size(picture.prepared))
            pictures = self._bins.setdefault(bucket, deque())
            pictures.append(picture)
            self._binned += picture.cost
            if len(pictures) % self._sizes[bucket] == 0:
                self._full.append(bucket)

    def _is_short(self) -> bool:
        """Whether readers wait for memory that bins hold, rather than for what is being finished."""
        if not self._waiting or any(self._fits(cost) for cost in self._waiting):
            return False
        return self._n_finishing == 0 or 2 * self._binned > self._options.memory_bytes

    def _take(self, bucket: Hashable) -> list[_Picture]:
        """The first pictures of a bin, all of it where it is not full."""
        pictures = self._bins[bucket]
        batch = [pictures.popleft() for _ in range(min(len(pictures), self._sizes[bucket]))]
        self._binned -= sum(picture.cost for picture in batch)
        if not pictures:
            del self._bins[bucket]
        return batch

    def _fit(self, batch: Sequence[_Picture], finishers: ThreadPoolExecutor) -> None:
        """Fits a batch; one that fails, for want of memory or by one of its pictures, is halved."""

        def stop_when_told(_: object) -> None:
            if self._over:
                raise KeyboardInterrupt

        try:
            fitted = self._encoder.fit([picture.prepared for picture in batch], progress=stop_when_told)
        except KeyboardInterrupt:
            if not self._over:
                raise
            return
        except Exception as error:
            if len(batch) == 1:
                self._on_rows([failed(_finished(batch[0].row), error)])
                self._release(batch[0].cost)
                return
            fitted = None
        if fitted is None:  # outside of the handler, whose exception holds on to the devices' memory
            middle = len(batch) // 2
            self._fit(batch[:middle], finishers)
            self._fit(batch[middle:], finishers)
            return
        with self._state:
            self._n_finishing += 1
        finishers.submit(self._finish, batch, fitted)

    # Finishing -------------------------------------------------------------------------------------------------

    def _finish(self, batch: Sequence[_Picture], fitted: Fitted) -> None:
        try:
            outcomes = self._outcomes(batch, fitted)
            if outcomes is None:
                return
            files, failures = [], []
            for picture, outcome in zip(batch, outcomes, strict=True):
                try:
                    if isinstance(outcome, Exception):
                        raise outcome
                    if not outcome.stats.interrupted:  # else it has not had its time: the next run does it
                        files.append(self._written(picture, outcome))
                except Exception as error:
                    failures.append(failed(_finished(picture.row), error))
            if failures:
                self._on_rows(failures)
            self._sink.write(files)
            self._release(sum(picture.cost for picture in batch))
        except BaseException as error:
            self._break(error)
        finally:
            with self._state:
                self._n_finishing -= 1
                self._state.notify_all()

    def _outcomes(self, batch: Sequence[_Picture], fitted: Fitted) -> Sequence[Encoded | Exception] | None:
        """What a batch came to; None where that has to be found out one by one."""
        try:
            return self._encoder.finish(fitted)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            with self._state:
                self._alone.extend(batch)
            return None

    def _written(self, picture: _Picture, encoded: Encoded) -> Written:
        stats = encoded.stats
        row = dataclasses.replace(
            _finished(picture.row),
            output_hash=hashlib.sha256(encoded.data).hexdigest(),
            n_bytes=stats.n_bytes,
            width=stats.width,
            height=stats.height,
            channels=stats.channels,
            bit_depth=stats.bit_depth,
            bpp=stats.bpp,
            psnr_db=stats.psnr_db,
            ssim=self._ssim(picture.prepared.image, encoded),
            seconds=stats.encode_seconds,
            n_steps=stats.n_steps,
            codec=stats.codec,
            init=stats.init or "",
        )
        return Written(row, encoded.data)

    def _ssim(self, image: Image, encoded: Encoded) -> float:
        if not self._options.measure_ssim:
            return math.nan
        decoded = decode(encoded.data, init=self._init)
        return ssim(image.pixels, decoded.pixels, bit_depth=image.bit_depth)


def _finished(row: Row) -> Row:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return dataclasses.replace(row, finished_at=now.replace("+00:00", "Z"))
