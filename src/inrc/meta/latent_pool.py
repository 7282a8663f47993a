"""Networks of latent grids learned together with the latents of many pictures: an auto-decoder with a pool of crops.

A pool has a few crops. Each has latents of its own and Adam's moments of them. Every step moves the latents of all
crops once, and the networks once along the mean of the crops' gradients. Where latents are at their optimum, that
gradient is the total gradient of the networks with latents that follow them: to first order, the response of the
latents does not change the loss. So no step has to be differentiated through.

A crop's latents start at 0 and follow the schedule of a fit, `LatentSchedule`, over a horizon. At its end another crop
takes the place, in every place at another time, so that the networks always see latents of all ages. They thereby learn
to suit fits that start from latents of 0. Latents that stay for the whole run would instead remain adapted to the first
random networks, and fits of new pictures, which start at 0, end elsewhere (experiments/NOTES.md).

`inrc.meta.train_pool` runs the steps.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inrc.fit.latent.program import LatentProblem, noise_of, stacks_of
from inrc.fit.latent.start import first_latent_state
from inrc.fit.optimiser import adam, clip_by_global_norm, transformation_of
from inrc.fit.stacks import Stacks, unstacked
from inrc.fit.weights import Matrices
from inrc.meta.stages import PoolLearning
from inrc.models.latent_grid.forward import values_and_bits
from inrc.models.latent_grid.packing import mask_of, packing_of
from inrc.quant.soft_round import gaussian_noise, latent_surrogate


class CropLatents(NamedTuple):
    """Latents of some crops.

    Attributes:
      latents: [crops, packing.size], in units of their quantiser.
      mean, square: Adam's moments of their gradient, of the same shape.
      n_steps: [crops] int32, steps taken since the latents were 0.
    """

    latents: jax.Array
    mean: jax.Array
    square: jax.Array
    n_steps: jax.Array


class PoolState(NamedTuple):
    """Everything that a step changes.

    Attributes:
      params: stacks (`inrc.fit.stacks`) of the networks' weights.
      optimiser: state of their optimiser.
      crops: the pool.
      step: steps taken, int32.
    """

    params: Stacks
    optimiser: optax.OptState
    crops: CropLatents
    step: jax.Array


class PoolPlan(NamedTuple):
    """What one step does.

    Attributes:
      crops: [batch] int32, indices of the crops that are in the pool.
      ages: [batch] int32, steps that their latents have taken; at age 0 latents are set to 0.
      weights: [batch], of the crops in the networks' gradient; only their ratios matter.
      schedule: {field of `LatentSchedule.at`: [batch]}.
      network_rate: learning rate of the networks.
    """

    crops: jax.Array
    ages: jax.Array
    weights: jax.Array
    schedule: dict[str, jax.Array]
    network_rate: jax.Array


class PoolMeans(NamedTuple):
    """Means over the crops before a step, by their weights."""

    loss: jax.Array
    mse: jax.Array
    bpp: jax.Array


class Place(NamedTuple):
    """What a place of the pool holds at a step: the index of a crop, and the crop's age in steps."""

    crop: int
    age: int


def place_at(learning: PoolLearning, n_crops: int, place: int, step: int) -> Place:
    """Which crop is in a place, 0 <= place < batch, and how old it is.

    At first all crops have the same age. After the first horizon they are replaced one after the other, at equal
    distances; those that wait for it stay at their last age. Every epoch is a permutation of all crops.
    """
    horizon, batch = learning.horizon, learning.batch
    since = step - (1 if learning.start_from is None else 0) * horizon - place * horizon // batch
    if since < 0:
        number, age = 0, min(step, horizon - 1)
    else:
        number, age = 1 + since // horizon, since % horizon
    epoch, index = divmod(number * batch + place, n_crops)
    order = np.random.default_rng((learning.seed, epoch)).permutation(n_crops)
    return Place(int(order[index]), age)


def plan_of(learning: PoolLearning, n_crops: int, step: int) -> PoolPlan:
    """What step number `step` does with a pool of `n_crops` crops in all."""
    places = [place_at(learning, n_crops, i, step) for i in range(learning.batch)]
    ages = np.array([place.age for place in places])
    fraction = ages / learning.horizon
    first, last = learning.warm_up
    weights = np.clip((fraction - first) / (last - first), 0.0, 1.0)
    if step < learning.horizon and learning.start_from is None:
        weights = np.ones_like(weights)
    first_rate, last_rate = learning.network_rate
    cosine = 0.5 * (1 + np.cos(np.pi * step / learning.n_steps))
    return PoolPlan(
        crops=jnp.array([place.crop for place in places], jnp.int32),
        ages=jnp.asarray(ages, jnp.int32),
        weights=jnp.asarray(weights, jnp.float32),
        schedule={name: jnp.asarray(x, jnp.float32) for name, x in learning.schedule.at(fraction).items()},
        network_rate=jnp.float32(last_rate + (first_rate - last_rate) * cosine),
    )


def first_pool(problem: LatentProblem, mean_values: np.ndarray, batch: int, seed: int) -> PoolState:
    """Random networks that show the mean value of every channel, and a pool of latents of 0."""
    first = first_latent_state(problem, mean_values, 1.0, None, seed)
    latents, mean, square = (jnp.zeros((batch, first.latents.size), jnp.float32) for _ in range(3))
    crops = CropLatents(latents, mean, square, jnp.zeros(batch, jnp.int32))
    return PoolState(first.params, first.optimiser, crops, jnp.int32(0))


def scaled(params: Matrices, scale: float) -> Matrices:
    """Networks for latents that are multiplied by `scale`: the same pixels, and about the bits that finer steps cost.

    Pixels are a function of weights times latents, so that they stay the same exactly. The context network predicts
    logarithms of scales and has biases: its predictions follow only in part, and it has to learn the rest.
    """
    return {
        **params,
        "synthesis_0": params["synthesis_0"].at[:, :-1].divide(scale),
        "synthesis_skip": params["synthesis_skip"] / scale,
        "context_out": params["context_out"].at[1, -1].add(float(np.log(scale))),
    }


@functools.partial(jax.jit, static_argnames="problem")
def pool_step(
    problem: LatentProblem, state: PoolState, pixels: jax.Array, plan: PoolPlan, lambda_rd: jax.Array
) -> tuple[PoolState, PoolMeans]:
    """One step of the latents of all crops and one of the networks.

    Args:
      problem: static.
      state: before.
      pixels: [n, C, height, width] uint8, of all crops.
      plan: what the step does.
      lambda_rd: loss per bit and pixel.

    Returns:
      (state after, means over the crops before the step).
    """
    packing = packing_of(problem.model, problem.shape)
    mask = jnp.asarray(mask_of(packing))
    n_pixels = problem.shape[0] * problem.shape[1]
    stacks = stacks_of(problem)

    def crop_step(crop: CropLatents, index: jax.Array, age: jax.Array, schedule: dict[str, jax.Array], seed: jax.Array):
        target = pixels[index].astype(jnp.float32) / 255.0
        noise = sign * schedule["noise"] * gaussian_noise(seed, packing.size)
        crop = jax.tree.map(lambda x: jnp.where(age > 0, x, jnp.zeros_like(x)), crop)

        def loss(latents: jax.Array, params: Stacks):
            rounded = latent_surrogate(latents, schedule["temperature"], noise, schedule["hard"]) * mask
            values, bits = values_and_bits(problem.model, packing, unstacked(stacks, params), mask, rounded)
            error = (values - target).ravel()
            mse = jnp.vdot(error, error) / error.size
            cost = mse + schedule["rate"] * lambda_rd / n_pixels * bits
            return cost, PoolMeans(cost, mse, bits / n_pixels)

        (latent_gradient, gradient), measured = jax.grad(loss, (0, 1), has_aux=True)(crop.latents, state.params)
        latents, (mean, square) = adam(
            crop.latents,
            latent_gradient,
            (crop.mean, crop.square),
            schedule["latent_rate"],
            crop.n_steps.astype(jnp.float32),
            (schedule["latent_beta_1"], schedule["latent_beta_2"]),
        )
        return gradient, CropLatents(latents, mean, square, crop.n_steps + 1), measured

    batch = len(plan.crops)
    shares = plan.weights / jnp.maximum(jnp.sum(plan.weights), 1e-6)
    seed, sign = noise_of(jnp.uint32(0), state.step)
    seeds = seed * jnp.uint32(batch) + jnp.arange(batch, dtype=jnp.uint32)
    arguments = state.crops, plan.crops, plan.ages, plan.schedule, seeds
    gradient, crops, measured = _mapped(crop_step, jax.tree.map(jnp.zeros_like, state.params), shares, arguments)
    gradient = clip_by_global_norm(gradient, problem.clip_norm)
    directions, optimiser = transformation_of(problem.optimiser).update(gradient, state.optimiser, state.params)
    params = {key: p - plan.network_rate * cast(Stacks, directions)[key] for key, p in state.params.items()}
    means = PoolMeans(*(jnp.vdot(shares, x) for x in measured))
    return PoolState(params, optimiser, crops, state.step + 1), means


def _mapped(
    crop_step: Callable[..., tuple[Stacks, CropLatents, PoolMeans]],
    zeros: Stacks,
    shares: jax.Array,
    arguments: tuple,
) -> tuple[Stacks, CropLatents, PoolMeans]:
    """(mean gradient by `shares` [batch], crops, measurements): crops in turn on a CPU, side by side elsewhere."""
    if jax.default_backend() != "cpu":
        gradients, crops, measured = jax.vmap(crop_step)(*arguments)
        return jax.tree.map(lambda g: jnp.tensordot(shares, g, 1), gradients), crops, measured

    def body(total: Stacks, one):
        share, arguments = one
        gradient, crop, measured = crop_step(*arguments)
        return jax.tree.map(lambda t, g: t + share * g, total, gradient), (crop, measured)

    total, (crops, measured) = jax.lax.scan(body, zeros, (shares, arguments))
    return total, crops, measured
