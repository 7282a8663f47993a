"""Published systems in their own schedules, from real files, beside the numbers that their papers give.

Command: inrc evaluate experiments/reproduction.py, then python -m experiments.reproduction for the table.
Cost: on two cores NIF25 an hour a point, NIF 50 minutes, the tutorial 10, Strümpler 4 x 32 and COIN 5 x 20 half a day
each; a run that was stopped resumes. Larger networks want an accelerator, and `--smoke` has every system on a small
picture.
Expected: the table of docs/history.md.

Papers give means over Kodak. What a picture has above or below such a mean is measured by short fits on all of Kodak
(`reproduction_offsets`), and added to the published number. `retrained` has the same networks in this project's
training.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from experiments.smoke import PICTURES as SMALL
from inrc import presets
from inrc.baselines.interface import MeasuredCodec
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record, load
from inrc.evaluate.tables import Table, to_markdown

PICTURES = kodak(15)
RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Published:
    """A point of a published curve, and the fit that reproduces it.

    Attributes:
      name: of the codec in records.
      codec: the preset.
      bpp, psnr_db: published; the preset's size that is nearest to this rate is fitted.
      source: of the numbers.
      is_mean: whether they are means over Kodak.
      effort: 9 is the published schedule.
    """

    name: str
    codec: str
    bpp: float
    psnr_db: float
    source: str
    is_mean: bool = True
    effort: int = presets.MAX_EFFORT

    @property
    def quality(self) -> float:
        """The quality that leads to the network of the point."""
        return round(presets.quality_of_bpp(self.bpp), 3)


POINTS = (
    Published("NIF25 64/16", "nif25", 0.1291, 27.15, "its table of bits, 7 bits"),
    Published("NIF 120", "nif", 0.2769, 28.32, "paper"),
    Published("tutorial", "tutorial", 0.7566, 25.9, "its default configuration", is_mean=False),
    Published("NIF25 176/32", "nif25", 0.4587, 31.30, "its table of bits, 7 bits"),
    Published("COIN 5 x 20", "coin", 0.0736, 23.21, "paper, 16 bits a weight"),
    Published("Strümpler 4 x 32", "strumpler", 0.0996, 25.64, "paper, basic, 8 bits"),
)


def codec(point: Published) -> MeasuredCodec:
    """The codec of a point."""
    return inrc_codec(point.name, (point.quality,), codec=point.codec, effort=point.effort)


EXPERIMENT = Experiment("reproduction", PICTURES, tuple(codec(point) for point in POINTS), results="reproduction")
SMOKE = Experiment(
    "reproduction smoke",
    SMALL,
    tuple(codec(dataclasses.replace(point, effort=1)) for point in POINTS),
    results="reproduction",
)


def offset(records: Sequence[Record], picture: str) -> float:
    """PSNR of a picture above the mean over all, in dB."""
    (own,) = (record.psnr_db for record in records if record.picture == picture)
    return own - statistics.fmean(record.psnr_db for record in records)


def table(records: Sequence[Record], offset_records: Sequence[Record]) -> Table:
    """Returns measured points beside published ones; of those that are means, also with the picture's offset added."""
    rows = []
    for point in POINTS:
        for record in records:
            if record.codec != point.name:
                continue
            expected = point.psnr_db + (offset(offset_records, record.picture) if point.is_mean else 0.0)
            measured = f"{record.n_bytes:,}", f"{record.bpp:.4f}", f"{record.psnr_db:.2f}"
            published = f"{point.bpp:.4f}", f"{point.psnr_db:.2f}", f"{expected:.2f}"
            last = f"{record.psnr_db - expected:+.2f}", f"{record.encode_seconds:,.0f}"
            rows.append((point.name, record.picture, *measured, *published, *last))
    header = ("system", "picture", "bytes", "bpp", "PSNR, dB", "published bpp", "published PSNR, dB")
    header += ("with the picture's offset, dB", "difference, dB", "encode, s")
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
