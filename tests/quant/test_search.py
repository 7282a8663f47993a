"""Searches over step indices, on costs whose optimum is known."""

from collections.abc import Callable

from inrc.quant.search import Indices, coarsen_until, search_together
from inrc.quant.uniform import N_STEPS


def search_steps(start: Indices, cost: Callable[[Indices], float], *, max_evaluations: int) -> tuple[Indices, float]:
    """The search of one network."""
    (result,) = search_together([start], lambda starts: map(cost, starts), max_evaluations=max_evaluations)
    return result


def bowl(target):
    return lambda indices: float(sum((i - t) ** 2 for i, t in zip(indices, target, strict=True)))


def test_search_finds_the_bottom_of_a_bowl():
    best, cost = search_steps((100, 120, 140), bowl((103, 117, 141)), max_evaluations=200)
    assert best == (103, 117, 141)
    assert cost == 0.0


def test_search_keeps_to_its_budget_and_returns_the_best_of_its_evaluations():
    costs = {}

    def cost(indices):
        costs[indices] = bowl((110, 110))(indices)
        return costs[indices]

    for budget in (1, 2, 5, 9):
        costs.clear()
        best, value = search_steps((100, 100), cost, max_evaluations=budget)
        assert len(costs) <= budget
        assert value == min(costs.values()) == costs[best]


def test_search_never_returns_worse_than_its_start():
    best, cost = search_steps((50, 50), lambda indices: 0.0 if indices == (50, 50) else 1.0, max_evaluations=30)
    assert (best, cost) == ((50, 50), 0.0)


def test_search_stays_on_the_ladder():
    best, _ = search_steps((1, N_STEPS - 2), bowl((-50, 999)), max_evaluations=100)
    assert best == (0, N_STEPS - 1)


def test_coarsening_is_the_smallest_that_is_accepted():
    def accept(indices):
        return sum(indices) >= 100 + 100 + 100 + 17

    found = coarsen_until((100, 100, 100), accept)
    assert found is not None
    # Six each is the smallest common shift (18); going back by one in a single matrix is still enough.
    assert sum(found) == 317
    assert all(105 <= index <= 106 for index in found)


def test_coarsening_leaves_alone_what_is_accepted():
    assert coarsen_until((3, 9), lambda _: True) == (3, 9)


def test_coarsening_gives_up_beyond_its_limit():
    tried = []
    assert coarsen_until((0, 0), lambda indices: bool(tried.append(indices))) is None
    assert max(max(t) for t in tried) <= 64


def test_coarsening_ends_at_the_top_of_the_ladder():
    top = N_STEPS - 1
    found = coarsen_until((top - 3, top - 1), lambda indices: indices == (top, top))
    assert found == (top, top)


def test_coarsening_does_not_take_back_below_the_ladder():
    assert coarsen_until((0, 0), lambda indices: min(indices) >= 0) == (0, 0)
