"""A slow implementation of the model: NumPy loops over pixels, written from the formulas, not from the tested code."""

import numpy as np

from inrc.latent_layout import UPSAMPLING_KERNEL

# The most useful first; all come before a latent in the order t = x + 2 y.
NEIGHBOURS = [
    (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-3, 0),
    (0, -3), (-1, -2), (-2, 1), (-2, -1), (-2, -2), (-1, -3), (-2, 2),
]  # fmt: skip


def at(grid, y, x):
    """Zero outside of the grid."""
    return grid[y, x] if 0 <= y < grid.shape[0] and 0 <= x < grid.shape[1] else 0.0


def mean_and_scale(config, params, grids, index):
    """(mean, scale), each [height, width], of grid `index` of (level, hyper, values) in coding order."""
    level, hyper, values = grids[index]
    references = sorted(
        ((other, is_hyper, v) for other, is_hyper, v in grids if other > level), key=lambda entry: (entry[0], entry[1])
    )
    mean, scale = np.zeros(values.shape), np.zeros(values.shape)
    for y, x in np.ndindex(values.shape):
        context = [at(values, y + dy, x + dx) for dy, dx in NEIGHBOURS[: config.n_spatial]]
        features = np.zeros(config.n_cross)
        if not hyper and level < config.n_cross_levels:
            matrix = params[f"cross_{level}"]
            coarser = [v[y >> (other - level), x >> (other - level)] for other, _, v in references]
            features = matrix[:, :-1] @ np.array(coarser) + matrix[:, -1]
        c = np.concatenate([context, features])
        h = c
        for i in range(config.context_layers):
            matrix = params[f"context_{i}"]
            h = np.maximum(matrix[:, :-1] @ h + matrix[:, -1] + h, 0)
        matrix = params["context_out"]
        mean[y, x], s = matrix[:, :-1] @ h + matrix[:, -1] + params["context_skip"] @ c
        scale[y, x] = np.exp(np.clip(s - 4, -5, 5))
    return mean, scale


def laplace_bits(values, mean, scale):
    """-log2 P(value - 1/2 < y < value + 1/2) for y of a Laplace distribution."""
    z = np.abs(values - mean)
    inside = 1 - 0.5 * np.exp(-np.maximum(0.5 - z, 0) / scale) - 0.5 * np.exp(-(0.5 + np.minimum(z, 0.5)) / scale)
    outside = np.log(0.5) - (z - 0.5) / scale + np.log1p(-np.exp(-1 / scale))
    return -np.where(z < 0.5, np.log(inside), outside) / np.log(2)


def doubled_line(line, kernel):
    """Twice the samples of a line: sample 2 m weighs x[m - 2..m + 1], sample 2 m + 1 the mirror image."""
    n = len(line)

    def sample(i):
        return line[min(max(i, 0), n - 1)]

    out = np.zeros(2 * n)
    for m in range(n):
        out[2 * m] = sum(kernel[i] * sample(m - 2 + i) for i in range(4))
        out[2 * m + 1] = sum(kernel[i] * sample(m + 2 - i) for i in range(4))
    return out


def filtered_line(line, half):
    """A symmetric filter with zeros outside."""
    n = len(line)
    return np.array([sum(half[abs(j - i)] * line[j] for j in range(n) if abs(j - i) < len(half)) for i in range(n)])


def along_both(grid, function):
    """A function of lines along one axis, then the other."""
    return np.apply_along_axis(function, 1, np.apply_along_axis(function, 0, grid))


def features(config, params, grids):
    """[n_grids, h, w] of latent grids, finest first."""
    stack = [grids[-1]]
    for level in reversed(range(config.n_grids - 1)):
        kernel = np.array(UPSAMPLING_KERNEL) + params["upsampling"][level]
        height, width = grids[level].shape
        stack = [along_both(grid, lambda line, k=kernel: doubled_line(line, k))[:height, :width] for grid in stack]
        half = params["refinement"][level] + np.array([1.0, 0, 0, 0]) if config.refinement else np.array([1.0])
        stack = [along_both(grids[level], lambda line, k=half: filtered_line(line, k)), *stack]
    return np.stack(stack)


def pixels(config, params, z):
    """[C, h, w], not clamped, of features [n_grids, h, w]."""
    first, second = params["synthesis_0"], params["synthesis_1"]
    hidden = np.maximum(np.einsum("kn,nyx->kyx", first[:, :-1], z) + first[:, -1, None, None], 0)
    values = np.einsum("ck,kyx->cyx", second[:, :-1], hidden) + second[:, -1, None, None]
    channels, height, width = values.shape
    for i in range(config.n_residual):
        matrix = params[f"residual_{i}"]
        out = np.zeros_like(values)
        for y, x in np.ndindex(height, width):
            window = [
                values[c, min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                for dy in (-1, 0, 1)
                for dx in (-1, 0, 1)
                for c in range(channels)
            ]
            out[:, y, x] = values[:, y, x] + matrix[:, :-1] @ np.array(window) + matrix[:, -1]
        values = np.maximum(out, 0) if i < config.n_residual - 1 else out
    return values + np.einsum("cn,nyx->cyx", params["synthesis_skip"], z)
