"""The schedule of coordinate networks, and the order of their minibatches."""

import itertools

import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.fit.coordinate.schedule import CoordinateSteps, Schedule, minibatch_order, steps_of_chunk
from inrc.training import RateCurve, RateStage, Restart, in_shares

SCHEDULE = Schedule(learning_rate=0.01, stages=(RateStage(last=0.1, warm_up=0.1),), noise_from=0.25, hard_from=0.75)


def steps(start: float, stop: float, n_steps: int = 40) -> CoordinateSteps:
    return steps_of_chunk(SCHEDULE, start=start, stop=stop, phases=np.arange(n_steps) % 4, steps_per_group=10)


def test_the_rate_rises_falls_as_a_cosine_and_ends_at_its_final_fraction():
    shape = SCHEDULE.shape(np.array([0.0, 0.05, 0.1, 0.55, 1.0]))
    np.testing.assert_allclose(shape, [0.01, 0.51, 1.0, 0.55, 0.1], atol=2e-3)


def test_without_stages_of_its_own_a_schedule_is_one_cosine_after_a_short_rise():
    """Its numbers decide the bytes of files."""
    fraction = np.random.default_rng(0).random(1000)
    rise = np.minimum(1.0, (fraction + 1e-3) / 0.03)
    decay = np.clip((fraction - 0.03) / (1 - 0.03), 0, 1)
    expected = rise * (0.01 + (1 - 0.01) * 0.5 * (1 + np.cos(np.pi * decay)))
    np.testing.assert_array_equal(Schedule().shape(fraction), expected)


NOISE = Restart(0.5, 0.3)
STAGES = Schedule(
    stages=(
        RateStage(0.25, first=1.0, last=0.5, curve=RateCurve.LINEAR),
        RateStage(0.5, first=0.8, last=0.4, curve=RateCurve.LINEAR, warm_up=0.2, restart=NOISE),
        RateStage(0.25, first=0.6, last=0.2),
    )
)


def test_the_rate_starts_anew_in_every_stage():
    shape = STAGES.shape(np.array([0.0, 0.125, 0.2499, 0.25, 0.3, 0.35, 0.55, 0.7499, 0.75, 0.875, 1.0]))
    expected = [1.0, 0.75, 0.5, 0.8 * 0.005, 0.8 * 0.505, 0.8, 0.6, 0.4, 0.6, 0.4, 0.2]
    np.testing.assert_allclose(shape, expected, atol=2e-3)


@pytest.mark.parametrize("n_chunks", [4, 7, 10, 120])
def test_a_stage_begins_once_at_the_first_end_of_a_chunk_within_it(n_chunks):
    ends = np.cumsum([0.0, *[1 / n_chunks] * n_chunks])
    found = [(stop, STAGES.restart_between(start, stop)) for start, stop in itertools.pairwise(ends)]
    ((stop, stage),) = [(stop, stage) for stop, stage in found if stage is not None]
    assert stage == 1
    assert stop == pytest.approx(np.ceil(0.25 * n_chunks - 1e-6) / n_chunks)


def test_a_stage_without_an_end_of_a_chunk_does_not_restart():
    short = Schedule(stages=in_shares((RateStage(), *[RateStage(0.01, restart=NOISE)] * 3, RateStage())))
    assert short.restart_between(0.0, 0.5) in (1, 2, 3)
    assert short.restart_between(0.4, 0.9) is None
    assert STAGES.restart_between(0.0, 1.0) is None
    last = Schedule(stages=(RateStage(0.9), RateStage(0.1, restart=NOISE)))
    assert last.restart_between(0.85, 1.0) is None


def test_many_equal_stages_begin_where_their_chunks_do():
    many = Schedule(stages=in_shares(tuple(RateStage(restart=NOISE) for _ in range(30))))
    ends = np.cumsum([0.0, *[1 / 120] * 120])
    found = [many.restart_between(start, stop) for start, stop in itertools.pairwise(ends)]
    assert [i for i, stage in enumerate(found) if stage is not None] == list(range(3, 116, 4))
    assert [stage for stage in found if stage is not None] == list(range(1, 30))


def test_noise_comes_before_rounding():
    whole = steps(0.0, 1.0)
    noise, hard = np.asarray(whole.noise).ravel(), np.asarray(whole.hard).ravel()
    np.testing.assert_array_equal(noise, [0] * 10 + [1] * 20 + [0] * 10)
    np.testing.assert_array_equal(hard, [0] * 30 + [1] * 10)


def test_quantisation_steps_stay_as_they_are_without_a_rate_term():
    assert (np.asarray(steps(0.0, 0.2).step_rate) == 0).all()
    assert (np.asarray(steps(0.3, 0.7).step_rate) > 0).all()


def test_chunks_continue_each_other():
    whole, first, second = steps(0.0, 1.0, 80), steps(0.0, 0.5), steps(0.5, 1.0)
    for name in ("learning_rate", "step_rate", "noise", "hard"):
        joined = np.concatenate([np.asarray(getattr(part, name)) for part in (first, second)])
        np.testing.assert_allclose(getattr(whole, name), joined, rtol=1e-6)


def test_steps_are_grouped():
    assert {np.asarray(part).shape for part in steps(0, 1)} == {(4, 10)}
    np.testing.assert_array_equal(np.asarray(steps(0, 1).phase).ravel(), np.arange(40) % 4)


def test_minibatches_are_permutations_of_all_phases():
    order = minibatch_order(16, 40, seed=3, chunk=5)
    assert order.shape == (40,)
    assert sorted(order[:16]) == sorted(order[16:32]) == list(range(16))
    assert len(set(order[32:])) == 8


def test_order_is_a_function_of_seed_and_chunk():
    first = minibatch_order(16, 64, seed=1, chunk=2)
    np.testing.assert_array_equal(first, minibatch_order(16, 64, seed=1, chunk=2))
    assert not np.array_equal(first, minibatch_order(16, 64, seed=1, chunk=3))
    assert not np.array_equal(first, minibatch_order(16, 64, seed=2, chunk=2))


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rate": 0.0},
        {"learning_rate": 1.0},
        {"noise_from": 0.9, "hard_from": 0.5},
        {"hard_from": 1.1},
        {"measured_from": -0.1},
        {"measured_from": float("nan")},
        {"stages": ()},
        {"stages": (RateStage(0.5), RateStage(0.4))},
    ],
)
def test_invalid_schedules_are_config_errors(values):
    with pytest.raises(ConfigError):
        Schedule(**values)
