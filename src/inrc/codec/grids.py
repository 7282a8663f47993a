"""The entropy model of a file's latents: its grids and its context network on integers. Needs NumPy alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inrc.config import LatentGridConfig
from inrc.entropy import context, latent_rate, wavefront
from inrc.entropy.context import ContextNetwork, GridPlan
from inrc.latent_layout import CONTEXT_OFFSETS, grids_of, references_of


def plans_of(model: LatentGridConfig, shape: tuple[int, int]) -> list[GridPlan]:
    """What the entropy model knows of every grid of a picture of (height, width), in coding order."""
    grids = grids_of(model, shape)
    places = {(grid.level, grid.hyper): i for i, grid in enumerate(grids)}

    def references(level: int, hyper: bool) -> tuple[int, ...]:
        if hyper or level >= model.n_cross_levels:
            return ()
        return tuple(places[reference] for reference in references_of(model, level))

    return [GridPlan(grid.shape, grid.level, references(grid.level, grid.hyper)) for grid in grids]


def network_of(model: LatentGridConfig, matrices: Mapping[str, np.ndarray]) -> ContextNetwork:
    """The context network of dequantised matrices.

    Raises:
      CorruptFileError: Its integers could leave their range.
    """
    return context.from_matrices(matrices, CONTEXT_OFFSETS[: model.n_spatial])


def encode(
    encoder: Any,
    model: LatentGridConfig,
    shape: tuple[int, int],
    matrices: Mapping[str, np.ndarray],
    latents: Sequence[np.ndarray],
) -> None:
    """Codes the latents of a picture of (height, width) into an encoder of `entropy.stream`.

    Raises:
      LimitExceededError: A latent is too large, or the picture too long.
    """
    wavefront.encode_latents(encoder, network_of(model, matrices), plans_of(model, shape), latents)


def decode(
    decoder: Any,
    model: LatentGridConfig,
    shape: tuple[int, int],
    matrices: Mapping[str, np.ndarray],
    needed: tuple[int, int] | None = None,
) -> tuple[np.ndarray, ...]:
    """Inverse of `encode`; of the finest grid only its first rows and columns, if their number `needed` is given.

    Raises:
      CorruptFileError: The stream cannot have been written by `encode`.
      LimitExceededError: The picture is too long.
    """
    return tuple(wavefront.decode_latents(decoder, network_of(model, matrices), plans_of(model, shape), needed))


def bits(
    model: LatentGridConfig,
    shape: tuple[int, int],
    matrices: Mapping[str, np.ndarray],
    latents: Sequence[np.ndarray],
) -> float:
    """Code length of latents under the coder's own tables."""
    return latent_rate.total_bits(network_of(model, matrices), plans_of(model, shape), latents)
