"""What the weights of a file with a shared init are differences from. Needs NumPy alone."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from inrc.entropy import coder
from inrc.quant.uniform import steps_of_indices
from inrc.shared_init import SharedInit


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """A shared init, reduced to the weights that one picture's network has.

    Attributes:
      init: the shared init.
      mean: {name: float32 matrix}, in the order of the picture's layout.
      scale_indices: {name: uint8 matrix} of the same shapes, on the ladder of `quant.uniform`.
      inner_rates: {name: [k, *shape of the matrix]}: rates of the init's inner steps, for encoders; empty if there
        are none.
    """

    init: SharedInit
    mean: Mapping[str, np.ndarray]
    scale_indices: Mapping[str, np.ndarray]
    inner_rates: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def n_weights(self) -> int:
        """Number of weights of the picture's network."""
        return sum(matrix.size for matrix in self.mean.values())

    @property
    def scales(self) -> dict[str, np.ndarray]:
        """{name: expected absolute differences from the means}."""
        return {name: steps_of_indices(indices) for name, indices in self.scale_indices.items()}

    def exponents(self, step_indices: Sequence[int]) -> list[np.ndarray]:
        """What the coder knows of every matrix once it knows the quantisation steps."""
        pairs = zip(self.scale_indices.values(), step_indices, strict=True)
        return [coder.exponents_of(indices, step_index) for indices, step_index in pairs]


def canvas_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as a network with a shared init sees a picture: portraits are transposed, as in its training."""
    return min(shape), max(shape)
