"""Rate-distortion optimised quantisation of latents: integers nearer to zero, where their exact rate says so.

One grid after the other, one class of latents after the other that are in no context of each other: the rates of their
changes add up exactly (`latent_rate.change_bits`). How much a change distorts is half the sum of the gradients before
and after the changes of its class, which is exact for quadratic errors, taken together. Trials by true rates are what
COOL-CHIC 5 has for weights, and no published codec of the kind for latents.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from inrc.codec import grids, pack
from inrc.codec.job import Candidate
from inrc.config import LatentGridConfig
from inrc.entropy import context, latent_rate
from inrc.fit.latent_config import LatentFitResult
from inrc.fit.loss import LossConfig, distortion
from inrc.latent_layout import grids_of
from inrc.models.latent_grid.forward import render
from inrc.models.latent_grid.packing import packing_of

_N_LEVELS = 3
"""Levels, from the finest on, whose latents are tried: they take nine tenths of the bits."""
_MOST_BITS = 8.0
"""That a change may save, to spare those the evaluation that distort too much for that."""


def loss_of(candidate: Candidate, lambda_rd: float) -> float:
    """Distortion of what a file shows, by the loss of its fit, + lambda * bits per pixel of all of the file."""
    header = candidate.header
    n_bits = 8 * len(candidate.packed())
    return _shown(candidate) + lambda_rd * n_bits / (header.width * header.height)


def _shown(candidate: Candidate) -> float:
    """Distortion of what a file shows, by the loss of its fit."""
    header, model, result = candidate.header, candidate.header.model, candidate.result
    assert isinstance(model, LatentGridConfig)
    assert isinstance(result, LatentFitResult)
    params = {name: jnp.asarray(matrix) for name, matrix in pack.dequantise(header, candidate.weights).items()}
    latents = tuple(jnp.asarray(grid, jnp.float32) for grid in candidate.weights.latents)
    return float(_distortion(model, result.problem.loss, header.shape, params, latents, result.signal.values))


def refine(candidate: Candidate, lambda_rd: float) -> Candidate:
    """The candidate with some latents one nearer to zero; its loss is lower, or it is what it was.

    Args:
      candidate: of a fit of latents.
      lambda_rd: loss per bit and pixel.
    """
    header, model, result = candidate.header, candidate.header.model, candidate.result
    assert isinstance(model, LatentGridConfig)
    assert isinstance(result, LatentFitResult)
    loss, target = result.problem.loss, jnp.asarray(result.signal.values)
    matrices = pack.dequantise(header, candidate.weights)
    params = {name: jnp.asarray(matrix) for name, matrix in matrices.items()}
    plans, network = grids.plans_of(model, header.shape), grids.network_of(model, matrices)
    loss_per_bit = lambda_rd / (header.width * header.height)
    rows, columns = context.spacing(network.offsets)
    latents = list(candidate.weights.latents)
    seen = [jnp.asarray(grid, jnp.float32) for grid in latents]

    def gradient(index: int, changed: np.ndarray) -> np.ndarray:
        seen[index] = jnp.asarray(changed, jnp.float32)
        return np.asarray(_gradients(model, loss, header.shape, params, tuple(seen), target)[index], np.float64)

    for index, grid in reversed(list(enumerate(grids_of(model, header.shape)))):
        if grid.hyper or grid.level >= _N_LEVELS:
            continue
        at_present: np.ndarray | None = None
        for first in range(rows * columns):
            own = latents[index]
            at_present = gradient(index, own) if at_present is None else at_present
            tried = np.zeros(own.shape, bool)
            tried[first // columns :: rows, first % columns :: columns] = True
            tried &= own != 0
            towards_zero = -np.sign(own)
            before = at_present * towards_zero
            tried &= before < _MOST_BITS * loss_per_bit
            saved = loss_per_bit * latent_rate.change_bits(
                network, plans, latents, index, np.where(tried, own + towards_zero, own)
            )
            tried &= before + saved < 0
            if not tried.any():
                continue
            after = gradient(index, np.where(tried, own + towards_zero, own)) * towards_zero
            tried &= 0.5 * (before + after) + saved < 0
            if tried.any():
                latents[index] = np.where(tried, own + towards_zero, own).astype(np.int32)
                at_present = None
        seen[index] = jnp.asarray(latents[index], jnp.float32)

    refined = dataclasses.replace(candidate, weights=dataclasses.replace(candidate.weights, latents=tuple(latents)))
    costs = [_shown(one) + loss_per_bit * pack.latent_bits(header, one.weights) for one in (refined, candidate)]
    return refined if costs[0] < costs[1] else candidate


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _distortion(
    model: LatentGridConfig,
    loss: LossConfig,
    shape: tuple[int, int],
    params: Mapping[str, jax.Array],
    latents: tuple[jax.Array, ...],
    target: jax.Array,
) -> jax.Array:
    return distortion(loss, render(model, packing_of(model, shape), params, latents), target)


_gradients = jax.jit(jax.grad(_distortion, argnums=4), static_argnums=(0, 1, 2))
