"""Bins hand out pictures of one bucket, whole batches first."""

from inrc.dataset.bins import Bins, Picture
from inrc.dataset.manifest import Row
from tests.dataset.samples import picture, prepared


def waiting(name: str, bucket: str, cost: int = 1) -> Picture:
    return Picture(Row(name, "ok"), prepared(picture(0), bucket), cost)


def names(batch: list[Picture] | None) -> list[str]:
    return [each.row.name for each in batch or ()]


def test_the_bin_that_was_full_first_is_taken_first():
    bins = Bins(lambda prepared: 2)
    for name in ("a1", "b1", "b2", "a2", "b3"):
        bins.add(waiting(name, bucket=name[0]))
    assert names(bins.take_full()) == ["b1", "b2"]
    assert names(bins.take_full()) == ["a1", "a2"]
    assert bins.take_full() is None
    assert bins  # b3 waits
    assert names(bins.take_largest()) == ["b3"]
    assert not bins


def test_the_largest_bin_is_the_one_of_most_memory():
    bins = Bins(lambda prepared: 8)
    for name, cost in (("a1", 1), ("a2", 1), ("b1", 5)):
        bins.add(waiting(name, bucket=name[0], cost=cost))
    assert bins.cost == 7
    assert names(bins.take_largest()) == ["b1"]
    assert bins.cost == 2
    assert names(bins.take_largest()) == ["a1", "a2"]
    assert bins.cost == 0
