"""Colour transforms between the RGB of a picture and the target that a network is fitted to.

Every transform is affine: target = A rgb + b, with rgb in [0, 1] and b such that mid-gray (0.5, 0.5, 0.5) becomes
(0.5, 0.5, 0.5). Luma stays in [0, 1]; chroma lies around 0.5.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from inrc.errors import ConfigError

if TYPE_CHECKING:
    import jax

    ArrayT = TypeVar("ArrayT", np.ndarray, jax.Array)
else:
    ArrayT = TypeVar("ArrayT")


class ColourTransform(enum.IntEnum):
    """A colour transform; its integer is written to files and never changes its meaning.

    All methods take NumPy arrays, or JAX arrays inside or outside of `jit`, and keep float32.

    Attributes:
        RGB: The identity.
        YCBCR: Full-range YCbCr of ITU-R BT.601 as in JPEG (ITU-T T.871): target in [0, 1].
        YCOCG: Y, orange chroma, green chroma (Malvar and Sullivan, 2003): target in [0, 1].
        YCOCG_ORTHONORMAL: The same axes made orthonormal, so that squared errors are those of RGB. Luma is stretched
            by sqrt(3) about 0.5 and so lies in [-0.37, 1.37], chroma in [-0.32, 1.32].
    """

    RGB = 0
    YCBCR = 1
    YCOCG = 2
    YCOCG_ORTHONORMAL = 3

    @property
    def matrix(self) -> np.ndarray:
        """A, the matrix [3, 3] of target = A rgb + b, float64."""
        return _FORWARD[self].copy()

    @property
    def inverse_matrix(self) -> np.ndarray:
        """The inverse of A, [3, 3], float64."""
        return _INVERSE[self].copy()

    @property
    def offset(self) -> np.ndarray:
        """The constant b = 0.5 - A (0.5, 0.5, 0.5), [3], float64."""
        return 0.5 - 0.5 * _FORWARD[self].sum(axis=1)

    def forward(self, values: ArrayT) -> ArrayT:
        """Maps RGB [..., 3] in [0, 1] to the target [..., 3].

        Raises:
            ConfigError: If the last axis is not 3.
        """
        _check_rgb(values.shape)
        return self.forward_channels(values)

    def inverse(self, values: ArrayT) -> ArrayT:
        """Maps the target [..., 3] back to RGB [..., 3], not clipped.

        Raises:
            ConfigError: If the last axis is not 3.
        """
        _check_rgb(values.shape)
        return self.inverse_channels(values)

    def forward_channels(self, values: ArrayT) -> ArrayT:
        """Maps a picture of any kind to its target.

        Args:
            values: [..., C] in [0, 1]: gray, gray and alpha, RGB or RGBA. Gray and alpha stay as they are.

        Returns:
            The target, [..., C].

        Raises:
            ConfigError: If C is not between 1 and 4.
        """
        return _affine(values, self, _FORWARD[self], self.offset)

    def inverse_channels(self, values: ArrayT) -> ArrayT:
        """Maps a target [..., C] back to gray, gray and alpha, RGB or RGBA [..., C], not clipped.

        Raises:
            ConfigError: If C is not between 1 and 4.
        """
        return _affine(values, self, _INVERSE[self], -_INVERSE[self] @ self.offset)


_KR, _KG, _KB = 0.299, 0.587, 0.114  # luma of BT.601
_CB, _CR = 2 * (1 - _KB), 2 * (1 - _KR)  # 1.772 and 1.402: B - Y and R - Y at full chroma
_S2, _S3, _S6 = math.sqrt(2), math.sqrt(3), math.sqrt(6)

# The inverses are written out, not computed: the pixels of a file must not depend on a linear algebra library.
_FORWARD = {
    ColourTransform.RGB: np.eye(3),
    ColourTransform.YCBCR: np.array(
        [
            [_KR, _KG, _KB],
            [-_KR / _CB, -_KG / _CB, (1 - _KB) / _CB],
            [(1 - _KR) / _CR, -_KG / _CR, -_KB / _CR],
        ]
    ),
    ColourTransform.YCOCG: np.array([[0.25, 0.5, 0.25], [0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]]),
    ColourTransform.YCOCG_ORTHONORMAL: np.array(
        [[1 / _S3, 1 / _S3, 1 / _S3], [1 / _S2, 0.0, -1 / _S2], [-1 / _S6, 2 / _S6, -1 / _S6]]
    ),
}
_INVERSE = {
    ColourTransform.RGB: np.eye(3),
    ColourTransform.YCBCR: np.array([[1.0, 0.0, _CR], [1.0, -_KB * _CB / _KG, -_KR * _CR / _KG], [1.0, _CB, 0.0]]),
    ColourTransform.YCOCG: np.array([[1.0, 1.0, -1.0], [1.0, 0.0, 1.0], [1.0, -1.0, -1.0]]),
    ColourTransform.YCOCG_ORTHONORMAL: _FORWARD[ColourTransform.YCOCG_ORTHONORMAL].T.copy(),
}


def _check_rgb(shape: tuple[int, ...]) -> None:
    if shape[-1:] != (3,):
        raise ConfigError(f"values have shape {shape}; the last axis must be 3, or use the _channels methods")


def _check_channels(n_channels: int) -> None:
    if not 1 <= n_channels <= 4:
        raise ConfigError(f"a picture has {n_channels} channels; it must have 1 to 4, on the last axis")


def _affine(values: ArrayT, transform: ColourTransform, matrix: np.ndarray, offset: np.ndarray) -> ArrayT:
    """Applies [3, 3] and [3] to the first three of C channels, where there are three."""
    n_channels = values.shape[-1] if values.ndim else 0
    _check_channels(n_channels)
    if n_channels < 3 or transform is ColourTransform.RGB:
        return values
    columns, constant = np.eye(n_channels), np.zeros(n_channels)
    columns[:3, :3], constant[:3] = matrix.T, offset
    # Sums of products, no `@`: accelerators multiply matrices in TF32 or bfloat16, too coarse for 16-bit samples.
    shape = (1,) * (values.ndim - 1) + (n_channels,)  # explicit ranks, as strict rank promotion wants them
    result: Any = constant.astype(np.float32).reshape(shape)
    for channel in range(n_channels):
        result = result + values[..., channel : channel + 1] * columns[channel].astype(np.float32).reshape(shape)
    return result
