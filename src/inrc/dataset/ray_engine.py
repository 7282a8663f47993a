"""Batches on a Ray cluster: one worker process for every accelerator, or for some CPU cores where there are none.

The driver shares chunks among idle workers (`inrc.dataset.shares`) and alone writes the manifest; workers read inputs
and write files themselves, and stream rows back as they finish. A lost worker is replaced, and what it had no rows of
is done by another: a file that was written without its row is written again, with the same bytes.
"""

import contextlib
import dataclasses
import logging
import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from inrc.codec.batch import BatchEncoder
from inrc.dataset.manifest import Row
from inrc.dataset.pipeline import EncodeTask, RunOptions, encode_tasks
from inrc.dataset.places import local_path
from inrc.dataset.shares import LEAST, MOST, Shares
from inrc.dataset.sinks import OnRows
from inrc.errors import ConfigError, DatasetError, InrcError

_STORE_BYTES = 100 << 20
"""Ray's shared memory where the cluster is this machine alone: rows are small."""
_POLL_SECONDS = 0.5
_JAX_SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
_ENVIRONMENT = ("INRC_INIT_PATH",)


@dataclasses.dataclass(frozen=True)
class Event:
    """What became of a worker.

    Attributes:
      kind: "began" or "lost".
      worker: its name.
      host: where it runs.
      pid: of its process.
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
      address: of a cluster, as for `ray.init`: "auto", HOST:PORT or ray://HOST:PORT. If not given, the cluster of
        RAY_ADDRESS, or one of this machine alone that ends with the run.
      cores_per_worker: of a worker without an accelerator; JAX makes a device of each. One with an accelerator asks
        for as many, but not for more than its share of the machine.
      n_workers: at most; as many as the cluster has room for if not given.
      start_timeout: seconds without any worker after which the run fails.
      on_event: called when a worker has begun or is lost.
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
        """As `inrc.dataset.pipeline.encode_tasks`, with rows from one thread.

        Raises:
          InrcError: Ray is missing or cannot be reached, there is no room for a worker, workers are lost again and
            again, or the outputs cannot be written.
        """
        for place in (output, *(task.item.url for task in tasks)):
            if place.startswith("memory:"):
                raise DatasetError(f"{place} is in the memory of this process; name a place that all workers see")
        ray = import_ray()
        path = local_path(output)
        with _connected(ray, self.address):
            driver = _Driver(ray, self, tasks, output if path is None else str(path), options, on_rows, stop)
            try:
                driver.run()
            finally:
                driver.end()


def import_ray() -> Any:
    """The module.

    Raises:
      InrcError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InrcError("the engine ray needs Ray; install it by: pip install 'inrc[cluster]'") from error
    return ray


def workers_of(nodes: Sequence[Mapping[str, float]], cores_per_worker: int) -> tuple[int, dict[str, Any]]:
    """How many workers a cluster has room for, and what one asks for, as options of a Ray actor.

    Args:
      nodes: resources of every machine, as Ray names them.
      cores_per_worker: as in `RayEngine`; where no machine has as many, all that one has.
    """
    for name in ("GPU", "TPU"):
        with_some = [node for node in nodes if node.get(name, 0) >= 1]
        if with_some:
            n_cores = min(int(node.get("CPU", 0) // node[name]) for node in with_some)
            asked: dict[str, Any] = {"num_gpus": 1} if name == "GPU" else {"resources": {name: 1}}
            return sum(int(node[name]) for node in with_some), {**asked, "num_cpus": min(cores_per_worker, n_cores)}
    n_cores = max(1, min(cores_per_worker, max((int(node.get("CPU", 0)) for node in nodes), default=1)))
    return max(1, sum(int(node.get("CPU", 0) // n_cores) for node in nodes)), {"num_cpus": n_cores}


class Worker:
    """The process that encodes; Ray makes an actor of it."""

    def __init__(
        self,
        output: str,
        options: RunOptions,
        n_devices: int | None,
        jax_settings: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> None:
        os.environ.update(environment)
        for name, value in jax_settings.items():
            jax.config.update(name, value)
        if n_devices is not None and "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
            jax.config.update("jax_num_cpu_devices", n_devices)
        self._output = output
        self._options = options
        self._encoder = BatchEncoder(options.encode, batch_size=options.batch_size)
        self._stop = threading.Event()

    def about(self) -> tuple[str, str, int]:
        """(release of inrc, host, process)."""
        return version("inrc"), platform.node(), os.getpid()

    def encode(self, tasks: Sequence[EncodeTask], writer: str) -> Iterator[list[Row]]:
        """Rows of a chunk as its pictures are finished."""
        rows: queue.SimpleQueue[list[Row] | None] = queue.SimpleQueue()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                encode_tasks(
                    tasks,
                    self._output,
                    self._options,
                    lambda some: rows.put(list(some)),
                    writer=writer,
                    encoder=self._encoder,
                    stop=self._stop,
                )
            except BaseException as error:
                errors.append(error)
            finally:
                rows.put(None)

        threading.Thread(target=work, name="inrc-chunk", daemon=True).start()
        while (some := rows.get()) is not None:
            yield some
        if errors:
            raise errors[0]

    def stop(self) -> None:
        """Ends the chunk after its next steps."""
        self._stop.set()


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
        per_shard = options.images_per_shard  # chunks end shards
        least, most = (per_shard, max(1, MOST // per_shard) * per_shard) if per_shard else (LEAST, MOST)
        self._shares = Shares(tasks, least=least, most=most)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        n_workers, asked = workers_of(nodes, engine.cores_per_worker)
        self._n_workers = min(engine.n_workers or n_workers, max(1, len(tasks)))
        self._make = ray.remote(Worker).options(max_restarts=0, max_concurrency=2, **asked)
        n_devices = asked["num_cpus"] if asked.keys() == {"num_cpus"} else None
        settings = {name: getattr(jax.config, name) for name in _JAX_SETTINGS}
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._arguments = output, _with_absolute_init(options), n_devices, settings, environment
        self._n_made = 0
        self._starting: dict[Any, _Member] = {}
        self._running: dict[Any, _Member] = {}
        self._idle: list[_Member] = []
        self._last_alive = time.monotonic()
        self._was_told = False

    def run(self) -> None:
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
        """Gives idle workers chunks, and starts what is missing."""
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
        if not self._was_told:
            self._was_told = True
            for member in self._running.values():
                member.actor.stop.remote()

    def _wait(self) -> None:
        """Takes what workers have to say, for a moment at most."""
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
        """Takes in a worker that has begun.

        Raises:
          InrcError: It cannot work.
        """
        member = self._starting.pop(reference)
        try:
            release, member.host, member.pid = self._get(reference)
        except _Lost as loss:
            self._shares.lose(member.name, str(loss))
            return
        own_release = version("inrc")
        if release != own_release:
            raise DatasetError(f"{member.host} has inrc {release}, this machine {own_release}: install the same")
        self._idle.append(member)
        self._tell("began", member)

    def _next_rows(self, rows: Any) -> list[Row]:
        """The rows that a worker has ready; at the end of its chunk, or of itself, it leaves the running ones."""
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
        except _Lost as loss:
            del self._running[rows]
            self._ray.kill(member.actor)  # if it is lost to this machine only
            self._tell("lost", member, str(loss))
            return self._shares.lose(member.name, str(loss))

    def _get(self, reference: Any) -> Any:
        """A value that is there.

        Raises:
          InrcError: The worker could not go on.
          _Lost: It is gone, or failed by no fault of the user's.
        """
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InrcError):
                raise error.cause from error
            raise _Lost(f"{type(error.cause).__name__}: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            raise _Lost(_first_line(error)) from error

    def _tell(self, kind: str, member: _Member, reason: str = "") -> None:
        if self._engine.on_event is not None:
            self._engine.on_event(Event(kind, member.name, member.host, member.pid, reason))


class _Lost(Exception):
    """A worker is gone."""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """A cluster; one that the caller has connected to stays connected.

    Raises:
      DatasetError: It cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None or address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise DatasetError(f"cannot reach the Ray cluster {address or 'local'}: {_first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _with_absolute_init(options: RunOptions) -> RunOptions:
    """Options whose shared init, if it is a file, is found from any folder."""
    init = Path(options.encode.init)
    if not options.encode.names_init or not init.is_file():
        return options
    return dataclasses.replace(options, encode=dataclasses.replace(options.encode, init=str(init.absolute())))
