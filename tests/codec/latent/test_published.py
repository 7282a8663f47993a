"""Published trainings as fits, and files of published systems."""

import numpy as np
import pytest

import inrc
from inrc.codec.encode import encode
from inrc.codec.families import choose_init, resolve
from inrc.codec.latent.published import fit_of, n_steps_of
from inrc.codec.options import EncodeOptions
from inrc.codec.settings import settings
from inrc.fit.latent.adam import LatentAdam
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.metrics import psnr_db
from inrc.published_latents import C3, COOL_CHIC
from tests.codec import pictures


def config(codec: str, **options) -> LatentFitConfig:
    """The fit of a 768x512 picture."""
    fit = resolve(EncodeOptions(codec=codec, **options), (512, 768), 3, 0.45).config
    assert isinstance(fit, LatentFitConfig)
    return fit


@pytest.mark.parametrize("codec", ["cool-chic", "c3"])
def test_a_published_fit_is_one_adam_on_the_bits_of_latents(codec):
    fit = config(codec, effort=3, seed=4, time_budget=5.0)
    assert fit.optimiser == OptimiserConfig(False, 0.9, 0.999, epsilon=1e-8)
    assert (fit.latent_adam.gain_per_level, fit.latent_adam.epsilon, fit.latent_adam.clipped) == (2.0, 1e-8, True)
    assert (fit.network_weight, fit.searched_steps) == (0.0, True)
    assert (fit.n_steps, fit.seed, fit.time_budget) == (400, 4, 5.0)
    assert fit.lambda_rd == pytest.approx(1e-3)
    fields = fit.schedule.at(np.linspace(0, 1, 101)[:-1])
    np.testing.assert_array_equal(fields["network_rate"], fields["latent_rate"])
    np.testing.assert_array_equal(fields["rate"], 1.0)
    for untouched in ("step_rate", "network_noise", "network_hard"):
        np.testing.assert_array_equal(fields[untouched], 0.0)
    np.testing.assert_array_equal(fields["latent_beta_1"], 0.9)
    np.testing.assert_array_equal(fields["latent_beta_2"], 0.999)


def test_c3_at_fractions_of_its_schedule():
    at = config("c3", effort=9).schedule.at(np.array([0, 25_000, 50_000, 99_999, 100_000, 105_000]) / 110_000)
    half = 0.5 * (1 + np.cos(np.pi / 4))
    np.testing.assert_allclose(at["latent_rate"], [1e-2, 1e-2 * half, 5e-3, 0, 1e-4, 5e-5], rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(at["temperature"], [0.3, 0.25, 0.2, 0.1, 1e-4, 1e-4], rtol=1e-4)
    np.testing.assert_allclose(at["noise"], [2, 1.75, 1.5, 1, 0, 0], rtol=1e-4)
    assert at["hard"].tolist() == [0, 0, 0, 0, 1, 1]


def test_cool_chic_at_fractions_of_its_schedule():
    at = config("cool-chic", effort=9).schedule.at(np.array([0, 0.49, 0.5, 0.7, 0.8, 0.9]))
    np.testing.assert_allclose(at["latent_rate"], [1e-2, 1e-2, 5e-3, 2.5e-3, 1.25e-3, 6.25e-4])
    assert at["noise"].tolist() == [1, 1, 1, 1, 1, 0]
    assert at["hard"].tolist() == [0, 0, 0, 0, 0, 1]


def test_the_highest_effort_is_the_published_schedule_in_full():
    assert COOL_CHIC.training is not None
    assert C3.training is not None
    assert [n_steps_of(C3.training, effort, 512 * 768) for effort in (1, 8, 9)] == [100, 10_000, 110_000]
    assert [n_steps_of(COOL_CHIC.training, effort, 512 * 768) for effort in (1, 8, 9)] == [100, 10_000, 30_000]
    full = fit_of(COOL_CHIC.training, 30_000)
    assert (full.n_seeds, full.race_fraction * 30_000) == (5, pytest.approx(200))


def test_published_systems_start_at_random_and_ours_is_as_it_was():
    assert choose_init(EncodeOptions(codec="latent-grid", effort=1), (256, 256), 3, 0.5) is not None
    assert choose_init(EncodeOptions(codec="c3", effort=1), (256, 256), 3, 0.5) is None
    ours = config("latent-grid", effort=6)
    assert ours == LatentFitConfig(n_steps=2000, lambda_rd=ours.lambda_rd, groups_per_chunk=4)
    assert ours.latent_adam == LatentAdam()


def test_settings_name_the_training():
    fit = settings(EncodeOptions(codec="c3"))["fit"]
    assert fit["rounding"] == {
        "noise": "kumaraswamy",
        "soft": "conditional_mean",
        "soft_gradient": True,
        "paired": False,
    }


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["cool-chic", "c3"])
def test_published_systems_write_files(codec):
    image = pictures.crop(16, 16, 3)
    encoded = encode(image, EncodeOptions(codec=codec, effort=1, quality=70))
    decoded = inrc.decode(encoded.data)
    assert encoded.stats.psnr_db == pytest.approx(psnr_db(image.pixels, decoded.pixels), abs=1e-9)
    assert encoded.stats.psnr_db > 18
    assert len(encoded.data) < 900
