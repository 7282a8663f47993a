"""Lines on stderr that show where `inrc meta train` stands."""

import math
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from inrc.cli.streams import say
from inrc.names import shown

if TYPE_CHECKING:
    from inrc.meta.run import RunProgress
    from inrc.meta.train import TrainProgress
    from inrc.meta.train_pool import PoolProgress

_QUIET_SECONDS = 10.0
"""Least time between two lines of progress where stderr is no terminal."""


class ProgressLines:
    """Shows where a run stands: on a terminal by one line that changes, elsewhere by a line every few seconds.

    Lines of validated steps stay on a terminal too.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._on_terminal = sys.stderr.isatty()
        self._last = -math.inf

    def __call__(self, state: "RunProgress") -> None:
        """Shows the state of a run."""
        from inrc.meta.train import TrainProgress
        from inrc.meta.train_pool import PoolProgress

        stays = state.fraction >= 1
        if isinstance(state, TrainProgress):
            line = _outer_line(state)
            stays = stays or not math.isnan(state.validation_psnr)
        elif isinstance(state, PoolProgress):
            line = _pool_line(state)
        else:
            line = f"prior, round {state.round}/{state.n_rounds}, fit {state.fit}/{state.n_fits}, {state.picture}"
            line += f"  {state.fraction:.0%}"
        if self._quiet or not (self._on_terminal or stays or time.monotonic() - self._last > _QUIET_SECONDS):
            return
        self._last = time.monotonic()
        line = shown(line)
        if self._on_terminal:
            sys.stderr.write(f"\r\x1b[K{line}" + "\n" * stays)
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def announce(self, message: str) -> None:
        """Prints a line of its own."""
        if not self._quiet:
            self.end()
            say(message)

    def end(self) -> None:
        """Clears the line that changes."""
        if self._on_terminal and not self._quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _outer_line(state: "TrainProgress") -> str:
    parts = [
        f"step {state.step:,}",
        f"loss {state.loss:.4f}",
        f"{state.psnr_before:.2f} to {state.psnr_after:.2f} dB",
        "" if math.isnan(state.validation_psnr) else f"validation {state.validation_psnr:.2f} dB",
        f"{state.n_skipped} skipped" if state.n_skipped else "",
        "" if math.isnan(state.tasks_per_second) else f"{state.tasks_per_second:.3g} tasks/s",
        "" if math.isnan(state.seconds_left) else f"{timedelta(seconds=round(state.seconds_left))} left",
    ]
    return "  ".join(part for part in parts if part)


def _pool_line(state: "PoolProgress") -> str:
    return (
        f"step {state.step:,}  loss {1000 * state.loss:.4f}e-3  mse {1000 * state.mse:.4f}e-3  "
        f"{state.bpp:.4f} bpp  {timedelta(seconds=round(state.seconds_left))} left"
    )
