"""Integers whose scales a prior knows: what a shared init gives the coder."""

import numpy as np

SHAPES = ((24, 31), (16, 25), (3, 17))


def with_prior(median: float, *, size: int = 1, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(matrices, exponents): Laplace variables, rounded, whose scales vary from one to the next by 1.5 octaves.

    Units and inputs stray from what the prior says by a quarter. Sides are `size` times `SHAPES`.
    """
    generator = np.random.default_rng(seed)
    matrices, exponents = [], []
    for rows, columns in ((size * r, size * c) for r, c in SHAPES):
        known = np.clip(np.rint(8 * (np.log2(median) + generator.normal(0, 1.5, (rows, columns)))), -64, 64)
        stray = np.exp(generator.normal(0, 0.25, (rows, 1)) + generator.normal(0, 0.25, (1, columns)))
        matrices.append(np.rint(generator.laplace(0, 2 ** (known / 8) * stray)).astype(np.int32))
        exponents.append(known.astype(np.int32))
    return matrices, exponents
