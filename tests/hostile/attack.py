"""Spends hostile inputs: `python -m tests.hostile.attack 1000000 --seed 7` runs for hours, and resumes if stopped.

Most inputs are `.inr` files and go to `inrc.info` alone, which parses everything and decodes weights and latents. A
share of those that it accepts is rendered as well. Rendering compiles a program for every new network and size, which
takes nearly all of the time. One input in ten is a tar shard, a manifest or an archive of a shared init.
"""

import argparse
import collections
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax

import inrc
from inrc.errors import FormatError, InitMismatchError
from tests.hostile import containers, mutations
from tests.hostile.mutations import LIMITS

MAX_SECONDS = 2.0
MAX_GROWTH = 1 << 30
_PROGRAMS_KEPT = 40
_CHUNK = 5000

Counts = collections.Counter[tuple[str, str]]


def peak_bytes() -> int:
    """Largest resident size so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Stopwatch:
    """Seconds since it was made, of the wall clock or of this process, whichever are fewer: the CPU may be shared."""

    def __init__(self) -> None:
        self._wall, self._process = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        return min(time.perf_counter() - self._wall, time.process_time() - self._process)


def spend(data: bytes, *, render: bool) -> tuple[str, float]:
    """(outcome of an input, seconds); an error that is not typed is raised."""
    message = "none"
    watch = Stopwatch()
    try:
        info = inrc.info(data, init=mutations.INIT, limits=LIMITS)
        outcome = "parsed"
        if render:
            picture = inrc.decode(data, init=mutations.INIT, limits=LIMITS)
            outcome = "rendered"
            assert picture.pixels.shape == (info.header.height, info.header.width, info.header.channels)
            assert picture.pixels.size <= 4 * LIMITS.max_pixels
    except (FormatError, InitMismatchError) as error:
        outcome, message = type(error).__name__, str(error)
    seconds = watch.seconds()
    assert message
    assert "\n" not in message
    return outcome, seconds


def attack(
    seed: int,
    n: int,
    *,
    render_every: int,
    max_seconds: float = MAX_SECONDS,
    slowest: dict[str, float] | None = None,
) -> Counts:
    """Spends `n` .inr files and counts (kind, outcome); `slowest` gets the most seconds by outcome."""
    counts: Counts = collections.Counter()
    slowest = {} if slowest is None else slowest
    n_parsed = n_rendered = 0
    for i, hostile in enumerate(mutations.inputs(seed, n)):
        before = peak_bytes()
        outcome, seconds = spend(hostile.data, render=False)
        if outcome == "parsed":
            n_parsed += 1
            if n_parsed % render_every == 0:
                outcome, seconds = spend(hostile.data, render=True)
                n_rendered += 1
                if n_rendered % _PROGRAMS_KEPT == 0:
                    jax.clear_caches()
        if seconds > max_seconds:  # compiled once more: a busy machine is not the input's fault
            jax.clear_caches()
            _, again = spend(hostile.data, render=outcome == "rendered")
            seconds = min(seconds, again)
        _check_costs(f"input {i} of seed {seed} ({hostile.kind})", seconds, max_seconds, before)
        counts[hostile.kind, outcome] += 1
        slowest[outcome] = max(slowest.get(outcome, 0.0), seconds)
    return counts


def _check_costs(where: str, seconds: float, max_seconds: float, peak_before: int) -> None:
    """Holds one input to its time and memory."""
    growth = peak_bytes() - peak_before
    assert seconds < max_seconds, f"{where} took {seconds:.1f} s"
    assert growth < MAX_GROWTH, f"{where} took {growth / 2**30:.1f} GiB"


def attack_containers(seed: int, n: int, folder: Path, *, slowest: dict[str, float] | None = None) -> Counts:
    """Spends `n` each of shards, manifests and archives of inits, by way of a folder; results as of `attack`."""
    counts: Counts = collections.Counter()
    slowest = {} if slowest is None else slowest
    for spend_one, inputs in (
        (containers.spend_shard, containers.shards(seed, n)),
        (containers.spend_manifest, containers.manifests(seed, n)),
        (containers.spend_init, containers.inits(seed, n, folder)),
    ):
        for i, hostile in enumerate(inputs):
            before, watch = peak_bytes(), Stopwatch()
            outcome = spend_one(hostile.data, folder)
            seconds = watch.seconds()
            _check_costs(f"input {i} of seed {seed} ({hostile.kind})", seconds, MAX_SECONDS, before)
            counts[hostile.kind, outcome] += 1
            slowest[outcome] = max(slowest.get(outcome, 0.0), seconds)
    return counts


def main() -> None:
    """Spends inputs in chunks, each from its own seed, and keeps the counts in a file after every chunk."""
    parser = argparse.ArgumentParser()
    parser.add_argument("n_inputs", type=int)
    parser.add_argument("--seed", type=int, default=0, help="runs of other seeds have other inputs")
    parser.add_argument(
        "--render-every", type=int, default=200, help="of the files that parse, one in so many is rendered"
    )
    parser.add_argument("--max-seconds", type=float, default=10.0, help="of one input, compilation included")
    parser.add_argument("--record", type=Path, default=Path("out/hostile.json"))
    arguments = parser.parse_args()
    record: dict[str, Any] = {"n_inputs": 0, "counts": {}, "slowest": {}, "peak_bytes": 0}
    if arguments.record.exists():
        record = json.loads(arguments.record.read_text())
    arguments.record.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        while record["n_inputs"] < arguments.n_inputs:
            seed = (arguments.seed << 20) + record["n_inputs"] // _CHUNK
            n_each = _CHUNK // 30
            slowest = record["slowest"]
            counts = attack(
                seed,
                _CHUNK - 3 * n_each,
                render_every=arguments.render_every,
                max_seconds=arguments.max_seconds,
                slowest=slowest,
            )
            counts += attack_containers(seed, n_each, Path(folder), slowest=slowest)
            for (kind, outcome), n in counts.items():
                name = f"{kind}: {outcome}"
                record["counts"][name] = record["counts"].get(name, 0) + n
            record["n_inputs"] += _CHUNK
            record["peak_bytes"] = max(record["peak_bytes"], peak_bytes())
            arguments.record.write_text(json.dumps(record, indent=1, sort_keys=True))
            print(f"{record['n_inputs']:,} inputs, {record['peak_bytes'] / 2**20:.0f} MiB at most", flush=True)


if __name__ == "__main__":
    main()
