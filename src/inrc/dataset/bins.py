"""Bins of pictures that wait to be fitted: the pictures of one bin can be fitted side by side."""

import dataclasses
from collections import deque
from collections.abc import Callable, Hashable

from inrc.codec.batch import Prepared
from inrc.dataset.manifest import Row


@dataclasses.dataclass(eq=False)
class Picture:
    """A picture in flight.

    Attributes:
      row: what is known of it so far.
      prepared: the picture as the encoder takes it.
      cost: the memory that it takes, in bytes.
    """

    row: Row
    prepared: Prepared
    cost: int


class Bins:
    """Pictures by bucket: all that one program can fit side by side. Belongs to one thread.

    Attributes:
      cost: the memory of all pictures in the bins, in bytes.
    """

    def __init__(self, batch_size: Callable[[Prepared], int]) -> None:
        """Makes empty bins; `batch_size` tells from one picture how many of its bucket are fitted side by side."""
        self.cost = 0
        self._batch_size = batch_size
        self._pictures: dict[Hashable, deque[Picture]] = {}
        self._full: deque[Hashable] = deque()
        self._sizes: dict[Hashable, int] = {}

    def __bool__(self) -> bool:
        """Whether a picture waits."""
        return bool(self._pictures)

    def add(self, picture: Picture) -> None:
        """Puts a picture into its bin."""
        bucket = picture.prepared.bucket
        if bucket not in self._sizes:
            self._sizes[bucket] = max(1, self._batch_size(picture.prepared))
        pictures = self._pictures.setdefault(bucket, deque())
        pictures.append(picture)
        self.cost += picture.cost
        if len(pictures) % self._sizes[bucket] == 0:
            self._full.append(bucket)

    def take_full(self) -> list[Picture] | None:
        """Takes a whole batch from the bin that was full first; None if no bin is full."""
        return self._take(self._full.popleft()) if self._full else None

    def take_largest(self) -> list[Picture]:
        """Takes a batch from the bin that holds the most memory; call it only while a picture waits."""
        return self._take(max(self._pictures, key=lambda bucket: sum(p.cost for p in self._pictures[bucket])))

    def _take(self, bucket: Hashable) -> list[Picture]:
        """Takes the first pictures of a bin, all of them where the bin is not full."""
        pictures = self._pictures[bucket]
        batch = [pictures.popleft() for _ in range(min(len(pictures), self._sizes[bucket]))]
        self.cost -= sum(picture.cost for picture in batch)
        if not pictures:
            del self._pictures[bucket]
        return batch
