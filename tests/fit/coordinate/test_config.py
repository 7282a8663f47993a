"""Settings of a fit that make no sense are refused."""

import pytest

from inrc.errors import ConfigError
from inrc.fit.coordinate.config import CoordinateFitConfig


@pytest.mark.parametrize(
    "values",
    [
        {"n_passes": 0},
        {"n_passes": float("nan")},
        {"lambda_rd": -1e-9},
        {"phase_factor": 0},
        {"phase_factor": 65},
        {"n_seeds": 0},
        {"n_seeds": 65},
        {"steps_per_group": 0},
        {"groups_per_chunk": 0},
        {"time_budget": 0.0},
        {"seed": -1},
        {"weight_l1": -1e-9},
        {"weight_l1": float("inf")},
        {"clip_norm": 0.0},
        {"clip_norm": float("nan")},
        {"weight_bits": float("nan")},
        {"weight_bits": 16.1},
        {"seed": 2**40},
    ],
)
def test_invalid_settings_are_config_errors(values):
    with pytest.raises(ConfigError):
        CoordinateFitConfig(**values)
