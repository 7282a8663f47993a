"""Measures the speed of a step of a fit, of its compilation, and of a decode from the command line.

Command: make bench. Cost: about 2 minutes on 2 cores. Expected: a step at most 3 matmuls, compilation and first step
under 12 s cold and under 4 s with a warm cache, a decode under 2.5 s. Absolute times depend on the machine and on
its load; therefore steps are measured in matmuls, which are timed in turn with the steps in the same process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import inrc
from inrc import presets
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import fit_network
from inrc.fit.coordinate.minibatches import polyphase
from inrc.fit.coordinate.plan import default_tile_samples
from inrc.fit.coordinate.program import Problem, Signal, phase_loss_and_gradient
from inrc.fit.task import Target
from inrc.models import build

MATMUL_SIZE = 1024
STEP_SIZE = 256
KODAK = (512, 768)


def _seconds(function, *arguments) -> float:
    began = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - began


def step_in_matmuls(rounds: int) -> tuple[float, float, float]:
    """Returns (matmul s, step s, median of their ratio) of a 10x28 SIREN's full gradient over 65,536 pixels."""
    model = ModelConfig(widths=(28,) * 10, encoding=EncodingConfig(EncodingKind.NONE))
    shape = (STEP_SIZE, STEP_SIZE)
    key = jax.random.key(0)
    values = np.asarray(jax.random.uniform(key, (3, *shape)))
    signal = Signal(polyphase(values, 1, default_tile_samples()), jnp.eye(3), jnp.zeros(3))
    problem = Problem(model, shape, 3)
    params = build.init(model, shape, 3, key)
    square = jax.random.normal(key, (MATMUL_SIZE, MATMUL_SIZE))

    matmul = jax.jit(lambda a: a @ a)
    step = jax.jit(lambda p, s: phase_loss_and_gradient(problem, p, s, jnp.int32(0)))
    _seconds(matmul, square)
    _seconds(step, params, signal)
    pairs = [(_seconds(matmul, square), _seconds(step, params, signal)) for _ in range(rounds)]
    matmuls, steps = zip(*pairs, strict=True)
    return (
        statistics.median(matmuls),
        statistics.median(steps),
        statistics.median(s / m for m, s in pairs),
    )


def first_chunk_seconds(n_steps: int) -> float:
    """Returns the seconds of a fresh fit of `n_steps` steps of the siren codec at Kodak size, with compilation."""
    codec = presets.COORDINATE_CODECS["siren"]
    n_weights = presets.n_weights_for(presets.bpp_of_quality(presets.DEFAULT_QUALITY), KODAK[0] * KODAK[1])
    model = presets.model_for(codec, n_weights=n_weights, shape=KODAK, n_outputs=3)
    values = np.random.default_rng(0).random((3, *KODAK), np.float32)
    target = Target(values, 0.5 * np.eye(3), np.full(3, 0.5))
    config = CoordinateFitConfig(n_passes=n_steps / 16, steps_per_group=1, groups_per_chunk=n_steps)
    began = time.perf_counter()
    fit_network(target, model, config)
    return time.perf_counter() - began


def _in_fresh_process(cache: Path) -> float:
    """Returns the seconds from the import of the package to the first step, in a process of its own."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    command = [sys.executable, "-m", "experiments.bench", "--first-step"]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return float(json.loads(output.splitlines()[-1]))


def _decode_seconds(folder: Path) -> float:
    """Returns the seconds of `inrc decode` of a Kodak-size file with start-up, after one run that fills the cache."""
    random = np.random.default_rng(0).integers(0, 256, (*KODAK, 3), np.uint8)
    path = folder / "picture.inr"
    path.write_bytes(inrc.encode(random, quality=40, effort=1).data)
    command = [str(Path(sys.executable).with_name("inrc")), "decode", str(path), "-o", str(folder / "picture.png")]
    environment = {**os.environ, "INRC_CACHE_DIR": str(folder / "cache")}
    durations = []
    for _ in range(4):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        durations.append(time.perf_counter() - began)
    return statistics.median(durations[1:])


def main() -> None:
    """Prints the table, or with --first-step only the seconds to a first step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first-step", action="store_true")
    if parser.parse_args().first_step:
        print(json.dumps(first_chunk_seconds(1)))
        return
    table = Table("what", "measured", "wanted")
    matmul, step, ratio = step_in_matmuls(rounds=20)
    table.add_row(f"{MATMUL_SIZE}^3 float32 matmul", f"{1e3 * matmul:.1f} ms", "")
    table.add_row("10x28 SIREN, gradient over 65,536 pixels", f"{1e3 * step:.1f} ms = {ratio:.2f} matmuls", "3 matmuls")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold, warm = (_in_fresh_process(folder / "jax") for _ in range(2))
        table.add_row("default preset, compilation and first step, cold", f"{cold:.1f} s", "12 s")
        table.add_row("the same with a warm cache", f"{warm:.1f} s", "4 s")
        table.add_row("inrc decode of 768x512, start-up included", f"{_decode_seconds(folder):.2f} s", "2.5 s")
    Console().print(table)


if __name__ == "__main__":
    main()
