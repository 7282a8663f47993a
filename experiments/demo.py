"""One photograph there and back: encoded, decoded at two sizes, a part of it enlarged, and JPEG at the same bytes.

Command: make demo. Cost: about a minute on 2 cores. Writes out/demo.inr, out/demo.png (the comparison) and
out/demo_2x.png. Expected: about 7.5 kB, 28 dB, above JPEG of the same size. `--smoke` takes a smaller picture.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

import inrc
from inrc.baselines import jpeg_at_most, jpeg_decode, jpeg_encode
from inrc.cli.jax_setup import jax_set_up
from inrc.cli.progress import ProgressBar
from inrc.metrics import psnr_db, ssim

ASSETS = Path(__file__).parent / "assets"
OUT = Path("out")

QUALITY = 50
EFFORT = 5
REGION = (340, 48, 120, 80)
"""The rim of the cup and the handle of the spoon: x, y, width, height in pixels of coffee.png."""

GAP = 16
CAPTION = 30
PANEL = (600, 400)


def main() -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a small picture at the lowest effort")
    smoke = parser.parse_args().smoke
    OUT.mkdir(exist_ok=True)
    with jax_set_up():
        if smoke:
            run(ASSETS / "coffee_small.png", effort=1, region=(54, 8, 24, 16))
        else:
            run(ASSETS / "coffee.png", effort=EFFORT, region=REGION)


def run(path: Path, *, effort: int, region: tuple[int, int, int, int]) -> None:
    """Encodes `path`, decodes it, and writes and prints what came of it."""
    console = Console()
    original = inrc.read_image(path).pixels
    console.print(f"encoding {path.name}, quality {QUALITY}, effort {effort}", highlight=False)
    with ProgressBar(quiet=False, loss_is_mse=True) as bar:
        encoded = inrc.encode(original, quality=QUALITY, effort=effort, progress=bar)
    (OUT / "demo.inr").write_bytes(encoded.data)

    decoded, decode_seconds = _timed(lambda: inrc.decode(encoded.data).pixels)
    doubled, doubled_seconds = _timed(lambda: inrc.decode(encoded.data, scale=2))
    inrc.write_image(OUT / "demo_2x.png", doubled)
    zoom = PANEL[0] / region[2]
    enlarged, enlarged_seconds = _timed(lambda: inrc.decode(encoded.data, region=region, scale=zoom).pixels)

    jpeg, jpeg_quality = jpeg_at_most(original, len(encoded.data))
    _, jpeg_seconds = _timed(lambda: jpeg_encode(original, jpeg_quality))
    jpeg_pixels, jpeg_decode_seconds = _timed(lambda: jpeg_decode(jpeg))

    table = Table("", *("bytes", "bpp", "PSNR, dB", "SSIM", "encode, s", "decode, s"))
    for column in table.columns[1:]:
        column.justify = "right"
    rows = (
        ("inrc", encoded.data, decoded, encoded.stats.encode_seconds, decode_seconds),
        (f"JPEG 4:4:4, quality {jpeg_quality}", jpeg, jpeg_pixels, jpeg_seconds, jpeg_decode_seconds),
    )
    for name, data, pixels, *seconds in rows:
        bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
        quality = (f"{psnr_db(original, pixels):.2f}", f"{ssim(original, pixels):.4f}")
        table.add_row(name, f"{len(data):,}", f"{bpp:.3f}", *quality, *(f"{s:.3g}" for s in seconds))
    console.print(table)
    console.print(
        f"From the same file: {doubled.width} x {doubled.height} in {doubled_seconds:.2f} s;"
        f" {region[2]} x {region[3]} pixels enlarged {zoom:g} times in {enlarged_seconds:.2f} s.",
        highlight=False,
    )

    title = f"{len(encoded.data) / 1000:.1f} kB"
    panels = [
        [
            (original, f"original, {path.stat().st_size / 1000:.0f} kB as PNG"),
            (_crop(original, region, zoom), "enlarged (Lanczos)"),
        ],
        [
            (decoded, f"inrc, {title}, {psnr_db(original, decoded):.1f} dB"),
            (enlarged, "rendered at this size from the network"),
        ],
        [
            (jpeg_pixels, f"JPEG, {len(jpeg) / 1000:.1f} kB, {psnr_db(original, jpeg_pixels):.1f} dB"),
            (_crop(jpeg_pixels, region, zoom), "enlarged (Lanczos)"),
        ],
    ]
    _montage(panels, region, original.shape[1]).save(OUT / "demo.png", optimize=True)
    written = ", ".join(str(OUT / name) for name in ("demo.inr", "demo.png", "demo_2x.png"))
    console.print(f"Written: {written}", highlight=False)


def _timed(function):
    """(result, seconds) of a second call: the first one compiles."""
    function()
    began = time.perf_counter()
    result = function()
    return result, time.perf_counter() - began


def _crop(pixels: np.ndarray, region: tuple[int, int, int, int], zoom: float) -> np.ndarray:
    x, y, width, height = region
    size = round(width * zoom), round(height * zoom)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box=(x, y, x + width, y + height)))


def _montage(panels: list[list[tuple[np.ndarray, str]]], region: tuple[int, int, int, int], width: int) -> Image.Image:
    """Columns of captioned pictures on a light ground; the region is framed in the upper ones."""
    n_columns, n_rows = len(panels), len(panels[0])
    size = (GAP + n_columns * (PANEL[0] + GAP), GAP + n_rows * (PANEL[1] + CAPTION + GAP // 2))
    sheet = Image.new("RGB", size, (250, 250, 248))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(18)
    scale = PANEL[0] / width
    for column, pictures in enumerate(panels):
        for row, (pixels, caption) in enumerate(pictures):
            left = GAP + column * (PANEL[0] + GAP)
            top = GAP + row * (PANEL[1] + CAPTION + GAP // 2)
            sheet.paste(Image.fromarray(pixels).resize(PANEL, Image.Resampling.NEAREST), (left, top))
            draw.text((left + PANEL[0] / 2, top + PANEL[1] + CAPTION / 2), caption, (40, 40, 40), font, "mm")
            if row == 0:
                x, y = left + region[0] * scale, top + region[1] * scale
                draw.rectangle((x, y, x + region[2] * scale, y + region[3] * scale), outline="white", width=2)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
