"""What each choice of the fit is worth: one variant at a time, from files, at equal passes and with seconds beside.

Command: python -m experiments.fit_ablation PICTURE... [--passes 60] [--only NAME ...] [--results FILE]
(pictures of the training set, never of Kodak). Cost: about 30 s a variant and picture on 2 cores at 60 passes.
Expected: the rows of experiments/NOTES.md. `--smoke` takes the bundled small picture and one pass.
"""

import argparse
import dataclasses
import json
import math
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

import inrc
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.fit.config import FitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stages import Schedule
from inrc.signal.colour import ColourTransform

ASSETS = Path(__file__).parent / "assets"
REFERENCE_BPP = 0.15
DB_PER_OCTAVE = 1.9
ADAM = OptimiserConfig(preconditioned=False, beta_1=0.9, beta_2=0.99)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row: a name, a network, a fit and a colour transform."""

    name: str
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig(lambda_rd=6e-3)
    colour: ColourTransform = ColourTransform.YCBCR


def _fit(**changes) -> FitConfig:
    return dataclasses.replace(FitConfig(lambda_rd=6e-3), **changes)


def _schedule(**changes) -> FitConfig:
    return _fit(schedule=dataclasses.replace(Schedule(), **changes))


def _model(**changes) -> ModelConfig:
    return dataclasses.replace(ModelConfig(), **changes)


VARIANTS = (
    Variant("default"),
    Variant("Adam, rate 3e-3", fit=_fit(optimiser=ADAM)),
    Variant("Adam, rate 1.5e-3", fit=_fit(optimiser=ADAM, schedule=Schedule(learning_rate=1.5e-3))),
    Variant("constant widths", model=_model(widths=(46, 46, 46, 46))),
    Variant("three hidden layers", model=_model(widths=(68, 42, 30))),
    Variant("RGB outputs", colour=ColourTransform.RGB),
    Variant("orthonormal YCoCg outputs", colour=ColourTransform.YCOCG_ORTHONORMAL),
    Variant("no rate term", fit=_fit(lambda_rd=0.0, relative_step=0.1)),
    Variant("rate term and noise in the last quarter", fit=_schedule(noise_from=0.75)),
    Variant("rounding in the last tenth only", fit=_schedule(hard_from=0.9)),
    Variant("2x2 phases", fit=_fit(phase_factor=2)),
    Variant("8x8 phases", fit=_fit(phase_factor=8)),
    Variant("race of 4 seeds", fit=_fit(n_seeds=4)),
    Variant("no biases", model=_model(bias=False)),
    Variant("omega_0 20", model=_model(omega_0=20)),
    Variant("12 frequencies", model=_model(encoding=EncodingConfig(n_frequencies=12))),
    Variant("NeRF frequencies", model=_model(encoding=EncodingConfig(EncodingKind.NERF, 9), widths=(76, 48, 33, 28))),
    Variant(
        "Gaussian features and ReLU",
        model=ModelConfig(ModelFamily.FOURIER, (52, 52, 52), EncodingConfig(EncodingKind.GAUSSIAN, 24, sigma=10.0)),
    ),
)


def run(variant: Variant, path: Path, passes: float) -> dict[str, object]:
    """One record: PSNR and bytes of the file, seconds without compilation."""
    options = EncodeOptions(
        model=variant.model, fit=dataclasses.replace(variant.fit, n_passes=passes), colour=variant.colour
    )
    stats = encode(inrc.read_image(path), options).stats
    return {
        "variant": variant.name,
        "picture": path.stem,
        "passes": passes,
        "n_bytes": stats.n_bytes,
        "bpp": stats.bpp,
        "psnr_db": stats.psnr_db,
        "psnr_at_reference_db": stats.psnr_db - DB_PER_OCTAVE * math.log2(stats.bpp / REFERENCE_BPP),
        "bits_per_weight": stats.bits_per_weight,
        "n_weights": stats.n_weights,
        "seconds": stats.encode_seconds - stats.compile_seconds,
    }


def main() -> None:
    """Runs the variants and prints their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--passes", type=float, default=60.0)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    pictures = [ASSETS / "coffee_small.png"] if arguments.smoke else arguments.pictures
    passes = 1.0 if arguments.smoke else arguments.passes

    table = Table("variant", "bpp", "dB", f"dB at {REFERENCE_BPP} bpp", "bits/weight", "s")
    for variant in VARIANTS:
        if arguments.only is not None and variant.name not in arguments.only:
            continue
        records = [run(variant, picture, passes) for picture in pictures]
        if arguments.results:
            with arguments.results.open("a") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
        numbers = [key for key in records[0] if key not in ("variant", "picture")]
        means = {key: statistics.mean(float(str(r[key])) for r in records) for key in numbers}
        row = ("bpp", ".4f"), ("psnr_db", ".2f"), ("psnr_at_reference_db", ".2f"), ("bits_per_weight", ".2f")
        table.add_row(variant.name, *(format(means[k], f) for k, f in row), f"{means['seconds']:.0f}")
        Console(stderr=True).print(variant.name, {k: round(v, 4) for k, v in means.items()}, highlight=False)
    Console().print(table)


if __name__ == "__main__":
    main()
