"""Starts compared: PSNR of the codec's own fit after few and many steps from each."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence, Set

import jax
import jax.numpy as jnp
import numpy as np

from inrc import presets
from inrc.config import ModelConfig
from inrc.errors import ConfigError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import CoordinateBatch
from inrc.fit.coordinate.program import State, distortion, rounded_cost, run_chunk, stacks_of
from inrc.fit.coordinate.schedule import Schedule, minibatch_order, steps_of_chunk
from inrc.fit.lanes import Lanes
from inrc.fit.measured import BitWeights
from inrc.fit.stacks import unstacked
from inrc.fit.task import Start, Target, Task
from inrc.meta.data import Photographs, output_transform
from inrc.meta.starts import start_of
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
      psnr_db: of the weights after each number of steps, neither rounded nor with pixels clipped to the range.
      rounded_psnr_db: of the last weights as a file would hold them.
      bpp: bits per pixel of the rounded weights, by the differentiable rate model.
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
      is_random: whether weights start at random.
      pictures: names of the pictures that were fitted.
      steps: numbers of steps.
      psnr_db, deviation_db: mean and standard deviation after each number of steps.
      rounded_psnr_db, bpp: of rounded weights after the last step.
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
    """Fits pictures from every init, and from random weights whose output is the picture's mean colour.

    All fits are the codec's own, as long as the largest of `steps`, with the lambda of the first init, and see the same
    pixels in the same order.

    Args:
      inits: {name: init}, of one canvas. Every network among them is also fitted from random weights; that start is
        called "random", followed by the network's widths where there are several networks.
      pictures: of that canvas.
      steps: numbers of steps after which PSNR is measured.
      seed: of random weights and of the order of minibatches.
      progress: called after every fit.

    Raises:
      ConfigError: There is no init, one is of another canvas or of latent grids, or one is called like a random start.
    """
    shapes = {init.shape for init in inits.values()}
    if shapes != {pictures.pixels.shape[2:]}:
        canvases = ", ".join(f"{width}x{height}" for height, width in sorted(shapes)) or "none"
        raise ConfigError(f"the inits' canvases are {canvases}; compare inits of one, on pictures of it")
    lambda_rd = next(iter(inits.values())).lambda_rd
    summaries = []
    for name, (model, start) in _starts(inits).items():
        schedule = Schedule(learning_rate=presets.learning_rate_for(model))
        config = CoordinateFitConfig(lambda_rd=lambda_rd, schedule=schedule, seed=seed)
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
    pixels: np.ndarray, model: ModelConfig, config: CoordinateFitConfig, start: Start | None, steps: Sequence[int]
) -> tuple[tuple[float, ...], float, float]:
    """Fits a picture in as many steps as the largest of `steps`, and measures PSNR after each number of steps.

    Args:
      pixels: [C, H, W] uint8.
      model: the network.
      config: of the fit; its number of passes is not used.
      start: random weights if None.
      steps: numbers of steps.

    Returns:
      (PSNR in dB after each number of steps in rising order, PSNR of rounded weights after the last, their bpp).
    """
    target = Target(to_unit(pixels), *output_transform(model, (pixels.shape[1], pixels.shape[2])))
    fit = CoordinateBatch([Task(target, config, start)], model, Lanes(), padded=False)
    problem, stacks = fit.plan.problem, stacks_of(fit.plan.problem)
    first, signal, prior = jax.tree.map(lambda leaf: leaf[0], (fit.first(0), fit.signals, fit.priors))

    n_steps = max(1, *steps)
    order = minibatch_order(fit.plan.n_phases, n_steps, seed=config.seed, chunk=0)
    plan = steps_of_chunk(config.schedule, start=0.0, stop=1.0, phases=order, steps_per_group=1)
    bit_weight = jnp.float32(config.lambda_rd / target.n_samples)
    bit_weights = BitWeights(bit_weight, bit_weight)

    def advance(state: State, done: int, n: int) -> State:
        if n == done:
            return state
        group = jax.tree.map(lambda rows: rows[done:n].reshape(1, -1), plan)
        return run_chunk(problem, group, state, signal, prior, bit_weights, jnp.float32(1))[0]

    done, psnr_db, state, measured = 0, [], first, first
    for n in sorted(steps):
        # The fit consists of whole groups. Where a number of steps ends within a group, a copy of the state takes the
        # remaining steps, so that the groups after it do not depend on where PSNR is measured.
        while done + config.steps_per_group <= n:
            state, done = advance(state, done, done + config.steps_per_group), done + config.steps_per_group
        measured = advance(state, done, n)
        psnr_db.append(_psnr_db(distortion(problem, unstacked(stacks, measured.params), signal)))
    rounded = rounded_cost(problem, measured, signal, prior)
    return tuple(psnr_db), _psnr_db(rounded.distortion), float(rounded.bits) / target.n_samples


def _starts(inits: Mapping[str, SharedInit]) -> dict[str, tuple[ModelConfig, Start | None]]:
    models: list[ModelConfig] = []
    for name, init in inits.items():
        if not isinstance(init.model, ModelConfig):
            raise ConfigError(f"the init {name} is of latent grids; compare it with others of latent grids")
        models.append(init.model)
    starts: dict[str, tuple[ModelConfig, Start | None]] = {}
    for model in dict.fromkeys(models):
        suffix = "" if len(set(models)) == 1 else " " + "-".join(map(str, model.widths))
        starts[RANDOM + suffix] = (model, None)
    check_names(inits, starts.keys())
    learned = zip(inits.items(), models, strict=True)
    return starts | {name: (model, start_of(init)) for (name, init), model in learned}


def check_names(inits: Mapping[str, SharedInit], random_starts: Set[str]) -> None:
    """Refuses inits that are called like random starts.

    Raises:
      ConfigError: One is.
    """
    taken = random_starts & inits.keys()
    if taken:
        raise ConfigError(f"an init is called {min(taken)!r}, as the random start is; give it another name")


def _psnr_db(mse: jax.Array) -> float:
    return float(-10 * np.log10(np.asarray(mse)))
