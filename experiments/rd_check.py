"""Rate and distortion of the default codec on three Kodak pictures, from files written and read back.

Command: python -m experiments.rd_check [--kodak FOLDER] (or INRC_KODAK). Cost: about 2 minutes a row on 2 cores, 12 in
all. Expected: the table in README.md, from experiments/results/rd_check.jsonl; rows that are there are not run again.
`--smoke` takes the bundled small picture at effort 1 and keeps nothing.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console

import inrc
from inrc.baselines import jpeg_at_most, jpeg_decode
from inrc.cli.jax_setup import jax_set_up
from inrc.metrics import psnr_db, ssim

RESULTS = Path(__file__).parent / "results" / "rd_check.jsonl"
SMALL = Path(__file__).parent / "assets" / "coffee_small.png"
PICTURES = ("kodim05", "kodim15", "kodim23")
RATES = {0.15: 6, 0.45: 5}
"""Bits per pixel and the effort that takes less than five minutes there."""


def measure(path: Path, target_bpp: float, effort: int) -> dict[str, object]:
    """One record: our file at `target_bpp` and the best JPEG of at most its bytes, both decoded from bytes."""
    picture = inrc.read_image(path)
    encoded = inrc.encode(picture, target_bpp=target_bpp, effort=effort)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.inr"
        file.write_bytes(encoded.data)
        began = time.monotonic()
        decoded = inrc.decode(file.read_bytes()).pixels
        decode_seconds = time.monotonic() - began
    jpeg, quality = jpeg_at_most(picture.pixels, len(encoded.data))
    jpeg_pixels = jpeg_decode(jpeg)
    stats = encoded.stats
    return {
        "picture": path.stem,
        "target_bpp": target_bpp,
        "effort": effort,
        "n_bytes": len(encoded.data),
        "bpp": stats.bpp,
        "psnr_db": psnr_db(picture.pixels, decoded),
        "ssim": ssim(picture.pixels, decoded),
        "header_bytes": stats.header_bytes,
        "n_weights": stats.n_weights,
        "bits_per_weight": stats.bits_per_weight,
        "n_steps": stats.n_steps,
        "encode_seconds": stats.encode_seconds,
        "compile_seconds": stats.compile_seconds,
        "decode_seconds": decode_seconds,
        "jpeg_bytes": len(jpeg),
        "jpeg_quality": quality,
        "jpeg_psnr_db": psnr_db(picture.pixels, jpeg_pixels),
        "jpeg_ssim": ssim(picture.pixels, jpeg_pixels),
        "version": inrc.__version__,
    }


COLUMNS = ("picture", "bytes", "bpp", "PSNR dB", "SSIM", "encode s", "decode s", "JPEG bytes", "PSNR dB", "SSIM")


def cells(record: dict[str, object]) -> tuple[str, ...]:
    """A record as it is shown."""
    r = record
    return (
        str(r["picture"]), str(r["n_bytes"]), f"{r['bpp']:.4f}", f"{r['psnr_db']:.2f}", f"{r['ssim']:.4f}",
        f"{r['encode_seconds']:.0f}", f"{r['decode_seconds']:.2f}",
        str(r["jpeg_bytes"]), f"{r['jpeg_psnr_db']:.2f}", f"{r['jpeg_ssim']:.4f}",
    )  # fmt: skip


def markdown(records: list[dict[str, object]]) -> str:
    """The table of README.md."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, records)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def load() -> list[dict[str, object]]:
    """The records that are there."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def main() -> None:
    """Measures what is missing and prints all records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kodak", type=Path, default=os.environ.get("INRC_KODAK"))
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    if arguments.smoke:
        with jax_set_up():
            print(markdown([measure(SMALL, 1.0, effort=1)]))
        return
    if arguments.kodak is None:
        parser.error(
            "Kodak is not here: name its folder by --kodak or INRC_KODAK (24 PNG files, r0k.us/graphics/kodak)"
        )
    records = load()
    with jax_set_up():
        for rate, effort in RATES.items():
            for name in PICTURES:
                if any(r["picture"] == name and r["target_bpp"] == rate for r in records):
                    continue
                records.append(measure(Path(arguments.kodak) / f"{name}.png", rate, effort))
                with RESULTS.open("a") as file:
                    file.write(json.dumps(records[-1]) + "\n")
                Console(stderr=True).print(records[-1], highlight=False)
    print(markdown(records))


if __name__ == "__main__":
    main()
