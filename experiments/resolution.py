"""Decodes at other sizes than the native one, and compares with Lanczos scaling of the native decode.

For x2 and x4 the original is scaled down, encoded, and decoded at the original's size; for x0.5 the original is encoded
and decoded at half its size, and compared with the original scaled down. Both ways decode the same file.

Command: inrc evaluate experiments/resolution.py. Cost: 6 minutes on 2 cores.
Expected: within 0.1 dB of each other at x2 and x4, Lanczos 0.1 to 0.4 dB better at x0.5 (experiments/NOTES.md).
"""

import functools

import numpy as np
from PIL import Image

from experiments.smoke import PICTURES
from inrc.baselines.interface import MeasuredCodec, Pixels
from inrc.codec.decode import decode
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec, native
from inrc.evaluate.pictures import kodak


def lanczos(pixels: Pixels, scale: float) -> Pixels:
    """Scales pixels by Pillow's Lanczos filter, which is widened by the factor where it scales down."""
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def rendered(data: bytes, scale: float) -> Pixels:
    """Decodes a file at a scale."""
    return decode(data, scale=scale).pixels


def enlarged(data: bytes, scale: float) -> Pixels:
    """Decodes a file at its own size, and scales the pixels."""
    return lanczos(native(data), scale)


def pair(scale: float, qualities: tuple[float, ...], effort: int) -> tuple[MeasuredCodec, ...]:
    """Returns both ways to reach a scale."""
    down = functools.partial(lanczos, scale=1 / scale) if scale > 1 else None
    reference = functools.partial(lanczos, scale=scale) if scale < 1 else None
    return tuple(
        inrc_codec(
            f"x{scale:g} {name}",
            qualities,
            codec="siren",
            effort=effort,
            prepare=down,
            restore=functools.partial(restore, scale=scale),
            reference=reference,
        )
        for name, restore in (("rendered", rendered), ("Lanczos", enlarged))
    )


def codecs(qualities: tuple[float, ...], effort: int) -> tuple[MeasuredCodec, ...]:
    """Returns both ways to reach every scale."""
    return tuple(codec for scale in (0.5, 2.0, 4.0) for codec in pair(scale, qualities, effort))


EXPERIMENT = Experiment("resolution", kodak(5, 15, 23), codecs((40.0, 70.0), effort=3), results="resolution")
SMOKE = Experiment("resolution smoke", PICTURES, codecs((60.0,), effort=1), results="resolution")
