"""Loss of latent grids against the steps of their fits, on one crop each of kodim15 and kodim23, from files.

Networks weigh a sixth, as on a whole picture. "Fast schedule, small networks" is what fits below 5,000 steps have, and
what longer ones had before they got a schedule and networks of their own. Beside it stands the course of Cool-Chic
5.0.1 within its own fit of 5,000 iterations of the first crop, which this project measured once; networks are not
counted there.

Command: INRC_KODAK=FOLDER python -m experiments.latent_lengths. It prints the table and draws
docs/figures/latent_lengths.png. Cost: 55,000 steps of a 256x256 crop, 80 minutes of one core. A run that was stopped
resumes.
Expected: the fast schedule wins little beyond 2,000 steps; the slow one wins with every length.
"""

import dataclasses
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import inrc
from inrc import json_lines, presets
from inrc.codec.options import EncodeOptions
from inrc.config import LatentGridConfig
from inrc.evaluate import drawing
from inrc.evaluate.pictures import kodak
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.schedule import LONG, LatentSchedule
from inrc.metrics import mse
from inrc.signal.image import read_image

STEPS = (300, 600, 1000, 2000, 5000, 10_000)
NETWORK_WEIGHT = 256 * 256 / (768 * 512)
RESULTS = Path(__file__).parent / "results" / "latent_lengths.jsonl"
FIGURES = Path(__file__).parent.parent / "docs" / "figures"
COOL_CHIC = ((1000, 1.902), (2000, 1.684), (3000, 1.472), (4000, 1.375), (5000, 1.3495))
"""(iteration of 5,000, loss of the rounded latents) of Cool-Chic 5.0.1 on the crop of kodim15, at lambda 4e-3."""


@dataclasses.dataclass(frozen=True)
class Crop:
    """256x256 pixels of a Kodak picture, and the lambda of its fits."""

    number: int
    top: int
    left: int
    lambda_rd: float

    @property
    def name(self) -> str:
        return f"kodim{self.number:02d}"


CROPS = (Crop(15, 64, 128, 4e-3), Crop(23, 128, 256, 1e-3))


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to fit: a schedule and networks."""

    name: str
    schedule: LatentSchedule
    model: LatentGridConfig


def variants() -> tuple[Variant, ...]:
    codec = presets.LATENT_CODECS["latent-grid"]
    assert codec.large is not None
    return (
        Variant("fast schedule, small networks", LatentSchedule(), codec.model),
        Variant("slow schedule, large networks", LONG, codec.large),
    )


def measured(crop: Crop, variant: Variant, n_steps: int) -> dict[str, Any]:
    """Returns the record of a fit, whose file is written, read back and decoded."""
    (path,) = kodak(crop.number).paths()
    pixels = read_image(path).pixels[crop.top : crop.top + 256, crop.left : crop.left + 256]
    fit = LatentFitConfig(
        n_steps=n_steps,
        lambda_rd=crop.lambda_rd,
        network_weight=NETWORK_WEIGHT,
        schedule=variant.schedule,
        groups_per_chunk=4,
    )
    encoded = inrc.encode(pixels, EncodeOptions(codec="latent-grid", model=variant.model, fit=fit))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "crop.inr"
        file.write_bytes(encoded.data)
        distortion = mse(pixels, inrc.decode(file).pixels)
    latent_bytes, n_bytes = encoded.stats.latent_bytes, len(encoded.data)
    counted = latent_bytes + NETWORK_WEIGHT * (n_bytes - latent_bytes)
    losses = (1000 * (distortion + crop.lambda_rd * 8 * size / 256**2) for size in (counted, latent_bytes))
    whole, latents = (round(loss, 4) for loss in losses)
    return {
        "picture": crop.name,
        "lambda": crop.lambda_rd,
        "variant": variant.name,
        "steps": n_steps,
        "loss": whole,
        "loss_of_latents": latents,
        "n_bytes": n_bytes,
        "latent_bytes": round(latent_bytes, 1),
        "psnr_db": round(-10 * math.log10(distortion), 3),
        "seconds": round(encoded.stats.encode_seconds, 1),
    }


def table(records: list[dict[str, Any]]) -> str:
    """Returns a table in Markdown: a row for every length, a column for every crop and variant."""
    columns = list(dict.fromkeys((record["picture"], record["variant"]) for record in records))
    lines = [
        f"| steps | {' | '.join(f'{picture}, {variant}' for picture, variant in columns)} |",
        "|---:" * (len(columns) + 1) + "|",
    ]
    losses = {(record["picture"], record["variant"], record["steps"]): record["loss"] for record in records}
    for n_steps in STEPS:
        cells = (losses.get((*column, n_steps)) for column in columns)
        lines.append(f"| {n_steps:,} | {' | '.join('' if cell is None else f'{cell:.4f}' for cell in cells)} |")
    return "\n".join(lines)


def figure(records: list[dict[str, Any]]):
    """The losses of both crops over the steps, beside each other, and Cool-Chic's course."""
    with drawing.style():
        whole = drawing.new_figure(4.2)
        for axes, crop in zip(whole.subplots(1, len(CROPS)), CROPS, strict=True):
            own = [record for record in records if record["picture"] == crop.name]
            axes.set_title(f"{crop.name}, 256x256, lambda {crop.lambda_rd:g}")
            fast, slow = (variant.name for variant in variants())
            looks = drawing.Look("fast, small", "#0072B2", 1.2), drawing.Look("slow, large", "#000000", 2.5)
            for name, look in zip((fast, slow), looks, strict=True):
                points = sorted((r["steps"], r["loss"]) for r in own if r["variant"] == name)
                if points:
                    look.plot(axes, points)
            if crop is CROPS[0]:
                drawing.Look("slow, large; latents", "#666666", 1.2, "--").plot(
                    axes,
                    sorted((r["steps"], r["loss_of_latents"]) for r in own if r["variant"] == slow),
                )
                drawing.Look("Cool-Chic 5.0.1; latents", "#D55E00", 1.2, "--").plot(axes, COOL_CHIC)
            drawing.log_axis(axes, 250, 12_000, "steps of the fit")
            axes.set_ylabel("1,000 (MSE + lambda bits per pixel)")
            axes.legend(frameon=False, fontsize=drawing.LABEL_SIZE)
        return whole


def main() -> None:
    done = [json.loads(line) for line in json_lines.lines_of(RESULTS)]
    keys = {(record["picture"], record["variant"], record["steps"]) for record in done}
    for n_steps in STEPS:
        for crop in CROPS:
            for variant in variants():
                if (crop.name, variant.name, n_steps) not in keys:
                    record = measured(crop, variant, n_steps)
                    json_lines.append(RESULTS, [json.dumps(record)])
                    done.append(record)
                    print(json.dumps(record), flush=True)
    print(table(done))
    with drawing.style():
        for path in drawing.save(figure(done), FIGURES, "latent_lengths"):
            print(path)


if __name__ == "__main__":
    main()
