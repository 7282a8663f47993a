"""What watches over a fit between its compiled chunks: the clock and the guard against divergence."""

import dataclasses
import math
import time

import numpy as np

_DIVERGENCE = 2.0
_RECOVERY = 1.02


@dataclasses.dataclass
class Guard:
    """Watches for divergence: a chunk that loses much of what was won is undone and the learning rate halved.

    The rate comes back over the next dozens of chunks, and each refusal in a row asks for a larger loss, so that a loss
    that rises for good (noise, another stage) costs a few chunks and not the fit.
    """

    lowest: float = float("inf")
    rate_scale: float = 1.0

    def admits(self, loss: float) -> bool:
        """Whether the chunk with this mean loss stands."""
        if np.isfinite(loss) and loss <= _DIVERGENCE * self.lowest:
            self.lowest = min(self.lowest, loss)
            self.rate_scale = min(1.0, self.rate_scale * _RECOVERY)
            return True
        if np.isfinite(loss):
            self.lowest *= _DIVERGENCE
        self.rate_scale *= 0.5
        return False


class Clock:
    """Which fraction of the fit the next chunk covers: by count, or by time where that ends sooner."""

    def __init__(self, budget: float | None, n_chunks: int, begin: float = 0.0) -> None:
        """Starts the clock.

        Args:
          budget: seconds, if they are limited.
          n_chunks: from `begin` to the end.
          begin: fraction of the course that was done before.
        """
        self._began = time.monotonic()
        self._budget = budget
        self._advance = (1.0 - begin) / n_chunks
        self._chunk_began = self._began
        self._durations: list[float] = []
        self.elapsed_before = 0.0
        self.chunk = 0
        self.fraction = begin

    @property
    def seconds(self) -> float:
        """Since the fit began, those of an earlier process included."""
        return self.elapsed_before + time.monotonic() - self._began

    @property
    def chunk_seconds(self) -> float:
        """Typical duration of a compiled chunk."""
        return float(np.median(self._durations or [0.0]))

    @property
    def seconds_left(self) -> float:
        """Until the fit ends, by estimate; NaN before the first chunk has ended, as in a race."""
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
