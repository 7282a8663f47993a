"""Coarser rounding of a fitted coordinate network, until its file is small enough or its PSNR just suffices."""

import dataclasses
import functools

import numpy as np

from inrc.codec import file as files
from inrc.codec.plan import Candidate, Goal
from inrc.codec.weights import QuantisedWeights, round_by
from inrc.quant.search import coarsen_until

_MAX_SHIFT = 32
_SINGLE_SHRINKS = 24
"""Integers that are tried one by one, at least: each takes a render. Small pictures have time for more."""
_SHRINK_PIXELS = 1 << 19
"""Pixels of all those renders together that take less than a second or two."""


def down_to_bytes(candidate: Candidate, goal: Goal) -> Candidate | None:
    """The candidate with steps coarse enough for a number of bytes; None where none are."""

    @functools.cache
    def small_enough(indices: tuple[int, ...]) -> bool:
        return goal.admits(goal.value(with_steps(candidate, indices)))

    indices = coarsen_until(candidate.file.weights.step_indices, small_enough)
    return None if indices is None else with_steps(candidate, indices)


def down_to_psnr(candidate: Candidate, goal: Goal) -> Candidate:
    """A candidate above the asked-for PSNR, with the coarsest steps and smallest integers that keep it."""
    indices = first = candidate.file.weights.step_indices
    # The finest coarsening that falls below the target bounds the last one that does not.
    for shift in range(1, _MAX_SHIFT + 1):
        coarser = tuple(i + shift for i in first)
        if not goal.admits(goal.value(with_steps(candidate, coarser))):
            break
        indices = coarser
    for matrix in range(len(indices)):
        coarser = (*indices[:matrix], indices[matrix] + 1, *indices[matrix + 1 :])
        if goal.admits(goal.value(with_steps(candidate, coarser))):
            indices = coarser
    return _shrunk(with_steps(candidate, indices), goal)


def with_steps(candidate: Candidate, indices: tuple[int, ...]) -> Candidate:
    """The candidate with its fitted weights rounded to the nearest integers by other steps."""
    weights = candidate.file.weights
    if indices == weights.step_indices:
        return candidate  # its own integers need not be the nearest
    return _with_weights(candidate, round_by(candidate.result.params, indices, weights.reference, weights.storage))


def _with_weights(candidate: Candidate, weights: QuantisedWeights) -> Candidate:
    file = candidate.file
    return dataclasses.replace(candidate, file=files.make(file.header, weights, sections=file.sections))


def _shrunk(candidate: Candidate, goal: Goal) -> Candidate:
    """Spends what is too little for a coarser step: brings small integers one closer to zero while the goal is kept."""
    weights = candidate.file.weights
    flat = np.concatenate([matrix.ravel() for matrix in weights.integers])
    order = np.argsort(np.abs(flat), kind="stable")[np.count_nonzero(flat == 0) :]

    def shrunk(positions: np.ndarray) -> Candidate:
        values = flat.copy()
        values[positions] -= np.sign(values[positions])
        parts = np.split(values, np.cumsum([matrix.size for matrix in weights.integers])[:-1])
        shaped = (part.reshape(matrix.shape) for part, matrix in zip(parts, weights.integers, strict=True))
        return _with_weights(candidate, dataclasses.replace(weights, integers=tuple(shaped)))

    def is_kept(positions: np.ndarray) -> bool:
        return goal.admits(goal.value(shrunk(positions)))

    low, high = 0, len(order) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_kept(order[:middle]) else (low, middle)
    chosen = order[:low]
    header = candidate.file.header
    n_single = max(_SINGLE_SHRINKS, _SHRINK_PIXELS // (header.height * header.width))
    for position in order[low + 1 : low + 1 + n_single]:
        if is_kept(np.append(chosen, position)):
            chosen = np.append(chosen, position)
    return shrunk(chosen)
