"""Networks of latent grids learned on the optimised latents of many pictures: an auto-decoder with a pool of crops.

Every crop keeps latents of its own, and Adam's moments of them, for the whole run. An iteration takes one step of the
latents of a few crops and one of the networks, along the mean of the crops' gradients. Where latents are at their
best, that gradient is the whole one of (networks, with latents that follow them): how latents move with the networks
does not matter to first order, so that no step need be differentiated through.

The course of a run is that of a fit, `LatentSchedule`, with a crop's steps in the place of the fit's; the networks
themselves have neither noise nor a rate term, for what all files share costs none of them anything.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inrc.errors import InrcError
from inrc.fit import optimiser
from inrc.fit.checkpoint import fingerprint
from inrc.fit.latent_program import LatentProblem
from inrc.fit.latent_start import first_latent_state
from inrc.fit.optimiser import OptimiserState
from inrc.meta.checkpoint import Checkpoints
from inrc.meta.recipe import LatentRecipe
from inrc.models.latent_grid.decode import values_and_bits
from inrc.models.latent_grid.packing import mask_of, packing_of
from inrc.quant.soft_round import gaussian_noise, latent_surrogate

Params = dict[str, jax.Array]

CHECKPOINTS = "checkpoints"
_ADAM = optax.scale_by_adam(0.9, 0.999, eps=1e-12)


class Crops(NamedTuple):
    """Latents of some crops.

    Attributes:
      latents: [crops, packing.size], in units of their quantiser.
      mean, square: Adam's moments of their gradient.
      visits: [crops] int32, steps taken.
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
      crops: all of the pool, on the host.
      step: updates of the networks.
    """

    params: Params
    moments: dict[str, OptimiserState]
    crops: Crops
    step: np.int32


class PoolMeans(NamedTuple):
    """Means over some crops as the networks saw them."""

    loss: jax.Array
    mse: jax.Array
    bpp: jax.Array


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a pool stands.

    Attributes:
      fraction: of the run that is done.
      epoch: steps of every crop so far.
      loss, mse, bpp: means since the last report.
      seconds, seconds_left: of the run, earlier ones included.
    """

    fraction: float
    epoch: int
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
      n_steps: updates of them.
      seconds: of the run.
      history: (epoch, seconds, loss, mse, bpp) now and then.
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


def order_of(n_crops: int, batch: int, *, seed: int, epoch: int) -> np.ndarray:
    """Which crops the iterations of an epoch take, [iterations, batch]: all, but for a remainder that chance picks."""
    order = np.random.default_rng((seed, epoch)).permutation(n_crops)
    return order[: n_crops // batch * batch].reshape(-1, batch)


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
    values: jax.Array,
    plan: dict[str, jax.Array],
    lambda_rd: jax.Array,
    step: jax.Array,
) -> tuple[Params, dict[str, OptimiserState], Crops, PoolMeans]:
    """One step of the latents of some crops, one after the other, and one of the networks.

    Args:
      problem: static.
      params: networks before.
      moments: of them.
      crops: arrays [batch, ...].
      values: [batch, C, height, width] uint8.
      plan: scalars, the fields of `LatentSchedule.at`.
      lambda_rd: loss per bit and pixel.
      step: float32, updates of the networks before this one.

    Returns:
      (networks, moments and crops after, means over the crops).
    """
    packing = packing_of(problem.model, problem.shape)
    mask = jnp.asarray(mask_of(packing))
    n_pixels = problem.shape[0] * problem.shape[1]

    def crop_step(total: Params, arguments: tuple[Crops, jax.Array, jax.Array]):
        crop, pixels, seed = arguments
        target = pixels.astype(jnp.float32) / 255.0
        noise = plan["noise"] * gaussian_noise(seed, packing.size)

        def loss(latents: jax.Array, params: Params):
            seen = latent_surrogate(latents, plan["temperature"], noise, plan["hard"]) * mask
            shown, bits = values_and_bits(problem.model, packing, params, mask, seen)
            error = (shown - target).ravel()
            mse = jnp.vdot(error, error) / error.size
            cost = mse + lambda_rd / n_pixels * bits
            return cost, PoolMeans(cost, mse, bits / n_pixels)

        (latent_gradient, gradient), measured = jax.grad(loss, (0, 1), has_aux=True)(jnp.asarray(crop.latents), params)
        before = optax.ScaleByAdamState(jnp.asarray(crop.visits), crop.mean, crop.square)
        update, after = _ADAM.update(latent_gradient, before)
        assert isinstance(after, optax.ScaleByAdamState)
        latents = crop.latents - plan["latent_rate"] * jnp.asarray(update)
        new = Crops(latents, after.mu, after.nu, after.count)  # pyright: ignore[reportArgumentType]
        return jax.tree.map(jnp.add, total, gradient), (new, measured)

    batch = values.shape[0]
    seeds = step.astype(jnp.uint32) * jnp.uint32(batch) + jnp.arange(batch, dtype=jnp.uint32)
    zeros = jax.tree.map(jnp.zeros_like, params)
    total, (crops, measured) = jax.lax.scan(crop_step, zeros, (crops, values, seeds))
    gradient = optimiser.clip_by_global_norm(jax.tree.map(lambda g: g / batch, total), problem.clip_norm)
    directions, moments = optimiser.update(problem.optimiser, gradient, moments, step)
    params = {name: p - plan["network_rate"] * directions[name] for name, p in params.items()}
    return params, moments, crops, PoolMeans(*(jnp.mean(x) for x in measured))


class _Loop:
    """What the host keeps between iterations."""

    def __init__(self, recipe: LatentRecipe, pixels: np.ndarray) -> None:
        learning = recipe.learning
        self._learning = learning
        self._pixels = pixels
        n_crops, n_channels = pixels.shape[:2]
        self._batch = min(learning.batch, n_crops)
        self._problem = LatentProblem(recipe.model, recipe.shape, n_channels, learning.optimiser, learning.clip_norm)
        self._refresh = jax.jit(functools.partial(optimiser.refresh, learning.optimiser))
        mean_values = pixels.mean((0, 2, 3)) / 255.0
        first = first_latent_state(self._problem, mean_values, 1.0, None, learning.seed)
        size = first.latents.size
        latents, mean, square = (np.zeros((n_crops, size), np.float32) for _ in range(3))
        crops = Crops(latents, mean, square, np.zeros(n_crops, np.int32))
        self.state = PoolState(first.params, first.moments, crops, np.int32(0))
        self._began = time.monotonic()
        self._seconds_before = 0.0
        self._history: list[tuple[float, ...]] = []

    @property
    def _per_epoch(self) -> int:
        return len(self._pixels) // self._batch

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    @property
    def fraction(self) -> float:
        return min(1.0, int(self.state.step) / (self._per_epoch * self._learning.n_epochs))

    def resume(self, state: PoolState, notes: dict) -> None:
        self.state = jax.tree.map(np.array, state)  # its own memory: latents are written in place
        self._seconds_before = notes["seconds"]
        self._history = [tuple(row) for row in notes["history"]]

    def begin_with(self, folder: Path) -> None:
        """Takes the networks and latents of another run's end."""
        state = Checkpoints.newest(folder / CHECKPOINTS, self.state)
        if state is None:
            raise InrcError(f"{folder} holds no run to begin with; run its recipe first")
        scale = self._learning.begin_scale
        crops = self.state.crops._replace(latents=np.array(state.crops.latents) * np.float32(scale))
        params = scaled({name: jnp.asarray(matrix) for name, matrix in state.params.items()}, scale)
        self.state = self.state._replace(params=params, crops=crops)

    def notes(self) -> dict:
        return {"seconds": self.seconds, "history": self._history}

    def advance(self, progress: Callable[[Progress], None] | None) -> None:
        """Takes an epoch, or what is left of it.

        Raises:
          InrcError: The loss is no longer finite.
          KeyboardInterrupt: `progress` has raised it.
        """
        learning = self._learning
        epoch, done = divmod(int(self.state.step), self._per_epoch)
        reports = []
        for which in order_of(len(self._pixels), self._batch, seed=learning.seed, epoch=epoch)[done:]:
            params, moments, crops, step = self.state
            if int(step) % learning.steps_per_group == 0:
                moments = self._refresh(moments)
            plan = {name: np.float32(x[0]) for name, x in learning.schedule.at(np.array([self.fraction])).items()}
            batch = Crops(*(x[which] for x in crops))
            params, moments, batch, means = pool_step(
                self._problem,
                params,
                moments,
                batch,
                self._pixels[which],
                plan,
                np.float32(learning.lambda_rd),
                np.float32(step),
            )
            for all_of_them, some in zip(crops, batch, strict=True):
                all_of_them[which] = some
            self.state = PoolState(params, moments, crops, np.int32(int(step) + 1))
            reports.append([float(x) for x in means])
        loss, mse, bpp = np.mean(reports, axis=0)
        if not np.isfinite(loss):
            raise InrcError(f"the pool's loss is {loss} after {epoch + 1} epochs; lower the networks' learning rate")
        self._history.append((epoch + 1, round(self.seconds, 1), float(loss), float(mse), float(bpp)))
        if progress is not None:
            left = self.seconds / max(self.fraction, 1e-9) * (1 - self.fraction)
            progress(Progress(self.fraction, epoch + 1, loss, mse, bpp, self.seconds, left))

    def result(self) -> PoolResult:
        params = {name: np.asarray(matrix) for name, matrix in self.state.params.items()}
        return PoolResult(params, int(self.state.step), self.seconds, tuple(self._history))
