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

from inrc.codec.contents import File
from inrc.codec.latent.format import LatentFormat, network_of, plans_of
from inrc.codec.plan import Candidate
from inrc.config import LatentGridConfig, LossConfig
from inrc.entropy import context, latent_rate
from inrc.fit.latent.fitting import LatentFitResult
from inrc.fit.latent.program import LatentSignal
from inrc.fit.loss import distortion
from inrc.latent_layout import grids_of
from inrc.models.latent_grid.forward import render
from inrc.models.latent_grid.packing import packing_of, put_on_canvas

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
    return float(_distortion(*_statics(file, result), params, tuple(_on_canvas(file, result)), result.signal))


def refine(candidate: Candidate, lambda_rd: float) -> Candidate:
    """The candidate with some latents one nearer to zero; its loss is lower, or the candidate is unchanged.

    Args:
      candidate: of a fit of latents.
      lambda_rd: loss per bit and pixel.
    """
    file, result = candidate.file, _result(candidate)
    header, model = file.header, _model(file)
    params = {name: jnp.asarray(matrix) for name, matrix in file.params.items()}
    plans, network = plans_of(model, header.shape), network_of(model, file.params)
    loss_per_bit = lambda_rd / (header.width * header.height)
    rows, columns = context.spacing(network.offsets)
    latents = list(file.latents)
    on_canvas = _on_canvas(file, result)

    def gradient(index: int, changed: np.ndarray) -> np.ndarray:
        on_canvas[index] = _padded_like(on_canvas[index], changed)
        slopes = _gradients(*_statics(file, result), params, tuple(on_canvas), result.signal)[index]
        return np.asarray(slopes, np.float64)[: changed.shape[0], : changed.shape[1]]

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
        on_canvas[index] = _padded_like(on_canvas[index], latents[index])

    refined = dataclasses.replace(candidate, file=dataclasses.replace(file, latents=tuple(latents)))
    costs = [
        _distortion_of(one.file, result) + loss_per_bit * LatentFormat().latent_bits(one.file)
        for one in (refined, candidate)
    ]
    return refined if costs[0] < costs[1] else candidate


def _result(candidate: Candidate) -> LatentFitResult:
    assert isinstance(candidate.result, LatentFitResult)
    return candidate.result


def _model(file: File) -> LatentGridConfig:
    assert isinstance(file.header.model, LatentGridConfig)
    return file.header.model


def _statics(file: File, result: LatentFitResult) -> tuple[LatentGridConfig, LossConfig, tuple[int, int]]:
    """(networks of the file, loss of the fit, canvas of the fit): what the compiled functions are made for."""
    return _model(file), result.problem.loss, result.problem.shape


def _on_canvas(file: File, result: LatentFitResult) -> list[jax.Array]:
    """The file's latents on the canvas of the fit, whose compiled programs all pictures of the canvas share."""
    packing = packing_of(_model(file), result.problem.shape)
    return [jnp.asarray(grid, jnp.float32) for grid in put_on_canvas(packing, file.latents)]


def _padded_like(canvas: jax.Array, grid: np.ndarray) -> jax.Array:
    added = [(0, whole - part) for whole, part in zip(canvas.shape, grid.shape, strict=True)]
    return jnp.asarray(np.pad(grid, added), jnp.float32)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _distortion(
    model: LatentGridConfig,
    loss: LossConfig,
    canvas: tuple[int, int],
    params: Mapping[str, jax.Array],
    latents: tuple[jax.Array, ...],
    signal: LatentSignal,
) -> jax.Array:
    sizes = None if signal.sizes is None else jnp.asarray(signal.sizes)
    values = render(model, packing_of(model, canvas), params, latents, sizes)
    return distortion(loss, values, jnp.asarray(signal.values), sizes)


_gradients = jax.jit(jax.grad(_distortion, argnums=4), static_argnums=(0, 1, 2))
