"""Small pictures of every kind, cut from the photograph, and a network and a fit that take a second for them."""

import functools

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.signal.image import Image
from tests.conftest import COFFEE_SMALL

MODEL = ModelConfig(widths=(9,), encoding=EncodingConfig(EncodingKind.NERF, 3))
FIT = CoordinateFitConfig(
    n_passes=40, phase_factor=2, steps_per_group=4, groups_per_chunk=2, optimiser=OptimiserConfig(preconditioned=False)
)


@functools.cache
def photograph() -> np.ndarray:
    """coffee_small.png, uint8 [64, 96, 3]."""
    with Pillow.open(COFFEE_SMALL) as picture:
        return np.asarray(picture.convert("RGB"))


def icc_profile() -> bytes:
    """An sRGB profile of about 600 bytes."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def crop(height: int, width: int, channels: int, bit_depth: int = 8, icc: bytes = b"") -> Image:
    """A cut of the photograph's middle; gray is its green, alpha a slope."""
    top, left = (64 - height) // 2, (96 - width) // 2
    colour = photograph()[top : top + height, left : left + width]
    if channels < 3:
        colour = colour[..., 1:2]
    if channels in (2, 4):
        slope = np.linspace(30, 255, height * width).reshape(height, width, 1).astype(np.uint8)
        colour = np.concatenate([colour, slope], axis=2)
    pixels = colour if bit_depth == 8 else colour.astype(np.uint16) * 257 + np.uint16(3)
    return Image(np.ascontiguousarray(np.minimum(pixels, 255 if bit_depth == 8 else 65535)), icc)
