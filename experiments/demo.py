"""Encodes one photograph, decodes it at two sizes, enlarges a part of it, and compares it with JPEG at the same bytes.

Command: make demo. Cost: 70 to 95 s on 2 cores. Writes out/demo.inr, out/demo.png
(the comparison) and out/demo_2x.png. Expected: about 9.4 kB at 31.4 dB, where JPEG of that size has 26 dB.
`--smoke` takes a smaller picture at the lowest effort.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

import inrc
from inrc.baselines import jpeg_at_most, jpeg_decode, jpeg_encode
from inrc.cli.jax_setup import jax_set_up
from inrc.cli.progress import Bar, FitProgress
from inrc.metrics import psnr_db, ssim

ASSETS = Path(__file__).parent / "assets"
OUT = Path("out")

QUALITY = 50
EFFORT = 3
Region = tuple[int, int, int, int]
REGION: Region = (340, 48, 120, 80)
"""The rim of the cup and the handle of the spoon: x, y, width, height in pixels of coffee.png."""

GAP = 16
CAPTION = 38
PANEL = (600, 400)
N_COLUMNS = 3


def main() -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a small picture at the lowest effort")
    smoke = parser.parse_args().smoke
    OUT.mkdir(exist_ok=True)
    with jax_set_up():
        if smoke:
            demonstrate(ASSETS / "coffee_small.png", effort=1, region=(54, 8, 24, 16))
        else:
            demonstrate(ASSETS / "coffee.png", effort=EFFORT, region=REGION)


def demonstrate(path: Path, *, effort: int, region: Region) -> None:
    """Encodes a picture, decodes it, and writes and prints the results."""
    console = Console(highlight=False)
    original = inrc.read_image(path).pixels
    console.print(f"encoding {path.name}, quality {QUALITY}, effort {effort}")
    with Bar(quiet=False, description="compiling") as bar:
        encoded = inrc.encode(original, quality=QUALITY, effort=effort, progress=FitProgress(bar, loss_is_mse=True))
    (OUT / "demo.inr").write_bytes(encoded.data)

    pixels, decode_seconds = _timed(lambda: inrc.decode(encoded.data).pixels)
    ours = Coded("inrc", encoded.data, pixels, encoded.stats.encode_seconds, decode_seconds)
    jpeg = _jpeg(original, len(encoded.data))
    console.print(_table(original, [ours, jpeg]))

    doubled, doubled_seconds = _timed(lambda: inrc.decode(encoded.data, scale=2))
    inrc.write_image(OUT / "demo_2x.png", doubled)
    zoom = PANEL[0] / region[2]
    enlarged, enlarged_seconds = _timed(lambda: inrc.decode(encoded.data, region=region, scale=zoom).pixels)
    console.print(f"{doubled.width} x {doubled.height} pixels from the same file in {doubled_seconds:.2f} s")
    console.print(f"{region[2]} x {region[3]} of its pixels enlarged {zoom:g} times in {enlarged_seconds:.2f} s")

    panels = [
        (original, f"original, {path.stat().st_size / 1000:.0f} kB as PNG"),
        (ours.pixels, ours.caption(original)),
        (jpeg.pixels, jpeg.caption(original)),
        (_crop(original, region, zoom), "enlarged (Lanczos)"),
        (enlarged, "rendered at this size by the network"),
        (_crop(jpeg.pixels, region, zoom), "enlarged (Lanczos)"),
    ]
    _montage(panels, region, original.shape[1]).save(OUT / "demo.png", optimize=True)
    console.print("written:", *(f"{OUT / name}" for name in ("demo.inr", "demo.png", "demo_2x.png")))


@dataclasses.dataclass(frozen=True)
class Coded:
    """A file of a codec, and its decoded pixels."""

    name: str
    data: bytes
    pixels: np.ndarray
    encode_seconds: float
    decode_seconds: float

    def caption(self, original: np.ndarray) -> str:
        return f"{self.name}, {len(self.data) / 1000:.1f} kB, {psnr_db(original, self.pixels):.1f} dB"


def _jpeg(original: np.ndarray, n_bytes: int) -> Coded:
    data, quality = jpeg_at_most(original, n_bytes)
    _, encode_seconds = _timed(lambda: jpeg_encode(original, quality))
    pixels, decode_seconds = _timed(lambda: jpeg_decode(data))
    return Coded("JPEG", data, pixels, encode_seconds, decode_seconds)


def _table(original: np.ndarray, codecs: list[Coded]) -> Table:
    table = Table("", *("bytes", "bpp", "PSNR, dB", "SSIM", "encode, s", "decode, s"))
    for column in table.columns[1:]:
        column.justify = "right"
    for coded in codecs:
        bpp = 8 * len(coded.data) / (original.shape[0] * original.shape[1])
        quality = f"{psnr_db(original, coded.pixels):.2f}", f"{ssim(original, coded.pixels):.4f}"
        seconds = f"{coded.encode_seconds:.3f}", f"{coded.decode_seconds:.3f}"
        table.add_row(coded.name, f"{len(coded.data):,}", f"{bpp:.3f}", *quality, *seconds)
    return table


def _timed(function):
    """Returns result and seconds of the second call, since the first call compiles."""
    function()
    began = time.perf_counter()
    result = function()
    return result, time.perf_counter() - began


def _crop(pixels: np.ndarray, region: Region, zoom: float) -> np.ndarray:
    x, y, width, height = region
    size = round(width * zoom), round(height * zoom)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box=(x, y, x + width, y + height)))


def _montage(panels: list[tuple[np.ndarray, str]], region: Region, width: int) -> Image.Image:
    """Returns captioned pictures in rows of three. In the first row, of pictures `width` wide, the region is framed."""
    pitch = PANEL[0] + GAP, PANEL[1] + CAPTION
    n_rows = len(panels) // N_COLUMNS
    sheet = Image.new("RGB", (GAP + N_COLUMNS * pitch[0], GAP + n_rows * pitch[1]), (250, 250, 248))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(18)
    scale = PANEL[0] / width
    for i, (pixels, caption) in enumerate(panels):
        row, column = divmod(i, N_COLUMNS)
        left, top = GAP + column * pitch[0], GAP + row * pitch[1]
        sheet.paste(Image.fromarray(pixels).resize(PANEL, Image.Resampling.NEAREST), (left, top))
        draw.text((left + PANEL[0] / 2, top + PANEL[1] + CAPTION / 2), caption, (40, 40, 40), font, "mm")
        if row == 0:
            x, y, w, h = (value * scale for value in region)
            draw.rectangle((left + x, top + y, left + x + w, top + y + h), outline="white", width=2)
    return sheet


if __name__ == "__main__":
    main()
