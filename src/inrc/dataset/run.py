"""Encodes a dataset from end to end: lists it, plans what is left to encode, and hands that to an engine."""

import dataclasses
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from inrc.codec.settings import settings_hash
from inrc.dataset import sinks
from inrc.dataset.folder import Folder
from inrc.dataset.items import Item, output_names
from inrc.dataset.manifest import Manifest, Row
from inrc.dataset.pipeline import encode_tasks
from inrc.dataset.sinks import OnRows
from inrc.dataset.sources import listing
from inrc.dataset.tasks import EncodeTask, RunOptions


@dataclasses.dataclass
class Totals:
    """Counts of a run, while it goes on and at its end.

    Attributes:
      n_items: pictures in the dataset.
      n_kept: pictures whose files of an earlier run are kept.
      n_kept_failed: pictures that failed in an earlier run and are not tried again.
      n_done: pictures encoded in this run.
      n_failed: pictures that failed in this run.
      input_bytes: bytes of the inputs that were encoded in this run.
      n_bytes: bytes of their files.
      sum_psnr_db, n_psnr: sum and number of their PSNRs, without exact copies.
      seconds: time since the first picture was started.
      skipped: {suffix: number} of files in the dataset that are no pictures by their suffixes.
    """

    n_items: int = 0
    n_kept: int = 0
    n_kept_failed: int = 0
    n_done: int = 0
    n_failed: int = 0
    input_bytes: int = 0
    n_bytes: int = 0
    sum_psnr_db: float = 0.0
    n_psnr: int = 0
    seconds: float = 0.0
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def n_left(self) -> int:
        """Pictures that have neither a file nor an error yet."""
        return self.n_items - self.n_kept - self.n_kept_failed - self.n_done - self.n_failed

    @property
    def n_without_file(self) -> int:
        """Pictures that failed, in this run or before."""
        return self.n_failed + self.n_kept_failed

    @property
    def mean_psnr_db(self) -> float:
        """Mean PSNR of the pictures encoded in this run; NaN if there are none."""
        return self.sum_psnr_db / self.n_psnr if self.n_psnr else math.nan

    @property
    def images_per_second(self) -> float:
        """Pictures encoded or failed in this run, per second."""
        return (self.n_done + self.n_failed) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """Time for the pictures that are left, at the speed so far; NaN before the first picture."""
        return self.n_left / self.images_per_second if self.images_per_second else math.nan

    def count(self, row: Row, *, is_old: bool = False) -> None:
        """Counts a row; `is_old` says that it is of a file of an earlier run, which is kept."""
        if is_old:
            self.n_kept += 1
            return
        if not row.is_ok:
            self.n_failed += 1
            return
        self.n_done += 1
        self.input_bytes += row.input_bytes
        self.n_bytes += row.n_bytes
        if math.isfinite(row.psnr_db):
            self.sum_psnr_db += row.psnr_db
            self.n_psnr += 1


class Engine(Protocol):
    """Encodes tasks and hands on their rows: `encode_tasks`, or an engine that spreads them over machines."""

    def __call__(
        self, tasks: Sequence[EncodeTask], output: str, options: RunOptions, on_rows: OnRows, *, stop: threading.Event
    ) -> None:
        """Encodes tasks as `encode_tasks` does."""
        ...


def encode_dataset(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: RunOptions | None = None,
    *,
    engine: Engine = encode_tasks,
    progress: Callable[[Totals], None] | None = None,
    stop: threading.Event | None = None,
) -> Totals:
    """Encodes a dataset, or what earlier runs have left of it.

    A picture is skipped if its row says that it was encoded under the same options, its input has not changed and its
    file is there. A picture that failed under the same options is tried again only if the options say so. A run may be
    killed at any moment; the next run resumes.

    Args:
      source: as for `inrc.dataset.sources.listing`.
      output: path or URL of the folder of outputs, which holds the manifest too.
      options: how to encode; the defaults if not given.
      engine: encodes the tasks.
      progress: called after every few pictures, from any thread.
      stop: set it to end early; pictures that are unfinished then have no row.

    Returns:
      The counts of this run.

    Raises:
      DatasetError: The inputs cannot be listed, or the outputs cannot be written.
      RecordError: Another run writes to the folder, or its manifest is damaged.
      InitMismatchError: The shared init that the options name is not there.
    """
    options = options or RunOptions()
    output = os.fspath(output)
    config_hash = settings_hash(options.encode)
    items, skipped = listing(source)
    totals = Totals(n_items=len(items), skipped=skipped)
    stop = stop or threading.Event()
    lock = threading.Lock()
    with Manifest(output) as manifest:
        sinks.remove_temporary(output)
        sinks.recover(output, manifest.rows.values)
        sinks.remove_stale(output, manifest.stale())
        tasks = plan(items, manifest.rows, output, config_hash, options, totals)
        formers = {task.item.name: task.former for task in tasks if task.former is not None}
        began = time.monotonic()

        def on_rows(rows: Sequence[Row]) -> None:
            manifest.add(rows)
            with lock:
                for row in rows:
                    former = formers.get(row.name)
                    totals.count(row, is_old=former is not None and former.input_hash == row.input_hash)
                totals.seconds = time.monotonic() - began
                if progress is not None:
                    progress(totals)

        if progress is not None:
            progress(totals)
        try:
            if tasks:
                engine(tasks, output, options, on_rows, stop=stop)
        finally:
            sinks.recover(output, manifest.rows.values)  # shards of lost workers
        sinks.remove_stale(output, manifest.stale())
        totals.seconds = time.monotonic() - began
    return totals


def plan(
    items: Sequence[Item],
    rows: dict[str, Row],
    output: str,
    config_hash: str,
    options: RunOptions,
    totals: Totals,
) -> list[EncodeTask]:
    """Returns the tasks that are left, and counts the other pictures in `totals`."""
    outputs = _Outputs(output)
    tasks = []
    for item, name in zip(items, output_names(items, ".inr"), strict=True):
        row = rows.get(item.name)
        if row is None or row.config_hash != config_hash:
            tasks.append(EncodeTask(item, name, config_hash))
            continue
        is_same = row.stamp == item.stamp and item.stamp != ""
        if row.is_ok:
            if not outputs.has(row):
                tasks.append(EncodeTask(item, name, config_hash))
            elif is_same:
                totals.n_kept += 1
            else:
                tasks.append(EncodeTask(item, name, config_hash, row))
        elif options.again or row.stamp != item.stamp:
            tasks.append(EncodeTask(item, name, config_hash))
        else:
            totals.n_kept_failed += 1
    return tasks


class _Outputs:
    """Tells which files are there with the right size."""

    def __init__(self, folder: str) -> None:
        self._folder = Folder(folder)
        self._members: dict[str, dict[str, int]] = {}

    def has(self, row: Row) -> bool:
        """Whether the file of a row is there."""
        size = self._in_shard(row.shard).get(row.output) if row.shard else self._folder.size(row.output)
        return size == row.n_bytes

    def _in_shard(self, shard: str) -> dict[str, int]:
        if shard not in self._members:
            try:
                with self._folder.open(shard) as file:
                    self._members[shard] = sinks.sizes_in_shard(file)
            except OSError:
                self._members[shard] = {}
        return self._members[shard]
