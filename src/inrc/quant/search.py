"""Rate-distortion search over quantisation steps, on measured loss and the coder's own code lengths."""

from collections.abc import Callable, Generator, Iterable, Sequence

from inrc.quant.uniform import N_STEPS

Indices = tuple[int, ...]


def search_together(
    starts: Sequence[Sequence[int]],
    costs: Callable[[Sequence[Indices]], Iterable[float]],
    *,
    max_evaluations: int,
) -> list[tuple[Indices, float]]:
    """Coordinate descent over the step indices of several networks, each by itself but all at the same pace.

    Args:
      starts: for every network the step indices to start from, one per matrix.
      costs: maps one tuple of indices per network to the networks' costs: loss + lambda * rate of weights rounded with
        these steps. Where the search of a network has ended, its tuple is its best indices again.
      max_evaluations: the largest number of calls of `costs`, the first one included.

    Returns:
      For every network (best indices, their cost).
    """
    searches = [_search(start, max_evaluations) for start in starts]
    candidates = [next(search) for search in searches]
    results: list[tuple[Indices, float] | None] = [None] * len(searches)
    while None in results:
        for i, cost in enumerate(costs(candidates)):
            if results[i] is not None:
                continue
            try:
                candidates[i] = searches[i].send(float(cost))
            except StopIteration as end:
                results[i] = end.value
                candidates[i] = end.value[0]
    return [result for result in results if result is not None]


def _search(indices: Sequence[int], max_evaluations: int) -> Generator[Indices, float, tuple[Indices, float]]:
    """A generator that yields indices, is sent their cost, and returns the best indices with their cost."""
    best = tuple(indices)
    best_cost = yield best
    evaluations = 1
    strides = [2] * len(best)
    while max(strides) > 0 and evaluations < max_evaluations:
        for matrix in range(len(best)):
            moved = False
            for direction in (1, -1):
                index = best[matrix] + direction * strides[matrix]
                if strides[matrix] == 0 or not 0 <= index < N_STEPS or evaluations >= max_evaluations:
                    continue
                candidate = (*best[:matrix], index, *best[matrix + 1 :])
                evaluations += 1
                candidate_cost = yield candidate
                if candidate_cost < best_cost:
                    best, best_cost, moved = candidate, candidate_cost, True
                    break
            if not moved:
                strides[matrix] //= 2
    return best, best_cost


def coarsen_until(
    indices: Sequence[int], accept: Callable[[tuple[int, ...]], bool], *, max_shift: int = 64
) -> tuple[int, ...] | None:
    """The smallest common coarsening that `accept` accepts, refined matrix by matrix.

    All indices are raised together, in steps of the ladder (2^(1/8)). Then as many matrices as possible, first to last,
    go back by one.

    Args:
      indices: where to start, one per matrix.
      accept: whether steps of these indices are coarse enough.
      max_shift: by how much indices are raised at most.

    Returns:
      Accepted indices, or None if none up to `max_shift` are.
    """

    def shifted(shift: int) -> tuple[int, ...]:
        return tuple(min(index + shift, N_STEPS - 1) for index in indices)

    if accept(shifted(0)):
        return shifted(0)
    low, high = 0, 1
    while not accept(shifted(high)):
        low, high = high, high * 2
        if high > max_shift:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if accept(shifted(middle)):
            high = middle
        else:
            low = middle
    best = shifted(high)
    for matrix in range(len(best)):
        finer = (*best[:matrix], best[matrix] - 1, *best[matrix + 1 :])
        if accept(finer):
            best = finer
    return best
