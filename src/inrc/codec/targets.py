"""Searches for a number of bytes or a PSNR: fits that aim at it, then steps coarse enough to keep it."""

import dataclasses
import functools
import math

import numpy as np

from inrc import presets
from inrc.codec import pack
from inrc.codec.job import Candidate, Job, Plan
from inrc.codec.pack import Weights
from inrc.errors import TargetNotReachedError
from inrc.quant.search import coarsen_until

_MAX_ATTEMPTS = 4
_MAX_SINGLE_SHRINKS = 24
_DB_PER_OCTAVE = 1.9
"""PSNR that a doubling of the rate buys, for the first guess of a search."""


def plan(job: Job) -> Plan:
    """The fit that the options' quality or number of bytes asks for.

    Raises:
      TargetNotReachedError: So few bytes hold no file.
    """
    max_bytes = job.options.byte_limit(job.n_pixels)
    if max_bytes is None:
        return job.plan(presets.bpp_of_quality(job.options.quality))
    overhead = pack.overhead(job.resolve(0.1)[0], job.image.icc_profile)
    available = max_bytes - overhead
    if available < 16:
        raise TargetNotReachedError(f"{max_bytes} bytes are asked for; the least for this picture is {overhead + 16}")
    return job.plan(8 * available / job.n_pixels, target_bits=8.0 * available)


def within_bytes(job: Job, candidate: Candidate) -> Candidate:
    """The candidate with steps coarse enough for the number of bytes that the options ask for, if they do.

    Raises:
      TargetNotReachedError: None are.
    """
    max_bytes, icc = job.options.byte_limit(job.n_pixels), job.image.icc_profile
    if max_bytes is None:
        return candidate

    @functools.cache
    def small_enough(indices: tuple[int, ...]) -> bool:
        return len(pack.pack(candidate.header, candidate.rounded(indices), icc_profile=icc)) <= max_bytes

    indices = coarsen_until(candidate.weights.step_indices, small_enough)
    if indices is None:
        reached = len(candidate.packed(icc))
        raise TargetNotReachedError(f"{max_bytes} bytes are asked for; {reached} were reached: ask for more")
    return dataclasses.replace(candidate, weights=candidate.rounded(indices))


def meet_psnr(job: Job, target: float) -> Candidate:
    """Fits at rising or falling rates until one lies above the target, then steps coarse enough to come down to it."""
    bpp, lowest, highest = presets.bpp_of_quality(presets.DEFAULT_QUALITY), 0.0, math.inf
    best: tuple[float, Candidate] | None = None
    reached = -math.inf
    for _ in range(_MAX_ATTEMPTS):
        candidate = job.run(job.plan(bpp))
        value = job.psnr(candidate, candidate.weights)
        if candidate.result.interrupted:
            return candidate if best is None or value >= target else best[1]
        reached = max(reached, value)
        if value >= target:
            highest = min(highest, bpp)
            best = (value, candidate)
            if value < target + 0.5:
                break
        else:
            lowest = max(lowest, bpp)
        # Aim a little above: coming down by coarser steps costs next to nothing, coming up costs another fit.
        guess = bpp * 2.0 ** ((target + 0.2 - value) / _DB_PER_OCTAVE)
        if lowest and highest < math.inf:
            guess = math.sqrt(lowest * highest) if not lowest < guess < highest else guess
        bpp = min(max(guess, bpp / 8, 0.005), bpp * 8, presets.bpp_of_quality(presets.MAX_QUALITY) * 2)
    if best is None:
        raise TargetNotReachedError(
            f"{target:g} dB are asked for; {reached:.2f} dB were reached: ask for less or give more effort"
        )
    value, candidate = best
    indices = candidate.weights.step_indices
    # The finest coarsening that falls below the target bounds the last one that does not.
    for shift in range(1, 33):
        coarser = tuple(i + shift for i in candidate.weights.step_indices)
        if job.psnr(candidate, candidate.rounded(coarser)) < target:
            break
        indices = coarser
    for matrix in range(len(indices)):
        coarser = (*indices[:matrix], indices[matrix] + 1, *indices[matrix + 1 :])
        if job.psnr(candidate, candidate.rounded(coarser)) >= target:
            indices = coarser
    return dataclasses.replace(candidate, weights=_shrink(candidate.rounded(indices), job, candidate, target))


def _shrink(weights: Weights, job: Job, candidate: Candidate, target: float) -> Weights:
    """Spends what is too little for a step: brings small integers one closer to zero while the target is kept."""
    flat = np.concatenate([matrix.ravel() for matrix in weights.integers])
    order = np.argsort(np.abs(flat), kind="stable")[np.count_nonzero(flat == 0) :]

    def shrunk(positions: np.ndarray) -> Weights:
        values = flat.copy()
        values[positions] -= np.sign(values[positions])
        parts = np.split(values, np.cumsum([matrix.size for matrix in weights.integers])[:-1])
        shaped = (part.reshape(matrix.shape) for part, matrix in zip(parts, weights.integers, strict=True))
        return dataclasses.replace(weights, integers=tuple(shaped))

    def kept(positions: np.ndarray) -> bool:
        return job.psnr(candidate, shrunk(positions)) >= target

    low, high = 0, len(order) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if kept(order[:middle]) else (low, middle)
    chosen = order[:low]
    for position in order[low + 1 : low + 1 + _MAX_SINGLE_SHRINKS]:
        if kept(np.append(chosen, position)):
            chosen = np.append(chosen, position)
    return shrunk(chosen)
