"""Small shared inits: random networks with random scales, the same for the same seed on every machine."""

import numpy as np

from inrc.config import EncodingConfig, EncodingKind, ModelConfig, ModelFamily
from inrc.layout import layout
from inrc.shared_init import SharedInit

CANVAS = (64, 96)
"""That of coffee_small.png: its rows keep six of the frequencies below, those of a picture of 17 rows four."""
MODEL = ModelConfig(widths=(9, 7), encoding=EncodingConfig(EncodingKind.NERF, 6))
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
