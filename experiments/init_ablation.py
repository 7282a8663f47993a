"""Compares ways to learn a start at equal seconds: MAML of both orders, Meta-SGD, Reptile, the mean of fits, and none.

All starts are of the network of the `siren` codec at 1 bit per pixel on 64x64 pixels, where a shared init helps;
NOTES.md has the results on larger pictures. No start learns the scales of a prior, so that bits differ only by how far
the weights move. The fits are those of `inrc meta compare`, on the middles of the validation pictures.

Command: make meta-ablation, with INRC_TRAIN naming a folder of photographs. A run that was stopped resumes.
Cost: 2 minutes for each of five starts, whatever the machine, and then 300 steps from six starts on every picture.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inrc.cli.jax_setup import jax_set_up
from inrc.cli.meta_compare import print_trajectory, starts_table
from inrc.cli.meta_progress import ProgressLines
from inrc.errors import InrcError
from inrc.evaluate.tables import to_markdown
from inrc.files import write_atomically
from inrc.meta.compare import STEPS, Summary, Trajectory, compare
from inrc.meta.data import load_pictures
from inrc.meta.recipe import CoordinateRecipe, training_folder
from inrc.meta.run import Run, RunProgress, run_recipe
from inrc.meta.stages import Centre, InnerOptimiser, Learning, Method, Scales
from meta_init.family import small_siren

SECONDS = 120.0
RUNS = Path("out/meta/ablation")
RESULTS = Path(__file__).parent / "results" / "init_ablation.json"

_ENDLESS = 1_000_000


def variants(base: CoordinateRecipe, seconds: float, n_steps: int = _ENDLESS) -> tuple[CoordinateRecipe, ...]:
    """Returns a recipe for every way to learn a start.

    Args:
      base: the recipe of the network, the canvas, the shared settings of learning and the fits of the mean.
      seconds: the time budget of every recipe.
      n_steps: the number of steps after which learning ends even before its time.
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
    """Runs recipes of one canvas, compares their inits, and writes a record of the comparison.

    Args:
      recipes: the recipes; their names must differ.
      data: folder of photographs; the comparison uses the validation pictures among them.
      runs: folder of the folders of the runs.
      results: the file of the record.
      steps: numbers of steps after which PSNR is measured.
      on_training: takes the progress of the runs.
      on_fit: takes the progress of the comparison.
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
    """Returns the cost of a start; random weights cost nothing."""
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
            summaries = ablate(
                recipes, data=data, runs=RUNS, results=RESULTS, on_training=lines, on_fit=print_trajectory
            )
    except InrcError as error:
        sys.exit(f"error: {error}")
    print(to_markdown(starts_table(summaries)), end="")


if __name__ == "__main__":
    main()
