"""Hash grids for the reference decoder: levels, shapes and features, from FORMAT.md alone, in float64."""

from typing import NamedTuple

import numpy as np

PRIME = 2654435761


class Level(NamedTuple):
    """Cells along the longer side, nodes along y and x, entries."""

    cells: int
    rows: int
    columns: int
    entries: int


def root(x: int) -> int:
    """The floored eighth root, by halving."""
    low, high = 0, x + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**8 <= x else (low, middle)
    return low


def levels(fields: dict[str, int], size: tuple[int, ...]) -> list[Level]:
    longest, found = max(size), []
    for i in range(fields["n_levels"]):
        cells = root(fields["coarsest"] ** 8 * 2 ** (fields["growth"] * i))
        if i > 0 and 2 * cells > longest:
            break
        rows, columns = ((cells * n + longest - 1) // longest + 1 for n in size)
        found.append(Level(cells, rows, columns, min(rows * columns, 2 ** fields["log2_entries"])))
    return found


def shapes(fields: dict[str, int], size: tuple[int, ...]) -> list[tuple[int, int]]:
    """(rows, columns) of the tables."""
    return [(fields["n_features"], level.entries) for level in levels(fields, size)]


def entry(level: Level, i: int, j: int) -> int:
    if level.entries == level.rows * level.columns:
        return level.columns * i + j
    return ((PRIME * i % 2**32) ^ j) % level.entries


def features(
    fields: dict[str, int], tables: list[np.ndarray], points: list[np.ndarray], size: tuple[int, ...]
) -> np.ndarray:
    """Features [n_features of all levels, n_points] at points, one array [n_points] per axis."""
    y, x = (np.asarray(axis, np.float64) for axis in points)
    parts = []
    for level, table in zip(levels(fields, size), tables, strict=True):
        nodes = np.empty((len(table), level.rows, level.columns))
        for i in range(level.rows):
            for j in range(level.columns):
                nodes[:, i, j] = table[:, entry(level, i, j)]
        u, v = ((c + 1) / 2 * level.cells * n / max(size) for c, n in zip((y, x), size, strict=True))
        i, j = (
            np.minimum(np.floor(u), level.rows - 2).astype(int),
            np.minimum(np.floor(v), level.columns - 2).astype(int),
        )
        a, b = u - i, v - j
        upper = (1 - b) * nodes[:, i, j] + b * nodes[:, i, j + 1]
        lower = (1 - b) * nodes[:, i + 1, j] + b * nodes[:, i + 1, j + 1]
        parts.append((1 - a) * upper + a * lower)
    return np.concatenate(parts)
