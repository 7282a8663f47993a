"""Measures the cost of a small picture: in a process of its own, in a loop, and in batches of several sizes.

Command: INRC_TRAIN=folder python -m experiments.batch_speed. Cost: 10 minutes on 2 cores.
Expected: README.md; the record and its figure are experiments/results/batch_speed.{json,png}.
"""

import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

import inrc
from inrc import presets
from inrc.cli.jax_setup import use_all_cores
from inrc.codec.coordinate.family import network_and_fit
from inrc.codec.options import EncodeOptions
from inrc.evaluate import drawing
from inrc.files import write_atomically
from inrc.meta.recipe import training_folder
from inrc.signal.image import Image, read_image, write_image

SIDE = 64
N_STEPS = 256
N_PICTURES = 1000
N_LOOP = 64
N_PROCESSES = 16
BATCH_SIZES = (1, 4, 16, 64, 256)
RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of encoding some pictures.

    Attributes:
      way: how they were encoded.
      n_pictures: number of pictures.
      batch_size: number of pictures in a batch; 0 for no batches.
      seconds: wall-clock seconds per picture, without compilation.
      cpu_seconds: processor seconds per picture, over all cores.
      psnr_db, bpp: means over pictures.
    """

    way: str
    n_pictures: int
    batch_size: int
    seconds: float
    cpu_seconds: float | None
    psnr_db: float
    bpp: float


def crops(folder: Path, n: int) -> list[Image]:
    """Returns n squares of the pictures of a folder, evenly spread over each picture."""
    paths = sorted(folder.glob("*.png"))
    found: list[Image] = []
    per_picture = -(-n // len(paths))
    for path in paths:
        pixels = read_image(path).pixels
        for i in range(per_picture):
            top = (pixels.shape[0] - SIDE) * (i + 1) // (per_picture + 1)
            left = (pixels.shape[1] - SIDE) * (per_picture - i) // (per_picture + 1)
            found.append(Image(np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])))
    return found[:n]


def options() -> EncodeOptions:
    """Returns options of the default preset at its default quality, in 256 steps."""
    bpp = presets.bpp_of_quality(presets.DEFAULT_QUALITY)
    config = network_and_fit(EncodeOptions(codec=presets.SMALL_CODEC), (SIDE, SIDE), 3, bpp)[1]
    return EncodeOptions(fit=dataclasses.replace(config, n_passes=N_STEPS / config.phase_factor**2), init="none")


def measured(way: str, n: int, batch_size: int, work: Callable[[], Sequence[object]]) -> Cost:
    """Returns the cost of encoding n pictures by `work`."""
    began, cpu_began = time.perf_counter(), time.process_time()
    files = [file for file in work() if isinstance(file, inrc.Encoded)]
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    assert len(files) == n
    psnr, bpp = (float(np.mean([getattr(file.stats, name) for file in files])) for name in ("psnr_db", "bpp"))
    return Cost(way, n, batch_size, seconds / n, cpu_seconds / n, psnr, bpp)


def in_processes(images: Sequence[Image]) -> Cost:
    """Returns the cost of one `inrc encode` after the other, at the effort whose number of steps is nearest."""
    seconds, psnr, bpp = 0.0, [], []
    efforts = range(presets.MIN_EFFORT, presets.MAX_EFFORT + 1)
    effort = min(efforts, key=lambda e: abs(presets.passes_of_effort(e, SIDE * SIDE) - N_STEPS))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.inr"
        for image in images:
            write_image(source, image)
            command = [
                "encode",
                str(source),
                "-o",
                str(target),
                "-e",
                str(effort),
                "--init",
                "none",
                "--json",
                "--quiet",
            ]
            began = time.perf_counter()
            done = subprocess.run([Path(sys.executable).with_name("inrc"), *command], check=True, capture_output=True)
            seconds += time.perf_counter() - began
            stats = json.loads(done.stdout)
            psnr.append(stats["psnr_db"])
            bpp.append(stats["bpp"])
    n = len(images)
    return Cost(f"processes, effort {effort}", n, 0, seconds / n, None, float(np.mean(psnr)), float(np.mean(bpp)))


def figure(costs: Sequence[Cost], path: Path) -> None:
    """Draws milliseconds per picture against the size of a batch."""
    with drawing.style():
        sheet, axes = drawing.new_axes(f"{SIDE}x{SIDE} pixels, {N_STEPS} steps: milliseconds per picture", height=3.6)
        batches = [(cost.batch_size, 1000 * cost.seconds) for cost in costs if cost.batch_size]
        loop = next(1000 * cost.seconds for cost in costs if cost.way == "loop")
        drawing.log_axis(axes, 0.9, 300, "pictures of a batch")
        drawing.Look("batch", "#0072B2", 2.4).plot(axes, batches)
        drawing.Look("loop of single encodes", "#D55E00", 1.2, "--").plot(axes, [(1, loop), (256, loop)])
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    paths = drawing.save(sheet, path.parent, path.stem)
    for other in paths:
        if other.suffix != path.suffix:
            other.unlink()


def main() -> None:
    """Measures, and writes the record and its figure."""
    use_all_cores()
    images, encode_options = crops(training_folder(None), N_PICTURES), options()
    costs: list[Cost] = []

    def note(cost: Cost) -> None:
        costs.append(cost)
        print(
            f"{cost.way:22} {cost.n_pictures:5} {1000 * cost.seconds:8.1f} ms {cost.psnr_db:.2f} dB {cost.bpp:.4f} bpp"
        )

    inrc.encode(images[0], encode_options)  # compiles
    note(measured("loop", N_LOOP, 0, lambda: [inrc.encode(image, encode_options) for image in images[:N_LOOP]]))
    for size in BATCH_SIZES:
        n = max(N_LOOP, size)
        inrc.encode_batch(images[:size], encode_options, batch_size=size)  # compiles
        note(
            measured(
                f"batches of {size}",
                n,
                size,
                lambda size=size, n=n: inrc.encode_batch(images[:n], encode_options, batch_size=size),
            )
        )
    note(measured("batches by itself", N_PICTURES, 0, lambda: inrc.encode_batch(images, encode_options)))
    note(measured("loop", N_LOOP, 0, lambda: [inrc.encode(image, encode_options) for image in images[:N_LOOP]]))
    note(in_processes(images[:N_PROCESSES]))
    record = {
        "device": f"{os.cpu_count()} x {platform.machine()} core, {jax.local_device_count()} devices",
        "versions": {"inrc": inrc.__version__, "jax": jax.__version__},
        "costs": [dataclasses.asdict(cost) for cost in costs],
    }
    write_atomically(RESULTS / "batch_speed.json", json.dumps(record, indent=1).encode() + b"\n")
    figure(costs, RESULTS / "batch_speed.png")


if __name__ == "__main__":
    sys.exit(main())
