"""The table at the top of README.md: the default codec beside classical and published ones, on two Kodak pictures.

Command: python -m experiments.headline, once experiments/latent_rd.py and experiments/kodak_anchors.py have run. It
only reads records and published points. Expected: the table of README.md.
"""

import json
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from experiments.latent_rd import ANCHOR as COOL_CHIC
from experiments.latent_rd import FOLDER
from inrc.evaluate.curves import Curve, at_rate, mean_curve
from inrc.evaluate.pictures import N_KODAK
from inrc.evaluate.records import Record, load
from inrc.metrics.bdrate import bd_rate

RATES = (0.15, 0.25, 0.4)
"""Bits per pixel at which PSNR is given."""
PICTURES = ("kodim15", "kodim23")
"""The pictures whose records are of the present schedule and first weights; `make rd-latent` measures all six anew."""
OURS, REFERENCE = "2,000 steps", "jpeg_444"
CLASSICAL = {"avif_444": "AVIF 4:4:4", "jxl": "JPEG XL", "webp": "WebP 4:2:0", REFERENCE: "JPEG 4:4:4"}
VTM = FOLDER / "published" / "kodak" / "vtm.json"

Points = list[tuple[float, float]]


class Row(NamedTuple):
    """A line of the table. PSNR is that at `RATES`; of curves that are means over other pictures it says nothing."""

    name: str
    psnr_db: Sequence[float]
    bd_rate: float | None
    encode_seconds: float | None
    decode_seconds: float | None
    n_pictures: int


def points_of(records: Sequence[Record], picture: str) -> Points:
    """Returns the (bpp, PSNR) points of a picture, with rising rate."""
    return sorted((record.bpp, record.psnr_db) for record in records if record.picture == picture)


def psnr_at(points: Points) -> list[float]:
    """Returns PSNR in dB at `RATES`, interpolated over the logarithm of the rate; NaN beyond the points."""
    curve = Curve("", tuple(points), (1.0,) * len(points), 1)
    found = (at_rate(curve, rate) for rate in RATES)
    return [at[0][1] if at else math.nan for at in found]


def measured_row(name: str, records: Sequence[Record], reference: Sequence[Record]) -> Row:
    """Returns the row of a codec that was measured."""
    pictures = sorted({record.picture for record in records})
    rates = [bd_rate(points_of(reference, picture), points_of(records, picture)) for picture in pictures]
    curve = mean_curve(records, records[0].codec)
    encode, decode = (
        statistics.fmean(getattr(record, field) for record in records) for field in ("encode_seconds", "decode_seconds")
    )
    return Row(name, psnr_at(list(curve.points)), statistics.fmean(rates), encode, decode, len(pictures))


def rows() -> list[Row]:
    """Returns the rows of all codecs."""
    names = set(PICTURES)
    measured = [r for r in load(FOLDER / "results" / "latent_rd.jsonl") if r.codec == OURS and not r.failure]
    ours = [r for r in measured if r.picture in names]
    classical = [r for r in load(FOLDER / "results" / "kodak.jsonl") if r.picture in names and not r.failure]
    reference = [r for r in classical if r.codec == REFERENCE]
    published = {name: points for name, points in json.loads(COOL_CHIC.read_text())["points"].items() if name in names}
    means: Points = [
        (statistics.fmean(p[i][0] for p in published.values()), statistics.fmean(p[i][1] for p in published.values()))
        for i in range(len(next(iter(published.values()))))
    ]
    cool_chic_rates = [bd_rate(points_of(reference, name), points) for name, points in published.items()]
    vtm: Points = [(bpp, psnr) for bpp, psnr in json.loads(VTM.read_text())["points"]]
    all_of_kodak = mean_curve(load(FOLDER / "results" / "kodak.jsonl"), REFERENCE).points
    return [
        measured_row("inrc (`inrc encode -e 6`)", ours, reference),
        *(
            measured_row(label, [r for r in classical if r.codec == name], reference)
            for name, label in CLASSICAL.items()
        ),
        Row(
            "Cool-Chic 5.0.1 (published)", psnr_at(means), statistics.fmean(cool_chic_rates), None, None, len(published)
        ),
        Row("VTM (VVC; published means)", [math.nan] * len(RATES), bd_rate(all_of_kodak, vtm), None, None, N_KODAK),
    ]


def table() -> str:
    """Returns the table in Markdown."""
    titles = ["codec", *(f"PSNR at {rate} bpp, dB" for rate in RATES)]
    titles += ["BD-rate to JPEG 4:4:4, %", "encode, s", "decode, s", "pictures"]
    lines = [f"| {' | '.join(titles)} |", f"|---{'|---:' * (len(titles) - 1)}|"]
    for row in rows():
        seconds = (f"{value:.3g}" if value is not None else "" for value in (row.encode_seconds, row.decode_seconds))
        rate = "" if row.bd_rate is None else f"{row.bd_rate:+.1f}"
        psnr = ("" if math.isnan(value) else f"{value:.2f}" for value in row.psnr_db)
        lines.append(f"| {' | '.join((row.name, *psnr, rate, *seconds, str(row.n_pictures)))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
