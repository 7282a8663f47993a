"""Pyramids of grids, context networks and latents for tests."""

from typing import Any

import numpy as np

from inrc.entropy import context, wavefront
from inrc.entropy import latent_tables as tables
from inrc.entropy.context import ContextNetwork, GridPlan

OFFSETS = (
    (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-3, 0),
    (0, -3), (-1, -2), (-2, 1), (-2, -1), (-2, -2), (-1, -3), (-2, 2),
)  # fmt: skip
STEP = np.float32(2.0 ** (-51 / 8))


def pyramid(shape: tuple[int, int], n_grids: int = 4, n_hyper: int = 2, n_cross_levels: int = 2) -> list[GridPlan]:
    """Coarsest grid first, hyper grids before their level's, references finest first."""
    grids = [
        (level, hyper)
        for level in reversed(range(n_grids))
        for hyper in (True, False)
        if not hyper or level >= n_grids - n_hyper
    ]
    plans = []
    for level, hyper in grids:
        size = (-(-shape[0] // 2**level), -(-shape[1] // 2**level))
        finest_first = [(k, h) for k in range(level + 1, n_grids) for h in (False, True)]
        references = tuple(grids.index(grid) for grid in finest_first if grid in grids)
        plans.append(GridPlan(size, level, references if level < n_cross_levels and not hyper else ()))
    return plans


def matrices(
    generator: np.random.Generator,
    plans: list[GridPlan],
    *,
    n_spatial: int = 12,
    n_cross: int = 6,
    n_layers: int = 2,
    magnitude: float = 0.3,
    log_scale: float = -1.0,
) -> dict[str, np.ndarray]:
    """Random weights, as a file has them: whole multiples of a step."""
    n = n_spatial + n_cross
    shapes = {f"context_{i}": (n, n + 1) for i in range(n_layers)}
    shapes |= {"context_out": (2, n + 1), "context_skip": (2, n)}
    shapes |= {f"cross_{p.level}": (n_cross, len(p.references) + 1) for p in plans if p.references}
    result = {name: generator.normal(0, magnitude / np.sqrt(shape[1]), shape) for name, shape in shapes.items()}
    result["context_out"][1, -1] = log_scale + 4.0
    return {name: np.rint(matrix / STEP).astype(np.float32) * STEP for name, matrix in result.items()}


class Sampler:
    """Stands in for a decoder of a random stream: draws symbols from the tables, but no escapes and no empty grid."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def decode(self, _: Any, weights: np.ndarray) -> np.ndarray:
        if np.array_equal(weights, tables.coder_weights()[[tables.FLAG]]):
            return np.zeros(1, np.int32)
        ends = np.cumsum(weights.astype(np.int64) + 1, axis=1)
        symbols = (self._generator.integers(1 << 24, size=(len(weights), 1)) >= ends).sum(1)
        return np.minimum(symbols, tables.BELOW - 1).astype(np.int32)


def drawn(generator: np.random.Generator, network: ContextNetwork, plans: list[GridPlan]) -> list[np.ndarray]:
    """Latents as likely as the network says."""
    return wavefront.decode_latents(Sampler(generator), network, plans)


def network_of(weights: dict[str, np.ndarray], n_spatial: int = 12) -> ContextNetwork:
    return context.from_matrices(weights, OFFSETS[:n_spatial])
