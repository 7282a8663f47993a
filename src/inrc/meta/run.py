"""A whole run in a folder of its own: pictures, outer loop, prior, and a card that says what came of what."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from inrc import shared_init
from inrc.errors import ConfigError, InrcError, MissingDataError
from inrc.fit.checkpoint import fingerprint
from inrc.meta import latent_pool, prior, processes, train
from inrc.meta.data import Collection, load_pictures
from inrc.meta.recipe import AnyRecipe, LatentRecipe, as_json, training_folder
from inrc.shared_init import SharedInit
from inrc.signal.image import write_atomically

Progress = train.Progress | latent_pool.Progress | prior.Progress

INIT, CARD = "init.npz", "card.json"
_MANIFEST = "train_manifest.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
      init: what it has learned.
      card: JSON values: recipe, network, pictures and their licences, steps, seconds, validation on the way.
    """

    init: SharedInit
    card: dict[str, Any]


def run(
    recipe: AnyRecipe,
    folder: Path,
    *,
    data: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Runs a recipe; what has been done in `folder` before is not done again.

    Of several processes (`processes.join`) all call it with the same recipe and pictures, and all return the same
    init: that of one process with as many devices, bit for bit on two, to within rounding on more, where sums have
    another order. The first alone writes checkpoints and results.

    Args:
      recipe: what to do.
      folder: for checkpoints, finished fits and the result; made where there is none. Processes that do not share it
        keep the fits that they make.
      data: folder of pictures; the recipe's or that of INRC_TRAIN if not given.
      progress: called after every outer step and every chunk of a fit.

    Raises:
      InrcError: The pictures are not to be had, the folder holds another recipe's run, the outer loop diverged, or
        another process is lost.
      KeyboardInterrupt: On Ctrl-C, or `progress` has raised it; the same call goes on from there.
    """
    source = training_folder(data or recipe.data)
    pictures = load_pictures(source, recipe.shape, recipe.n_crops)
    about = _about(pictures, source)
    with processes.loss_reported():
        return _run(recipe, folder, pictures, about, progress)


def _run(
    recipe: AnyRecipe,
    folder: Path,
    pictures: Collection,
    about: dict[str, Any],
    progress: Callable[[Progress], None] | None,
) -> Run:
    arrays = [pictures.training.pixels, pictures.validation.pixels]
    processes.check_same(fingerprint(arrays, dataclasses.replace(recipe, data=None)))
    params, course = _learn(recipe, pictures, folder, progress)
    init, prior_seconds = prior.learn_prior(
        recipe, params, pictures.training, folder=folder / "fits", progress=progress
    )
    card = {
        "name": recipe.name,
        "recipe": as_json(recipe),
        "n_weights": init.n_weights,
        "pictures": about,
        **course,
        "prior_seconds": round(prior_seconds, 1),
    }
    if processes.is_first():
        shared_init.save(init, folder / INIT)
        write_atomically(folder / CARD, json.dumps(card, indent=1).encode())
    processes.gather(b"")  # none is done before the result is written
    return Run(init, card)


def _learn(
    recipe: AnyRecipe, pictures: Collection, folder: Path, progress: Callable[[Progress], None] | None
) -> tuple[prior.Tensors, dict[str, Any]]:
    """The first stage: ({name: matrix}, what the card says of its course)."""
    if isinstance(recipe, LatentRecipe):
        if jax.process_count() > 1:
            raise ConfigError("networks of latent grids are learned by one process; run the recipe on one host")
        pool = latent_pool.train_pool(recipe, pictures.training.pixels, folder, progress=progress)
        rows = pool.history[:: max(1, len(pool.history) // 10)]
        names = ("step", "seconds", "loss", "mse", "bpp")
        return pool.params, {
            "outer_steps": pool.n_steps,
            "outer_seconds": round(pool.seconds, 1),
            "course": [dict(zip(names, row, strict=True)) for row in (*rows, pool.history[-1])],
        }
    trained = train.train(recipe, pictures, folder=folder / "checkpoints", progress=progress)
    params = {name: np.asarray(matrix) for name, matrix in trained.learned.params.items()}
    return params, {
        "outer_steps": trained.n_steps,
        "outer_steps_skipped": trained.n_skipped,
        "outer_seconds": round(trained.seconds, 1),
        "validation": [
            dict(zip(("step", "seconds", "psnr_before_db", "psnr_after_db"), row, strict=True))
            for row in trained.history
        ],
    }


def load_run(folder: Path) -> Run:
    """The run that a folder holds.

    Raises:
      InrcError: It holds no finished one.
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
    """Names and licences of the training pictures, and numbers of the others."""
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
    """{file name: licence} of the manifest in the folder of pictures or beside it; none where there is no manifest.

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
