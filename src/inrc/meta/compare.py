"""Starts side by side: how good the codec's own fit is after few and many steps from each."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from inrc import presets
from inrc.config import ModelConfig
from inrc.errors import ConfigError
from inrc.fit.config import MAX_SEEDS, FitConfig, Start, Target
from inrc.fit.data import polyphase
from inrc.fit.loop import default_tile_samples
from inrc.fit.program import Problem, Signal, State, distortion, rounded_cost, run_chunk
from inrc.fit.stages import Schedule, minibatch_order, plan_chunk
from inrc.fit.start import first_state, prior_of
from inrc.meta.data import Photographs, output_transform
from inrc.meta.prior import start_of
from inrc.shared_init import SharedInit
from inrc.signal.image import to_unit

RANDOM = "random"
STEPS = (0, 1, 3, 10, 30, 100, 300)


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """A fit of one picture from one start.

    Attributes:
      start: its name.
      picture: its name.
      psnr_db: of the weights as they are after each number of steps, before clipping to the range.
      rounded_psnr_db: of the last weights as a file would hold them.
      bpp: bits per pixel of those, by the coder's twin.
    """

    start: str
    picture: str
    psnr_db: tuple[float, ...]
    rounded_psnr_db: float
    bpp: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """Means over pictures, and standard deviations of PSNR.

    Attributes:
      start: its name.
      is_random: whether it is one of random weights.
      pictures: names of those that were fitted.
      steps: numbers of steps.
      psnr_db, deviation_db: after each of them.
      rounded_psnr_db, bpp: after the last, of rounded weights.
    """

    start: str
    is_random: bool
    pictures: tuple[str, ...]
    steps: tuple[int, ...]
    psnr_db: tuple[float, ...]
    deviation_db: tuple[float, ...]
    rounded_psnr_db: float
    bpp: float


def compare(
    inits: Mapping[str, SharedInit],
    pictures: Photographs,
    *,
    steps: Sequence[int] = STEPS,
    seed: int = 0,
    progress: Callable[[Trajectory], None] | None = None,
) -> list[Summary]:
    """Fits pictures from every init, and from random weights that begin at the picture's mean colour.

    All fits are the codec's own of so many steps, by the lambda of the first init, and see the same pixels in the same
    order.

    Args:
      inits: {name: init}, of one canvas. For every network among them there is a start called "random", and its
        widths where there are several.
      pictures: of that canvas.
      steps: after which PSNR is measured.
      seed: of random weights and of the order of minibatches.
      progress: called after every fit.

    Raises:
      ConfigError: There is no init, one is of another canvas, or one is called like a random start.
    """
    shapes = {init.shape for init in inits.values()}
    if shapes != {pictures.pixels.shape[2:]}:
        canvases = ", ".join(f"{width}x{height}" for height, width in sorted(shapes)) or "none"
        raise ConfigError(f"the inits' canvases are {canvases}; compare inits of one, on pictures of it")
    lambda_rd = next(iter(inits.values())).lambda_rd
    summaries = []
    for name, (model, start) in _starts(inits).items():
        schedule = Schedule(learning_rate=presets.learning_rate_for(model))
        config = FitConfig(lambda_rd=lambda_rd, schedule=schedule, seed=seed)
        trajectories = []
        for picture, pixels in zip(pictures.names, pictures.pixels, strict=True):
            psnr_db, rounded_psnr_db, bpp = follow(pixels, model, config, start, steps)
            trajectories.append(Trajectory(name, picture, psnr_db, rounded_psnr_db, bpp))
            if progress is not None:
                progress(trajectories[-1])
        summaries.append(summary(trajectories, steps, is_random=start is None))
    return summaries


def summary(trajectories: Sequence[Trajectory], steps: Sequence[int], *, is_random: bool) -> Summary:
    """Means over fits from one start."""
    psnr_db = np.array([trajectory.psnr_db for trajectory in trajectories])
    return Summary(
        start=trajectories[0].start,
        is_random=is_random,
        pictures=tuple(trajectory.picture for trajectory in trajectories),
        steps=tuple(sorted(steps)),
        psnr_db=tuple(psnr_db.mean(axis=0).tolist()),
        deviation_db=tuple(psnr_db.std(axis=0).tolist()),
        rounded_psnr_db=float(np.mean([trajectory.rounded_psnr_db for trajectory in trajectories])),
        bpp=float(np.mean([trajectory.bpp for trajectory in trajectories])),
    )


def follow(
    pixels: np.ndarray, model: ModelConfig, config: FitConfig, start: Start | None, steps: Sequence[int]
) -> tuple[tuple[float, ...], float, float]:
    """A fit whose course ends with the largest of `steps`, looked at after each of them.

    Args:
      pixels: [C, H, W] uint8.
      model: the network.
      config: of the fit; its passes do not matter.
      start: random weights if None.
      steps: numbers of steps.

    Returns:
      (PSNR in dB after each number of steps in rising order, PSNR of rounded weights after the last, their bpp).
    """
    n_channels, *shape = pixels.shape
    problem = Problem(model, tuple(shape), n_channels, config.loss, config.optimiser)
    factor = min(config.phase_factor, *shape)
    tile_samples = config.tile_samples or default_tile_samples()
    values = to_unit(pixels)
    matrix, offset = output_transform(model, (shape[0], shape[1]))
    signal = Signal(
        polyphase(values, factor, tile_samples), jnp.asarray(matrix, jnp.float32), jnp.asarray(offset, jnp.float32)
    )
    prior = prior_of(problem, start)
    seed = config.seed * MAX_SEEDS  # a fit's first one
    state = first_state(problem, config, Target(values, matrix, offset).mean_outputs, start, prior, seed)

    n_steps = max(1, *steps)
    order = minibatch_order(factor**2, n_steps, seed=config.seed, chunk=0)
    plan = plan_chunk(config.schedule, start=0.0, stop=1.0, phases=order, steps_per_group=1)
    bits_weight = jnp.float32(config.lambda_rd / values[0].size)

    def advance(state: State, first: int, last: int) -> State:
        group = jax.tree.map(lambda rows: rows[first:last].reshape(1, -1), plan)
        return run_chunk(problem, state, signal, prior, group, bits_weight)[0] if last > first else state

    done, psnr_db, met = 0, [], state
    for n in sorted(steps):
        # Whole groups are the fit; what is left of one is taken aside and does not disturb the groups after it.
        while done + config.steps_per_group <= n:
            state, done = advance(state, done, done + config.steps_per_group), done + config.steps_per_group
        met = advance(state, done, n)
        psnr_db.append(_psnr_db(distortion(problem, met.params, signal)))
    mse, bits = rounded_cost(problem, met, signal, prior)
    return tuple(psnr_db), _psnr_db(mse), float(bits) / values[0].size


def _starts(inits: Mapping[str, SharedInit]) -> dict[str, tuple[ModelConfig, Start | None]]:
    models: list[ModelConfig] = []
    for name, init in inits.items():
        if not isinstance(init.model, ModelConfig):
            raise ConfigError(f"the init {name} is of latent grids; compare coordinate networks only")
        models.append(init.model)
    starts: dict[str, tuple[ModelConfig, Start | None]] = {}
    for model in dict.fromkeys(models):
        suffix = "" if len(set(models)) == 1 else " " + "-".join(map(str, model.widths))
        starts[RANDOM + suffix] = (model, None)
    taken = starts.keys() & inits.keys()
    if taken:
        raise ConfigError(f"an init is called {min(taken)!r}, as the random start is; give it another name")
    learned = zip(inits.items(), models, strict=True)
    return starts | {name: (model, start_of(init)) for (name, init), model in learned}


def _psnr_db(mse: jax.Array) -> float:
    return float(-10 * np.log10(np.asarray(mse)))
