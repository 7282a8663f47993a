"""What the weights of a file with a shared init are differences from. Needs NumPy alone."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.config import ModelConfig
from inrc.entropy import coder
from inrc.errors import ConfigError
from inrc.layout import feature_counts, kept_features
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform

INIT_COLOUR = ColourTransform.YCBCR
"""What the outputs of shared inits are. The first is luma, which is all that a gray picture needs."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """A shared init as one picture's network sees it.

    Attributes:
      init: the shared init.
      mean: {name: float32 matrix}, in the order of the picture's layout.
      scale_indices: {name: uint8 matrix} of the same shapes, on the ladder of `quant.uniform`.
    """

    init: SharedInit
    mean: Mapping[str, np.ndarray]
    scale_indices: Mapping[str, np.ndarray]

    @property
    def n_weights(self) -> int:
        """Parameters of the picture's network."""
        return sum(matrix.size for matrix in self.mean.values())

    def exponents(self, step_indices: Sequence[int]) -> list[np.ndarray]:
        """What the coder knows of every matrix once it knows their steps."""
        pairs = zip(self.scale_indices.values(), step_indices, strict=True)
        return [coder.exponents_of(indices, step_index) for indices, step_index in pairs]


def seen_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as a network with a shared init sees a picture: portraits are transposed, as in its training."""
    return min(shape), max(shape)


def reference_of(init: SharedInit, shape: tuple[int, int], channels: int) -> Reference:
    """The init's weights that a picture's network has.

    Features above the picture's Nyquist rates have no weights in its network; a gray picture has the first output only.

    Args:
      init: the init.
      shape: samples per axis, as the network sees the picture.
      channels: of the picture.

    Raises:
      ConfigError: The picture has channels or frequencies that the init lacks.
    """
    reason = misfit(init, shape, channels)
    if reason:
        raise ConfigError(f"the shared init {init.id.hex()} {reason}; use another init or none (--init none)")
    model = init.model
    assert isinstance(model, ModelConfig)
    kept = list(kept_features(model.encoding, init.shape, shape))
    if model.bias:
        kept.append(-1)
    first, last = "layer_0", f"layer_{len(model.widths)}"

    def adapted(matrix: np.ndarray, name: str) -> np.ndarray:
        matrix = matrix[:, kept] if name == first else matrix
        return np.ascontiguousarray(matrix[:channels] if name == last else matrix)

    return Reference(
        init,
        {name: adapted(matrix, name).astype(np.float32) for name, matrix in init.mean.items()},
        {name: adapted(matrix, name) for name, matrix in init.scale_indices.items()},
    )


def misfit(init: SharedInit, shape: tuple[int, int], channels: int) -> str:
    """Why a picture cannot use an init; empty if it can."""
    if not isinstance(init.model, ModelConfig):
        return "is of networks of latent grids"
    if channels not in (1, init.n_outputs):
        return f"has {init.n_outputs} outputs, the picture {channels} channels"
    have, need = (feature_counts(init.model.encoding, axes) for axes in (init.shape, shape))
    if any(n > m for n, m in zip(need, have, strict=True)):
        sizes = [f"{width}x{height}" for height, width in (init.shape, shape)]
        return f"was learned on {sizes[0]} pixels and lacks frequencies that a picture of {sizes[1]} has"
    return ""
