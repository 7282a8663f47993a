"""The encoder's progress bar on stderr."""

import math
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inrc.fit.config import Progress


class ProgressBar:
    """What a fit has reached: a bar, its quality and rate, the time left; nothing where stderr is no terminal.

    Use it as a context manager, and call it with every `Progress`.
    """

    def __init__(self, *, quiet: bool, loss_is_mse: bool) -> None:
        self._loss_is_mse = loss_is_mse
        self._n_fits = 1
        self._fraction = 0.0
        self._bar = None
        if quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[reached]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", style="dim"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("compiling", total=1.0, reached="", left="")

    def __enter__(self) -> "ProgressBar":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: "Progress") -> None:
        """Shows where the fit stands."""
        if self._bar is None:
            return
        if progress.fraction < self._fraction:
            self._n_fits += 1  # a search for a target fits several times
        self._fraction = progress.fraction
        reached = f"{_quality(progress.loss, self._loss_is_mse)}  {progress.bpp:.3f} bpp"
        done = progress.fraction >= 1.0
        self._bar.update(
            self._task,
            completed=progress.fraction,
            description="rounding" if done else "fitting" if self._n_fits == 1 else f"fit {self._n_fits}",
            reached=reached,
            left="" if done else f"{duration(progress.seconds_left)} left",
        )

    def announce(self, message: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.console.print(message, highlight=False)
        else:
            print(message, file=sys.stderr, flush=True)


def _quality(loss: float, loss_is_mse: bool) -> str:
    if not loss_is_mse:
        return f"loss {loss:.4f}"
    return f"{-10 * math.log10(max(loss, 1e-10)):.1f} dB"


def duration(seconds: float) -> str:
    """Seconds as a user reads them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
