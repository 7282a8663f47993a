"""Latent grids at three lambdas on six Kodak pictures, with BD-rates against Cool-Chic 5.0.1 on the same pictures.

Command: inrc evaluate experiments/latent_rd.py, then python -m experiments.latent_rd for the table.
Cost: 18 fits of 2,000 steps of 0.1 s, 70 minutes of one core. A run that was stopped resumes.
Expected: the tables of docs/measurements.md.
"""

import json
import statistics
from pathlib import Path

from experiments.kodak_quick import PICTURES
from experiments.smoke import PICTURES as SMALL
from inrc import presets
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.records import Record, load_all
from inrc.metrics.bdrate import bd_rate

LAMBDAS = (4e-3, 1e-3, 4e-4)
QUALITIES = tuple(round(presets.quality_of_latent_lambda(lambda_rd), 3) for lambda_rd in LAMBDAS)
STEPS = {"2,000 steps": 6, "10,000 steps": 8}
"""Name of a codec and its effort."""
FOLDER = Path(__file__).parent
ANCHOR = FOLDER / "published" / "kodak-pictures" / "cool-chic-5.0.1.json"


def codec(name: str):
    return inrc_codec(name, QUALITIES, codec="latent-grid", effort=STEPS[name])


EXPERIMENT = Experiment("latent_rd", PICTURES, (codec("2,000 steps"),), results="latent_rd")
SMOKE = Experiment(
    "latent_rd smoke", SMALL, (inrc_codec("smoke", (40.0,), codec="latent-grid", effort=1),), results="latent_rd"
)


def as_files(points: list[list[float]]) -> list[tuple[float, float]]:
    """Returns published points with the bytes that their files take beyond the encoder's estimates.

    A file has 48 bytes of headers, which the estimate leaves out, and its coder takes 0.3 % more than the estimate.
    """
    return [(1.003 * bpp + 8 * 48 / (768 * 512), psnr_db) for bpp, psnr_db in points]


def rates(records: list[Record], *, by_files: bool = False) -> dict[str, float]:
    """Returns BD-rates in percent against the published points, of pictures that were measured at all lambdas.

    Args:
      records: of one codec.
      by_files: whether the published points are taken as their files (`as_files`) and not as they were published.
    """
    published = json.loads(ANCHOR.read_text())["points"]
    anchor = {picture: as_files(points) if by_files else points for picture, points in published.items()}
    curves: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        curves.setdefault(record.picture, []).append((record.bpp, record.psnr_db))
    return {
        picture: bd_rate(anchor[picture], sorted(points))
        for picture, points in curves.items()
        if len(points) == len(LAMBDAS)
    }


def table(records: list[Record]) -> str:
    """Returns a table in Markdown: a row for every file, with the BD-rate of its picture in the last row of each."""
    lambdas = dict(zip(QUALITIES, LAMBDAS, strict=True))
    of_pictures, of_files = rates(records), rates(records, by_files=True)
    numbers_of_rates = "BD-rate to Cool-Chic 5.0.1, %", "to its files, %"
    titles = "picture", "lambda", "bytes", "networks", "bpp", "PSNR, dB", "encode, s", *numbers_of_rates
    lines = [f"| {' | '.join(titles)} |", "|---" + "|---:" * (len(titles) - 1) + "|"]
    for record in sorted(records, key=lambda record: (record.picture, record.bpp)):
        network = record.n_bytes - record.details["latent_bytes"] - record.details["header_bytes"]
        is_last = record.point == QUALITIES[-1] and record.picture in of_pictures
        both = [f"{rate[record.picture]:+.1f}" if is_last else "" for rate in (of_pictures, of_files)]
        numbers = f"{lambdas[record.point]:g}", f"{record.n_bytes:,}", f"{network:,.0f}", f"{record.bpp:.4f}"
        results = f"{record.psnr_db:.2f}", f"{record.encode_seconds:.0f}", *both
        lines.append(f"| {' | '.join((record.picture, *numbers, *results))} |")
    if of_pictures:
        means = " | ".join(f"{statistics.fmean(rate.values()):+.1f}" for rate in (of_pictures, of_files))
        lines.append(f"| mean of {len(of_pictures)} {'| ' * (len(titles) - 2)}{means} |")
    return "\n".join(lines)


def tables(records: list[Record]) -> dict[str, str]:
    """Returns the table of every codec, by name."""
    names = dict.fromkeys(record.codec for record in records)
    return {name: table([record for record in records if record.codec == name]) for name in names}


def main() -> None:
    records = [record for record in load_all([FOLDER / "results" / "latent_rd.jsonl"]) if not record.failure]
    for name, lines in tables(records).items():
        print(f"{name}\n\n{lines}\n")


if __name__ == "__main__":
    main()
