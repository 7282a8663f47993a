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

from inrc.codec.family import Candidate
from inrc.codec.file import File
from inrc.codec.latent.format import network_of, plans_of
from inrc.config import LatentGridConfig
from inrc.entropy import context, latent_rate
from inrc.fit.latent.fitting import LatentFitResult
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
    header = candidate.file.header
    n_bits = 8 * len(candidate.packed())
    return _distortion_of(candidate.file, _result(candidate)) + lambda_rd * n_bits / (header.width * header.height)


def _distortion_of(file: File, result: LatentFitResult) -> float:
    """Distortion of what a file shows, by the loss of its fit."""
    params = {name: jnp.asarray(matrix) for name, matrix in file.params.items()}
    latents = tuple(jnp.asarray(grid, jnp.float32) for grid in file.latents)
    return float(
        _distortion(_model(file), result.problem.loss, file.header.shape, params, latents, result.signal.values)
    )


def refine(candidate: Candidate, lambda_rd: float) -> Candidate:
    """The candidate with some latents one nearer to zero; its loss is lower, or the candidate is unchanged.

    Args:
      candidate: of a fit of latents.
      lambda_rd: loss per bit and pixel.
    """
    file, result = candidate.file, _result(candidate)
    header, model = file.header, _model(file)
    loss, target = result.problem.loss, jnp.asarray(result.signal.values)
    params = {name: jnp.asarray(matrix) for name, matrix in file.params.items()}
    plans, network = plans_of(model, header.shape), network_of(model, file.params)
    loss_per_bit = lambda_rd / (header.width * header.height)
    rows, columns = context.spacing(network.offsets)
    latents = list(file.latents)
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

    refined = dataclasses.replace(candidate, file=dataclasses.replace(file, latents=tuple(latents)))
    costs = [
        _distortion_of(one.file, result) + loss_per_bit * one.file.format.latent_bits(one.file)
        for one in (refined, candidate)
    ]
    return refined if costs[0] < costs[1] else candidate


def _result(candidate: Candidate) -> LatentFitResult:
    assert isinstance(candidate.result, LatentFitResult)
    return candidate.result


def _model(file: File) -> LatentGridConfig:
    assert isinstance(file.header.model, LatentGridConfig)
    return file.header.model


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
