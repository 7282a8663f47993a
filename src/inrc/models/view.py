"""Views, which say what to render, and the rounding of unit values to pixels. Needs no JAX."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

import numpy as np

from inrc.checks import checked_number
from inrc.errors import ConfigError
from inrc.shapes import Float, UInt
from inrc.signal.image import from_unit

_MAX_SIDE = 2**31 - 1
_MAX_SCALE = 2**20
"""Far above what the limits of a decoder grant."""


class Antialias(enum.Enum):
    """How a downscaled render is kept from aliasing; the renderers document each way."""

    SUPERSAMPLE = "supersample"
    DAMP = "damp"
    NONE = "none"


@dataclasses.dataclass(frozen=True)
class View:
    """A region of the native picture, rendered at a number of pixels.

    Attributes:
      height, width: size of the render, in pixels.
      top, left, bottom, right: the region, in native pixels; its sides may lie between two pixels.
    """

    height: int
    width: int
    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ConfigError(f"a render of {self.width}x{self.height} pixels; it needs at least 1x1")
        if not (self.top < self.bottom and self.left < self.right):
            raise ConfigError(f"the region {self.left},{self.top}..{self.right},{self.bottom} is empty")


def view_of(
    shape: tuple[int, int],
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    fit: int | None = None,
    region: tuple[float, float, float, float] | None = None,
) -> View:
    """The view that the options of a decoder describe.

    Args:
      shape: native (height, width).
      size: (width, height) of the render.
      scale: pixels per native pixel.
      fit: the most pixels of the longer side; the shape is kept, and nothing is enlarged. At most one of `size`,
        `scale` and `fit` may be given. Native size if none is.
      region: (x, y, width, height) in native pixels; the whole picture if not given.

    Raises:
      ConfigError: Two of size, scale and fit are given, a number is out of range, or the region leaves the picture.
    """
    height, width = shape
    given = [name for name, value in (("size", size), ("scale", scale), ("fit", fit)) if value is not None]
    if len(given) > 1:
        raise ConfigError(f"both a {given[0]} and a {given[1]} are given; give one of them")
    x, y, w, h = (0.0, 0.0, float(width), float(height)) if region is None else _numbers("region", region)
    if not (w > 0 and h > 0 and x >= 0 and y >= 0 and x + w <= width and y + h <= height):
        raise ConfigError(f"the region {x:g},{y:g},{w:g},{h:g} does not lie within the {width}x{height} picture")
    if size is not None:
        columns, rows = _numbers("size", size)
    else:
        factor = checked_number("the scale", 1.0 if scale is None else scale, 0, _MAX_SCALE, above=True)
        if fit is not None:
            factor = min(1.0, checked_number("the fit", fit, 1, _MAX_SIDE, whole=True) / max(w, h))
        columns, rows = max(1, round(w * factor)), max(1, round(h * factor))
    return View(rows, columns, y, x, y + h, x + w)


def _numbers(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """Returns the four numbers of a region, or the two of a size."""
    columns = ("width", "height") if name == "size" else ("left", "top", "width", "height")
    try:
        pairs = list(zip(columns, values, strict=True))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the {name} must have {len(columns)} numbers: {', '.join(columns)}") from error
    if name == "size":
        return [checked_number(f"the {column} of the size", value, 1, _MAX_SIDE, whole=True) for column, value in pairs]
    return [checked_number(f"the {column} of the region", value, 0, _MAX_SIDE) for column, value in pairs]


def transposed(view: View) -> View:
    """The view of the transposed picture that shows the transposed pixels of `view`."""
    return View(view.width, view.height, top=view.left, left=view.top, bottom=view.right, right=view.bottom)


def pixel_dtype(max_value: int) -> type[np.uint8] | type[np.uint16]:
    """The type of pixels in 0..max_value."""
    return np.uint8 if max_value <= 255 else np.uint16


def pixels_of(values: Float[Any, "C h w"], max_value: int) -> UInt[Any, "h w C"]:
    """Rounds unit values to pixels, uint8 or uint16.

    Args:
      values: an array of NumPy or of JAX, which may be traced. NaN counts as 0, and values outside [0, 1] are clipped.
      max_value: the pixel of value 1: 255 or 65535.

    Returns:
      An array of the same library.
    """
    pixels = from_unit(values, 8 if max_value <= 255 else 16)
    return pixels.__array_namespace__().moveaxis(pixels, 0, -1)
