"""Pictures are shared among workers: chunks shrink, and the pictures of lost workers go to others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrc.dataset.items import Item
from inrc.dataset.manifest import OK, Row
from inrc.dataset.shares import Shares, chunk_size
from inrc.dataset.tasks import EncodeTask
from inrc.errors import DatasetError


def tasks(n: int) -> list[EncodeTask]:
    return [EncodeTask(Item(f"{i:04}.png", f"/in/{i:04}.png", f"stamp {i}"), f"{i:04}.inr", "hash") for i in range(n)]


def names(chunk: list[EncodeTask]) -> list[str]:
    return [task.item.name for task in chunk]


def rows(chunk: list[EncodeTask]) -> list[Row]:
    return [Row(name, OK) for name in names(chunk)]


@pytest.mark.parametrize(
    ("n_left", "n_workers", "expected"),
    [(10_000, 4, 512), (1000, 4, 125), (1000, 1, 500), (40, 2, 10), (20, 2, 8), (10, 4, 3), (3, 4, 1), (1, 1, 1)],
)
def test_a_chunk_is_half_of_a_part_within_bounds(n_left, n_workers, expected):
    assert chunk_size(n_left, n_workers) == expected


def test_chunks_of_whole_shards():
    assert chunk_size(10_000, 2, least=1000, most=1000) == 1000
    assert chunk_size(1500, 2, least=1000, most=1000) == 750  # else one worker would have no picture


def test_idle_workers_take_what_is_left_in_chunks_that_shrink():
    shares, sizes, seen = Shares(tasks(200)), [], []
    while chunk := shares.take("one", 3):
        sizes.append(len(chunk))
        seen += names(chunk)
        assert shares.settle("one", rows(chunk)) == rows(chunk)
        assert shares.finish("one") == []
    assert sizes[:5] == [34, 28, 23, 20, 16]
    assert sizes == sorted(sizes, reverse=True)
    assert seen == names(tasks(200))
    assert shares.is_done


def test_what_a_lost_worker_has_no_rows_of_goes_to_another_in_halves():
    shares = Shares(tasks(10), least=10)
    chunk = shares.take("one", 1)
    assert len(chunk) == 10
    assert shares.settle("one", rows(chunk[:3])) == rows(chunk[:3])
    assert shares.lose("one", "killed") == []
    assert names(shares.take("two", 2)) == names(chunk[3:7])
    assert names(shares.take("three", 2)) == names(chunk[7:])
    assert shares.take("four", 2) == []
    assert not shares.is_done


def test_rows_count_once_and_for_the_worker_that_has_the_picture():
    shares = Shares(tasks(4), least=2)
    one, two = shares.take("one", 2), shares.take("two", 2)
    assert shares.settle("one", rows(two)) == []
    assert shares.settle("one", rows(one + one)) == rows(one)
    assert shares.settle("one", rows(one)) == []
    assert shares.finish("one") == []
    assert names(shares.finish("two")) == names(two)  # as after a stop


def test_a_picture_that_costs_workers_fails_alone():
    """Of 100 pictures on 3 workers one kills every worker that has it; the other 99 are finished."""
    poison, shares, done, n_lost = "0077.png", Shares(tasks(100)), [], 0
    while not shares.is_done:
        chunk = shares.take("one", 3)
        if poison in names(chunk):
            n_lost += 1
            done += shares.lose("one", "out of memory")
        else:
            done += shares.settle("one", rows(chunk))
            shares.finish("one")
    assert sorted(row.name for row in done) == names(tasks(100))
    (bad,) = [row for row in done if not row.is_ok]
    assert (bad.name, bad.status, bad.stamp, bad.config_hash) == (poison, "WorkerLostError", "stamp 77", "hash")
    assert bad.message == "its worker was lost 3 times (out of memory); give workers more memory"
    assert n_lost <= 8  # a chunk of at most 17 is halved 5 times; alone it has three chances


def lose_workers(shares: Shares, n: int) -> None:
    for i in range(n):
        shares.take(f"lost {i}", 2)
        assert shares.lose(f"lost {i}", "killed") == []


def test_workers_that_never_finish_anything_end_the_run():
    shares = Shares(tasks(1000))
    lose_workers(shares, 9)
    with pytest.raises(DatasetError, match=r"10 workers in a row were lost .* \(killed\)"):
        shares.lose("before it has taken anything", "killed")

    shares = Shares(tasks(1000))
    lose_workers(shares, 9)
    shares.settle("one", rows(shares.take("one", 2)[:1]))
    lose_workers(shares, 9)  # counted anew
    with pytest.raises(DatasetError):
        lose_workers(shares, 1)


@given(
    n=st.integers(0, 80),
    least=st.integers(1, 20),
    events=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.booleans()), max_size=60),
)
def test_whatever_happens_every_picture_has_one_row(n, least, events):
    """Workers finish some pictures of their chunks, and then end or are lost, in any order."""
    shares, done, busy = Shares(tasks(n), least=least), [], {}
    for worker, n_rows, is_lost in [*events, *((i % 4, 100, False) for i in range(4 * n + 8))]:
        name = str(worker)
        if name not in busy:
            chunk = shares.take(name, 4)
            if not chunk:
                continue
            busy[name] = chunk
        done += shares.settle(name, rows(busy[name][:n_rows]))
        if is_lost:
            try:
                done += shares.lose(name, "killed")
            except DatasetError:
                return
        else:
            done += shares.settle(name, rows(busy[name]))
            assert shares.finish(name) == []
        del busy[name]
    assert shares.is_done
    assert sorted(row.name for row in done) == names(tasks(n))
