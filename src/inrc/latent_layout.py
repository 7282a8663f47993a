"""The grids and matrices of the `latent_grid` family: names, shapes and order.

Needs no JAX, because entropy decoding needs it. The networks themselves are in `models.latent_grid`.
"""

from typing import NamedTuple

from inrc.config import LatentGridConfig
from inrc.layout import Layout

CONTEXT_OFFSETS = (
    (0, -1),
    (-1, 0),
    (-1, -1),
    (-1, 1),
    (0, -2),
    (-2, 0),
    (-3, 0),
    (0, -3),
    (-1, -2),
    (-2, 1),
    (-2, -1),
    (-2, -2),
    (-1, -3),
    (-2, 2),
)
"""(dy, dx) of causal neighbours, the most useful first.

All neighbours come before a latent in the order t = x + 2 y, which excludes (-1, 2). Latents of equal t, a wavefront,
can therefore be decoded together.
"""
MARGIN = 3
"""Rows above a latent, and columns on either side, that hold its causal neighbours."""

SCALE_OFFSET = 4
"""The context network's second output is the natural logarithm of a latent's scale, plus this."""
LOG_SCALE_LIMIT = 5
"""Logarithms of scales are clipped to plus and minus this."""

UPSAMPLING_KERNEL = (-0.03515625, 0.26171875, 0.87890625, -0.10546875)
"""Weights of x[m-2], x[m-1], x[m], x[m+1] in sample 2 m of a grid of twice the size; mirrored in sample 2 m + 1.

Keys' cubic kernel with a = -3/4 (Keys, 1981) at a distance of a quarter.
"""


class Grid(NamedTuple):
    """One grid of latents.

    Attributes:
      level: its resolution is the picture's over 2^level, rounded up.
      hyper: whether only the entropy model reads it.
      shape: (height, width).
    """

    level: int
    hyper: bool
    shape: tuple[int, int]


def halved(shape: tuple[int, int], level: int) -> tuple[int, int]:
    """(height, width) halved `level` times and rounded up each time."""
    height, width = shape
    return -(-height // 2**level), -(-width // 2**level)


def canvas_of(shape: tuple[int, int]) -> tuple[int, int]:
    """The smallest canvas (height, width) that holds a picture of `shape`; pictures of one canvas share programs.

    The sides of canvases are the numbers with at most four binary digits before their zeros: 1, 2, ..., 15, 16, 18, 20,
    ..., 30, 32, 36, ... No side grows by more than an eighth. A picture of 512x768 needs no larger canvas:
    `canvas_of((512, 768))` is (512, 768), and `canvas_of((130, 190))` is (144, 192).
    """
    height, width = shape
    return _rung(height), _rung(width)


def _rung(n: int) -> int:
    unit = 1 << max(n.bit_length() - 4, 0)
    return -(-n // unit) * unit


def grids_of(config: LatentGridConfig, shape: tuple[int, int]) -> tuple[Grid, ...]:
    """All grids of a picture of (height, width), in coding order: coarsest first, hyper grids before their level's."""
    grids = []
    for level in reversed(range(config.n_grids)):
        for hyper in (True, False):
            if not hyper or level in config.hyper_levels:
                grids.append(Grid(level, hyper, halved(shape, level)))
    return tuple(grids)


def references_of(config: LatentGridConfig, level: int) -> tuple[tuple[int, bool], ...]:
    """(level, hyper) of the coarser grids that the cross features of the grid of `level` read, finest first."""
    return tuple(
        (coarser, hyper)
        for coarser in range(level + 1, config.n_grids)
        for hyper in (False, True)
        if not hyper or coarser in config.hyper_levels
    )


def latent_layout(config: LatentGridConfig, n_channels: int) -> Layout:
    """(name, (rows, columns)) of every matrix, in the order of a file; the last column of most is a bias.

    `cross_k` [n_cross, references + 1]: cross features of the grid of level k, from coarser grids.
    `context_i` [n, n + 1], `context_out` [2, n + 1], `context_skip` [2, n]: mean and scale of a latent.
    `upsampling` [n_grids - 1, 4]: row k is added to the cubic kernel that doubles features to level k.
    `refinement` [n_grids - 1, 4]: row k, plus the identity, is half of a symmetric filter of the latents of level k.
    `synthesis_0` [width, n_grids + 1], `synthesis_1` [C, width + 1], `synthesis_skip` [C, n_grids]: applied per pixel.
    `residual_i` [C, 9 C + 1]: 3x3 layers on the channels, columns ordered by (dy, dx, channel).
    """
    width = config.n_context
    rows: list[tuple[str, tuple[int, int]]] = []
    for level in range(config.n_cross_levels):
        rows.append((f"cross_{level}", (config.n_cross, len(references_of(config, level)) + 1)))
    for i in range(config.context_layers):
        rows.append((f"context_{i}", (width, width + 1)))
    rows += [("context_out", (2, width + 1)), ("context_skip", (2, width))]
    if config.n_grids > 1:
        rows.append(("upsampling", (config.n_grids - 1, len(UPSAMPLING_KERNEL))))
        if config.refinement:
            rows.append(("refinement", (config.n_grids - 1, 4)))
    rows += [
        ("synthesis_0", (config.synthesis_width, config.n_grids + 1)),
        ("synthesis_1", (n_channels, config.synthesis_width + 1)),
    ]
    rows += [(f"residual_{i}", (n_channels, 9 * n_channels + 1)) for i in range(config.n_residual)]
    rows.append(("synthesis_skip", (n_channels, config.n_grids)))
    return tuple(rows)


def context_macs(config: LatentGridConfig) -> int:
    """Multiplications of the context network per latent."""
    return config.context_layers * config.n_context**2 + 4 * config.n_context


def macs_per_pixel(config: LatentGridConfig, n_channels: int) -> float:
    """Multiplications per pixel of a large picture, all grids counted."""
    matrices = dict(latent_layout(config, n_channels))
    latents = sum(4.0**-level for level in range(config.n_grids)) + sum(4.0**-level for level in config.hyper_levels)
    cross = sum(
        4.0 ** -(level + 1) * config.n_cross * len(references_of(config, level))
        for level in range(config.n_cross_levels)
    )
    pixels = sum(
        r * (c - (name != "synthesis_skip"))
        for name, (r, c) in matrices.items()
        if name.startswith(("synthesis", "residual"))
    )
    filters = 0.0
    for level in range(config.n_grids - 1):
        # Rows of a coarser grid's channels first, then columns: 4 products per sample and axis.
        filters += 4.0**-level * (config.n_grids - 1 - level) * (4 + 2)
        filters += 4.0**-level * 14 * config.refinement
    return latents * context_macs(config) + cross + pixels + filters
