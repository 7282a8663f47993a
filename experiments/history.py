"""The history of implicit image coding in one table: every system at two rates, on the same pictures, in one run.

Command: make history INRC_KODAK=FOLDER, which also draws the anytime figure of `history_anytime`. Cost: a picture takes
about 70 minutes of two cores, six pictures 7 hours; a run that was stopped resumes, and the table is of those pictures
that all systems have. Expected: the table of docs/history.md.

Every system has its own network and its own training at effort 5, cut to the same rates: what its paper does
in hours is in `reproduction`. JPEG and AVIF are interpolated between their points.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from experiments.kodak_quick import PICTURES
from experiments.smoke import PICTURES as SMALL
from inrc import presets
from inrc.baselines import avif_444, jpeg_444
from inrc.evaluate import curves
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.records import Record, load
from inrc.evaluate.tables import Table, to_markdown

RATES = (0.15, 0.45)
"""Bits per pixel that no file exceeds."""
RESULTS = Path(__file__).parent / "results"
YEARS = {"jpeg_444": 1992, "avif_444": 2019, "inrc": 2026}
LABELS = {"jpeg_444": "JPEG 4:4:4", "avif_444": "AVIF 4:4:4", "inrc": "**inrc**"}


def systems() -> list[str]:
    """Names of the presets that stand for a publication, oldest first."""
    return sorted((n for n, codec in presets.CODECS.items() if codec.year), key=lambda n: presets.CODECS[n].year)


def codecs(effort: int, rates: tuple[float, ...]):
    """All systems at an effort, between the two ends."""
    ours = [inrc_codec(name, rates, at="target_bpp", codec=name, effort=effort) for name in systems()]
    return (jpeg_444(), *ours, avif_444(), inrc_codec("inrc", rates, at="target_bpp", effort=effort))


EXPERIMENT = Experiment("history", PICTURES, codecs(5, RATES), results="history")
SMOKE = Experiment("history smoke", SMALL, codecs(1, (1.0,)), results="history")


@dataclasses.dataclass(frozen=True)
class Row:
    """A system at one rate: means over pictures; of classical codecs, interpolated between their points."""

    system: str
    n_weights: float | None
    multiplications: float | None
    n_bytes: float
    psnr_db: float
    ssim: float
    ms_ssim: float
    encode_seconds: float
    decode_seconds: float

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        year = YEARS.get(self.system) or presets.CODECS[self.system].year
        counts = ("" if n is None else f"{n:,.0f}" for n in (self.n_weights, self.multiplications))
        qualities = f"{self.psnr_db:.2f}", f"{self.ssim:.4f}", f"{self.ms_ssim:.4f}"
        seconds = f"{self.encode_seconds:.3g}", f"{self.decode_seconds:.3g}"
        label, size = LABELS.get(self.system, f"`{self.system}`"), f"{self.n_bytes:,.0f}"
        return (label, str(year), *counts, size, *qualities, *seconds)


def mean(records: Sequence[Record], name: str) -> float:
    """The mean of a field of records."""
    return statistics.fmean(getattr(record, name) for record in records)


def _measured_row(records: Sequence[Record]) -> Row:
    counts = (
        statistics.fmean(record.details[name] for record in records) for name in ("n_weights", "multiplications")
    )  # fmt: skip
    names = ("n_bytes", "psnr_db", "ssim", "ms_ssim", "encode_seconds", "decode_seconds")
    return Row(records[0].codec, *counts, *(mean(records, name) for name in names))


def _classical_row(records: Sequence[Record], rate: float, n_bytes: float) -> Row | None:
    found = {}
    for metric in ("psnr_db", "ssim", "ms_ssim"):
        at = curves.at_rate(curves.mean_curve(records, records[0].codec, metric), rate)
        if not at:
            return None
        found[metric] = at[0][1]
    seconds = mean(records, "encode_seconds"), mean(records, "decode_seconds")
    return Row(records[0].codec, None, None, n_bytes, **found, encode_seconds=seconds[0], decode_seconds=seconds[1])


def rows(records: Sequence[Record], rate: float) -> list[Row]:
    """The rows of a rate, by rising PSNR."""
    pictures = curves.shared_pictures(records)
    found: list[Row | None] = []
    for name in curves.codecs(records):
        own = [record for record in records if record.codec == name and record.picture in pictures]
        if own[0].is_ours:
            at_rate = [record for record in own if record.point == rate]
            found.append(_measured_row(at_rate) if at_rate else None)
        else:
            n_bytes = rate * statistics.fmean(record.width * record.height for record in own) / 8
            found.append(_classical_row(own, rate, n_bytes))
    return sorted((row for row in found if row), key=lambda row: row.psnr_db)


def table(records: Sequence[Record], rate: float) -> Table:
    """The table of a rate."""
    pictures = curves.shared_pictures(records)
    header = (
        "system",
        "year",
        "weights",
        "MAC/pixel",
        "bytes",
        "PSNR, dB",
        "SSIM",
        "MS-SSIM",
        "encode, s",
        "decode, s",
    )
    title = f"At most {rate} bpp, means over {', '.join(pictures)}"
    return Table(title, header, tuple(row.cells() for row in rows(records, rate)))


def main() -> None:
    records = [record for record in load(RESULTS / "history.jsonl") if not record.failure]
    for rate in RATES:
        print(f"{to_markdown(table(records, rate))}\n")


if __name__ == "__main__":
    main()
