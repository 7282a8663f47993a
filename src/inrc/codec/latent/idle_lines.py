"""Rows and columns of weights that cost more than they win: set to 0 once a fit has ended, if its loss is then lower.

The rate of the weights draws a line that has hardly any use towards 0. But a fit sees neither the flag by which a file
leaves out a line of zeros (`entropy.zero_lines`), nor that hidden units without weights leave the file
(`models.latent_grid.dead_units`). Here both count: every line of small integers is tried by its true loss.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np

from inrc.codec.contents import File
from inrc.codec.latent.format import LatentFormat
from inrc.codec.plan import Candidate
from inrc.codec.weights import dequantise
from inrc.fit.latent.fitting import LatentFitResult
from inrc.fit.latent.program import cost_of_matrices

_MOST_MEAN_MAGNITUDE = 1.0
"""Mean of the integers' magnitudes up to which a line is tried; lines of larger ones never won."""
_MAX_TRIALS = 120
"""Lines that are tried, those of the smallest integers first. A trial takes the time of a third of a step."""

_Line = tuple[int, tuple[slice | int, ...]]
"""Number of a matrix, and the index of one of its rows or columns."""


def without_idle_lines(candidate: Candidate, lambda_rd: float) -> Candidate:
    """The candidate with some rows and columns of weights set to 0; its loss is lower, or the candidate is unchanged.

    Args:
      candidate: of a fit of latents, whose latents are those of the fit.
      lambda_rd: loss per bit and pixel.
    """
    file, result = candidate.file, candidate.result
    assert isinstance(result, LatentFitResult)
    latents = jnp.asarray(np.round(result.state_latents))
    loss_per_bit = lambda_rd / (file.header.width * file.header.height)

    def loss(file: File) -> float:
        params = {name: jnp.asarray(matrix) for name, matrix in file.params.items()}
        measured = cost_of_matrices(result.problem, params, latents, result.signal)
        n_bits = float(measured.latent_bits) + LatentFormat().compacted(file).weights.ideal_bits()
        return float(measured.distortion) + loss_per_bit * n_bits

    lowest = loss(file)
    for line in _small_lines(file.weights.integers):
        tried = _without(file, line)
        if tried is not None and (value := loss(tried)) < lowest:
            file, lowest = tried, value
    return dataclasses.replace(candidate, file=file)


def _small_lines(integers: Sequence[np.ndarray]) -> list[_Line]:
    """The lines to try, in their order."""

    def lines() -> Iterator[tuple[int, _Line]]:
        for number, matrix in enumerate(integers):
            magnitudes = np.abs(matrix)
            for axis, n_lines in enumerate(matrix.shape):
                sums = magnitudes.sum(axis=1 - axis)
                for i in range(n_lines):
                    if 0 < sums[i] <= _MOST_MEAN_MAGNITUDE * matrix.shape[1 - axis]:
                        yield int(sums[i]), (number, (i,) if axis == 0 else (slice(None), i))

    return [line for _, line in sorted(lines(), key=lambda one: one[0])[:_MAX_TRIALS]]


def _without(file: File, line: _Line) -> File | None:
    """The file with a line of zeros; None if it holds nothing else already."""
    number, index = line
    integers = list(file.weights.integers)
    if not integers[number][index].any():
        return None
    integers[number] = integers[number].copy()
    integers[number][index] = 0
    weights = dataclasses.replace(file.weights, integers=tuple(integers))
    return dataclasses.replace(file, weights=weights, params=dequantise(file.layout, weights))
