"""Encodes a share of a dataset in bounded memory: readers, bins, fits and finishers.

    tasks -> readers: bytes -> picture -> prepare -> bins -> fit (one thread) -> finishers: bytes, SSIM, file, row

A picture counts against the memory from the moment it is decoded until its row is written. Readers wait while there is
no room. When they wait and no bin is full, the bin that holds the most memory is fitted as it is.
"""

import contextlib
import dataclasses
import math
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from inrc import shared_init
from inrc.codec.batch import BatchEncoder, FittedBatch
from inrc.codec.decode import decode
from inrc.codec.stats import Encoded
from inrc.dataset.bins import Bins, Picture
from inrc.dataset.items import read_item
from inrc.dataset.rows import row_of_encoded, row_of_failure, row_of_task, with_input, with_time
from inrc.dataset.sinks import OnRows, Sink, Written, open_sink
from inrc.dataset.tasks import EncodeTask, RunOptions
from inrc.metrics import ssim
from inrc.signal.image import Image, read_image

_N_FINISHERS = 2
_BYTES_PER_SAMPLE = 8
"""Host memory beside the pixels: a picture's float32 target, and as much again for the results of a fit."""
_LARGE_INPUT = 8 << 20
"""Inputs of more bytes are decoded one at a time, since a decoder may need several times their size."""
_POLL_SECONDS = 0.2


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
    """Encodes pictures and writes their files. Every argument but the callbacks can be sent to another process.

    A picture that fails gives a row with the type of its error. A picture that is unfinished when `stop` is set gives
    no row.

    Args:
      tasks: what to encode; they are read one by one, as they are needed.
      output: path or URL of the folder of outputs.
      options: how to encode.
      on_rows: takes rows whose files are safe, in any order. It is called from several threads.
      writer: letters and digits that no other writer to the folder uses at the same time; they name tar shards.
      encoder: an encoder to use again; a new one if not given.
      stop: when it is set, the running fit ends after its next steps and no other fit starts.

    Raises:
      DatasetError: The outputs cannot be written.
    """
    encoder = encoder or BatchEncoder(options.encode, batch_size=options.batch_size)
    sink = open_sink(output, on_rows, images_per_shard=options.images_per_shard, writer=writer)
    try:
        _Pipeline(tasks, encoder, sink, options, on_rows, stop or threading.Event()).run()
    finally:
        sink.close()


class _Pipeline:
    """See the module's docstring. One condition guards everything that the threads share."""

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
        self._ready: deque[Picture] = deque()
        self._bins = Bins(encoder.batch_size)  # belongs to the thread that fits
        self._alone: deque[Picture] = deque()
        self._memory = 0
        self._waiting: list[int] = []
        self._n_reading = options.n_readers
        self._n_finishing = 0
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Encodes all tasks, or as many as there is time for before a stop."""
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
        except BaseException as error:  # of the outputs or of this code: the errors of pictures become rows
            self._break(error)
        finally:
            with self._state:
                self._n_reading -= 1
                self._state.notify_all()

    def _next_task(self) -> EncodeTask | None:
        with self._taking:
            return next(self._tasks, None)

    def _read(self, task: EncodeTask) -> None:
        row = row_of_task(task)
        cost = 0
        try:
            data = read_item(task.item)
            row = with_input(row, data)
            if task.former is not None and task.former.input_hash == row.input_hash:
                self._on_rows([dataclasses.replace(task.former, stamp=row.stamp)])
                return
            with self._decoding_large if len(data) > _LARGE_INPUT else contextlib.nullcontext():
                image = read_image(data, metadata=self._options.encode.metadata)
                cost = self._reserve(image)
            prepared = self._encoder.prepare(image)
        except Exception as error:
            self._release(cost)
            self._on_rows([row_of_failure(with_time(row), error)])
            return
        with self._state:
            self._ready.append(Picture(row, prepared, cost))
            self._state.notify_all()

    def _reserve(self, image: Image) -> int:
        """Waits for room; a picture that is larger than the whole memory is let through when it is alone."""
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

    def _next_batch(self) -> list[Picture] | None:
        """Waits for pictures worth fitting; returns None when there will be no more."""
        with self._state:
            while not self._over:
                while self._ready:
                    self._bins.add(self._ready.popleft())
                if self._alone:
                    return [self._alone.popleft()]
                if (batch := self._bins.take_full()) is not None:
                    return batch
                if self._bins and (self._n_reading == 0 or self._is_short()):
                    return self._bins.take_largest()
                if self._n_reading == 0 and self._n_finishing == 0:
                    return None
                self._state.wait(_POLL_SECONDS)
        return None

    def _is_short(self) -> bool:
        """Whether readers wait for memory that bins hold, rather than for memory that finishers hold."""
        if not self._waiting or any(self._fits(cost) for cost in self._waiting):
            return False
        return self._n_finishing == 0 or 2 * self._bins.cost > self._options.memory_bytes

    def _fit(self, batch: Sequence[Picture], finishers: ThreadPoolExecutor) -> None:
        """Fits a batch. A batch that fails, for want of memory or because of one of its pictures, is halved."""

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
                self._on_rows([row_of_failure(with_time(batch[0].row), error)])
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

    def _finish(self, batch: Sequence[Picture], fitted: FittedBatch) -> None:
        try:
            outcomes = self._outcomes(batch, fitted)
            if outcomes is None:
                return
            files, failures = [], []
            for picture, outcome in zip(batch, outcomes, strict=True):
                try:
                    if isinstance(outcome, Exception):
                        raise outcome
                    if not outcome.stats.interrupted:  # else the fit was cut short, and the next run does it again
                        files.append(self._written(picture, outcome))
                except Exception as error:
                    failures.append(row_of_failure(with_time(picture.row), error))
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

    def _outcomes(self, batch: Sequence[Picture], fitted: FittedBatch) -> Sequence[Encoded | Exception] | None:
        """Returns the files or errors of a batch; None where its pictures have to be fitted again one by one."""
        try:
            return self._encoder.finish(fitted)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            with self._state:
                self._alone.extend(batch)
            return None

    def _written(self, picture: Picture, encoded: Encoded) -> Written:
        ssim_of_file = self._ssim(picture.prepared.image, encoded)
        return Written(row_of_encoded(picture.row, encoded, ssim=ssim_of_file), encoded.data)

    def _ssim(self, image: Image, encoded: Encoded) -> float:
        if not self._options.measure_ssim:
            return math.nan
        decoded = decode(encoded.data, init=self._init)
        return ssim(image.pixels, decoded.pixels, bit_depth=image.bit_depth)
