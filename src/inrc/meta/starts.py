"""Starts of fits: the first ones of a prior stage, from learned weights, and those of shared inits."""

from collections.abc import Mapping

import numpy as np

from inrc.codec.formats import reference_of
from inrc.fit.task import Start
from inrc.shared_init import SharedInit

_SPARSE_SCALE = 0.25
"""First scale of the weights of `sparse_start`, in quantisation steps."""


def flat_start(params: Mapping[str, np.ndarray], relative_step: float) -> Start:
    """The start of fits whose weights may move anywhere: all scales are 1, and steps are those of random weights.

    Args:
      params: {name: learned matrix}.
      relative_step: quantisation step over the standard deviation of a matrix. A matrix that has hardly moved from zero
        counts as having a quarter of the mean deviation of all.
    """
    mean = {name: as_stored(matrix) for name, matrix in params.items()}
    deviations = {name: float(np.std(matrix)) for name, matrix in mean.items()}
    least = float(np.mean(list(deviations.values()))) / 4 + 1e-9
    steps = {name: relative_step * max(deviation, least) for name, deviation in deviations.items()}
    return Start(mean, {name: np.ones_like(matrix) for name, matrix in mean.items()}, steps)


def sparse_start(params: Mapping[str, np.ndarray], first_step: float) -> Start:
    """The start of fits whose networks suit any picture as they are: scales are small, so that few weights move.

    Args:
      params: {name: learned matrix}.
      first_step: quantisation step of all matrices.
    """
    mean = {name: as_stored(matrix) for name, matrix in params.items()}
    scale = {name: np.full_like(matrix, _SPARSE_SCALE * first_step) for name, matrix in mean.items()}
    return Start(mean, scale, dict.fromkeys(mean, first_step))


def as_stored(matrix: np.ndarray) -> np.ndarray:
    """A mean rounded to float16, as a shared init stores it: scales hold only for fits that start from these values."""
    return np.asarray(matrix, np.float16).astype(np.float32)


def start_of(init: SharedInit) -> Start:
    """The start of fits from a shared init, on pictures of its canvas and with its own quantisation steps."""
    reference = reference_of(init, init.shape, init.n_outputs)
    return Start(reference.mean, reference.scales, dict(init.steps), reference.inner_rates)
