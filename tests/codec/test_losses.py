"""Every named loss through both families, in fits of a few steps."""

import dataclasses

import numpy as np
import pytest

import inrc
from inrc.codec.options import EncodeOptions
from inrc.config import LatentGridConfig
from inrc.fit.latent.config import LatentFitConfig
from inrc.presets import LOSSES
from tests.codec import pictures

ADAM = pictures.FIT.optimiser  # compiles in half the time
FITS = {
    "siren": (pictures.MODEL, pictures.FIT),
    "latent-grid": (
        LatentGridConfig(2, 0, 2, 0, 0, 1, 2, 0, refinement=False),
        LatentFitConfig(n_steps=40, steps_per_group=5, groups_per_chunk=2, optimiser=ADAM),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("codec", FITS)
@pytest.mark.parametrize("loss", LOSSES)
def test_it_encodes_a_picture(codec, loss):
    image = pictures.crop(16, 16, 3)
    model, fit = FITS[codec]
    fit = dataclasses.replace(fit, loss=LOSSES[loss], lambda_rd=1e-4 * LOSSES[loss].slope)
    encoded = inrc.encode(image, EncodeOptions(codec=codec, model=model, fit=fit))
    error = inrc.decode(encoded.data).pixels - image.pixels.astype(float)
    assert np.square(error).mean() < 0.9 * image.pixels.var()
