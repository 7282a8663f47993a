"""What the host decides between two chunks of a fit: how far the next one goes, and whether the last one stands."""

import dataclasses
import math
import time

import numpy as np

_DIVERGENCE = 2.0
"""A chunk has diverged if its mean loss is this many times the lowest one so far (experiments/NOTES.md, row 3.4)."""
_RECOVERY = 1.02
"""Growth of the learning rate's factor with every chunk that stands: a halved rate is back after 35 chunks."""


@dataclasses.dataclass
class Guard:
    """Watches for divergence: a chunk whose loss is far above the lowest one is undone, and the learning rate halved.

    The rate recovers over the next dozens of chunks. Every chunk that is undone doubles the loss that the next one may
    have. A loss that rises for good, because noise or another stage sets in, thus costs a few chunks and not the fit.

    Attributes:
      lowest: lowest mean loss of a chunk so far, raised by chunks that were undone.
      rate_scale: factor of the learning rate, at most 1.
    """

    lowest: float = float("inf")
    rate_scale: float = 1.0

    def restart(self) -> None:
        """Admits any finite loss of the next chunk: the weights are no longer those that had the lowest one."""
        self.lowest = math.inf

    def admits(self, loss: float) -> bool:
        """Whether a chunk with this mean loss stands; if not, the caller undoes it."""
        if np.isfinite(loss) and loss <= _DIVERGENCE * self.lowest:
            self.lowest = min(self.lowest, loss)
            self.rate_scale = min(1.0, self.rate_scale * _RECOVERY)
            return True
        if np.isfinite(loss):
            self.lowest *= _DIVERGENCE
        self.rate_scale *= 0.5
        return False


class Clock:
    """Decides which fraction of the schedule the next chunk covers.

    Chunks are equally long, unless the time budget would end before the schedule: then the rest of the schedule is
    divided by the number of chunks for which there is time.

    Attributes:
      elapsed_before: seconds that an earlier process spent on the fit.
      chunk: chunks done.
      fraction: of the schedule that is done.
    """

    def __init__(self, budget: float | None, n_chunks: int, start_fraction: float = 0.0) -> None:
        """Starts the clock.

        Args:
          budget: seconds, if they are limited.
          n_chunks: from `start_fraction` to the end.
          start_fraction: fraction of the schedule that counts as done when the fit starts.
        """
        self._began = time.monotonic()
        self._budget = budget
        self._advance = (1.0 - start_fraction) / n_chunks
        self._chunk_began = self._began
        self._durations: list[float] = []
        self.elapsed_before = 0.0
        self.chunk = 0
        self.fraction = start_fraction

    @property
    def seconds(self) -> float:
        """Seconds since the fit began, those of an earlier process included."""
        return self.elapsed_before + time.monotonic() - self._began

    @property
    def chunk_seconds(self) -> float:
        """Median duration of the chunks of this process."""
        return float(np.median(self._durations or [0.0]))

    @property
    def seconds_left(self) -> float:
        """Estimate of the seconds until the fit ends; NaN before the first chunk has ended, as in a race."""
        if not self._durations:
            return math.nan
        by_count = (1 - self.fraction) / self._advance * self.chunk_seconds
        return by_count if self._budget is None else max(0.0, min(by_count, self._budget - self.seconds))

    def begin_chunk(self) -> tuple[float, float]:
        """(fraction done before the next chunk, fraction done after it)."""
        advance = self._advance
        if self._budget is not None and self._durations:
            left = max((self._budget - self.seconds) / max(self.chunk_seconds, 1e-9), 1.0)
            advance = max(advance, (1.0 - self.fraction) / int(left))
        self._chunk_began = time.monotonic()
        stop = self.fraction + advance
        return self.fraction, 1.0 if stop > 1.0 - 0.5 * advance else stop

    def end_chunk(self, stop: float) -> None:
        """Notes that the chunk up to the fraction `stop` is done."""
        self._durations.append(time.monotonic() - self._chunk_began)
        self.chunk += 1
        self.fraction = stop
