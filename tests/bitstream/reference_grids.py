"""Latent grids for the reference decoder, written from FORMAT.md alone (sections 3 and 8): shapes and synthesis."""

import numpy as np

Shapes = dict[str, tuple[int, int]]
BASE = np.array([-9, 67, 225, -27]) / 256


def kinds(f: dict[str, int]) -> list[tuple[int, bool]]:
    """(level, hyper) of all grids, in coding order."""
    first_hyper = f["n_grids"] - f["n_hyper"]
    return [
        (k, hyper) for k in range(f["n_grids"] - 1, -1, -1) for hyper in (True, False) if not hyper or k >= first_hyper
    ]


def shapes(f: dict[str, int]) -> Shapes:
    """(rows, columns) of every matrix, in the order of the file."""
    n_grids, channels = f["n_grids"], f["channels"]
    c = f["n_spatial"] + f["n_cross"]
    out: Shapes = {}
    for k in range(f["n_cross_levels"]):
        out[f"cross_{k}"] = (f["n_cross"], n_grids - 1 - k + min(f["n_hyper"], n_grids - 1 - k) + 1)
    for i in range(f["context_layers"]):
        out[f"context_{i}"] = (c, c + 1)
    out |= {"context_out": (2, c + 1), "context_skip": (2, c)}
    if n_grids > 1:
        out["upsampling"] = (n_grids - 1, 4)
        if f["refinement"]:
            out["refinement"] = (n_grids - 1, 4)
    out |= {"synthesis_0": (f["synthesis_width"], n_grids + 1), "synthesis_1": (channels, f["synthesis_width"] + 1)}
    for i in range(f["n_residual"]):
        out[f"residual_{i}"] = (channels, 9 * channels + 1)
    out["synthesis_skip"] = (channels, n_grids)
    return out


def doubled(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A line, or lines along axis 0, with twice the samples."""
    n = len(x)

    def at(i: np.ndarray) -> np.ndarray:
        return x[np.clip(i, 0, n - 1)]

    m = np.arange(n)
    y = np.zeros((2 * n, *x.shape[1:]))
    y[0::2] = w[0] * at(m - 2) + w[1] * at(m - 1) + w[2] * at(m) + w[3] * at(m + 1)
    y[1::2] = w[3] * at(m - 1) + w[2] * at(m) + w[1] * at(m + 1) + w[0] * at(m + 2)
    return y


def filtered(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Lines along axis 0 filtered, zeros outside."""
    y = h[0] * x
    for d in (1, 2, 3):
        y[d:] += h[d] * x[:-d]
        y[:-d] += h[d] * x[d:]
    return y


def features(f: dict[str, int], matrices: dict[str, np.ndarray], grids: dict[int, np.ndarray]) -> np.ndarray:
    """[n_grids, height, width] of the latents of every level."""
    stack = {f["n_grids"] - 1: grids[f["n_grids"] - 1].astype(np.float64)}
    for k in range(f["n_grids"] - 2, -1, -1):
        w = BASE + matrices["upsampling"][k]
        grid = grids[k].astype(np.float64)
        rows, columns = grid.shape
        stack = {j: doubled(doubled(x, w).T, w).T[:rows, :columns] for j, x in stack.items()}
        if f["refinement"]:
            h = np.array([1, 0, 0, 0]) + matrices["refinement"][k]
            grid = filtered(filtered(grid, h).T, h).T
        stack[k] = grid
    return np.stack([stack[k] for k in range(f["n_grids"])])


def outputs(f: dict[str, int], matrices: dict[str, np.ndarray], grids: dict[int, np.ndarray]) -> np.ndarray:
    """Values [channels, height, width], not clipped, in binary64."""
    z = features(f, matrices, grids)

    def layer(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.einsum("ij,jyx->iyx", matrix[:, :-1], x) + matrix[:, -1, None, None]

    v = layer(matrices["synthesis_1"], np.maximum(0, layer(matrices["synthesis_0"], z)))
    n, height, width = v.shape
    for i in range(f["n_residual"]):
        r = matrices[f"residual_{i}"]
        total = v + r[:, 9 * n, None, None]
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                y, x = np.clip(np.arange(height) + dy, 0, height - 1), np.clip(np.arange(width) + dx, 0, width - 1)
                first = 3 * n * (dy + 1) + n * (dx + 1)
                total = total + np.einsum("ce,eyx->cyx", r[:, first : first + n], v[:, y][:, :, x])
        v = np.maximum(0, total) if i < f["n_residual"] - 1 else total
    return v + np.einsum("ck,kyx->cyx", matrices["synthesis_skip"], z)
