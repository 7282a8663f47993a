"""How coordinate networks are stored in files and rendered."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from inrc.bitstream.header import Header
from inrc.codec.contents import File
from inrc.codec.family_format import Description, FamilyFormat
from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, ModelConfig, NetworkConfig, WeightStorage
from inrc.layout import Layout, feature_counts, is_table, kept_features, layout
from inrc.models import coordinate_render
from inrc.models.view import Antialias, View
from inrc.quant.uniform import steps_of_indices
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform

INIT_COLOUR = ColourTransform.YCBCR
"""Colour space of the outputs of shared inits. The first is luma, which is all that a gray picture needs."""


class CoordinateFormat(FamilyFormat):
    """The format of coordinate networks."""

    network = ModelConfig

    def layout(self, model: NetworkConfig, shape: tuple[int, int], n_channels: int) -> Layout:
        return layout(_own(model), shape, n_channels)

    def storage(self, model: NetworkConfig) -> WeightStorage:
        return _own(model).storage

    def multiplications(self, header: Header, layout: Layout) -> int:
        # A sample reads 2^axes nodes of a table, whatever the number of its entries.
        return sum(rows * (4 if is_table(name) else columns) for name, (rows, columns) in layout)

    def render(self, file: File, view: View, antialias: Antialias) -> np.ndarray:
        header = file.header
        return coordinate_render.render(
            _own(header.model),
            header.shape,
            file.params,
            *output_transform(header.colour, header.channels),
            view,
            max_value=(1 << header.bit_depth) - 1,
            antialias=antialias,
        )

    def describe(self, model: NetworkConfig) -> Description:
        own = _own(model)
        widths, encoding = own.widths, own.encoding
        constant = len(widths) > 2 and len(set(widths)) == 1
        hidden = f"{len(widths)} x {max(widths)}" if constant else "-".join(map(str, widths))
        if isinstance(encoding, HashGridEncoding):
            inputs = f"on {encoding.n_levels} hash tables of up to {1 << encoding.log2_entries} entries"
            features = {"encoding": "hash_grid", **dataclasses.asdict(encoding)}
        else:
            kind, is_bare = encoding.kind.name.lower(), encoding.kind is EncodingKind.NONE
            n_frequencies = 0 if is_bare else encoding.n_frequencies
            inputs = "on bare coordinates" if is_bare else f"on {n_frequencies} {kind.replace('_', '-')} frequencies"
            features = {"encoding": kind, "n_frequencies": n_frequencies}
        values: dict[str, Any] = {"widths": widths, **features, "omega_0": own.omega_0, "bias": own.bias}
        if own.modulator:
            hidden += f", modulated by {'-'.join(map(str, own.modulator))}"
            values["modulator"] = own.modulator
        if own.sampled_phases:
            values["sampled_phases"] = True
        if own.storage is not WeightStorage.INTEGERS:
            values["storage"] = own.storage.name.lower()
        return Description(own.family.name.lower(), hidden, inputs, values)

    def misfit(self, init: SharedInit, shape: tuple[int, int], n_channels: int) -> str:
        if n_channels not in (1, init.n_outputs):
            return f"has {init.n_outputs} outputs, the picture {n_channels} channels"
        encoding = _frequencies(init)
        have, need = (feature_counts(encoding, axes) for axes in (init.shape, shape))
        if any(n > m for n, m in zip(need, have, strict=True)):
            sizes = [f"{width}x{height}" for height, width in (init.shape, shape)]
            return f"was learned on {sizes[0]} pixels and lacks frequencies that a picture of {sizes[1]} has"
        return ""

    def matrices_of_init(
        self, init: SharedInit, shape: tuple[int, int], n_channels: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Features above the picture's Nyquist rates have no weights; a gray picture has the first output only."""
        mean, scale_indices = (_of_picture(init, tree, shape, n_channels) for tree in (init.mean, init.scale_indices))
        return {name: matrix.astype(np.float32) for name, matrix in mean.items()}, scale_indices

    def rates_of_init(self, init: SharedInit, shape: tuple[int, int], n_channels: int) -> dict[str, np.ndarray]:
        rates = _of_picture(init, init.rate_indices, shape, n_channels)
        return {name: steps_of_indices(indices) for name, indices in rates.items()}


def output_transform(colour: ColourTransform, n_channels: int) -> tuple[np.ndarray, np.ndarray]:
    """(matrix [C, C], offset [C]) with unit values = matrix @ outputs + offset.

    Outputs are centred at 0 and span about [-1, 1]; the colour transform acts on the first three of three or four
    channels.
    """
    matrix, offset = np.eye(n_channels), np.full(n_channels, 0.5)
    if n_channels >= 3:
        matrix[:3, :3] = colour.inverse_matrix
    return 0.5 * matrix, offset


def _of_picture(
    init: SharedInit, tree: Mapping[str, np.ndarray], shape: tuple[int, int], n_channels: int
) -> dict[str, np.ndarray]:
    """Those of the arrays {name: [..., out, in]} of an init that belong to weights of a picture's network."""
    model = _own(init.model)
    kept = list(kept_features(_frequencies(init), init.shape, shape))
    if model.bias:
        kept.append(-1)
    first, last = "layer_0", f"layer_{len(model.widths)}"

    def part(array: np.ndarray, name: str) -> np.ndarray:
        array = array[..., kept] if name == first else array
        return np.ascontiguousarray(array[..., :n_channels, :] if name == last else array)

    return {name: part(array, name) for name, array in tree.items()}


def _own(model: NetworkConfig) -> ModelConfig:
    assert isinstance(model, ModelConfig)
    return model


def _frequencies(init: SharedInit) -> EncodingConfig:
    encoding = _own(init.model).encoding
    assert isinstance(encoding, EncodingConfig), "no init has a hash grid"
    return encoding
