"""Shares a dataset in chunks among workers, which differ in speed and may be lost. Plain values, without an engine.

An idle worker takes the next chunk. Chunks shrink towards the end, so that all workers end together (guided
self-scheduling, Polychronopoulos and Kuck, 1987). The pictures that a lost worker leaves go to other workers in halves.
A picture that kills its workers is thus alone in a chunk in the end, and fails alone.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence

from inrc.dataset.manifest import Row
from inrc.dataset.rows import row_of_failure, row_of_task
from inrc.dataset.tasks import EncodeTask
from inrc.errors import DatasetError, WorkerLostError

LEAST, MOST = 8, 512
"""Bounds of the pictures in a chunk, except the last ones: fewer make no good batch, more are a lot to do again."""
_MOST_ALONE = 3
"""A picture is given up once it has cost so many workers that had no other picture."""
_MOST_IN_A_ROW = 10
"""A run ends once so many workers in a row were lost without a row."""


def chunk_size(n_left: int, n_workers: int, least: int = LEAST, most: int = MOST) -> int:
    """Returns the size of the next chunk: half of a worker's part of what is left, within bounds, at most that part.

    Args:
      n_left: pictures that no worker has yet.
      n_workers: workers that share them.
      least: the fewest pictures that a chunk should have.
      most: the most pictures that a chunk may have.
    """
    part = math.ceil(n_left / n_workers)
    return min(part, most, max(least, math.ceil(part / 2)))


class Shares:
    """The pictures of a run, and which worker has which.

    Args:
      tasks: the tasks to share.
      least, most: bounds of the pictures in a chunk.
    """

    def __init__(self, tasks: Iterable[EncodeTask], *, least: int = LEAST, most: int = MOST) -> None:
        self._fresh = deque(tasks)
        self._left_behind: deque[tuple[list[EncodeTask], int]] = deque()  # with the times a lone picture was lost
        self._taken: dict[str, tuple[dict[str, EncodeTask], int, int]] = {}
        self._bounds = least, most
        self._n_in_a_row = 0

    @property
    def is_done(self) -> bool:
        """Whether all pictures have rows."""
        return not (self._fresh or self._left_behind or self._taken)

    def take(self, worker: str, n_workers: int) -> list[EncodeTask]:
        """Returns the next chunk for an idle worker, one of `n_workers`; empty if no picture waits."""
        assert worker not in self._taken
        if self._fresh:
            size = chunk_size(len(self._fresh), n_workers, *self._bounds)
            chunk, n_alone = [self._fresh.popleft() for _ in range(size)], 0
        elif self._left_behind:
            chunk, n_alone = self._left_behind.popleft()
        else:
            return []
        self._taken[worker] = {task.item.name: task for task in chunk}, len(chunk), n_alone
        return chunk

    def settle(self, worker: str, rows: Sequence[Row]) -> list[Row]:
        """Marks the pictures of a worker's rows as done, and returns the rows of pictures that this worker has."""
        tasks = self._taken[worker][0]
        wanted = [row for row in rows if tasks.pop(row.name, None) is not None]
        if wanted:
            self._n_in_a_row = 0
        return wanted

    def finish(self, worker: str) -> list[EncodeTask]:
        """Ends a worker's chunk, and returns the tasks that have no row, as after a stop."""
        return list(self._taken.pop(worker)[0].values())

    def lose(self, worker: str, reason: str) -> list[Row]:
        """Takes back the tasks of which a lost worker has no rows.

        Args:
          worker: name of the lost worker.
          reason: why it was lost, in a few words.

        Returns:
          Rows of pictures that are given up, since each of them has cost several workers that had no other picture.

        Raises:
          DatasetError: Many workers in a row were lost without a single row.
        """
        self._n_in_a_row += 1
        if self._n_in_a_row >= _MOST_IN_A_ROW:
            raise DatasetError(
                f"{_MOST_IN_A_ROW} workers in a row were lost before they had finished a picture ({reason}); "
                "check the machines, and run the same command again"
            )
        if worker not in self._taken:
            return []
        left, size, n_alone = self._taken.pop(worker)
        tasks = list(left.values())
        if size > 1:
            middle = math.ceil(len(tasks) / 2)
            self._left_behind.extend((half, 0) for half in (tasks[:middle], tasks[middle:]) if half)
            return []
        if n_alone + 1 < _MOST_ALONE:
            self._left_behind.extend((tasks, n_alone + 1) for _ in tasks)
            return []
        error = WorkerLostError(f"its worker was lost {_MOST_ALONE} times ({reason}); give workers more memory")
        return [row_of_failure(row_of_task(task), error) for task in tasks]
