"""Ctrl-C writes the best file so far. A killed encode leaves no half-written file, and resumes to the same bytes."""

import json
import os
import pty
import select
import signal
import subprocess
import threading
import time

import pytest

from inrc.cli.interrupt import run_interruptibly
from tests.cli.conftest import TIMEOUT
from tests.conftest import COFFEE_SMALL

LONG = ("-e", 9)


class CommandOnTerminal:
    """A command whose stderr is a terminal, so that it shows its progress."""

    def __init__(self, inrc_command, *arguments: object) -> None:
        self.master, slave = pty.openpty()
        self.process = inrc_command.start(*arguments, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        self.output = ""

    def wait_for(self, text: str) -> None:
        """Reads the terminal until it shows `text` after the last call."""
        start = len(self.output)
        deadline = time.monotonic() + TIMEOUT
        while text not in self.output[start:]:
            assert time.monotonic() < deadline, self.output
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.output += os.read(self.master, 1 << 16).decode(errors="replace")
                except OSError:  # the other end is closed
                    pytest.fail(self.output)

    def finish(self) -> str:
        """Waits for the end of the process and returns its stdout; `process.returncode` is its exit code."""
        output = b""
        while self.process.poll() is None:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.master, 1 << 16).decode(errors="replace")
                except OSError:
                    break
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            output = stdout.read()
        self.process.wait(TIMEOUT)
        os.close(self.master)
        return output.decode()


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far(inrc_command, encoded, tmp_path):
    out = tmp_path / "out.inr"
    terminal = CommandOnTerminal(inrc_command, "encode", COFFEE_SMALL, "-o", out, "--json", *LONG)
    terminal.wait_for(" dB")  # the bar shows the first steps
    terminal.process.send_signal(signal.SIGINT)
    stats = json.loads(terminal.finish())
    assert terminal.process.returncode == 0
    assert stats["interrupted"] is True
    assert 80 <= stats["n_steps"] < 100_000
    assert stats["n_bytes"] == out.stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == ["out.inr"]
    assert "stopping" in terminal.output
    assert "the best so far" in terminal.output
    assert inrc_command("info", out).returncode == 0


def test_a_second_ctrl_c_aborts(inrc_command, encoded, tmp_path):
    terminal = CommandOnTerminal(inrc_command, "encode", COFFEE_SMALL, "-o", tmp_path / "out.inr", *LONG)
    terminal.wait_for("0:00:01")  # well before the first steps are done
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("Ctrl-C again to abort")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == ""
    assert terminal.process.returncode == 130
    assert "interrupted, nothing was written" in terminal.output
    assert "Traceback" not in terminal.output
    assert not list(tmp_path.iterdir())


def test_ctrl_c_is_noticed_whichever_thread_the_system_hands_it_to():
    announced = []

    def work(stop: threading.Event) -> bool:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return stop.wait(TIMEOUT)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run_interruptibly(work, lambda: announced.append(True))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert announced == [True]


@pytest.mark.slow
def test_a_killed_encode_resumes_to_the_same_file(inrc_command, tmp_path):
    arguments = ("encode", COFFEE_SMALL, "-q", 60, "-e", 8, "--json")
    whole = inrc_command.apart(*arguments, "-o", tmp_path / "whole.inr")
    assert whole.returncode == 0, whole.stderr

    out = tmp_path / "out.inr"
    process = inrc_command.start(*arguments, "-o", out, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + TIMEOUT
    while not list(tmp_path.glob("out.inr.*.ckpt")):
        assert process.poll() is None, "the encode ended before its first checkpoint: take a higher effort"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not out.exists()

    began = time.monotonic()
    resumed = inrc_command.apart(*arguments, "-o", out)
    assert resumed.returncode == 0, resumed.stderr
    assert out.read_bytes() == (tmp_path / "whole.inr").read_bytes()
    assert time.monotonic() - began < json.loads(whole.stdout)["encode_seconds"]  # it did not start again
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.inr", "whole.inr"]
