"""Latent grids at three lambdas on six Kodak pictures, and their BD-rate against Cool-Chic 5.0.1 on the same pictures.

Command: inrc evaluate experiments/latent_rd.py, then python -m experiments.latent_rd for the table.
Cost: 18 fits of 2,000 steps of 0.1 s, 70 minutes of one core; it may be stopped and goes on where it was.
Expected: the table of README.md.
"""

import json
import statistics
from pathlib import Path

from experiments.kodak_quick import PICTURES
from experiments.smoke import PICTURES as SMALL
from inrc import presets
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.records import Record, load
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


def rates(records: list[Record], name: str) -> dict[str, float]:
    """BD-rate in percent of a codec's records against the published points, by picture."""
    anchor = json.loads(ANCHOR.read_text())["points"]
    curves: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record.codec == name and not record.failure and record.picture in anchor:
            curves.setdefault(record.picture, []).append((record.bpp, record.psnr_db))
    return {picture: bd_rate(anchor[picture], sorted(points)) for picture, points in curves.items() if len(points) > 1}


def main() -> None:
    records = load(FOLDER / "results" / "latent_rd.jsonl")
    for name in dict.fromkeys(record.codec for record in records):
        of_pictures = rates(records, name)
        print(
            f"| {name} |", " | ".join(f"{picture} {rate:+.1f}" for picture, rate in sorted(of_pictures.items())), end=""
        )
        print(f" | mean {statistics.fmean(of_pictures.values()):+.1f} |")
        for record in records:
            if record.codec == name:
                network = record.n_bytes - record.details["latent_bytes"] - record.details["header_bytes"]
                print(f"| {record.picture} | {record.point:g} | {record.n_bytes} | {record.bpp:.4f} |", end="")
                print(f" {record.psnr_db:.2f} | {network:.0f} | {record.encode_seconds:.0f} |")


if __name__ == "__main__":
    main()
