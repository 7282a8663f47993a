"""How latent grids are stored in files and rendered."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.codec.contents import File
from inrc.codec.family_format import Description, FamilyFormat, Matrices
from inrc.config import LatentGridConfig, NetworkConfig
from inrc.entropy import context, latent_rate, wavefront
from inrc.entropy.context import ContextNetwork, GridPlan
from inrc.latent_layout import (
    CONTEXT_OFFSETS,
    context_macs,
    grids_of,
    latent_layout,
    macs_per_pixel,
    references_of,
)
from inrc.layout import Layout
from inrc.models.latent_grid import render
from inrc.models.latent_grid.dead_units import without_dead_units
from inrc.models.view import Antialias, View
from inrc.shared_init import SharedInit


class LatentFormat(FamilyFormat):
    """The format of latent grids."""

    network = LatentGridConfig

    def layout(self, model: NetworkConfig, shape: tuple[int, int], n_channels: int) -> Layout:
        return latent_layout(_own(model), n_channels)

    def multiplications(self, header: Header, layout: Layout) -> int:
        return math.ceil(macs_per_pixel(_own(header.model), header.channels))

    def render(self, file: File, view: View, antialias: Antialias) -> np.ndarray:
        header = file.header
        return render.render(
            _own(header.model),
            header.shape,
            file.params,
            file.latents,
            view,
            max_value=(1 << header.bit_depth) - 1,
            antialias=antialias,
        )

    def describe(self, model: NetworkConfig) -> Description:
        own = _own(model)
        sizes = (
            f"{own.n_grids}+{own.n_hyper} grids, context {own.n_spatial}+{own.n_cross}, synthesis {own.synthesis_width}"
        )
        return Description("latent_grid", sizes, "", dataclasses.asdict(own))

    def misfit(self, init: SharedInit, shape: tuple[int, int], n_channels: int) -> str:
        differ = n_channels != init.n_outputs
        return f"has {init.n_outputs} outputs, the picture {n_channels} channels" if differ else ""

    def matrices_of_init(
        self, init: SharedInit, shape: tuple[int, int], n_channels: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        mean = {name: matrix.astype(np.float32) for name, matrix in init.mean.items()}
        return mean, dict(init.scale_indices)

    def check_latents(self, header: Header, limits: DecodeLimits) -> None:
        model = _own(header.model)
        n_latents = sum(math.prod(grid.shape) for grid in grids_of(model, header.shape))
        limits.check_latents(n_latents, context_macs(model))

    def encode_latents(self, encoder: Any, header: Header, params: Matrices, latents: tuple[np.ndarray, ...]) -> None:
        model = _own(header.model)
        wavefront.encode_latents(encoder, network_of(model, params), plans_of(model, header.shape), latents)

    def decode_latents(
        self, decoder: Any, header: Header, params: Matrices, view: View | None
    ) -> tuple[np.ndarray, ...]:
        model = _own(header.model)
        needed = None if view is None else render.needed_latents(model, header.shape, view)
        plans = plans_of(model, header.shape)
        return tuple(wavefront.decode_latents(decoder, network_of(model, params), plans, needed))

    def latent_bits(self, file: File) -> float:
        model = _own(file.header.model)
        return latent_rate.total_bits(network_of(model, file.params), plans_of(model, file.header.shape), file.latents)

    def compacted(self, file: File) -> File:
        """The file without dead hidden units. Networks that are differences from a shared init keep its width."""
        header, weights = file.header, file.weights
        if weights.reference is not None:
            return file
        names = [name for name, _ in file.layout]
        model, matrices = without_dead_units(_own(header.model), dict(zip(names, weights.integers, strict=True)))
        return dataclasses.replace(
            file,
            header=dataclasses.replace(header, model=model),
            layout=latent_layout(model, header.channels),
            weights=dataclasses.replace(weights, integers=tuple(matrices.values())),
            params=without_dead_units(_own(header.model), file.params)[1],
        )


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
    """The context network of dequantised matrices, on integers.

    Raises:
      CorruptFileError: Its integers could leave their range.
    """
    return context.from_matrices(matrices, CONTEXT_OFFSETS[: model.n_spatial])


def _own(model: NetworkConfig) -> LatentGridConfig:
    assert isinstance(model, LatentGridConfig)
    return model
