"""Files of random latents and networks, made without a fit."""

import numpy as np

from inrc.bitstream.header import Header
from inrc.codec import file as files
from inrc.codec.file import File
from inrc.codec.weights import quantise
from inrc.config import LatentGridConfig
from inrc.latent_layout import grids_of, latent_layout
from inrc.signal.colour import ColourTransform

SMALL = LatentGridConfig(
    n_grids=4, n_hyper=2, n_spatial=8, n_cross=3, n_cross_levels=2, synthesis_width=5, n_residual=2
)


def header_of(
    size: tuple[int, int],
    channels: int = 3,
    bit_depth: int = 8,
    model: LatentGridConfig = SMALL,
    *,
    transposed: bool = False,
) -> Header:
    """Of a picture of size = (height, width)."""
    return Header(size[1], size[0], channels, bit_depth, ColourTransform.RGB, model, transposed=transposed)


def random_contents(header: Header, seed: int = 0, *, deviation: float = 1.0) -> File:
    """Networks whose pixels are spread over the range, and latents that are small, but for a few."""
    model = header.model
    assert isinstance(model, LatentGridConfig)
    generator = np.random.default_rng(seed)
    params = {}
    for name, shape in latent_layout(model, header.channels):
        params[name] = generator.normal(size=shape, scale=0.1)
    params["synthesis_1"][:, -1] += 0.5
    weights = quantise(params, dict.fromkeys(params, 2.0**-8))
    latents = []
    for grid in grids_of(model, header.shape):
        values = generator.laplace(0, deviation, grid.shape)
        latents.append(np.rint(np.where(generator.random(grid.shape) < 0.01, 40 * values, values)).astype(np.int32))
    return files.make(header, weights, tuple(latents))
