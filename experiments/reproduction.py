"""Published systems in their own schedules, from real files, beside the numbers that their papers give.

Command: inrc evaluate experiments/reproduction.py, then python -m experiments.reproduction for the table.
Cost: with six points side by side on one H200, seven minutes of it. On two cores NIF25 takes an hour a point, NIF half
an hour, the tutorial ten minutes, Strümpler 4 x 32 and COIN 5 x 20 half a day each, COIN 10 x 28 and the latents most
of a day; a run that was stopped resumes with the next point. `--smoke` has every system on a small picture.
Expected: the table of docs/history.md.

Papers give means over Kodak. Where all of Kodak was measured (`reproduction_means`), the table compares means. For one
picture it adds to the published number what that picture has above the mean in short fits of all
(`reproduction_offsets`). Quality is compared at equal bytes, along the published curve. `retrained` has the same
networks in this project's training.
"""

import dataclasses
import functools
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from experiments.history import RESULTS, mean
from experiments.smoke import PICTURES as SMALL
from inrc import presets
from inrc.baselines.interface import MeasuredCodec
from inrc.evaluate import published
from inrc.evaluate.curves import Points
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record, load
from inrc.evaluate.tables import Table, to_markdown

PICTURES = kodak(15)
PUBLISHED = Path(__file__).parent / "published" / "kodak"


@dataclasses.dataclass(frozen=True)
class Published:
    """A point of a published curve, and the fit that reproduces it.

    Attributes:
      name: of the codec in records.
      codec: the preset.
      bpp, psnr_db: published; the preset's size, or lambda, that is nearest to this rate is fitted.
      curve: the published curve, by the name of its file; empty where there is one point alone.
      effort: 9 is the published schedule.
    """

    name: str
    codec: str
    bpp: float
    psnr_db: float
    curve: str
    effort: int = presets.MAX_EFFORT

    @property
    def quality(self) -> float:
        """The quality that leads to the network of the point."""
        return round(presets.quality_of_bpp(self.bpp), 3)

    def psnr_at(self, bpp: float) -> float:
        """Published PSNR in dB at a rate, on the line through the two points of the curve that are nearest to it."""
        if not self.curve:
            return self.psnr_db
        (curve,) = published.choose(_curves(), (self.curve,))
        return _on_line(curve.points, bpp)


@functools.cache
def _curves() -> tuple[published.PublishedCurve, ...]:
    return published.load_published(PUBLISHED)


def _on_line(points: Points, bpp: float) -> float:
    (first_bpp, first), (second_bpp, second) = sorted(points, key=lambda point: abs(math.log(point[0] / bpp)))[:2]
    return first + (second - first) * math.log(bpp / first_bpp) / math.log(second_bpp / first_bpp)


COIN = (
    Published("COIN 5 x 20", "coin", 0.0736, 23.21, "coin"),
    Published("COIN 5 x 30", "coin", 0.1604, 24.64, "coin"),
    Published("COIN 10 x 28", "coin", 0.3074, 26.41, "coin"),
)
STRUEMPLER = Published("Strümpler 4 x 32", "strumpler", 0.0996, 25.64, "strumpler-basic")
NIF = Published("NIF 120", "nif", 0.2769, 28.32, "nif")
NIF25 = (
    Published("NIF25 64/16", "nif25", 0.1291, 27.15, "nif25"),
    Published("NIF25 176/32", "nif25", 0.4587, 31.30, "nif25"),
)
TUTORIAL = Published("tutorial", "tutorial", 0.7566, 25.9, "")
LATENTS = (
    Published("COOL-CHIC", "cool-chic", 0.2651, 29.41, "cool-chic-1.0"),
    Published("C3", "c3", 0.2318, 30.59, "c3", effort=8),
)
POINTS = (*COIN, STRUEMPLER, NIF, *NIF25, TUTORIAL, *LATENTS)


def codec(point: Published) -> MeasuredCodec:
    """The codec of a point."""
    return inrc_codec(point.name, (point.quality,), codec=point.codec, effort=point.effort)


def smoke_codec(point: Published) -> MeasuredCodec:
    """The codec of a point at the least effort."""
    return codec(dataclasses.replace(point, effort=1))


EXPERIMENT = Experiment("reproduction", PICTURES, tuple(map(codec, POINTS)), results="reproduction")
SMOKE = Experiment("reproduction smoke", SMALL, tuple(map(smoke_codec, POINTS)), results="reproduction")


def offset(records: Sequence[Record], picture: str) -> float:
    """PSNR of a picture above the mean over all, in dB."""
    (own,) = (record.psnr_db for record in records if record.picture == picture)
    return own - statistics.fmean(record.psnr_db for record in records)


def _cells(point: Published, records: Sequence[Record], above_mean: float) -> tuple[str, ...]:
    """The cells of a point from the bytes on, for pictures that lie above Kodak's mean by so many dB."""
    bpp, psnr = mean(records, "bpp"), mean(records, "psnr_db")
    n_bytes, seconds = mean(records, "n_bytes"), mean(records, "encode_seconds")
    qualities = f"{psnr:.2f}", f"{mean(records, 'ssim'):.4f}", f"{mean(records, 'ms_ssim'):.4f}"
    expected = point.psnr_at(bpp) + above_mean
    found = f"{n_bytes:,.0f}", f"{bpp:.4f}", *qualities, f"{seconds:,.0f}"
    return (*found, f"{point.bpp:.4f}", f"{point.psnr_db:.2f}", f"{expected:.2f}", f"{psnr - expected:+.2f}")


def table(records: Sequence[Record], offset_records: Sequence[Record]) -> Table:
    """Returns measured points beside published ones, a mean over Kodak where all of it was measured."""
    rows = []
    for point in POINTS:
        own = [record for record in records if record.codec == point.name]
        if published.are_all_of_kodak(record.picture for record in own):
            rows.append((point.name, "Kodak", *_cells(point, own, 0.0)))
        for record in own:
            if record.picture in PICTURES.names:
                above_mean = offset(offset_records, record.picture) if point.curve else 0.0
                rows.append((point.name, record.picture, *_cells(point, [record], above_mean)))
    header = ("system", "pictures", "bytes", "bpp", "PSNR, dB", "SSIM", "MS-SSIM", "encode, s")
    header += ("published bpp", "published PSNR, dB", "expected at these bytes, dB", "difference, dB")
    return Table("Published schedules", header, tuple(rows), n_labels=2)


def retrained_table(records: Sequence[Record]) -> Table:
    """Returns published networks in this project's training and coding (`retrained`)."""
    rows = []
    for record in records:
        sizes = f"{record.n_bytes:,}", f"{record.bpp:.4f}", f"{record.psnr_db:.2f}"
        rest = f"{record.details['bits_per_weight']:.2f}", f"{record.encode_seconds:,.0f}"
        rows.append((record.codec, record.picture, *sizes, *rest))
    header = ("network", "picture", "bytes", "bpp", "PSNR, dB", "bits per weight", "encode, s")
    return Table("The same networks, trained and coded here", header, tuple(rows), n_labels=2)


def main() -> None:
    records, of_offsets, retrained = (
        [record for record in load(RESULTS / f"{name}.jsonl") if not record.failure]
        for name in ("reproduction", "reproduction_offsets", "retrained")
    )
    print(to_markdown(table(records, of_offsets)))
    print(to_markdown(retrained_table(retrained)))


if __name__ == "__main__":
    main()
