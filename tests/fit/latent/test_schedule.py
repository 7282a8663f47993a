"""The schedule of latents and their networks."""

import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.fit.latent.schedule import LONG, LatentSchedule, LatentStage, steps_of_chunk


def test_a_schedule_is_its_stages():
    schedule = LatentSchedule(
        (
            LatentStage(0.5, (1.0, 0.0), (2.0, 2.0), (0.4, 0.2), (0.3, 0.1)),
            LatentStage(0.5, (0.5, 0.1), (1.0, 0.0), hard=True),
        ),
        first_rate=4.0,
        first_rate_until=0.5,
        networks_noisy_from=0.25,
        networks_hard_from=0.75,
    )
    fields = schedule.at(np.array([0.0, 0.25, 0.4999, 0.5, 0.75, 0.9999]))
    np.testing.assert_allclose(fields["network_rate"], [1, 0.5, 0, 0.5, 0.3, 0.1], atol=1e-3)
    np.testing.assert_allclose(fields["latent_rate"], [2, 2, 2, 1, 0.5, 0], atol=1e-3)
    np.testing.assert_allclose(fields["temperature"], [0.4, 0.3, 0.2, 1, 1, 1], atol=1e-3)
    np.testing.assert_allclose(fields["noise"], [0.3, 0.2, 0.1, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(fields["rate"], [4, 2, 1, 1, 1, 1], atol=1e-2)
    assert fields["hard"].tolist() == [0, 0, 0, 1, 1, 1]
    assert fields["network_noise"].tolist() == [0, 1, 1, 1, 0, 0]
    assert fields["network_hard"].tolist() == [0, 0, 0, 0, 1, 1]
    chunk = steps_of_chunk(schedule, start=0.0, stop=0.5, n_steps=6, steps_per_group=3)
    assert chunk.latent_rate.shape == (2, 3)
    np.testing.assert_allclose(chunk.latent_rate, 2.0)


def test_other_betas_begin_an_era():
    stage = LatentStage(0.25, (1.0, 1.0), (1.0, 1.0))
    other = LatentStage(0.25, (1.0, 1.0), (1.0, 1.0), latent_betas=(0.9, 0.999))
    fields = LatentSchedule((stage, other, other, stage)).at(np.array([0.0, 0.2, 0.25, 0.6, 0.75, 1.0]))
    assert fields["era"].tolist() == [0, 0, 1, 1, 2, 2]
    assert fields["latent_beta_2"].tolist() == [0.95, 0.95, 0.999, 0.999, 0.95, 0.95]


def test_long_fits_slow_down_until_latents_stay():
    fields = LONG.at(np.linspace(0.0, 0.999, 1000))
    assert np.all(np.diff(fields["latent_rate"]) <= 1e-9)
    assert fields["latent_rate"][-1] < 1e-4 * fields["latent_rate"][0]
    assert np.all(fields["rate"] == 1.0)
    assert fields["hard"].sum() == pytest.approx(100, abs=1)


def test_invalid_schedules_are_refused():
    with pytest.raises(ConfigError, match="add up"):
        LatentSchedule((LatentStage(0.5, (1e-2, 0), (0.1, 0)),))
    with pytest.raises(ConfigError, match="first_rate is 0"):
        LatentSchedule(first_rate=0.0)
    with pytest.raises(ConfigError, match="latent_betas"):
        LatentStage(1.0, (1e-2, 0), (0.1, 0), latent_betas=(0.9, 1.0))
