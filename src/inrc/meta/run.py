"""A whole run in a folder of its own: pictures, start, prior, and a card that tells how the shared init was made."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inrc import shared_init
from inrc.errors import InrcError, MissingDataError
from inrc.files import write_atomically
from inrc.fit.checkpoint import fingerprint
from inrc.meta import prior, processes
from inrc.meta.data import Collection, load_pictures
from inrc.meta.recipe import LearningProgress, Recipe, as_json, training_folder
from inrc.shared_init import SharedInit

RunProgress = LearningProgress | prior.PriorProgress

INIT, CARD = "init.npz", "card.json"
_MANIFEST = "train_manifest.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
      init: the shared init that the run has learned.
      card: JSON values: recipe, pictures and their licences, steps, seconds, and losses in the course of the run.
    """

    init: SharedInit
    card: dict[str, Any]


def run_recipe(
    recipe: Recipe,
    folder: Path,
    *,
    data: Path | None = None,
    progress: Callable[[RunProgress], None] | None = None,
) -> Run:
    """Runs a recipe; whatever an earlier run has finished in `folder` is not repeated.

    Of several processes (`processes.join`), all call this function with the same recipe and pictures, and all return
    the same init. It is the init of one process with as many devices: bit for bit on two devices, to within rounding on
    more, where sums have another order. Only the first process writes checkpoints and results.

    Args:
      recipe: what to do.
      folder: for checkpoints, finished fits and the result; made where there is none. Processes that do not share it
        each keep the fits that they make.
      data: folder of pictures; the recipe's or that of INRC_TRAIN if not given.
      progress: called after every outer step and every chunk of a fit.

    Raises:
      InrcError: The pictures are missing or unreadable, the folder holds another recipe's run, the outer loop diverged,
        or another process is lost.
      KeyboardInterrupt: On Ctrl-C, or `progress` has raised it; the same call continues from there.
    """
    source = training_folder(data or recipe.data)
    pictures = load_pictures(source, recipe.shape, recipe.n_crops)
    about = _about(pictures, source)
    with processes.loss_reported():
        return _run(recipe, folder, pictures, about, progress)


def _run(
    recipe: Recipe,
    folder: Path,
    pictures: Collection,
    about: dict[str, Any],
    progress: Callable[[RunProgress], None] | None,
) -> Run:
    arrays = [pictures.training.pixels, pictures.validation.pixels]
    processes.check_same(fingerprint(arrays, dataclasses.replace(recipe, data=None)))
    start = recipe.learn_start(pictures, folder, progress)
    init, prior_seconds = prior.learn_prior(
        recipe, start.params, pictures.training, rates=start.rates, folder=folder / "fits", progress=progress
    )
    card = {
        "name": recipe.name,
        "recipe": as_json(recipe),
        "n_weights": init.n_weights,
        "pictures": about,
        **start.card,
        "prior_seconds": round(prior_seconds, 1),
    }
    if processes.is_first():
        shared_init.save(init, folder / INIT)
        write_atomically(folder / CARD, json.dumps(card, indent=1).encode())
    processes.gather(b"")  # no process returns before the result is written
    return Run(init, card)


def load_run(folder: Path) -> Run:
    """The finished run in a folder.

    Raises:
      InrcError: There is none.
    """
    if not (folder / CARD).is_file() or not (folder / INIT).is_file():
        raise InrcError(f"{folder} holds no finished run; finish it by the `inrc meta train` that began it")
    try:
        card = json.loads((folder / CARD).read_text())
    except ValueError as error:
        raise InrcError(
            f"{folder / CARD} is damaged ({error}); run the `inrc meta train` that wrote it again"
        ) from error
    return Run(shared_init.load(folder / INIT), card)


def _about(pictures: Collection, folder: Path) -> dict[str, Any]:
    """What the card tells of the pictures: names and licences of those for training, numbers of the others."""
    names = pictures.training.names
    licences = _licences(folder)
    return {
        "n_training": len(names),
        "n_validation": len(pictures.validation),
        "left_out": pictures.left_out,
        "licences": dict(Counter(licences.get(name, "unknown") for name in names)),
        "training": list(dict.fromkeys(names)),
    }


def _licences(folder: Path) -> dict[str, str]:
    """{file name: licence} of the manifest in the folder of pictures or beside it; empty where there is no manifest.

    Raises:
      MissingDataError: The manifest cannot be understood.
    """
    manifest = next((place / _MANIFEST for place in (folder, folder.parent) if (place / _MANIFEST).is_file()), None)
    if manifest is None:
        return {}
    try:
        return {Path(entry["file"]).name: entry["licence"] for entry in json.loads(manifest.read_text())}
    except (ValueError, KeyError, TypeError) as error:
        raise MissingDataError(f"{manifest} is no list of files and licences ({error}); repair or remove it") from error
