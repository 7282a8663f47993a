"""Progress bars on stderr."""

import math
import sys
import types
from typing import TYPE_CHECKING

from inrc.cli.streams import say
from inrc.names import shown

if TYPE_CHECKING:
    from inrc.fit.task import Progress


class Bar:
    """A bar on stderr that shows progress, results so far and the time left. Where stderr is no terminal, it is hidden.

    Use it as a context manager.
    """

    def __init__(self, *, quiet: bool, description: str, counts: bool = False) -> None:
        """Makes a bar; with `counts` it shows how many of how many are done."""
        self._bar = None
        if quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            *([MofNCompleteColumn()] if counts else []),
            TextColumn("{task.fields[reached]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", style="dim"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(description, total=None if counts else 1.0, reached="", left="")

    def __enter__(self) -> "Bar":
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

    def show(self, description: str, completed: float, total: float, reached: str, seconds_left: float) -> None:
        """Moves the bar; where the seconds left are NaN, no time is shown."""
        if self._bar is not None:
            left = "" if math.isnan(seconds_left) else f"{duration(seconds_left)} left"
            self._bar.update(
                self._task, description=description, completed=completed, total=total, reached=reached, left=left
            )

    def announce(self, message: str) -> None:
        """Prints a line above the bar."""
        if self._bar is not None:
            self._bar.console.print(shown(message), highlight=False, markup=False)
        else:
            say(message)


class FitProgress:
    """Shows the progress of a fit on a bar; call it with every `Progress`."""

    def __init__(self, bar: Bar, *, loss_is_mse: bool) -> None:
        self._bar = bar
        self._loss_is_mse = loss_is_mse
        self._n_fits = 1
        self._fraction = 0.0

    def __call__(self, progress: "Progress") -> None:
        """Shows where the fit stands."""
        if progress.fraction < self._fraction:
            self._n_fits += 1  # to meet a target, several trials are fitted
        self._fraction = progress.fraction
        done = progress.fraction >= 1.0
        self._bar.show(
            "rounding" if done else "fitting" if self._n_fits == 1 else f"fit {self._n_fits}",
            progress.fraction,
            1.0,
            f"{_quality(progress.loss, self._loss_is_mse)}  {progress.bpp:.3f} bpp",
            math.nan if done else progress.seconds_left,
        )


def _quality(loss: float, loss_is_mse: bool) -> str:
    if not loss_is_mse:
        return f"loss {loss:.4f}"
    return f"{-10 * math.log10(max(loss, 1e-10)):.1f} dB"


def duration(seconds: float) -> str:
    """Returns seconds as a user reads them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
