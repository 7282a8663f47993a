"""Products in pieces equal whole ones, and work reaches threads only where nothing else is parallel."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from inrc import parallel
from inrc.parallel import on_cores, product


@pytest.mark.parametrize("shape", [(1, 1), (8, 48), (48, 8), (300, 700)])
@pytest.mark.parametrize("n", [0, 1, 5461, 70_000])
def test_a_product_in_pieces_is_the_product(shape, n):
    rng = np.random.default_rng(1)
    # Integers, whose sums float32 holds exactly in any order.
    matrix, x = (rng.integers(-8, 9, size).astype(np.float32) for size in (shape, (shape[1], n)))
    np.testing.assert_array_equal(product(matrix, x), matrix @ x)
    np.testing.assert_array_equal(product(matrix[:, :-1], x[1:]), matrix[:, :-1] @ x[1:])


@pytest.mark.parametrize("shape", [(1, 1), (8, 48), (64, 64)])
def test_no_piece_is_large_enough_for_the_threads_of_blas(monkeypatch, shape):
    pieces, matmul = [], np.matmul

    def counted(a, b, out):
        pieces.append(a.size * b.shape[1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    n = (1 << 19) // (shape[0] * shape[1]) + 1
    assert product(np.ones(shape, np.float32), np.ones((shape[1], n), np.float32))[-1, -1] == shape[1]
    assert len(pieces) == 3
    assert max(pieces) <= 1 << 18


def test_work_is_done_once_each_on_several_threads(monkeypatch):
    monkeypatch.setattr(parallel, "n_cores", lambda: 3)
    barrier, done = threading.Barrier(3, timeout=10), []

    def work(item: int) -> None:
        barrier.wait()  # passes only where three threads are here at once
        done.append(item)

    on_cores(work, range(6))
    assert sorted(done) == list(range(6))


def test_an_error_of_the_work_is_raised(monkeypatch):
    monkeypatch.setattr(parallel, "n_cores", lambda: 2)

    def work(item: int) -> None:
        if item == 3:
            raise ValueError("item 3")

    with pytest.raises(ValueError, match="item 3"):
        on_cores(work, range(5))


def test_threads_of_others_start_none(monkeypatch):
    monkeypatch.setattr(parallel, "n_cores", lambda: 2)

    def names() -> set[str]:
        seen = set()
        on_cores(lambda _: seen.add(threading.current_thread().name), range(4))
        return seen

    with ThreadPoolExecutor(1, thread_name_prefix="other") as pool:
        assert pool.submit(names).result() == {"other_0"}
