"""What every test shares: JAX's strictness and a small photograph."""

from pathlib import Path

import jax
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

COFFEE_SMALL = Path(__file__).parent.parent / "experiments" / "assets" / "coffee_small.png"

# Arrays of different rank broadcast silently and hide shape mistakes. Scalars are exempt.
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def coffee_small() -> npt.NDArray[np.uint8]:
    """A small RGB photograph, uint8 [H, W, 3]; read-only, since tests share it."""
    with Image.open(COFFEE_SMALL) as picture:
        pixels = np.array(picture.convert("RGB"))
    pixels.flags.writeable = False
    return pixels
