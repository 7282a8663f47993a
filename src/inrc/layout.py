"""The matrices of a coordinate network: names, shapes and order, and the features that enter the first one.

Needs no JAX. `latent_layout` is the same for the `latent_grid` family.
"""

import math
from collections.abc import Sequence

from inrc.config import EncodingConfig, EncodingKind, ModelConfig

Layout = tuple[tuple[str, tuple[int, int]], ...]

_BASE = {EncodingKind.NERF: 2.0, EncodingKind.LOG_SPACED: 1.4}
"""Ratio of each frequency to the previous one, by kind of encoding."""


def axis_frequencies(config: EncodingConfig, n_samples: int) -> tuple[float, ...]:
    """Frequencies along an axis of `n_samples` samples, in cycles across it, all at most its Nyquist rate n/2."""
    base = _BASE[config.kind]
    return tuple(base**i for i in range(config.n_frequencies) if base**i <= n_samples / 2)


def feature_counts(config: EncodingConfig, shape: Sequence[int]) -> tuple[int, ...]:
    """Number of features of each group for a signal of `shape` samples per axis."""
    if config.kind is EncodingKind.NONE:
        return (1,) * len(shape)
    if config.kind is EncodingKind.GAUSSIAN:
        return (2 * config.n_frequencies,)
    return tuple(1 + 2 * len(axis_frequencies(config, n)) for n in shape)


def band_shape(config: EncodingConfig, shape: Sequence[int]) -> tuple[int, ...]:
    """The smallest shape that has the same features as `shape`.

    Bare coordinates have the same features for every shape. Gaussian features depend on the whole shape; the caller
    must not ask for theirs.
    """
    if config.kind not in _BASE:
        return (1,) * len(shape)
    counts = (len(axis_frequencies(config, n)) for n in shape)
    return tuple(math.ceil(2 * _BASE[config.kind] ** (count - 1)) if count else 1 for count in counts)


def kept_features(config: EncodingConfig, shape: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """The features of a signal of `shape` that a signal of shape `other` has too, as indices over all groups, in order.

    Frequencies above a signal's Nyquist rate are left out, so that a smaller signal has only the lower ones. Gaussian
    features are folded instead, and bare coordinates have no frequency: all of them are kept.
    """
    kept: list[int] = []
    start = 0
    for n, m in zip(feature_counts(config, shape), feature_counts(config, other), strict=True):
        if config.kind in _BASE:  # a group is the coordinate, all sines and all cosines
            n_pairs, n_common = n // 2, min(n, m) // 2
            kept += [start, *(start + 1 + first + i for first in (0, n_pairs) for i in range(n_common))]
        else:
            kept += range(start, start + n)
        start += n
    return tuple(kept)


def layout(config: ModelConfig, shape: Sequence[int], n_outputs: int) -> Layout:
    """(name, (out, in (+ 1))) of every matrix, in the order of a file."""
    fan_in = sum(feature_counts(config.encoding, shape))
    rows = []
    for i, width in enumerate((*config.widths, n_outputs)):
        rows.append((f"layer_{i}", (width, fan_in + int(config.bias))))
        fan_in = width
    return tuple(rows)
