"""One tiny problem that all tests of fits share, so that its programs compile once per process."""

import numpy as np

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.config import FitConfig, Target
from inrc.fit.optimiser import OptimiserConfig

SHAPE = (12, 16)
N_PIXELS = SHAPE[0] * SHAPE[1]
MODEL = ModelConfig(widths=(6, 5), encoding=EncodingConfig(EncodingKind.NERF, 2))
ADAM = OptimiserConfig(preconditioned=False)  # compiles in half the time
# 4 phases, 8 steps to a chunk: two passes a chunk.
CONFIG = FitConfig(n_passes=12, phase_factor=2, steps_per_group=4, groups_per_chunk=2, optimiser=ADAM)
N_CHUNKS = 6
MATRIX, OFFSET = 0.5 * np.eye(3), np.full(3, 0.5)


def picture(shape: tuple[int, ...] = SHAPE, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth values [channels, ...] in [0, 1]."""
    generator = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    waves = [
        0.5 + 0.4 * np.sin(sum(generator.uniform(-3, 3) * axis for axis in axes) + generator.uniform(0, 6))
        for _ in range(channels)
    ]
    return np.stack([np.broadcast_to(wave, shape) for wave in waves]).astype(np.float32)


def target(seed: int = 0) -> Target:
    """The problem's signal."""
    return Target(picture(seed=seed), MATRIX, OFFSET)
