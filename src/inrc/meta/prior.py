"""Empirical Bayes: the mean of the weights, and scales of the differences from it, from fits of training pictures.

Every fit is the codec's own, rate term included, so that the scales are those of what files will hold. The prior
changes the fits in turn, so that this is repeated for a few rounds.
"""

import dataclasses
import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from inrc.files import write_atomically
from inrc.fit.checkpoint import fingerprint
from inrc.fit.loop import run_fits
from inrc.fit.task import Progress, Start
from inrc.meta import processes
from inrc.meta.data import Photographs, name_hash
from inrc.meta.recipe import Matrices, Recipe
from inrc.meta.stages import Centre, PriorStage, Scales
from inrc.meta.starts import as_stored
from inrc.quant.uniform import index_of_step, indices_of_steps, quantise, step_of_index, steps_of_indices
from inrc.shared_init import SharedInit, layout_of

_FLOOR = 1 / 64
"""Least scale of a weight, as a fraction of its matrix's mean scale: that of weights that no training picture moves."""


@dataclasses.dataclass(frozen=True)
class PictureFit:
    """The result of the fit of one picture.

    Attributes:
      params: {name: matrix}, not rounded.
      steps: {name: quantisation step}.
      seconds: that the fit took.
    """

    params: Matrices
    steps: dict[str, float]
    seconds: float


@dataclasses.dataclass(frozen=True)
class PriorProgress:
    """The state of the prior stage.

    Attributes:
      round: the present one, from 1.
      n_rounds: rounds of the stage.
      fit: number of the present fit within the round, from 1.
      n_fits: fits of a round, at most.
      picture: name of the picture that is fitted.
      fraction: of the fit that is done, 0..1.
    """

    round: int
    n_rounds: int
    fit: int
    n_fits: int
    picture: str
    fraction: float


def learn_prior(
    recipe: Recipe,
    params: Matrices,
    training: Photographs,
    *,
    rates: Matrices | None = None,
    folder: Path | None = None,
    progress: Callable[[PriorProgress], None] | None = None,
) -> tuple[SharedInit, float]:
    """Learns the prior of fits that start from `params`.

    Several processes, which all call this function, fit pictures side by side and end with the same shared init as one
    process would.

    Args:
      recipe: its second stage says how.
      params: {name: matrix}, the learned start.
      training: pictures.
      rates: {name: [k, *shape of the matrix]} of inner steps that fits take first and the shared init keeps, if any.
      folder: where finished fits are kept, so that an interrupted run does not repeat them; nowhere if not given.
      progress: called after every chunk of a fit.

    Returns:
      (the shared init, the seconds of its fits; of fits side by side, the longest counts).

    Raises:
      KeyboardInterrupt: On Ctrl-C, or `progress` has raised it.
    """
    stage = recipe.prior
    names = [name for name, _ in layout_of(recipe.model, recipe.shape, training.pixels.shape[1])]
    start = recipe.first_start({name: params[name] for name in names})
    if rates:
        stored = {name: steps_of_indices(indices_of_steps(rates[name])) for name in names}
        start = dataclasses.replace(start, inner_rates=stored)
    if stage.centre is Centre.ZERO:
        start = dataclasses.replace(start, mean={name: np.zeros_like(matrix) for name, matrix in start.mean.items()})
    chosen = sorted(range(len(training)), key=lambda i: name_hash(training.names[i]))[: stage.n_pictures]
    pictures = training.take(chosen)
    seconds = 0.0
    for number in range(1, stage.n_rounds + 1):
        fits: list[PictureFit] = []
        while len(fits) < len(pictures):
            if stage.time_budget is not None and len(fits) >= 2 and seconds > stage.time_budget:
                break
            index = len(fits) + jax.process_index()  # processes fit one picture each, side by side
            work = None
            if index < len(pictures):
                state = PriorProgress(number, stage.n_rounds, index + 1, len(pictures), pictures.names[index], 0.0)
                work = functools.partial(
                    fit_picture, recipe, pictures.pixels[index], start, folder, _of_fits(progress, state)
                )
            together = _of_all_processes(work)
            fits += together
            seconds += max(fitted.seconds for fitted in together)
        start = empirical_bayes(fits, start, stage)
    return shared_init_of(recipe, start), seconds


def _of_all_processes(work: Callable[[], PictureFit] | None) -> list[PictureFit]:
    """Does this process's work, and returns the fits of all processes, in their order.

    Raises:
      KeyboardInterrupt: One of them was interrupted.
    """
    data, interrupted = b"", False
    try:
        if work is not None:
            data = _packed(work())
    except KeyboardInterrupt:
        interrupted = True
    if processes.any_of(interrupted):
        raise KeyboardInterrupt
    return [_unpacked(one) for one in processes.gather(data) if one]


def _of_fits(
    progress: Callable[[PriorProgress], None] | None, state: PriorProgress
) -> Callable[[Progress], None] | None:
    """A progress function for a fit that reports the state of the stage."""
    return progress and (lambda fit: progress(dataclasses.replace(state, fraction=fit.fraction)))


def fit_picture(
    recipe: Recipe,
    pixels: np.ndarray,
    start: Start,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> PictureFit:
    """Fits a picture from a start, as the recipe's prior stage says.

    Args:
      recipe: gives the network and the fit.
      pixels: the picture, [3, H, W] uint8.
      start: where the fit starts and what its weights are coded against.
      folder: where the result is kept, under a hash of all that it depends on; a result that is there is not computed
        again.
      progress: of the fit.

    Raises:
      KeyboardInterrupt: The fit was interrupted.
    """
    if folder is None:
        return _fit(recipe, pixels, start, None, progress)
    folder.mkdir(parents=True, exist_ok=True)
    identity = fingerprint([pixels, *start.arrays()], recipe.model, recipe.prior.fit)[:16]
    kept, partial = folder / f"{identity}.npz", folder / f"{identity}.partial"
    if not kept.exists():
        write_atomically(kept, _packed(_fit(recipe, pixels, start, partial, progress)))
        partial.unlink(missing_ok=True)
    return _unpacked(kept.read_bytes())


def _fit(
    recipe: Recipe,
    pixels: np.ndarray,
    start: Start,
    partial: Path | None,
    progress: Callable[[Progress], None] | None,
) -> PictureFit:
    (result,) = run_fits(recipe.fit_of(pixels, start), progress=progress, checkpoint_path=partial)
    if result.interrupted:
        raise KeyboardInterrupt
    return PictureFit(result.params, result.steps, result.seconds)


def empirical_bayes(fits: Sequence[PictureFit], start: Start, stage: PriorStage) -> Start:
    """The start and prior of the next round: the centre of the fits, and the size of their differences from it.

    A weight's scale is the mean magnitude of its differences from the centre, rounded as in a file. Few pictures
    determine the scale of one weight badly, so the mean is shrunk towards the product of row and column means, as if
    `stage.shrinkage` more pictures had that product as their magnitude.

    Args:
      fits: of different pictures, all from `start`.
      start: where they started.
      stage: says what the centre and the scales are.
    """
    mean, scale, steps = {}, {}, {}
    for name, before in start.mean.items():
        weights = np.stack([fitted.params[name] for fitted in fits]).astype(np.float64)
        match stage.centre:
            case Centre.START | Centre.ZERO:
                mean[name] = before
            case Centre.MEAN:
                mean[name] = as_stored(weights.mean(axis=0))
            case Centre.MEDIAN:
                mean[name] = as_stored(np.median(weights, axis=0))
        step = float(np.exp(np.mean([np.log(fitted.steps[name]) for fitted in fits])))
        steps[name] = step_of_index(index_of_step(step))
        magnitude = np.abs(quantise(weights - mean[name], steps[name])) * steps[name]
        scale[name] = _scales(magnitude, steps[name], stage)
    return Start(mean, scale, steps, start.inner_rates)


def shared_init_of(recipe: Recipe, start: Start) -> SharedInit:
    """A start and its prior, in the form in which they are stored."""
    return SharedInit(
        model=recipe.model,
        shape=recipe.shape,
        n_outputs=next(reversed(list(start.mean.values()))).shape[0],
        mean={name: np.asarray(matrix, np.float16) for name, matrix in start.mean.items()},
        scale_indices={name: indices_of_steps(matrix).astype(np.uint8) for name, matrix in start.scale.items()},
        steps=dict(start.steps or {}),
        lambda_rd=recipe.prior.fit.lambda_rd,
        codec=recipe.codec,
        rate_indices={name: indices_of_steps(rates).astype(np.uint8) for name, rates in start.inner_rates.items()},
    )


def _scales(magnitude: np.ndarray, step: float, stage: PriorStage) -> np.ndarray:
    """Scales [out, in] from magnitudes [pictures, out, in] of differences that are multiples of `step`."""
    means = magnitude.mean(axis=0)
    overall = max(float(means.mean()), _FLOOR * step)
    match stage.scales:
        case Scales.NONE:
            return np.ones(means.shape, np.float32)
        case Scales.MATRIX:
            return np.full(means.shape, overall, np.float32)
    product = means.mean(axis=1, keepdims=True) * means.mean(axis=0, keepdims=True) / overall
    n = len(magnitude)
    shrunk = (n * means + stage.shrinkage * product) / (n + stage.shrinkage)
    return np.maximum(shrunk, _FLOOR * overall).astype(np.float32)


def _packed(fitted: PictureFit) -> bytes:
    arrays = {f"params/{name}": matrix for name, matrix in fitted.params.items()}
    arrays |= {f"steps/{name}": np.float64(step) for name, step in fitted.steps.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, seconds=np.float64(fitted.seconds), **arrays)
    return buffer.getvalue()


def _unpacked(data: bytes) -> PictureFit:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        params, steps = (
            {key.removeprefix(kind): archive[key] for key in archive.files if key.startswith(kind)}
            for kind in ("params/", "steps/")
        )
        seconds = float(archive["seconds"])
    return PictureFit(params, {name: float(step) for name, step in steps.items()}, seconds)
