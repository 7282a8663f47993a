"""Networks of latent grids learned on the optimised latents of many pictures: an auto-decoder with a pool of crops.

A pool has a few crops, each with latents of its own and Adam's moments of them. Every step is one of all latents and
one of the networks, along the mean of the crops' gradients. Where latents are at their best, that gradient is the whole
one of (networks, with latents that follow them): how latents move with the networks does not matter to first order, so
that no step need be differentiated through.

A crop's latents begin at 0 and take the course of a fit, `LatentSchedule`; at its end another crop takes its place, at
another time in every place, so that the networks always see latents of all ages. So they become networks that fits from
latents of 0 do well with. Latents that last for the whole run keep the ways of the first random networks instead, and
fits of new pictures, which begin at 0, end elsewhere (experiments/NOTES.md).
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inrc.errors import InrcError
from inrc.fit import optimiser
from inrc.fit.checkpoint import fingerprint
from inrc.fit.latent_program import LatentProblem, adam, noise_of
from inrc.fit.latent_start import first_latent_state
from inrc.fit.optimiser import OptimiserState
from inrc.meta.checkpoint import Checkpoints
from inrc.meta.recipe import LatentRecipe, PoolLearning
from inrc.models.latent_grid.forward import values_and_bits
from inrc.models.latent_grid.packing import mask_of, packing_of
from inrc.quant.soft_round import gaussian_noise, latent_surrogate

Params = dict[str, jax.Array]

CHECKPOINTS = "checkpoints"
_REPORT_STEPS = 20


class Crops(NamedTuple):
    """Latents of some crops.

    Attributes:
      latents: [crops, packing.size], in units of their quantiser.
      mean, square: Adam's moments of their gradient.
      visits: [crops] int32, steps taken: their ages.
    """

    latents: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    visits: np.ndarray


class PoolState(NamedTuple):
    """All that a run changes.

    Attributes:
      params: {name: matrix}, the networks.
      moments: of their optimiser.
      crops: the pool.
      step: of the networks.
    """

    params: Params
    moments: dict[str, OptimiserState]
    crops: Crops
    step: np.int32


class PoolMeans(NamedTuple):
    """Means over the crops as the networks saw them, by their say."""

    loss: jax.Array
    mse: jax.Array
    bpp: jax.Array


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a pool stands.

    Attributes:
      fraction: of the run that is done.
      step: of the networks so far.
      loss, mse, bpp: means since the last report.
      seconds, seconds_left: of the run, earlier ones included.
    """

    fraction: float
    step: int
    loss: float
    mse: float
    bpp: float
    seconds: float
    seconds_left: float


@dataclasses.dataclass(frozen=True)
class PoolResult:
    """What a pool came to.

    Attributes:
      params: {name: matrix}, the networks.
      n_steps: of them.
      seconds: of the run.
      history: (step, seconds, loss, mse, bpp) now and then.
    """

    params: dict[str, np.ndarray]
    n_steps: int
    seconds: float
    history: tuple[tuple[float, ...], ...]


def train_pool(
    recipe: LatentRecipe,
    pixels: np.ndarray,
    folder: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_every: float = 120.0,
) -> PoolResult:
    """Learns networks from crops.

    Args:
      recipe: what to do.
      pixels: [crops, C, height, width] uint8.
      folder: of the run; a run that is found there goes on and ends in the same networks as one never stopped.
      progress: called now and then; may raise KeyboardInterrupt.
      checkpoint_every: seconds between two checkpoints.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to another recipe or other pictures.
      InrcError: The loss is no longer finite, or the run to begin with is missing.
      KeyboardInterrupt: On Ctrl-C, once the state is kept.
    """
    learning = recipe.learning
    identity = fingerprint([pixels], recipe.model, learning)
    with Checkpoints(folder / CHECKPOINTS, identity) as checkpoints:
        loop = _Loop(recipe, pixels)
        found = checkpoints.restore(loop.state)
        if found is not None:
            loop.resume(*found)
        elif learning.begin is not None:
            loop.begin_with(folder.parent / learning.begin)
        saved = time.monotonic()
        try:
            while loop.fraction < 1:
                loop.advance(progress)
                if time.monotonic() - saved > checkpoint_every:
                    checkpoints.save(loop.state, loop.notes())
                    saved = time.monotonic()
        finally:
            checkpoints.save(loop.state, loop.notes())
    return loop.result()


class Place(NamedTuple):
    """What a place of the pool holds at a step: index of the crop, and the crop's age in steps."""

    crop: int
    age: int


def place_at(learning: PoolLearning, n_crops: int, place: int, step: int) -> Place:
    """Which crop is in a place, 0 <= place < batch, and how old it is.

    At first all are of one age; after the first horizon they change one after the other, at equal distances, and those
    that wait stay at their last age. Each takes a permutation of all crops before it takes one again.
    """
    horizon, batch = learning.horizon, learning.batch
    since = step - (1 if learning.begin is None else 0) * horizon - place * horizon // batch
    if since < 0:
        number, age = 0, min(step, horizon - 1)
    else:
        number, age = 1 + since // horizon, since % horizon
    epoch, index = divmod(number * batch + place, n_crops)
    order = np.random.default_rng((learning.seed, epoch)).permutation(n_crops)
    return Place(int(order[index]), age)


def scaled(params: Params, scale: float) -> Params:
    """Networks for latents that are multiplied by `scale`: the same pixels, and nearly the bits of finer steps.

    Pixels are a function of weights times latents. Means and scales of latents would follow them if the context network
    had no biases and gave scales instead of their logarithms; it has to learn what that leaves.
    """
    return {
        **params,
        "synthesis_0": params["synthesis_0"].at[:, :-1].divide(scale),
        "synthesis_skip": params["synthesis_skip"] / scale,
        "context_out": params["context_out"].at[1, -1].add(float(np.log(scale))),
    }


@functools.partial(jax.jit, static_argnames="problem")
def pool_step(
    problem: LatentProblem,
    params: Params,
    moments: dict[str, OptimiserState],
    crops: Crops,
    pixels: jax.Array,
    which: jax.Array,
    plan: dict[str, jax.Array],
    lambda_rd: jax.Array,
    network_rate: jax.Array,
    step: jax.Array,
) -> tuple[Params, dict[str, OptimiserState], Crops, PoolMeans]:
    """One step of the latents of all crops and one of the networks.

    Args:
      problem: static.
      params: networks before.
      moments: of them.
      crops: arrays [batch, ...].
      pixels: [n, C, height, width] uint8, of all crops that there are.
      which: [batch], those that are in the pool.
      plan: arrays [batch], the fields of `LatentSchedule.at`, and the crops' `say`.
      lambda_rd: loss per bit and pixel.
      network_rate: of this step.
      step: float32, of the networks before this one.

    Returns:
      (networks, moments and crops after, means over the crops).
    """
    packing = packing_of(problem.model, problem.shape)
    mask = jnp.asarray(mask_of(packing))
    n_pixels = problem.shape[0] * problem.shape[1]

    def crop_step(crop: Crops, which: jax.Array, plan: dict[str, jax.Array], seed: jax.Array):
        target = pixels[which].astype(jnp.float32) / 255.0
        noise = sign * plan["noise"] * gaussian_noise(seed, packing.size)

        def loss(latents: jax.Array, params: Params):
            seen = latent_surrogate(latents, plan["temperature"], noise, plan["hard"]) * mask
            shown, bits = values_and_bits(problem.model, packing, params, mask, seen)
            error = (shown - target).ravel()
            mse = jnp.vdot(error, error) / error.size
            cost = mse + plan["rate"] * lambda_rd / n_pixels * bits
            return cost, PoolMeans(cost, mse, bits / n_pixels)

        (latent_gradient, gradient), measured = jax.grad(loss, (0, 1), has_aux=True)(jnp.asarray(crop.latents), params)
        latents, (mean, square) = adam(
            jnp.asarray(crop.latents),
            latent_gradient,
            (jnp.asarray(crop.mean), jnp.asarray(crop.square)),
            plan["latent_rate"],
            jnp.asarray(crop.visits, jnp.float32),
            (plan["latent_beta_1"], plan["latent_beta_2"]),
        )
        return gradient, Crops(latents, mean, square, crop.visits + 1), measured  # pyright: ignore[reportArgumentType]

    batch = len(which)
    share = plan["say"] / jnp.maximum(jnp.sum(plan["say"]), 1e-6)
    seed, sign = noise_of(jnp.uint32(0), step)
    seeds = seed * jnp.uint32(batch) + jnp.arange(batch, dtype=jnp.uint32)
    zeros = jax.tree.map(jnp.zeros_like, params)
    gradient, crops, measured = _mapped(crop_step, zeros, share, (crops, which, plan, seeds))
    gradient = optimiser.clip_by_global_norm(gradient, problem.clip_norm)
    directions, moments = optimiser.update(problem.optimiser, gradient, moments, step)
    params = {name: p - network_rate * directions[name] for name, p in params.items()}
    return params, moments, crops, PoolMeans(*(jnp.vdot(share, x) for x in measured))


def _mapped(
    crop_step: Callable[..., tuple[Params, Crops, PoolMeans]], zeros: Params, share: jax.Array, arguments: tuple
) -> tuple[Params, Crops, PoolMeans]:
    """(mean gradient by `share` [batch], crops, means) of all crops: in turn on a CPU, side by side elsewhere."""
    if jax.default_backend() != "cpu":
        gradients, crops, measured = jax.vmap(crop_step)(*arguments)
        return jax.tree.map(lambda g: jnp.tensordot(share, g, 1), gradients), crops, measured

    def body(total: Params, one):
        share, arguments = one
        gradient, crop, measured = crop_step(*arguments)
        return jax.tree.map(lambda t, g: t + share * g, total, gradient), (crop, measured)

    total, (crops, measured) = jax.lax.scan(body, zeros, (share, arguments))
    return total, crops, measured


class _Loop:
    """What the host keeps between iterations."""

    def __init__(self, recipe: LatentRecipe, pixels: np.ndarray) -> None:
        learning = recipe.learning
        self._learning = learning
        self._pixels = jnp.asarray(pixels)
        n_channels = pixels.shape[1]
        self._problem = LatentProblem(recipe.model, recipe.shape, n_channels, learning.optimiser, learning.clip_norm)
        self._refresh = jax.jit(functools.partial(optimiser.refresh, learning.optimiser))
        mean_values = pixels.mean((0, 2, 3)) / 255.0
        first = first_latent_state(self._problem, mean_values, 1.0, None, learning.seed)
        latents, mean, square = (np.zeros((learning.batch, first.latents.size), np.float32) for _ in range(3))
        crops = Crops(latents, mean, square, np.zeros(learning.batch, np.int32))
        self.state = PoolState(first.params, first.moments, crops, np.int32(0))
        self._began = time.monotonic()
        self._seconds_before = 0.0
        self._history: list[tuple[float, ...]] = []

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    @property
    def fraction(self) -> float:
        return min(1.0, int(self.state.step) / self._learning.n_steps)

    def resume(self, state: PoolState, notes: dict) -> None:
        self.state = jax.tree.map(np.array, state)
        self._seconds_before = notes["seconds"]
        self._history = [tuple(row) for row in notes["history"]]

    def begin_with(self, folder: Path) -> None:
        """Takes the networks of another run's end."""
        state = Checkpoints.newest(folder / CHECKPOINTS, self.state)
        if state is None:
            raise InrcError(f"{folder} holds no run to begin with; run its recipe first")
        scale = self._learning.begin_scale
        params = scaled({name: jnp.asarray(matrix) for name, matrix in state.params.items()}, scale)
        self.state = self.state._replace(params=params)

    def notes(self) -> dict:
        return {"seconds": self.seconds, "history": self._history}

    def advance(self, progress: Callable[[Progress], None] | None) -> None:
        """Takes some steps.

        Raises:
          InrcError: The loss is no longer finite.
          KeyboardInterrupt: `progress` has raised it.
        """
        learning, reports = self._learning, []
        for step in range(int(self.state.step), min(int(self.state.step) + _REPORT_STEPS, learning.n_steps)):
            params, moments, crops, _ = self.state
            if step % learning.steps_per_group == 0:
                moments = self._refresh(moments)
            places = [place_at(learning, len(self._pixels), i, step) for i in range(learning.batch)]
            age = np.array([place.age for place in places])
            waiting = np.minimum(1, age)
            crops = Crops(*(x * waiting.reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype) for x in crops))
            with jax.default_matmul_precision("highest"):
                params, moments, crops, means = pool_step(
                    self._problem,
                    params,
                    moments,
                    crops,
                    self._pixels,
                    np.array([place.crop for place in places]),
                    self._plan(step, age),
                    np.float32(learning.lambda_rd),
                    np.float32(self._network_rate(step)),
                    np.float32(step),
                )
            self.state = PoolState(params, moments, crops, np.int32(step + 1))
            reports.append(means)
        loss, mse, bpp = np.mean([[float(x) for x in means] for means in reports], axis=0)
        done = int(self.state.step)
        if not np.isfinite(loss):
            raise InrcError(f"the pool's loss is {loss} after {done} steps; lower the networks' learning rate")
        self._history.append((done, round(self.seconds, 1), float(loss), float(mse), float(bpp)))
        if progress is not None:
            left = self.seconds / max(self.fraction, 1e-9) * (1 - self.fraction)
            progress(Progress(self.fraction, done, loss, mse, bpp, self.seconds, left))

    def _plan(self, step: int, age: np.ndarray) -> dict[str, np.ndarray]:
        learning = self._learning
        fraction = age / learning.horizon
        first, last = learning.ripe
        say = np.clip((fraction - first) / (last - first), 0.0, 1.0)
        if step < learning.horizon and learning.begin is None:
            say = np.ones_like(say)
        plan = {**learning.schedule.at(fraction), "say": say}
        return {name: x.astype(np.float32) for name, x in plan.items()}

    def _network_rate(self, step: int) -> float:
        first, last = self._learning.network_rate
        return last + (first - last) * 0.5 * (1 + math.cos(math.pi * step / self._learning.n_steps))

    def result(self) -> PoolResult:
        params = {name: np.asarray(matrix) for name, matrix in self.state.params.items()}
        return PoolResult(params, int(self.state.step), self.seconds, tuple(self._history))
