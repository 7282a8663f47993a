"""Fits that ask for AdaRound: their files hold the better of two ways to round, and keep it where they are trimmed."""

import dataclasses

import numpy as np
import pytest

import inrc
from inrc.codec.coordinate import rounding, trimming
from inrc.codec.coordinate.family import CoordinateFamily
from inrc.codec.encode import encode
from inrc.codec.job import Job
from inrc.codec.options import EncodeOptions
from inrc.codec.plan import Candidate, Goal
from inrc.config import WeightStorage
from inrc.errors import ConfigError
from inrc.fit.coordinate.fitting import FittedSignals
from inrc.fit.coordinate.rounding import AdaRoundConfig
from inrc.fit.coordinate.schedule import Schedule
from tests.bitstream import reference_decoder
from tests.codec import pictures

# Weights meet neither noise nor rounding while they are fitted, and steps are not searched.
FIT = dataclasses.replace(
    pictures.FIT,
    n_passes=28,
    lambda_rd=1e-6,
    schedule=Schedule(0.01, noise_from=1.0, hard_from=1.0),
    relative_step=1.0,
    adaround=AdaRoundConfig(),
)
OPTIONS = EncodeOptions(model=pictures.MODEL, fit=FIT)
JOBS = [Job(pictures.crop(*size, 3), OPTIONS, None, None) for size in ((24, 16), (24, 15))]


@pytest.fixture(scope="module")
def fitted():
    """(plans of two pictures, results of their fits)."""
    plans = [job.first_plan() for job in JOBS]
    return plans, CoordinateFamily().fit(plans, side_by_side=1)


@pytest.fixture(scope="module")
def nearest(fitted) -> list[Candidate]:
    """The fits, rounded to the nearest integers."""
    plans, results = fitted
    return rounding.candidates([plan.with_config(adaround=None) for plan in plans], results)


@pytest.fixture(scope="module")
def adaptive(fitted) -> list[Candidate]:
    """The fits, rounded by AdaRound."""
    return rounding.candidates(*fitted)


def integers(own: Candidate) -> np.ndarray:
    return np.concatenate([matrix.ravel() for matrix in own.file.weights.integers])


def test_integers_differ_by_one_at_most_and_steps_not_at_all(nearest, adaptive):
    for plain, ours in zip(nearest, adaptive, strict=True):
        assert ours.file.weights.step_indices == plain.file.weights.step_indices
        difference = np.abs(integers(ours) - integers(plain))
        assert difference.max() == 1
        assert 0.05 < difference.mean() < 0.3


def test_pictures_of_a_batch_are_better(nearest, adaptive):
    gains = [job.psnr_of(b.file) - job.psnr_of(a.file) for job, a, b in zip(JOBS, nearest, adaptive, strict=True)]
    assert min(gains) > 0.2


def test_the_file_of_an_encode_is_readable(adaptive):
    encoded = encode(JOBS[0].image, OPTIONS)
    assert encoded.data == adaptive[0].packed()
    decoded = inrc.decode(encoded.data).pixels.astype(int)
    assert np.abs(decoded - reference_decoder.pixels(reference_decoder.read(encoded.data))).max() <= 1


def test_where_it_measures_worse_weights_are_rounded_to_the_nearest(fitted, nearest, adaptive, monkeypatch):
    def all_up(self, params, steps, means, config):
        return [
            {name: np.ceil(matrix / own_steps[name]) * own_steps[name] for name, matrix in own.items()}
            for own, own_steps in zip(params, steps, strict=True)
        ]

    def only_the_first_up(*arguments):
        return [all_up(*arguments)[0], really(*arguments)[1]]

    really = FittedSignals.rounded
    monkeypatch.setattr(FittedSignals, "rounded", only_the_first_up)
    first, second = rounding.candidates(*fitted)
    assert first.packed() == nearest[0].packed()
    assert second.packed() == adaptive[1].packed()


def test_a_high_price_of_bits_decides_too(fitted, nearest, adaptive):
    """Which of two roundings a file holds is a matter of loss and bits; at any price they are the cheaper ones."""
    plans, results = fitted
    bits = [[own.file.weights.ideal_bits() for own in each] for each in (nearest, adaptive)]
    costly = [dataclasses.replace(result, lambda_rd=1e6) for result in results]
    chosen = [own.file.weights.ideal_bits() for own in rounding.candidates(plans, costly)]
    np.testing.assert_array_equal(chosen, np.min(bits, axis=0))
    assert bits[0] != bits[1]


def test_trimming_keeps_the_integers_until_steps_are_coarser(nearest, adaptive):
    ours = adaptive[0]
    indices = ours.file.weights.step_indices
    assert trimming.with_steps(ours, indices) is ours
    coarser = tuple(index + 8 for index in indices)
    expected = trimming.with_steps(nearest[0], coarser)
    np.testing.assert_array_equal(integers(trimming.with_steps(ours, coarser)), integers(expected))


def test_a_target_psnr_that_only_it_reaches_is_kept(nearest, adaptive):
    plain, ours = (JOBS[0].psnr_of(own[0].file) for own in (nearest, adaptive))
    goal = Goal(lambda own: JOBS[0].psnr_of(own.file), (plain + ours) / 2, np.inf, True, str)
    trimmed = trimming.down_to_psnr(adaptive[0], goal)
    assert plain < goal.least <= JOBS[0].psnr_of(trimmed.file)


@pytest.mark.parametrize("storage", [WeightStorage.HALF, WeightStorage.COMPANDED])
def test_weights_that_are_no_multiples_of_a_step_are_refused(storage):
    model = dataclasses.replace(pictures.MODEL, storage=storage)
    with pytest.raises(ConfigError, match=f"AdaRound, and files hold weights as {storage.name}"):
        encode(JOBS[0].image, dataclasses.replace(OPTIONS, model=model))
