"""The guard against divergence."""

from inrc.fit.control import Guard


class TestGuard:
    def test_a_chunk_whose_loss_doubles_is_undone_at_half_the_rate(self):
        guard = Guard()
        assert [guard.admits(loss) for loss in (1.0, 0.5, 0.99, 1.01)] == [True, True, True, False]
        assert guard.rate_scale == 0.5

    def test_the_rate_comes_back(self):
        guard = Guard(lowest=0.5, rate_scale=0.25)
        assert all(guard.admits(0.6) for _ in range(100))
        assert guard.rate_scale == 1.0

    def test_a_loss_that_stays_higher_is_accepted(self):
        guard = Guard(lowest=0.1)
        assert [guard.admits(0.7) for _ in range(4)] == [False, False, True, True]

    def test_a_loss_that_is_not_finite_never_is(self):
        guard = Guard(lowest=0.1)
        assert not any(guard.admits(value) for value in (float("nan"), float("inf"), float("nan")))
        assert guard.lowest == 0.1
