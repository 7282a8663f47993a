"""The `inrc` command, in this process or as the installed script, with one compilation cache for all tests."""

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import pytest

from inrc.cli.app import main
from inrc.files import write_atomically
from inrc.signal.image import read_image
from tests.conftest import COFFEE_SMALL, KEPT_FROM_SECONDS

TIMEOUT = 300

WITH_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclasses.dataclass(frozen=True)
class Command:
    """Runs `inrc` with arguments."""

    environment: dict[str, str]

    @property
    def script(self) -> str:
        return str(Path(sys.executable).with_name("inrc"))

    def __call__(
        self, *arguments: object, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """In this process: another one takes seconds to import JAX."""
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
        with (
            contextlib.chdir(cwd or Path.cwd()),
            mock.patch.dict(os.environ, {**self.environment, **environment}),
            contextlib.redirect_stdout(streams[0]),
            contextlib.redirect_stderr(streams[1]),
            warnings.catch_warnings(),
        ):
            try:
                code = main([*map(str, arguments)])
            except SystemExit as end:
                code = end.code
            finally:
                jax.config.update("jax_persistent_cache_min_compile_time_secs", KEPT_FROM_SECONDS)
        texts = [stream.buffer.getvalue().decode() for stream in streams]  # pyright: ignore[reportAttributeAccessIssue]
        assert isinstance(code, int)
        return subprocess.CompletedProcess([*map(str, arguments)], code, *texts)

    def apart(self, *arguments: object, cwd: Path | None = None, **environment: str):
        """As a process of its own."""
        return subprocess.run(
            [self.script, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**self.environment, **environment},
            timeout=TIMEOUT,
            check=False,
        )

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen:
        """Starts the script, with Ctrl-C as in a terminal: shells start tests in the background with SIGINT ignored."""
        command = [sys.executable, "-c", WITH_SIGINT, self.script, *map(str, arguments)]
        return subprocess.Popen(command, env=self.environment, **options)

    def python(self, code: str, *arguments: object):
        """Runs Python code instead of the script."""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=TIMEOUT, check=False
        )


@pytest.fixture(scope="session")
def inrc_command(compiled_programs: Path) -> Command:
    return Command({**os.environ, "INRC_CACHE_DIR": str(compiled_programs.parent), "COLUMNS": "100"})


@dataclasses.dataclass(frozen=True)
class EncodedFile:
    """coffee_small.png, encoded by the command line at the lowest effort."""

    path: Path
    stats: dict[str, Any]
    stderr: str


@pytest.fixture(scope="session")
def encoded(inrc_command: Command, shared_folder: Path) -> EncodedFile:
    folder = shared_folder / "encoded"
    path, record = folder / "coffee.inr", folder / "record.json"
    with contextlib.suppress(FileExistsError):
        folder.mkdir()  # by one worker; the others wait for what it makes
        done = inrc_command("encode", COFFEE_SMALL, "-o", path, "-e", 1, "--json")
        write_atomically(record, json.dumps([done.returncode, done.stdout, done.stderr]).encode())
    deadline = time.monotonic() + TIMEOUT
    while not record.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    code, stdout, stderr = json.loads(record.read_text())
    assert code == 0, stderr
    return EncodedFile(path, json.loads(stdout), stderr)


@pytest.fixture(scope="session")
def decoded(inrc_command: Command, encoded: EncodedFile, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Pixels of `encoded`, decoded by the command line."""
    path = tmp_path_factory.mktemp("decoded") / "coffee.png"
    done = inrc_command("decode", encoded.path, "-o", path)
    assert done.returncode == 0, done.stderr
    return read_image(path).pixels
