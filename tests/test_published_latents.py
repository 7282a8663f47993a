"""The constants of published systems of latent grids."""

import pytest

from inrc import presets
from inrc.errors import ConfigError
from inrc.published_latents import C3, COOL_CHIC
from inrc.training import LatentNoise, LatentTraining, LatentTrainingStage, SoftRounding

LAMBDAS = {
    "cool-chic": (1e-4, 5e-4, 4e-3, 2e-2),
    "c3": (1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 8e-4, 1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 8e-3, 1e-2, 2e-2),
}


def training(codec: str) -> LatentTraining:
    preset = presets.codec_by_name(codec)
    assert isinstance(preset, presets.LatentCodec)
    assert preset.training is not None
    return preset.training


@pytest.mark.parametrize(
    ("codec", "rates", "clip_norm", "gains", "starts"),
    [
        ("cool-chic", (1e-2, 5e-3, 2.5e-3, 1.25e-3, 6.25e-4), 10.0, [1, 2, 4, 8, 16, 32, 64], (5, 200)),
        ("c3", (1e-2, 1e-4), 0.1, [2.5, 5, 10, 20, 40, 80, 160], (1, 0)),
    ],
)
def test_the_papers_constants(codec, rates, clip_norm, gains, starts):
    own = training(codec)
    assert tuple(stage.rate[0] for stage in own.stages) == rates
    assert (own.clip_norm, own.betas, own.epsilon) == (clip_norm, (0.9, 0.999), 1e-8)
    assert [own.gain * own.gain_per_level**level for level in range(7)] == gains
    assert (own.n_starts, own.start_steps) == starts
    assert [stage.hard for stage in own.stages] == [False] * (len(rates) - 1) + [True]
    assert not own.rounding.paired


def test_cool_chic_has_uniform_noise_and_halved_rates():
    own = training("cool-chic")
    assert (own.rounding.noise, own.rounding.soft) == (LatentNoise.UNIFORM, SoftRounding.NONE)
    assert not own.rounding.soft_gradient
    assert all(stage.noise == (1.0, 1.0) for stage in own.stages[:-1])
    assert all(stage.rate[0] == stage.rate[1] for stage in own.stages)
    assert all(b.rate[0] == a.rate[0] / 2 for a, b in zip(own.stages, own.stages[1:], strict=False))
    # Rounding begins below 9e-4, and training ends below 4e-4.
    assert own.stages[-1].rate[0] < 9e-4 < own.stages[-2].rate[0]
    assert own.stages[-1].rate[0] / 2 < 4e-4


def test_c3_anneals_noise_and_temperature_over_100_000_steps():
    own = training("c3")
    soft, hard = own.stages
    assert (own.rounding.noise, own.rounding.soft) == (LatentNoise.KUMARASWAMY, SoftRounding.CONDITIONAL_MEAN)
    assert own.rounding.soft_gradient
    assert (soft.n_steps, hard.n_steps, own.n_steps) == (100_000, 10_000, 110_000)
    assert (soft.temperature, soft.noise, soft.rate) == ((0.3, 0.1), (2.0, 1.0), (1e-2, 0.0))
    assert (hard.temperature, hard.rate) == ((1e-4, 1e-4), (1e-4, 1e-8))


def test_presets_say_what_they_are():
    assert (COOL_CHIC.year, C3.year) == (2023, 2024)
    for preset in (COOL_CHIC, C3):
        assert presets.CODECS[preset.name] is preset
        assert "The same: " in preset.about
        assert "Different: " in preset.about
    assert presets.LATENT_CODECS["latent-grid"].training is None


@pytest.mark.parametrize("codec", LAMBDAS)
def test_published_lambdas_are_qualities(codec):
    qualities = [presets.quality_of_latent_lambda(lambda_rd) for lambda_rd in LAMBDAS[codec]]
    assert qualities == sorted(qualities, reverse=True)
    # The least lambda, 1e-4, is that of quality 106: it takes a fit of one's own.
    assert qualities[0] == pytest.approx(106.1, abs=0.1)
    assert presets.MIN_QUALITY < min(qualities) < max(qualities[1:]) < presets.MAX_QUALITY
    for quality, lambda_rd in zip(qualities[1:], LAMBDAS[codec][1:], strict=True):
        assert presets.latent_lambda_of_bpp(presets.bpp_of_quality(quality)) == pytest.approx(lambda_rd)


def test_stages_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="a stage has 0 steps"):
        LatentTrainingStage(0, (1e-2, 0.0))
    with pytest.raises(ConfigError, match=r"temperatures \(0.3, 0.0\)"):
        LatentTrainingStage(1, (1e-2, 0.0), temperature=(0.3, 0.0))
