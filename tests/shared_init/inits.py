"""Small shared inits: random networks with random scales, the same for the same seed on every machine."""

import dataclasses

import numpy as np

from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig, ModelFamily
from inrc.latent_layout import latent_layout
from inrc.layout import layout
from inrc.shared_init import SharedInit

CANVAS = (64, 96)
"""That of coffee_small.png: its rows keep six of the frequencies below, those of a picture of 17 rows four."""
MODEL = ModelConfig(widths=(9, 7), encoding=EncodingConfig(EncodingKind.NERF, 6))
LATENT_GRID = LatentGridConfig(
    n_grids=3, n_hyper=1, n_spatial=3, n_cross=2, n_cross_levels=1, context_layers=1, synthesis_width=4
)
GAUSSIAN = ModelConfig(ModelFamily.FOURIER, (8,), EncodingConfig(EncodingKind.GAUSSIAN, 5, sigma=2.5), bias=False)


def random_init(
    model: ModelConfig = MODEL, shape: tuple[int, int] = CANVAS, *, n_outputs: int = 3, seed: int = 0
) -> SharedInit:
    """An init whose weights have the sizes of a network that was learned, and scales from 1/256 to 1/8 of them."""
    generator = np.random.default_rng(seed)
    mean, scale_indices, steps = {}, {}, {}
    for name, (rows, columns) in layout(model, shape, n_outputs):
        is_hidden = name not in ("layer_0", f"layer_{len(model.widths)}")
        bound = np.sqrt(6 / columns) / model.omega_0 if is_hidden else 0.7 / np.sqrt(columns)
        mean[name] = generator.uniform(-bound, bound, (rows, columns)).astype(np.float16)
        middle = 8 * (np.log2(bound) - 5 + 24)
        scale_indices[name] = np.rint(generator.uniform(middle - 24, middle + 16, (rows, columns))).astype(np.uint8)
        steps[name] = float(bound / 32)
    return SharedInit(model, shape, n_outputs, mean, scale_indices, steps, lambda_rd=3e-3)


def random_latent_init(
    model: LatentGridConfig = LATENT_GRID, shape: tuple[int, int] = CANVAS, *, n_outputs: int = 3, seed: int = 0
) -> SharedInit:
    """An init for latent grids: weights of a tenth, and scales from a thousandth to a sixteenth."""
    generator = np.random.default_rng(seed)
    shapes = dict(latent_layout(model, n_outputs))
    mean = {name: generator.normal(0, 0.1, shape).astype(np.float16) for name, shape in shapes.items()}
    scale_indices = {name: generator.integers(112, 160, shape, np.uint8) for name, shape in shapes.items()}
    return SharedInit(model, shape, n_outputs, mean, scale_indices, dict.fromkeys(shapes, 2.0**-8), lambda_rd=1e-3)


def with_rates(init: SharedInit, k: int = 2, seed: int = 0) -> SharedInit:
    """The init with rates of k inner steps, from 2^-6 to 2^-4."""
    generator = np.random.default_rng(seed)
    rates = {name: generator.integers(144, 161, (k, *mean.shape), np.uint8) for name, mean in init.mean.items()}
    return dataclasses.replace(init, rate_indices=rates)
