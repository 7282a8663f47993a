"""The engine on Ray: the resources that it requests, and a local cluster that loses a worker but no picture."""

import builtins
import dataclasses
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from inrc.dataset import ray_engine
from inrc.dataset.manifest import MANIFEST, load_manifest
from inrc.dataset.ray_cluster import workers_of
from inrc.dataset.ray_engine import Event, RayEngine
from inrc.dataset.run import Totals, encode_dataset
from inrc.errors import ConfigError, DatasetError, InrcError
from tests.dataset import samples


@pytest.mark.parametrize(
    ("nodes", "cores", "expected"),
    [
        ([{"CPU": 2.0}], 2, (1, {"num_cpus": 2})),
        ([{"CPU": 2.0}], 1, (2, {"num_cpus": 1})),
        ([{"CPU": 2.0}], 8, (1, {"num_cpus": 2})),  # no machine has more
        ([{"CPU": 16.0}, {"CPU": 7.0}, {"memory": 1.0}], 4, (5, {"num_cpus": 4})),
        ([{"CPU": 16.0, "GPU": 4.0}, {"CPU": 64.0}], 8, (4, {"num_gpus": 1, "num_cpus": 4})),
        ([{"CPU": 96.0, "TPU": 4.0}] * 2, 2, (8, {"resources": {"TPU": 1}, "num_cpus": 2})),
        ([], 2, (1, {"num_cpus": 1})),
    ],
)
def test_a_worker_for_every_accelerator_or_for_some_cores(nodes, cores, expected):
    assert workers_of(nodes, cores) == expected


def test_without_ray_the_message_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def missing(name: str, *arguments, **keywords):
        if name == "ray":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InrcError, match=r"pip install 'inrc\[cluster\]'"):
        RayEngine()([], "out", samples.OPTIONS, lambda rows: None, stop=threading.Event())


def test_what_only_this_process_sees_is_refused():
    with pytest.raises(DatasetError, match="memory://out is in the memory of this process"):
        RayEngine()([], "memory://out", samples.OPTIONS, lambda rows: None, stop=threading.Event())
    for cores, workers in ((0, 1), (1, 0)):
        with pytest.raises(ConfigError, match="it must be 1 or more"):
            RayEngine(cores_per_worker=cores, n_workers=workers)


# A local cluster --------------------------------------------------------------------------------------------------

N_PICTURES = 40


@pytest.fixture(scope="module")
def ray():
    """A cluster of this machine with room for two workers."""
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"object_store_memory": 100 << 20, "_node_ip_address": "127.0.0.1", "log_to_driver": False}
    ray.init("local", num_cpus=2, include_dashboard=False, **options)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Pictures, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    samples.write(folder, N_PICTURES)
    (folder / "broken.png").write_bytes(samples.png(0)[:60])
    return folder


@pytest.fixture(scope="module")
def local(pictures, tmp_path_factory) -> Path:
    """The outputs of the local engine."""
    folder = tmp_path_factory.mktemp("local")
    encode_dataset(pictures, folder, samples.OPTIONS)
    return folder


def inr_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.inr")}


def rows_without_times(folder: Path) -> list[dict]:
    """Returns rows without times and places."""
    gone = {"seconds": 0.0, "finished_at": "", "shard": ""}
    return [dataclasses.asdict(dataclasses.replace(row, **gone)) for row in load_manifest(folder)]


@pytest.mark.slow
def test_two_workers_one_of_which_is_killed_do_what_the_local_engine_does(ray, pictures, local, tmp_path):
    events: list[Event] = []
    killed = threading.Event()

    def kill_one(totals: Totals) -> None:
        """Kills one worker once both are at work, while many pictures are left."""
        began = [event for event in events if event.kind == "began"]
        if (len(began) == 2 or totals.n_left <= 24) and totals.n_done >= 4 and not killed.is_set():
            assert totals.n_left >= 12
            killed.set()
            os.kill(began[0].pid, signal.SIGKILL)

    engine = RayEngine(cores_per_worker=1, on_event=events.append)
    totals = encode_dataset(pictures, tmp_path, samples.OPTIONS, engine=engine, progress=kill_one)
    assert killed.is_set()
    assert [event.kind for event in events].count("lost") == 1
    assert [event.kind for event in events].count("began") >= 2
    (lost,) = [event for event in events if event.kind == "lost"]
    assert lost.pid == next(event.pid for event in events if event.worker == lost.worker and event.kind == "began")
    assert (totals.n_done, totals.n_failed, totals.n_left) == (N_PICTURES, 1, 0)
    lines = (tmp_path / MANIFEST).read_text().splitlines()
    assert len(lines) == N_PICTURES + 1  # nothing is doubled
    assert inr_files(tmp_path) == inr_files(local)
    assert len(inr_files(local)) == N_PICTURES
    assert rows_without_times(tmp_path) == rows_without_times(local)

    def no_work(*_: object, **__: object) -> None:
        raise AssertionError("something is done again")

    assert encode_dataset(pictures, tmp_path, samples.OPTIONS, engine=no_work).n_kept == N_PICTURES


@pytest.mark.slow
def test_shards_of_several_workers_and_a_run_that_is_stopped(ray, pictures, local, tmp_path):
    options = dataclasses.replace(samples.OPTIONS, images_per_shard=8)
    stop = threading.Event()
    engine = RayEngine(cores_per_worker=1)
    stopped = encode_dataset(
        pictures, tmp_path, options, engine=engine, stop=stop, progress=lambda t: stop.set() if t.n_done else None
    )
    assert 0 < stopped.n_left < N_PICTURES
    finished = encode_dataset(pictures, tmp_path, options, engine=engine)
    assert finished.n_kept == stopped.n_done
    assert (finished.n_left, finished.n_done + finished.n_kept) == (0, N_PICTURES)
    assert rows_without_times(tmp_path) == rows_without_times(local)
    assert {path.suffix for path in tmp_path.iterdir()} == {".tar", ".jsonl"}


@pytest.mark.slow
def test_outputs_that_cannot_be_written_end_the_run(ray, pictures, tmp_path):
    options = dataclasses.replace(samples.OPTIONS, images_per_shard=8)

    def in_the_way(totals: Totals) -> None:
        (tmp_path / "shard-0-000000.tar.part").mkdir(exist_ok=True)
        (tmp_path / "shard-1-000000.tar.part").mkdir(exist_ok=True)

    with pytest.raises(DatasetError, match=r"cannot (write|close|complete)"):
        encode_dataset(pictures, tmp_path, options, engine=RayEngine(cores_per_worker=1), progress=in_the_way)


@pytest.mark.slow
def test_a_cluster_without_room_is_reported(ray, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "workers_of", lambda *_: (1, {"num_cpus": 1, "resources": {"none": 1}}))
    began = time.monotonic()
    with pytest.raises(DatasetError, match="no worker has begun within 2 s"):
        encode_dataset(pictures, tmp_path, samples.OPTIONS, engine=RayEngine(start_timeout=2.0))
    assert time.monotonic() - began < 30
