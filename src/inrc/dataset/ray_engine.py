"""Encodes a dataset on a Ray cluster: one worker process per accelerator, or per few CPU cores where there are none.

The driver shares chunks among idle workers (`inrc.dataset.shares`), and it alone writes the manifest. Workers
(`inrc.dataset.ray_worker`) read inputs and write files themselves, and stream rows back as pictures are finished. A
lost worker is replaced, and another worker encodes the pictures that it had no rows of. A file that was written without
its row is written again, with the same bytes.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from inrc.dataset.manifest import Row
from inrc.dataset.places import local_path
from inrc.dataset.ray_cluster import connected, first_line, import_ray, workers_of
from inrc.dataset.ray_worker import Worker
from inrc.dataset.shares import LEAST, MOST, Shares
from inrc.dataset.sinks import OnRows
from inrc.dataset.tasks import EncodeTask, RunOptions
from inrc.errors import ConfigError, DatasetError, InrcError

_POLL_SECONDS = 0.5
_JAX_SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
_ENVIRONMENT = ("INRC_INIT_PATH",)


@dataclasses.dataclass(frozen=True)
class Event:
    """A worker started or was lost.

    Attributes:
      kind: "began" or "lost".
      worker: name of the worker.
      host: machine that it runs on.
      pid: id of its process.
      reason: why it was lost.
    """

    kind: str
    worker: str
    host: str
    pid: int
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class RayEngine:
    """An engine of `encode_dataset` that spreads its tasks over a Ray cluster.

    All machines must see inputs and outputs under the same paths or URLs.

    Attributes:
      address: the cluster, as for `ray.init`: "auto", HOST:PORT or ray://HOST:PORT. If not given, the cluster of
        RAY_ADDRESS, or one of this machine alone that ends with the run.
      cores_per_worker: the cores of a worker without an accelerator; JAX makes a device of each core. A worker with an
        accelerator takes as many cores, but not more than its share of the machine.
      n_workers: the largest number of workers; as many as the cluster has room for if not given.
      start_timeout: the run fails if no worker is there for so many seconds.
      on_event: called when a worker has started or is lost.

    Raises:
      ConfigError: A number is below 1.
    """

    address: str | None = None
    cores_per_worker: int = 2
    n_workers: int | None = None
    start_timeout: float = 300.0
    on_event: Callable[[Event], None] | None = None

    def __post_init__(self) -> None:
        for name in ("cores_per_worker", "n_workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be 1 or more")

    def __call__(
        self, tasks: Sequence[EncodeTask], output: str, options: RunOptions, on_rows: OnRows, *, stop: threading.Event
    ) -> None:
        """Encodes tasks as `inrc.dataset.pipeline.encode_tasks` does; all rows come from one thread.

        Raises:
          InrcError: Ray is missing or cannot be reached, there is no room for a worker, workers are lost again and
            again, or the outputs cannot be written.
        """
        for place in (output, *(task.item.url for task in tasks)):
            if place.startswith("memory:"):
                raise DatasetError(f"{place} is in the memory of this process; name a place that all workers see")
        ray = import_ray()
        path = local_path(output)
        with connected(ray, self.address):
            driver = _Driver(ray, self, tasks, output if path is None else str(path), options, on_rows, stop)
            try:
                driver.run()
            finally:
                driver.end()


@dataclasses.dataclass(eq=False)
class _Member:
    """A worker as the driver sees it."""

    name: str
    actor: Any
    host: str = ""
    pid: int = 0


class _Driver:
    """One run on a connected cluster."""

    def __init__(
        self,
        ray: Any,
        engine: RayEngine,
        tasks: Sequence[EncodeTask],
        output: str,
        options: RunOptions,
        on_rows: OnRows,
        stop: threading.Event,
    ) -> None:
        self._ray = ray
        self._engine = engine
        self._on_rows = on_rows
        self._stop = stop
        per_shard = options.images_per_shard  # a chunk is a whole number of shards
        least, most = (per_shard, max(1, MOST // per_shard) * per_shard) if per_shard else (LEAST, MOST)
        self._shares = Shares(tasks, least=least, most=most)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        n_workers, resources = workers_of(nodes, engine.cores_per_worker)
        self._n_workers = min(engine.n_workers or n_workers, max(1, len(tasks)))
        self._make = ray.remote(Worker).options(max_restarts=0, max_concurrency=2, **resources)
        n_devices = resources["num_cpus"] if resources.keys() == {"num_cpus"} else None
        settings = {name: getattr(jax.config, name) for name in _JAX_SETTINGS}
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._arguments = output, _with_absolute_init(options), n_devices, settings, environment
        self._n_made = 0
        self._starting: dict[Any, _Member] = {}
        self._running: dict[Any, _Member] = {}
        self._idle: list[_Member] = []
        self._last_alive = time.monotonic()
        self._was_told_to_stop = False

    def run(self) -> None:
        """Keeps workers busy until every picture has a row, or until the run is stopped."""
        while not self._shares.is_done:
            if self._stop.is_set():
                self._tell_to_stop()
                if not self._running:
                    return
            else:
                self._employ()
            self._wait()

    def end(self) -> None:
        """Ends all workers."""
        for member in (*self._starting.values(), *self._running.values(), *self._idle):
            self._ray.kill(member.actor)

    def _employ(self) -> None:
        """Starts workers that are missing, and gives chunks to idle ones."""
        n_wanted = self._n_workers - len(self._starting) - len(self._running) - len(self._idle)
        for _ in range(n_wanted):
            member = _Member(str(self._n_made), self._make.remote(*self._arguments))
            self._n_made += 1
            self._starting[member.actor.about.remote()] = member
        while self._idle:
            chunk = self._shares.take(self._idle[0].name, self._n_workers)
            if not chunk:
                return
            member = self._idle.pop(0)
            rows = member.actor.encode.options(num_returns="streaming").remote(chunk, member.name)
            self._running[rows] = member

    def _tell_to_stop(self) -> None:
        if not self._was_told_to_stop:
            self._was_told_to_stop = True
            for member in self._running.values():
                member.actor.stop.remote()

    def _wait(self) -> None:
        """Waits a moment for news of workers, and takes all news that there is."""
        waiting = [*self._starting, *self._running]
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=_POLL_SECONDS)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        rows: list[Row] = []
        try:
            for reference in ready:
                if reference in self._starting:
                    self._welcome(reference)
                else:
                    rows += self._next_rows(reference)
        finally:
            if rows:
                self._on_rows(rows)
        if self._running or self._idle:
            self._last_alive = time.monotonic()
        elif time.monotonic() - self._last_alive > self._engine.start_timeout:
            raise DatasetError(
                f"no worker has begun within {self._engine.start_timeout:g} s; see whether the cluster has room"
            )

    def _welcome(self, reference: Any) -> None:
        """Takes in a worker that has started.

        Raises:
          InrcError: It cannot work.
        """
        member = self._starting.pop(reference)
        try:
            release, member.host, member.pid = self._get(reference)
        except _WorkerGone as loss:
            self._shares.lose(member.name, str(loss))
            return
        if release != version("inrc"):
            raise DatasetError(
                f"{member.host} has inrc {release} and this machine has {version('inrc')}; install the same release"
            )
        self._idle.append(member)
        self._announce("began", member)

    def _next_rows(self, rows: Any) -> list[Row]:
        """Returns the rows that a worker has ready. A worker whose chunk has ended, or that is lost, stops running."""
        member = self._running[rows]
        try:
            return self._shares.settle(member.name, self._get(next(rows)))
        except StopIteration:
            del self._running[rows]
            self._idle.append(member)
            left = self._shares.finish(member.name)
            if left and not self._stop.is_set():
                raise DatasetError(f"worker {member.name} has no rows of {len(left)} pictures") from None
            return []
        except _WorkerGone as loss:
            del self._running[rows]
            self._ray.kill(member.actor)  # it may be lost to this machine only
            self._announce("lost", member, str(loss))
            return self._shares.lose(member.name, str(loss))

    def _get(self, reference: Any) -> Any:
        """Returns a value that is ready.

        Raises:
          InrcError: The worker ended with a typed error.
          _WorkerGone: The worker is gone, or failed with an error of another type.
        """
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InrcError):
                raise error.cause from error
            raise _WorkerGone(f"{type(error.cause).__name__}: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            raise _WorkerGone(first_line(error)) from error

    def _announce(self, kind: str, member: _Member, reason: str = "") -> None:
        if self._engine.on_event is not None:
            self._engine.on_event(Event(kind, member.name, member.host, member.pid, reason))


class _WorkerGone(Exception):
    """A worker is gone."""


def _with_absolute_init(options: RunOptions) -> RunOptions:
    """Returns options whose shared init, if it is a file, is found from any folder."""
    init = Path(options.encode.init)
    if not options.encode.names_init or not init.is_file():
        return options
    return dataclasses.replace(options, encode=dataclasses.replace(options.encode, init=str(init.absolute())))
