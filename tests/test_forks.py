"""Decoding in worker processes. Every wait has a limit, so that a worker that hangs fails its test."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import inrc
from inrc import forks
from inrc.errors import ForkedProcessError
from inrc.metrics import ssim
from inrc.signal.image import Image

GOLDEN = Path(__file__).parent / "golden/v1"
SMALL = GOLDEN / "codec-siren.inr"
SECONDS = 30

IGNORE_ALARMS = pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_a_fork(work: Callable[[], Any]) -> Any:
    """Returns what `work` returns in a forked process, or the error that it raises there."""

    def run() -> None:
        try:
            writer.send(work())
        except Exception as error:
            writer.send(error)

    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=run)
    process.start()
    try:
        assert reader.poll(SECONDS), "the worker hangs"
        return reader.recv()
    finally:
        process.kill()
        process.join()


@pytest.fixture(scope="module", autouse=True)
def parent_has_decoded() -> np.ndarray:
    """Pixels, in a process that has used JAX."""
    jnp.zeros(3).block_until_ready()
    return inrc.decode(SMALL.read_bytes()).pixels


@IGNORE_ALARMS
class TestForkedAfterUse:
    def test_encoding_and_metrics_are_refused_at_once(self, parent_has_decoded):
        pixels, encode, encode_batch = parent_has_decoded[:8, :8], inrc.encode, inrc.encode_batch  # imported once
        for work in (
            lambda: encode(pixels),
            lambda: encode_batch([Image(pixels)]),
            lambda: ssim(pixels, pixels),
        ):
            error = in_a_fork(work)
            assert isinstance(error, ForkedProcessError)
            assert 'get_context("spawn")' in str(error)
            assert "\n" not in str(error)

    @pytest.mark.parametrize("name", ["codec-siren.inr", "codec-latent-grid.inr"])  # both families
    def test_decoding_needs_no_jax(self, name):
        data = (GOLDEN / name).read_bytes()
        np.testing.assert_array_equal(in_a_fork(lambda: inrc.decode(data).pixels), inrc.decode(data).pixels)

    def test_nor_does_the_loader(self, parent_has_decoded):
        dataset = inrc.open_dataset(SMALL)
        for work in (
            lambda: dataset[0],
            lambda: next(iter(dataset.iterate(on_error=lambda *_: None))),
            lambda: in_a_fork(lambda: dataset[0]),  # forked twice
        ):
            np.testing.assert_array_equal(in_a_fork(work), parent_has_decoded)

    def test_what_is_never_rendered_works(self):
        assert in_a_fork(lambda: inrc.info(SMALL.read_bytes()).width) == 64
        network = in_a_fork(lambda: inrc.open_weights(SMALL)[0])
        expected = inrc.open_weights(SMALL)[0]
        assert network.header == expected.header
        for name, matrix in expected.params.items():
            np.testing.assert_array_equal(network.params[name], matrix)


@IGNORE_ALARMS
def test_the_parent_goes_on(parent_has_decoded):
    in_a_fork(lambda: None)
    forks.check()
    np.testing.assert_array_equal(inrc.decode(SMALL.read_bytes()).pixels, parent_has_decoded)


SCRIPT = """
import multiprocessing, os, sys
import numpy as np

def decoded(path):
    import inrc
    from inrc.metrics import ssim
    pixels = inrc.open_dataset(path)[0]
    return pixels if ssim(pixels, pixels) == 1 else None

def one(method, path):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply_async(decoded, (path,)).get(timeout=90)

def name_of_error(path):
    try:
        return one("fork", path).shape
    except Exception as error:
        return type(error).__name__

if __name__ == "__main__":
    path = sys.argv[1]
    {first}
"""
BEFORE_AND_AFTER = """
    import inrc, inrc.codec.decode, inrc.metrics, jax
    forked = one("fork", path)  # JAX is imported, but its threads have not started
    here = decoded(path)
    np.testing.assert_array_equal(forked, here)
    np.testing.assert_array_equal(one("spawn", path), here)
    print("same", name_of_error(path))
"""
IMPORTED_LATE = """
    import jax.numpy as jnp
    jnp.zeros(3).block_until_ready()
    was_imported = "inrc" in sys.modules
    print(name_of_error(path), was_imported)
"""


@pytest.mark.parametrize(
    ("first", "printed"),
    [
        pytest.param(BEFORE_AND_AFTER, "same ForkedProcessError\n", id="fork before use, spawn and fork after it"),
        pytest.param(IMPORTED_LATE, "ForkedProcessError False\n", id="inrc imported after the fork"),
    ],
)
def test_worker_processes_of_a_program(tmp_path, compiled_programs, first, printed):
    script = tmp_path / "program.py"
    script.write_text(SCRIPT.replace("{first}", textwrap.dedent(first).strip().replace("\n", "\n    ")))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, SMALL],
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(compiled_programs)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
