"""How lambda and quantisation steps follow the rate of a fit that aims at a number of bits."""

import numpy as np
import pytest

from inrc.fit.steering import Steering


def test_lambda_rises_above_the_target_and_falls_below():
    for bits, sign in ((1200.0, 1), (800.0, -1)):
        steering = Steering(1000.0, 1e-3, overhead=1.0)
        steering.follow(bits, n_steps=80, fraction=0.5)
        assert np.sign(steering.lambda_rd - 1e-3) == sign


def test_longer_chunks_move_it_more_up_to_a_limit():
    moved = []
    for n_steps in (10, 40, 160, 10_000):
        steering = Steering(1000.0, 1.0, overhead=1.0)
        steering.follow(1100.0, n_steps, fraction=0.5)
        moved.append(steering.lambda_rd)
    assert 1.0 < moved[0] < moved[1] < moved[2] < moved[3] <= 1.1**2
    steering = Steering(1000.0, 1.0)
    steering.follow(1e6, 80, fraction=0.5)
    assert steering.lambda_rd == 1.5


class TestSteps:
    def test_they_grow_by_an_octave_for_every_bit_too_many(self):
        steering = Steering(10_000.0, 1.0, overhead=1.0)
        shift = steering.step_shift(10_100.0, n_weights=2000, fraction=0.5)
        assert shift == pytest.approx(np.log(2) * (10_100 - 9_940) / 2000)
        assert steering.step_shift(9_800.0, n_weights=2000, fraction=0.5) < 0

    @pytest.mark.parametrize("bits", [9_900.0, 9_985.0])
    def test_they_stay_where_the_rate_is_near_enough(self, bits):
        assert Steering(10_000.0, 1.0, overhead=1.0).step_shift(bits, 2000, fraction=0.5) == 0

    def test_they_stay_late_in_the_fit_and_without_a_target(self):
        assert Steering(10_000.0, 1.0).step_shift(20_000.0, 2000, fraction=0.9) == 0
        assert Steering(None, 1.0).step_shift(20_000.0, 2000, fraction=0.5) == 0

    def test_they_move_a_little_at_a_time(self):
        steering = Steering(10_000.0, 1.0)
        assert steering.step_shift(1e9, 2000, fraction=0.5) == 0.1
        assert steering.step_shift(1.0, 2000, fraction=0.5) == -0.1


def test_it_waits_for_the_first_weights_and_needs_a_target():
    early, aimless = Steering(1000.0, 1.0), Steering(None, 1.0)
    early.follow(2000.0, 80, fraction=0.01)
    aimless.follow(2000.0, 80, fraction=0.5)
    assert (early.lambda_rd, aimless.lambda_rd) == (1.0, 1.0)
    assert aimless.excess(1e9) == 0
