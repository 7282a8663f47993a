"""The outer loop on the host: budgets, progress, validation, checkpoints, interruption."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from inrc.errors import InrcError
from inrc.fit.checkpoint import fingerprint
from inrc.meta import outer, processes
from inrc.meta.checkpoint import Checkpoints
from inrc.meta.data import Collection, interleaved
from inrc.meta.inner import Learned, Report
from inrc.meta.recipe import Recipe

_MOST_SKIPPED = 100
_SPEED_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where the outer loop stands after a step.

    Attributes:
      fraction: of the loop that is done, 0..1.
      step: steps taken or skipped.
      n_skipped: steps whose gradient was refused.
      loss: outer objective, mean over the step's tasks.
      psnr_before: in dB, mean over the tasks, before the inner steps and
      psnr_after: after them, on pixels that they have not seen.
      validation_psnr: like `psnr_after`, on validation pictures; NaN where this step has not been validated.
      tasks_per_second: over the last steps.
      seconds: since the loop began, earlier runs included.
      seconds_left: estimate.
    """

    fraction: float
    step: int
    n_skipped: int
    loss: float
    psnr_before: float
    psnr_after: float
    validation_psnr: float
    tasks_per_second: float
    seconds: float
    seconds_left: float


@dataclasses.dataclass(frozen=True)
class Trained:
    """What the outer loop came to.

    Attributes:
      learned: start and inner rates.
      n_steps: steps taken or skipped.
      n_skipped: steps whose gradient was refused.
      seconds: of the loop, compilation included.
      history: (step, seconds, validation PSNR in dB before and after the inner steps) now and then.
    """

    learned: Learned
    n_steps: int
    n_skipped: int
    seconds: float
    history: tuple[tuple[int, float, float, float], ...]


def train(
    recipe: Recipe,
    pictures: Collection,
    *,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_every: float = 60.0,
    validate_every: int = 250,
) -> Trained:
    """Learns a start; together with others where this process is one of several, which all call it.

    Args:
      recipe: how.
      pictures: of the recipe's canvas.
      folder: where checkpoints are kept; none if not given. A run that finds its own there goes on from it and ends in
        the same arrays as one that was never stopped, if steps and not seconds end it. Of several processes the first
        alone looks at it.
      progress: called after every step; may raise KeyboardInterrupt.
      checkpoint_every: seconds between two checkpoints.
      validate_every: steps between two looks at the validation pictures.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to another recipe or other pictures.
      InrcError: The loop diverged.
      KeyboardInterrupt: On Ctrl-C, once the state is kept.
    """
    identity = fingerprint(
        [pictures.training.pixels], recipe.model, dataclasses.replace(recipe.learning, time_budget=None)
    )
    loop = _Loop(recipe, pictures, validate_every)
    if folder is None:
        while loop.fraction < 1:
            loop.advance(progress)
        return loop.result()
    with Checkpoints(folder, identity) as checkpoints:
        restored = checkpoints.restore(loop.state)
        if restored is not None:
            loop.resume(*restored)
        saved = time.monotonic()
        try:
            while loop.fraction < 1:
                loop.advance(progress)
                if time.monotonic() - saved > checkpoint_every:
                    checkpoints.save(loop.state, loop.notes())
                    saved = time.monotonic()
        finally:  # of a loop that was interrupted as well
            checkpoints.save(loop.state, loop.notes())
    return loop.result()


class _Loop:
    """The compiled steps and what the host keeps between them."""

    def __init__(self, recipe: Recipe, pictures: Collection, validate_every: int) -> None:
        learning = self._learning = recipe.learning
        algorithm = outer.algorithm_of(learning, recipe.model, recipe.shape)
        layout = outer.layout_of(learning)
        self._training, self._validation = (
            layout.replicate(interleaved(part.pixels, learning.phase_factor))
            for part in (pictures.training, pictures.validation)
        )
        self._step = jax.jit(
            functools.partial(outer.outer_step, learning, layout, algorithm), out_shardings=layout.replicated
        )
        self._validate = jax.jit(
            functools.partial(outer.validate, learning, layout, algorithm), out_shardings=layout.replicated
        )
        self._layout = layout
        self._validate_every = validate_every
        self._began = time.monotonic()
        self._seconds_before = self._seconds_done = 0.0
        self._times: list[float] = []
        self._history: list[tuple[int, float, float, float]] = []
        first = outer.first_state(learning, recipe.model, recipe.shape, algorithm)
        self.state = layout.replicate(first)
        self.fraction = self._fraction()

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def _fraction(self) -> float:
        """Of the loop that is done: by steps, or by seconds where those are further."""
        learning = self._learning
        by_steps = int(self.state.step) / learning.n_steps if learning.n_steps else 1.0
        if learning.time_budget is None:
            return min(1.0, by_steps)
        by_time = np.float64(self.seconds / learning.time_budget)
        (by_time,) = np.frombuffer(processes.of_first(by_time.tobytes()))
        return min(1.0, max(by_steps, float(by_time)))

    def resume(self, state: outer.OuterState, notes: dict[str, Any]) -> None:
        self.state = self._layout.replicate(state)
        self._seconds_before = self._seconds_done = notes["seconds"]
        self._history = [tuple(row) for row in notes["history"]]
        self.fraction = self._fraction()

    def notes(self) -> dict[str, Any]:
        return {"seconds": self._seconds_done, "history": self._history}

    def advance(self, progress: Callable[[Progress], None] | None) -> None:
        """Takes a step.

        Raises:
          InrcError: Too many in a row had to be skipped.
          KeyboardInterrupt: `progress` has raised it, here or in another process.
        """
        rate = np.float32(self._learning.outer_rate) * outer.cosine(self.fraction)
        self.state, report = jax.block_until_ready(self._step(self.state, self._training, rate))
        if int(self.state.n_skipped_in_a_row) >= _MOST_SKIPPED:
            raise InrcError(
                f"{_MOST_SKIPPED} outer steps in a row had gradients that are not finite or explode; lower outer_rate "
                f"({self._learning.outer_rate:g}) or inner_rate ({self._learning.inner_rate:g})"
            )
        # Told once per step, so that the last one is the one that is validated whatever the clock says meanwhile.
        self.fraction = self._fraction()
        validation = math.nan
        step = int(self.state.step)
        if step % self._validate_every == 0 or self.fraction >= 1:
            held_out: Report = self._validate(self.state.learned, self._validation)
            validation = float(held_out.psnr_after)
            self._history.append((step, round(self.seconds, 1), float(held_out.psnr_before), validation))
        self._seconds_done = self.seconds
        self._times = [*self._times[-_SPEED_STEPS:], time.monotonic()]
        interrupted = False
        try:
            if progress is not None:
                progress(self._progress(report, validation))
        except KeyboardInterrupt:
            interrupted = True
        if processes.any_of(interrupted):
            raise KeyboardInterrupt

    def _progress(self, report: Report, validation: float) -> Progress:
        per_step = (self._times[-1] - self._times[0]) / (len(self._times) - 1) if len(self._times) > 1 else math.nan
        step, learning = int(self.state.step), self._learning
        left = (learning.n_steps - step) * per_step
        if learning.time_budget is not None:
            left = min(left, max(0.0, learning.time_budget - self.seconds))
        return Progress(
            fraction=self.fraction,
            step=step,
            n_skipped=int(self.state.n_skipped),
            loss=float(report.loss),
            psnr_before=float(report.psnr_before),
            psnr_after=float(report.psnr_after),
            validation_psnr=validation,
            tasks_per_second=learning.n_tasks / per_step,
            seconds=self.seconds,
            seconds_left=left,
        )

    def result(self) -> Trained:
        state = self.state
        return Trained(state.learned, int(state.step), int(state.n_skipped), self._seconds_done, tuple(self._history))
