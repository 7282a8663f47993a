"""The schedule of coordinate networks, and the order of their minibatches."""

import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.fit.coordinate.schedule import CoordinateSteps, Schedule, minibatch_order, steps_of_chunk

SCHEDULE = Schedule(learning_rate=0.01, final_rate=0.1, warm_up=0.1, noise_from=0.25, hard_from=0.75)


def steps(start: float, stop: float, n_steps: int = 40) -> CoordinateSteps:
    return steps_of_chunk(SCHEDULE, start=start, stop=stop, phases=np.arange(n_steps) % 4, steps_per_group=10)


def test_the_rate_rises_falls_as_a_cosine_and_ends_at_its_final_fraction():
    shape = SCHEDULE.shape(np.array([0.0, 0.05, 0.1, 0.55, 1.0]))
    np.testing.assert_allclose(shape, [0.01, 0.51, 1.0, 0.55, 0.1], atol=2e-3)


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
    [{"learning_rate": 0.0}, {"learning_rate": 1.0}, {"noise_from": 0.9, "hard_from": 0.5}, {"hard_from": 1.1}],
)
def test_invalid_schedules_are_config_errors(values):
    with pytest.raises(ConfigError):
        Schedule(**values)
