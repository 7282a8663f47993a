"""Settings of a fit of latents that make no sense are refused."""

import pytest

from inrc.config import LatentGridConfig
from inrc.errors import ConfigError
from inrc.fit.latent.config import LatentFitConfig


def test_invalid_settings_are_config_errors():
    with pytest.raises(ConfigError, match="n_steps is 0"):
        LatentFitConfig(n_steps=0)
    with pytest.raises(ConfigError, match="target_bits is 0"):
        LatentFitConfig(target_bits=0.0)
    with pytest.raises(ConfigError, match="n_hyper is 7"):
        LatentGridConfig(n_hyper=7)
