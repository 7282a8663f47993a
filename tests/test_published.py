"""Published systems: numbers of weights, steps and stages against the papers, and what quality and effort mean."""

import math

import pytest

from inrc import presets, published
from inrc.codec.options import EncodeOptions
from inrc.config import ModelConfig, WeightStorage
from inrc.errors import ConfigError
from inrc.layout import layout
from inrc.preset import CoordinateCodec
from inrc.training import RateStage, Restart, Training, in_shares

KODAK = (512, 768)
N_PIXELS = math.prod(KODAK)


def n_weights(model: ModelConfig) -> int:
    return sum(rows * columns for _, (rows, columns) in layout(model, KODAK, 3))


def model_of(codec, wanted: float, *, exact: bool = False) -> ModelConfig:
    return presets.model_for(codec, n_weights=wanted, shape=KODAK, n_outputs=3, exact=exact)


def restarts_of(codec: CoordinateCodec) -> list[Restart]:
    assert codec.training is not None
    return [stage.restart for stage in codec.training.stages if stage.restart]


@pytest.mark.parametrize(
    ("codec", "sizes"),
    [
        (published.COIN, (1803, 3903, 7479, 15003, 29697)),
        (published.STRUEMPLER, (5411, 10419, 16963, 34659, 58499)),
        (published.NIF, (14992, 32148, 54944, 93612, 153407)),
        (published.NIF25, (8384, 30757, 50576, 100025)),
        (published.TUTORIAL, (41987,)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_networks_have_the_published_numbers_of_weights(codec, sizes):
    models = [model_of(codec, size) for size in sizes]
    assert [n_weights(model) for model in models] == list(sizes)
    assert [model.widths for model in models] == [rung.widths for rung in codec.ladder]


@pytest.mark.parametrize(
    ("codec", "n_updates"),
    [
        (published.COIN, 50_000),
        (published.STRUEMPLER, 25_300),
        (published.NIF, 6_000 + 800),
        (published.NIF25, 30 * 240 + 1_000),
        (published.TUTORIAL, 120),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_effort_9_is_the_published_schedule(codec, n_updates):
    assert codec.training is not None
    n_passes, factor = presets.training_passes(codec.training, presets.MAX_EFFORT, N_PIXELS)
    assert n_passes * factor**2 == n_updates
    assert sum(stage.share for stage in codec.training.stages) == pytest.approx(1)
    # Lower efforts see the picture less often, and no effort more often than the publication does.
    passes = [presets.training_passes(codec.training, effort, N_PIXELS)[0] for effort in range(1, 10)]
    assert passes == sorted(passes)


def test_restarts_are_those_of_the_published_code():
    """Progress to the powers of the code's "smoothing"; what dropout leaves is divided by its share."""
    *moved, rounded = restarts_of(published.NIF)
    assert len(moved) == 9
    first, last = (0.125 + 0.575 * progress**0.05 for progress in (0.1, 0.9))
    assert (moved[0].fraction, moved[-1].fraction) == pytest.approx((first, last))
    radii = (0.9 - 0.7 * 0.1**0.2) / first, (0.9 - 0.7 * 0.9**0.2) / last
    assert (moved[0].radius, moved[-1].radius) == pytest.approx(radii)
    assert not any(restart.moves_first for restart in moved)
    assert all(restart.from_best for restart in (*moved, rounded))
    assert rounded.radius == 0
    *moved, rounded = restarts_of(published.NIF25)
    assert len(moved) == 29
    assert all(restart.from_best and restart.moves_first for restart in moved)
    assert moved[0].fraction == pytest.approx(0.5 - 0.15 * (1 / 30) ** 0.4)
    assert moved[0].radius == pytest.approx(0.3 * (1 - (1 / 30) ** 0.95) / moved[0].fraction)
    assert (rounded.radius, rounded.from_best) == (0, True)


def test_a_quality_takes_the_nearest_size_and_a_limit_scales_it():
    assert model_of(published.COIN, 4200).widths == (30,) * 5
    scaled = model_of(published.COIN, 4200, exact=True)
    assert len(set(scaled.widths)) == 1
    assert len(scaled.widths) == 5
    assert n_weights(scaled) == pytest.approx(4200, rel=0.05)
    # Far from every rung, as for small pictures, sizes are scaled in any case.
    assert n_weights(model_of(published.COIN, 300)) == pytest.approx(300, rel=0.15)
    assert n_weights(model_of(published.TUTORIAL, 5_000)) == pytest.approx(5_000, rel=0.05)


def test_losses_are_those_of_the_systems_unless_one_is_named():
    assert EncodeOptions(codec="nif").loss_name == "log-cosh-ssim"
    assert EncodeOptions(codec="nif", loss="mse").loss_name == "mse"
    assert EncodeOptions().loss_name == EncodeOptions(codec="coin").loss_name == "mse"


def test_every_published_system_says_what_is_the_same_and_what_differs():
    for codec in presets.CODECS.values():
        if codec.year:
            assert "The same: " in codec.about, codec.name
            assert "Different: " in codec.about, codec.name
    assert published.COIN.storage is WeightStorage.HALF
    assert published.NIF25.storage is WeightStorage.COMPANDED


@pytest.mark.parametrize(
    "make",
    [
        lambda: RateStage(share=0.0),
        lambda: RateStage(warm_up=1.0),
        lambda: RateStage(last=-1.0),
        lambda: Restart(1.5, 0.1),
        lambda: Restart(0.5, -0.1),
    ],
)
def test_stages_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError, match="must lie"):
        make()


def test_shares_in_proportion():
    assert [s.share for s in in_shares((RateStage(30), RateStage(10)))] == [0.75, 0.25]


def test_short_trainings_keep_their_schedule_at_low_efforts():
    training = Training(10, 1, 1e-3, (RateStage(),))
    assert presets.training_passes(training, 2, N_PIXELS) == (10, 1)
