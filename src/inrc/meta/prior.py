"""Empirical Bayes: a start becomes the mean and the scales that fits of training pictures stray by.

Every fit is the codec's own, rate term included, so that the scales are those of what files will hold; since the prior
changes the fits, it takes a few rounds.
"""

import dataclasses
import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from inrc.config import LatentGridConfig, ModelConfig
from inrc.fit.checkpoint import fingerprint
from inrc.fit.config import FitConfig, Start, Target
from inrc.fit.config import Progress as FitProgress
from inrc.fit.latent_config import LatentFitConfig
from inrc.fit.latents import fit_latents
from inrc.fit.loop import fit
from inrc.meta import processes
from inrc.meta.data import Photographs, name_hash, output_transform
from inrc.meta.recipe import AnyRecipe, Centre, PriorStage, Scales
from inrc.quant.uniform import index_of_step, indices_of_steps, quantise, step_of_index, steps_of_indices
from inrc.shared_init import SharedInit, layout_of
from inrc.signal.image import to_unit, write_atomically

Tensors = dict[str, np.ndarray]

_FLOOR = 1 / 64
"""Least scale of a weight, as a fraction of its matrix's mean: of those that no training picture has moved."""

_SPARSE = 0.25
"""First scale of the weights of `sparse_start`, in steps."""


@dataclasses.dataclass(frozen=True)
class PictureFit:
    """What a fit of one picture came to: {name: weights}, {name: quantisation step}, and the seconds that it took."""

    params: Tensors
    steps: dict[str, float]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where the prior stage stands.

    Attributes:
      round: the present one, from 1.
      n_rounds: how many there are.
      fit: the present one of the round, from 1.
      n_fits: how many a round has at most.
      picture: which is fitted.
      fraction: of the fit that is done, 0..1.
    """

    round: int
    n_rounds: int
    fit: int
    n_fits: int
    picture: str
    fraction: float


def learn_prior(
    recipe: AnyRecipe,
    params: Tensors,
    training: Photographs,
    *,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[SharedInit, float]:
    """The shared init that fits from `params` lead to, and the seconds of these fits.

    Several processes, which all call it, fit pictures side by side and come to what one would; of fits side by side
    the longest counts.

    Args:
      recipe: its second stage says how.
      params: {name: matrix}, the learned start.
      training: pictures.
      folder: where finished fits are kept, so that a run that was stopped fits none twice; nowhere if not given.
      progress: called after every chunk of a fit.

    Raises:
      KeyboardInterrupt: On Ctrl-C, or `progress` has raised it.
    """
    stage, model = recipe.prior, recipe.model
    names = [name for name, _ in layout_of(model, recipe.shape, training.pixels.shape[1])]
    start = first_start({name: params[name] for name in names}, stage)
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
            mine = len(fits) + jax.process_index()  # processes fit one picture each, side by side
            work = None
            if mine < len(pictures):
                at = Progress(number, stage.n_rounds, mine + 1, len(pictures), pictures.names[mine], 0.0)
                work = functools.partial(
                    fit_picture, pictures.pixels[mine], model, stage, start, folder, _on_chunk(progress, at)
                )
            together = _of_all_processes(work)
            fits += together
            seconds += max(fitted.seconds for fitted in together)
        start = empirical_bayes(fits, start, stage)
    return shared_init_of(recipe, start), seconds


def _of_all_processes(work: Callable[[], PictureFit] | None) -> list[PictureFit]:
    """The fits that all processes have made meanwhile, in their order.

    Raises:
      KeyboardInterrupt: One of them was interrupted.
    """
    mine, interrupted = b"", False
    try:
        if work is not None:
            mine = _packed(work())
    except KeyboardInterrupt:
        interrupted = True
    if processes.any_of(interrupted):
        raise KeyboardInterrupt
    return [_unpacked(data) for data in processes.gather(mine) if data]


def _on_chunk(progress: Callable[[Progress], None] | None, at: Progress) -> Callable[[FitProgress], None] | None:
    return progress and (lambda state: progress(dataclasses.replace(at, fraction=state.fraction)))


def first_start(params: Tensors, stage: PriorStage) -> Start:
    """Where the fits of the first round begin."""
    if isinstance(stage.fit, LatentFitConfig):
        return sparse_start(params, stage.fit.first_step)
    return flat_start(params, stage.fit.relative_step)


def sparse_start(params: Tensors, first_step: float) -> Start:
    """Networks that fit any picture as they are: a weight that differs from its mean is an exception."""
    mean = {name: as_stored(matrix) for name, matrix in params.items()}
    scale = {name: np.full_like(matrix, _SPARSE * first_step) for name, matrix in mean.items()}
    return Start(mean, scale, dict.fromkeys(mean, first_step))


def flat_start(params: Tensors, relative_step: float) -> Start:
    """Weights of whose fits nothing is known: all of one scale, steps as for random weights.

    A matrix that has hardly left zero has steps by the others.
    """
    mean = {name: as_stored(matrix) for name, matrix in params.items()}
    deviations = {name: float(np.std(matrix)) for name, matrix in mean.items()}
    least = float(np.mean(list(deviations.values()))) / 4 + 1e-9
    steps = {name: relative_step * max(deviation, least) for name, deviation in deviations.items()}
    return Start(mean, {name: np.ones_like(matrix) for name, matrix in mean.items()}, steps)


def as_stored(matrix: np.ndarray) -> np.ndarray:
    """A mean as a shared init gives it back: rounded to float16. Fits must begin there for their scales to hold."""
    return np.asarray(matrix, np.float16).astype(np.float32)


def fit_picture(
    pixels: np.ndarray,
    model: ModelConfig | LatentGridConfig,
    stage: PriorStage,
    start: Start,
    folder: Path | None = None,
    progress: Callable[[FitProgress], None] | None = None,
) -> PictureFit:
    """Fits a picture [3, H, W] uint8 from a start.

    Args:
      pixels: the picture.
      model: the network.
      stage: gives the fit.
      start: where it begins and what its weights are coded against.
      folder: where the result is kept, under a name that says of what; one that is there is taken instead.
      progress: of the fit.

    Raises:
      KeyboardInterrupt: The fit was interrupted.
    """
    if folder is None:
        return _fit(pixels, model, stage, start, None, progress)
    folder.mkdir(parents=True, exist_ok=True)
    identity = fingerprint([pixels, *start.arrays()], model, stage.fit)[:16]
    kept, partial = folder / f"{identity}.npz", folder / f"{identity}.partial"
    if not kept.exists():
        write_atomically(kept, _packed(_fit(pixels, model, stage, start, partial, progress)))
        partial.unlink(missing_ok=True)
    return _unpacked(kept.read_bytes())


def _fit(
    pixels: np.ndarray,
    model: ModelConfig | LatentGridConfig,
    stage: PriorStage,
    start: Start,
    partial: Path | None,
    progress: Callable[[FitProgress], None] | None,
) -> PictureFit:
    if isinstance(model, LatentGridConfig):
        assert isinstance(stage.fit, LatentFitConfig)
        result = fit_latents(to_unit(pixels), model, stage.fit, start=start, progress=progress, checkpoint_path=partial)
    else:
        assert isinstance(stage.fit, FitConfig)
        target = Target(to_unit(pixels), *output_transform(model, pixels.shape[1:]))
        result = fit(target, model, stage.fit, start=start, progress=progress, checkpoint_path=partial)
    if result.interrupted:
        raise KeyboardInterrupt
    return PictureFit(result.params, result.steps, result.seconds)


def empirical_bayes(fits: Sequence[PictureFit], start: Start, stage: PriorStage) -> Start:
    """The start and prior that fits suggest: their centre, and how far from it they are, as a file would hold it.

    A weight's scale is the mean magnitude of its rounded differences from the centre. Few pictures tell little of one
    weight, so the mean is shrunk towards the product of row and column means, as if `stage.shrinkage` more pictures
    had said that.

    Args:
      fits: of different pictures, all from `start`.
      start: where they began.
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
    return Start(mean, scale, steps)


def shared_init_of(recipe: AnyRecipe, start: Start) -> SharedInit:
    """A start as it is stored."""
    return SharedInit(
        model=recipe.model,
        shape=recipe.shape,
        n_outputs=next(reversed(list(start.mean.values()))).shape[0],
        mean={name: np.asarray(matrix, np.float16) for name, matrix in start.mean.items()},
        scale_indices={name: indices_of_steps(matrix).astype(np.uint8) for name, matrix in start.scale.items()},
        steps=dict(start.steps or {}),
        lambda_rd=recipe.prior.fit.lambda_rd,
    )


def start_of(init: SharedInit) -> Start:
    """Where fits from a shared init begin."""
    scale = {name: steps_of_indices(indices) for name, indices in init.scale_indices.items()}
    return Start({name: matrix.astype(np.float32) for name, matrix in init.mean.items()}, scale, dict(init.steps))


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
