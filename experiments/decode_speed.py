"""Measures what a reader waits for: `inrc decode` from its start, and a picture in the browser until it is sharp.

Command: INRC_KODAK=FOLDER python -m experiments.decode_speed; for the browser, `make browser` first. It prints the
tables of docs/measurements.md, whose record is experiments/results/decode_speed.json. Cost: 3 minutes of two cores for
the files, which it keeps in out/decode_speed, and 2 to measure, while nothing else may run on the machine.
Expected: a Kodak picture within 0.7 s from either family; 12 million pixels within 8 s and 1.5 GiB. The latter are the
latents of a Kodak picture, repeated: what they show makes no difference to a decoder.
"""

import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import inrc
from inrc import presets
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.options import EncodeOptions
from inrc.config import LatentGridConfig
from inrc.evaluate.pictures import kodak
from inrc.files import write_atomically
from inrc.latent_layout import grids_of

RESULTS = Path(__file__).parent / "results"
FILES = Path(__file__).parent.parent / "out" / "decode_speed"
INRC = str(Path(sys.executable).with_name("inrc"))
N_RUNS = 7
N_LARGE_RUNS = 3
LARGE = 4000, 3000
N_ZOOMS = 5
_LAUNCHER = """
import resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command, and prints its seconds and its peak of memory in the system's unit."""


@dataclasses.dataclass(frozen=True)
class Decoding:
    """`inrc decode` in a process of its own, several times.

    Attributes:
      name: what was decoded.
      n_bytes: of the file.
      seconds: median wall-clock seconds from the start of the process to its end.
      lowest, highest: of the same.
      peak_bytes: the most memory that a process had resident.
    """

    name: str
    n_bytes: int
    seconds: float
    lowest: float
    highest: float
    peak_bytes: int


@dataclasses.dataclass(frozen=True)
class Viewing:
    """A file in the viewer, in headless Chromium with a window of 1280x800.

    Attributes:
      name: what was viewed.
      page_bytes: of the page, with the file inside.
      open_seconds: from the address to a sharp picture.
      zoom_seconds: of the same after each of `N_ZOOMS` steps of zooming in, the median over several pages.
    """

    name: str
    page_bytes: int
    open_seconds: float
    zoom_seconds: list[float]


def decoding(name: str, file: Path, n_runs: int, *arguments: str) -> Decoding:
    """Returns the cost of a decode to PNG; the machine's Python has been read before, and its files are in memory."""
    command = [INRC, "decode", str(file), "--quiet", "-o", str(file.with_suffix(".png")), *arguments]
    seconds, peak = [], 0
    for run in range(-1, n_runs):
        # A process begins with the peak of the one that starts it, so that a small one does.
        done = subprocess.run([sys.executable, "-c", _LAUNCHER, *command], check=True, capture_output=True)
        own_seconds, own_peak = done.stdout.split()
        peak = max(peak, int(own_peak) * (1 if sys.platform == "darwin" else 1024))
        if run >= 0:
            seconds.append(float(own_seconds))
    return Decoding(name, file.stat().st_size, statistics.median(seconds), min(seconds), max(seconds), peak)


def viewing(name: str, file: Path, n_runs: int = 3) -> Viewing:
    """Returns what a page with a file costs its reader.

    Raises:
      SystemExit: There is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    path = file.with_suffix(".html")
    subprocess.run([INRC, "view", str(file), "--no-open", "--quiet", "-o", str(path)], check=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("there is no Chromium: `make browser` installs it on Debian")
    opened, zooms = [], []
    with sync_playwright() as playwright:
        for _ in range(n_runs):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_selector("body[data-state=sharp]")
            opened.append(time.perf_counter() - began)
            zooms.append([_zoom(tab) for _ in range(N_ZOOMS)])
            browser.close()
    medians = [statistics.median(zoom) for zoom in zip(*zooms, strict=True)]
    return Viewing(name, path.stat().st_size, statistics.median(opened), medians)


def _zoom(tab: Any) -> float:
    """Zooms in by a key, and returns the seconds until what is in view is sharp again."""
    before = tab.evaluate("document.body.dataset.raster")
    began = time.perf_counter()
    tab.keyboard.press("+")
    tab.wait_for_function(
        "before => document.body.dataset.raster !== before && document.body.dataset.state === 'sharp'",
        arg=before,
        polling=5,
    )
    return time.perf_counter() - began


def repeated(data: bytes, width: int, height: int) -> bytes:
    """Returns a file of latent grids as large as asked for, whose grids repeat those of a file."""
    small = files.unpack(data, DecodeLimits())
    header = dataclasses.replace(small.header, width=width, height=height)
    assert isinstance(header.model, LatentGridConfig)
    grids = []
    for grid, latents in zip(grids_of(header.model, header.shape), small.latents, strict=True):
        rows, columns = (-(-n // m) for n, m in zip(grid.shape, latents.shape, strict=True))
        grids.append(np.tile(latents, (rows, columns))[: grid.shape[0], : grid.shape[1]])
    return files.pack(files.make(header, small.weights, tuple(grids)))


def decode_table(decodings: Sequence[Decoding]) -> str:
    lines = ["| `inrc decode`, cold | bytes | seconds | lowest to highest | memory, GiB |", "|---|---:|---:|---:|---:|"]
    for d in decodings:
        span = f"{d.lowest:.2f} to {d.highest:.2f}"
        lines.append(f"| {d.name} | {d.n_bytes:,} | {d.seconds:.2f} | {span} | {d.peak_bytes / 2**30:.2f} |")
    return "\n".join(lines)


def view_table(viewings: Sequence[Viewing]) -> str:
    lines = ["| viewer, 1280x800 | page, kB | opened, s | zoomed in, ms |", "|---|---:|---:|---:|"]
    for v in viewings:
        zooms = ", ".join(f"{1000 * seconds:.0f}" for seconds in v.zoom_seconds)
        lines.append(f"| {v.name} | {v.page_bytes / 1000:.0f} | {v.open_seconds:.2f} | {zooms} |")
    return "\n".join(lines)


def encoded(name: str, options: EncodeOptions) -> Path:
    """Returns a file of kodim23 in `FILES`, which is encoded if it is not there."""
    file = FILES / f"{name}.inr"
    if not file.exists():
        (photograph,) = kodak(23).paths()
        FILES.mkdir(parents=True, exist_ok=True)
        write_atomically(file, inrc.encode(photograph, options).data)
    return file


def measured() -> tuple[list[Decoding], list[Viewing]]:
    """Encodes what is to be measured, decodes and views it."""
    latents = encoded("latents", EncodeOptions(codec=presets.LARGE_CODEC))
    siren = encoded("siren", EncodeOptions(codec="siren", quality=40, effort=2))
    large = FILES / "large.inr"
    write_atomically(large, repeated(latents.read_bytes(), *LARGE))

    size = f"{LARGE[0]}x{LARGE[1]}"
    corner = f"{LARGE[0] - 200},{LARGE[1] - 200},200,200"
    decodings = [
        decoding("768x512, latents", latents, N_RUNS),
        decoding("768x512, `siren`", siren, N_RUNS),
        decoding(f"{size}, latents", large, N_LARGE_RUNS),
        decoding("200x200 of it, first corner", large, N_LARGE_RUNS, "--region", "0,0,200,200"),
        decoding("200x200 of it, middle", large, N_LARGE_RUNS, "--region", "1900,1400,200,200"),
        decoding("200x200 of it, last corner", large, N_LARGE_RUNS, "--region", corner),
    ]
    return decodings, [viewing("768x512, latents", latents), viewing("768x512, `siren`", siren)]


def main() -> None:
    """Measures, prints the tables and writes the record."""
    decodings, viewings = measured()
    record = {
        "device": f"{os.cpu_count()} x {platform.machine()} core",
        "versions": {"inrc": inrc.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "decodings": [dataclasses.asdict(d) for d in decodings],
        "viewings": [dataclasses.asdict(v) for v in viewings],
    }
    write_atomically(RESULTS / "decode_speed.json", json.dumps(record, indent=1).encode() + b"\n")
    print(decode_table(decodings), view_table(viewings), sep="\n\n")


if __name__ == "__main__":
    main()
