"""Integers with a prior of their scales, as a shared init gives the coder."""

import numpy as np

SHAPES = ((24, 31), (16, 25), (3, 17))


def with_prior(median: float, *, size: int = 1, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(matrices, exponents): rounded Laplace variables whose scales have a standard deviation of 1.5 octaves.

    The scales of units and of inputs deviate from the prior by a quarter. Sides are `size` times those of `SHAPES`.
    """
    generator = np.random.default_rng(seed)
    matrices, exponents = [], []
    for rows, columns in ((size * r, size * c) for r, c in SHAPES):
        exponent = np.clip(np.rint(8 * (np.log2(median) + generator.normal(0, 1.5, (rows, columns)))), -64, 64)
        deviation = np.exp(generator.normal(0, 0.25, (rows, 1)) + generator.normal(0, 0.25, (1, columns)))
        matrices.append(np.rint(generator.laplace(0, 2 ** (exponent / 8) * deviation)).astype(np.int32))
        exponents.append(exponent.astype(np.int32))
    return matrices, exponents
