"""Random networks and latents that the tests of this family share."""

import numpy as np

from inrc.config import LatentGridConfig
from inrc.latent_layout import grids_of, latent_layout

SMALL = LatentGridConfig(
    n_grids=4, n_hyper=2, n_spatial=8, n_cross=3, n_cross_levels=2, synthesis_width=5, n_residual=2
)


def random_networks(config: LatentGridConfig, n_channels: int, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(size=shape, scale=0.1).astype(np.float32)
        for name, shape in latent_layout(config, n_channels)
    }


def random_latents(config: LatentGridConfig, shape: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    """Integers as float32, in coding order."""
    generator = np.random.default_rng(seed)
    return [np.rint(generator.normal(size=grid.shape, scale=2)).astype(np.float32) for grid in grids_of(config, shape)]
