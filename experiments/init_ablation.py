"""Which way to learn a start is best at equal seconds: MAML of both orders, Meta-SGD, Reptile, the mean of fits.

Random weights are the sixth. All are of the `siren` codec's network at 1 bit per pixel on 64x64 pixels, where a shared
init is worth something; what larger pictures gave stands in NOTES.md. None learns scales of a prior, so that bits
differ only by how far weights move; fits are as `inrc meta compare` makes them, of the middles of the validation
pictures.

Command: make meta-ablation, with INRC_TRAIN naming a folder of photographs. What was stopped goes on when run again.
Cost: 2 minutes for each of five starts, whatever the machine, and then 300 steps from six starts on every picture.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inrc.cli.jax_setup import jax_set_up
from inrc.cli.meta import ProgressLines, report, table
from inrc.errors import InrcError
from inrc.evaluate.tables import to_markdown
from inrc.meta.compare import STEPS, Summary, Trajectory, compare
from inrc.meta.data import load_pictures
from inrc.meta.recipe import CoordinateRecipe, training_folder
from inrc.meta.run import Run, RunProgress, run_recipe
from inrc.meta.stages import Centre, InnerOptimiser, Learning, Method, Scales
from inrc.signal.image import write_atomically
from meta_init.family import small_siren

SECONDS = 120.0
RUNS = Path("out/meta/ablation")
RESULTS = Path(__file__).parent / "results" / "init_ablation.json"

_ENDLESS = 1_000_000


def variants(base: CoordinateRecipe, seconds: float, n_steps: int = _ENDLESS) -> tuple[CoordinateRecipe, ...]:
    """A recipe for every way to learn a start.

    Args:
      base: gives the network, the canvas, the learning that they share and the fits of the mean.
      seconds: of each.
      n_steps: after which learning ends even before.
    """

    def learned(name: str, method: Method, **changes: Any) -> CoordinateRecipe:
        learning = dataclasses.replace(base.learning, method=method, n_steps=n_steps, time_budget=seconds, **changes)
        return dataclasses.replace(base, name=name, learning=learning, prior=flat)

    flat = dataclasses.replace(base.prior, n_rounds=0, centre=Centre.START)
    mean = dataclasses.replace(
        base.prior, n_rounds=1, n_pictures=_ENDLESS, time_budget=seconds, centre=Centre.MEAN, scales=Scales.NONE
    )
    return (
        learned("MAML", Method.MAML),
        learned("FOMAML", Method.FOMAML),
        learned("Meta-SGD", Method.META_SGD),
        # Inner steps and outer rate of Nichol et al. (2018), section 6.
        learned("Reptile", Method.REPTILE, inner_optimiser=InnerOptimiser.ADAM, inner_rate=1e-3, outer_rate=1.0),
        dataclasses.replace(
            base, name="mean of fits", learning=dataclasses.replace(base.learning, n_steps=0), prior=mean
        ),
    )


def ablate(
    recipes: Sequence[CoordinateRecipe],
    *,
    data: Path,
    runs: Path,
    results: Path,
    steps: Sequence[int] = STEPS,
    on_training: Callable[[RunProgress], None] | None = None,
    on_fit: Callable[[Trajectory], None] | None = None,
) -> list[Summary]:
    """Runs recipes of one canvas, compares what they come to, and writes a record of it.

    Args:
      recipes: by different names.
      data: folder of photographs; the validation pictures among them are compared on.
      runs: folder of the runs' folders.
      results: the file of the record.
      steps: after which PSNR is measured.
      on_training: progress of the runs.
      on_fit: progress of the comparison.
    """
    done: dict[str, Run] = {}
    for recipe in recipes:
        done[recipe.name] = run_recipe(recipe, runs / recipe.name, data=data, progress=on_training)
    pictures = load_pictures(data, recipes[0].shape).validation
    summaries = compare({name: each.init for name, each in done.items()}, pictures, steps=steps, progress=on_fit)
    record = [dataclasses.asdict(summary) | _about(done.get(summary.start)) for summary in summaries]
    results.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(results, json.dumps(record, indent=1).encode() + b"\n")
    return summaries


def _about(done: Run | None) -> dict[str, Any]:
    """What a start has cost; nothing for random weights."""
    if done is None:
        return {"seconds": 0.0, "outer_steps": 0, "sha256": None}
    seconds = done.card["outer_seconds"] + done.card["prior_seconds"]
    return {"seconds": seconds, "outer_steps": done.card["outer_steps"], "sha256": done.init.sha256}


def main() -> None:
    """Runs the ablation and prints its table."""
    base = small_siren("init_ablation", 1.0)
    base = dataclasses.replace(
        base, learning=Learning(inner_rate=1e-3, n_tasks=16, tasks_at_once=16, phase_factor=4), n_crops=12
    )
    recipes = variants(base, SECONDS)
    lines = ProgressLines(quiet=False)
    try:
        with jax_set_up():
            data = training_folder(None)
            found = ablate(recipes, data=data, runs=RUNS, results=RESULTS, on_training=lines, on_fit=report)
    except InrcError as error:
        sys.exit(f"error: {error}")
    print(to_markdown(table(found)), end="")


if __name__ == "__main__":
    main()
