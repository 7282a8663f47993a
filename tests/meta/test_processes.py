"""Several processes on one run: exchanged data, the same result as of one process, errors that end all of them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from inrc import shared_init
from inrc.errors import ConfigError, InrcError
from inrc.meta import outer, prior, processes
from tests.conftest import ROOT
from tests.meta import tiny


def test_a_process_alone_exchanges_with_itself():
    assert processes.is_first()
    assert processes.gather(b"abc\0") == [b"abc\0"]
    assert processes.of_first(b"") == b""
    assert (processes.any_of(True), processes.any_of(False)) == (True, False)
    processes.check_same("anything")


def test_processes_of_another_run_are_named(monkeypatch):
    monkeypatch.setattr(processes, "gather", lambda data: [b"one", data, b"two", b"one"])
    with pytest.raises(ConfigError, match="pictures of process 1, 2 are not those of process 0"):
        processes.check_same("other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("host:1", 2, None), "host:1, 2 and None: give all three"),
        ((None, 2, 0), "None, 2 and 0: give all three"),
        (("host:1", 2, 2), r"index of the process is 2; it must be within 0\.\.1"),
        (("host", 2, 1), "the coordinator is host; name it as HOST:PORT"),
        ((None, None, None), "no cluster is known here"),
    ],
)
def test_bad_addresses_and_numbers_of_processes_are_refused(arguments, message, monkeypatch):
    def initialize(coordinator, *_: object, **__: object) -> None:
        assert coordinator is None, "the arguments should have been refused"
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(ConfigError, match=message):
        processes.join(*arguments)
    with pytest.raises(ConfigError, match="the timeout in seconds is 0; it must be a number"):
        processes.join("host:1", 2, 0, timeout=0)


def test_the_loss_of_another_process_is_a_typed_error(monkeypatch):
    lost = ValueError("UNKNOWN: Gloo AllGather failed: Connection closed by peer")
    with pytest.raises(ValueError, match=r"^UNKNOWN"), processes.loss_reported():
        raise lost  # a process alone cannot lose another
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(InrcError, match="process 0 of 2 has lost another"), processes.loss_reported():
        raise lost
    for other in (ValueError("something else"), ConfigError("Gloo is no name")):
        with pytest.raises(ValueError, match=str(other)) as caught, processes.loss_reported():
            raise other
        assert caught.value is other


def test_processes_take_equal_parts_of_the_tasks(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    with pytest.raises(ConfigError, match=r"4 processes cannot share 1 tasks side by side, of 2 in an outer step"):
        outer.layout_of(tiny.LEARNING)


def test_a_prior_is_learned_from_the_fits_of_all_processes(monkeypatch):
    """Three processes take pictures 1 to 3 in turn; of fits side by side the longest counts."""
    params = {name: np.asarray(matrix) for name, matrix in tiny.start().mean.items()}
    training = tiny.collection().training
    expected, _ = prior.learn_prior(tiny.RECIPE, params, training)
    packed_fits: list[bytes] = []

    def learn(index: int, gather) -> tuple[shared_init.SharedInit, float]:
        monkeypatch.setattr(jax, "process_index", lambda: index)
        monkeypatch.setattr(processes, "gather", gather)
        monkeypatch.setattr(processes, "any_of", lambda flag: flag)
        return prior.learn_prior(tiny.RECIPE, params, training)

    class Gathered(Exception):
        pass

    def keep(data: bytes) -> list[bytes]:
        packed_fits.append(data)
        raise Gathered

    for index in (0, 1, 2):
        with pytest.raises(Gathered):
            learn(index, keep)
    found, seconds = learn(0, lambda _: packed_fits)
    assert found.sha256 == expected.sha256
    assert seconds == max(prior._unpacked(data).seconds for data in packed_fits)


# Two processes --------------------------------------------------------------------------------------------------

RUN = """
import shutil, sys
from pathlib import Path
import jax, numpy as np
from inrc.meta import processes
from inrc.meta.run import run_recipe
from inrc.meta.train import TrainProgress
from tests.meta import tiny

folder, data = Path(sys.argv[1]), Path(sys.argv[2])
if len(sys.argv) > 3:
    processes.join(sys.argv[3], 2, int(sys.argv[4]), timeout=120)
assert jax.device_count() == 2

def stop_after_three(state):
    if isinstance(state, TrainProgress) and state.step == 3 and jax.process_index() == jax.process_count() - 1:
        raise KeyboardInterrupt

try:
    run_recipe(tiny.RECIPE, folder, data=data, progress=stop_after_three)
except KeyboardInterrupt:
    if processes.is_first():
        assert [path.name for path in (folder / "checkpoints").iterdir()] == ["3"]
        shutil.copytree(folder, folder.with_name(folder.name + "-stopped"))
done = run_recipe(tiny.RECIPE, folder, data=data)
assert done.card["outer_steps"] == 8
learned = tiny.train_start(tiny.RECIPE, tiny.collection(), folder=folder / "checkpoints").learned
np.savez(folder / "learned.npz", *jax.tree.leaves(learned))
print(done.init.sha256, flush=True)
if len(sys.argv) > 3:
    jax.distributed.shutdown()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    tiny.write_pictures(folder)
    return folder


@pytest.fixture
def environment(compiled_programs) -> dict[str, str]:
    """Of processes with one device each."""
    return {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=1",
        "JAX_COMPILATION_CACHE_DIR": str(compiled_programs),
    }


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def start(command: list, environment: dict[str, str]) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, **pipes)


def start_pair(*commands: list, environment: dict[str, str]) -> list[subprocess.Popen]:
    return [start(command, environment) for command in commands]


def ends(pair: list[subprocess.Popen], seconds: float = 240) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each."""
    found = []
    try:
        for process in pair:
            stdout, stderr = process.communicate(timeout=seconds)
            lines = [line for line in stdout.splitlines(keepends=True) if not line.startswith("[Gloo]")]
            found.append((process.returncode, "".join(lines), stderr))
    finally:
        for process in pair:
            process.kill()
    return found


def learned_of(folder: Path) -> list[np.ndarray]:
    with np.load(folder / "learned.npz") as archive:
        return [archive[name] for name in archive.files]


@pytest.mark.slow
def test_two_processes_do_what_one_with_two_devices_does(tmp_path, data, environment):
    """Bit for bit, also where the second process was interrupted and other processes continue the run."""
    two_devices = {**environment, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    python = [sys.executable, "-c", RUN]
    folders = [tmp_path / "first", tmp_path / "second"]  # disks that they do not share
    address = free_address()
    commands = ([*python, folder, data, address, i] for i, folder in enumerate(folders))
    pair = ends(start_pair(*commands, environment=environment))
    assert [code for code, _, _ in pair] == [0, 0], pair
    (one,) = ends([start([*python, tmp_path / "one", data], two_devices)])
    assert one[0] == 0, one
    assert pair[0][1] == pair[1][1] == one[1]
    for folder in folders:
        for found, expected in zip(learned_of(folder), learned_of(tmp_path / "one"), strict=True):
            np.testing.assert_array_equal(found, expected)
    init = shared_init.load(folders[0] / "init.npz")
    assert init.sha256 == one[1].strip()
    cards = [json.loads((folder / "card.json").read_text()) for folder in (folders[0], tmp_path / "one")]
    for card in cards:
        for name in ("outer_seconds", "prior_seconds"):
            del card[name]
        for row in card["validation"]:
            del row["seconds"]
    assert cards[0] == cards[1]
    # Only the first process writes results. Each keeps its own fits: of three pictures, the second is fitted by the
    # second process.
    assert {path.name for path in folders[0].iterdir()} >= {"card.json", "init.npz", "checkpoints", "fits"}
    assert {path.name for path in folders[1].iterdir()} == {"fits", "learned.npz"}
    assert [len(list((folder / "fits").iterdir())) for folder in folders] == [2, 1]

    # One process finishes the run of two, and two that of one.
    stopped = [tmp_path / "first-stopped", tmp_path / "one-stopped"]
    (one,) = ends([start([*python, stopped[0], data], two_devices)])
    assert one[:2] == (0, pair[0][1]), one
    address = free_address()
    commands = ([*python, stopped[1], data, address, i] for i in range(2))
    assert [end[:2] for end in ends(start_pair(*commands, environment=environment))] == [(0, pair[0][1])] * 2
    for folder in stopped:
        for found, expected in zip(learned_of(folder), learned_of(tmp_path / "one"), strict=True):
            np.testing.assert_array_equal(found, expected)


RECIPE = """
import dataclasses
from tests.meta import tiny
RECIPE = dataclasses.replace(tiny.RECIPE, learning=dataclasses.replace(tiny.LEARNING, n_steps=N_STEPS))
"""


@pytest.fixture
def train_command(tmp_path, data, environment):
    """`inrc meta train` as process i of two, with a recipe of `n_steps` steps or the file `recipe`."""
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    address = free_address()

    def command(i: int, n_steps: str, *, recipe: str | None = None) -> list:
        path = tmp_path / (recipe or f"{n_steps}.py")
        if recipe is None:
            path.write_text(RECIPE.replace("N_STEPS", n_steps))
        script = Path(sys.executable).with_name("inrc")
        shared = ["--data", data, "-o", tmp_path / "run", "--timeout", 60]
        return [
            *(script, "meta", "train", path, *shared),
            *("--coordinator", address, "--num-processes", 2, "--process-id", i),
        ]

    return command


@pytest.mark.slow
def test_the_command_joins_processes_and_only_the_first_prints(tmp_path, train_command, environment):
    first, second = ends(start_pair(train_command(0, "4"), train_command(1, "4"), environment=environment))
    assert first[0] == 0, first
    init = shared_init.load(tmp_path / "run" / "init.npz")
    assert first[1] == f"{tmp_path}/run/init.npz: {init.n_weights} weights, id {init.id.hex()}\n"
    assert "step 4  loss" in first[2]
    assert "prior, round 1/1, fit 3/3" in first[2]
    assert second[:2] == (0, "")
    assert not [line for line in second[2].splitlines() if "step" in line or "prior" in line], second


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"recipe": "none.py"}, ("process 0 of 2 has lost another", "none.py is not a Python file")),
        ({"n_steps": "5"}, ("the recipe or the pictures of process 1 are not those of process 0",) * 2),
    ],
)
def test_all_end_if_one_cannot_start(train_command, environment, changes, messages):
    began = time.monotonic()
    commands = train_command(0, "4"), train_command(1, **{"n_steps": "4", **changes})
    for (code, stdout, stderr), message in zip(
        ends(start_pair(*commands, environment=environment)), messages, strict=True
    ):
        assert (code, stdout) == (1, "")
        assert message in stderr.splitlines()[-1]
    assert time.monotonic() - began < 55  # before any timeout


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_all_end_if_one_is_killed(tmp_path, train_command, environment, victim):
    pair = start_pair(train_command(0, "10**6"), train_command(1, "10**6"), environment=environment)
    assert pair[0].stderr is not None
    while not pair[0].stderr.readline().startswith("step"):
        assert pair[0].poll() is None
    pair[victim].send_signal(signal.SIGKILL)
    began = time.monotonic()
    found = ends(pair)
    assert time.monotonic() - began < 30
    assert found[victim][0] == -signal.SIGKILL
    if victim == 1:  # if the first process is lost, JAX itself ends the others, by SIGABRT
        assert found[0][0] == 1
        assert "process 0 of 2 has lost another" in found[0][2]
        assert len([path for path in (tmp_path / "run" / "checkpoints").iterdir() if path.name.isdigit()]) == 1
    else:
        assert found[1][0] in (1, -signal.SIGABRT)
