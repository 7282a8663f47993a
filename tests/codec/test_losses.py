"""Every named loss through both families."""

import numpy as np
import pytest

import inrc
from inrc.codec.options import EncodeOptions
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig
from inrc.presets import LOSSES
from tests.codec import pictures

MODELS = {
    "siren": ModelConfig(widths=(4,), encoding=EncodingConfig(EncodingKind.NERF, 2)),
    "latent-grid": LatentGridConfig(2, 0, 2, 0, 0, 1, 2, 0, refinement=False),
}


@pytest.mark.slow
@pytest.mark.parametrize("codec", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
def test_it_encodes_a_picture(codec, loss):
    image = pictures.crop(16, 16, 3)
    encoded = inrc.encode(image, EncodeOptions(codec=codec, model=MODELS[codec], loss=loss, effort=1))
    error = inrc.decode(encoded.data).pixels - image.pixels.astype(float)
    assert np.square(error).mean() < np.square(image.pixels - image.pixels.mean()).mean()
