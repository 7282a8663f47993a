"""The outer loop of meta-learning on the host: budgets, progress, validation, interruption."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from inrc.config import ModelConfig
from inrc.errors import InrcError
from inrc.fit.checkpoint import fingerprint
from inrc.meta import outer, processes
from inrc.meta.checkpoint import Checkpoints
from inrc.meta.data import Collection, interleaved
from inrc.meta.host_loop import HostLoop
from inrc.meta.inner import Learned, Report
from inrc.meta.outer import OuterState
from inrc.meta.stages import Learning

_MOST_SKIPPED = 100
_SPEED_STEPS = 20


@dataclasses.dataclass(frozen=True)
class TrainProgress:
    """The state of the outer loop after a step.

    Attributes:
      fraction: of the loop that is done, 0..1.
      step: steps taken or skipped.
      n_skipped: steps whose gradient was refused.
      loss: outer objective, mean over the step's tasks.
      psnr_before: in dB, mean over the tasks, before the inner steps.
      psnr_after: in dB, after the inner steps, on pixels that they have not seen.
      validation_psnr: like `psnr_after`, on validation pictures; NaN after steps without validation.
      tasks_per_second: over the last steps.
      seconds: since the loop began, earlier processes included.
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
    """The result of the outer loop.

    Attributes:
      learned: start and inner rates.
      n_steps: steps taken or skipped.
      n_skipped: steps whose gradient was refused.
      seconds: of the loop, compilation included.
      history: (step, seconds, validation PSNR in dB before and after the inner steps) of every validation.
    """

    learned: Learned
    n_steps: int
    n_skipped: int
    seconds: float
    history: tuple[tuple[float, ...], ...]


def train(
    learning: Learning,
    model: ModelConfig,
    shape: tuple[int, int],
    pictures: Collection,
    *,
    folder: Path | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
    checkpoint_every: float = 60.0,
    validate_every: int = 250,
) -> Trained:
    """Learns a start. Of several processes, all call this function and learn one start together.

    Args:
      learning: how.
      model: the network.
      shape: (height, width) of the pictures.
      pictures: of that shape.
      folder: where checkpoints are saved; nowhere if not given. A run that finds its own checkpoint there continues
        from it and ends in the same arrays as one that was never stopped, unless a time budget ends it. Of several
        processes only the first reads and writes there.
      progress: called after every step; may raise KeyboardInterrupt.
      checkpoint_every: seconds between two checkpoints.
      validate_every: steps between two validations.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to another recipe or other pictures.
      InrcError: The loop diverged.
      KeyboardInterrupt: On Ctrl-C, once the state is saved.
    """
    loop = _OuterLoop(learning, model, shape, pictures, validate_every, progress)
    if folder is None:
        loop.run()
    else:
        identity = fingerprint([pictures.training.pixels], model, dataclasses.replace(learning, time_budget=None))
        with Checkpoints(folder, identity) as checkpoints:
            loop.run(checkpoints, checkpoint_every)
    return loop.result()


class _OuterLoop(HostLoop[OuterState]):
    """The compiled steps and what the host keeps between them."""

    def __init__(
        self,
        learning: Learning,
        model: ModelConfig,
        shape: tuple[int, int],
        pictures: Collection,
        validate_every: int,
        progress: Callable[[TrainProgress], None] | None,
    ) -> None:
        algorithm = outer.algorithm_of(learning, model, shape)
        layout = outer.layout_of(learning)
        self._learning = learning
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
        self._report_progress = progress
        self._times: list[float] = []
        super().__init__(layout.replicate(outer.first_state(learning, model, shape, algorithm)))
        self.fraction = self._fraction_now()

    def _fraction_now(self) -> float:
        """The fraction done by steps or by seconds, whichever is larger; all processes get that of the first."""
        learning = self._learning
        by_steps = int(self.state.step) / learning.n_steps if learning.n_steps else 1.0
        if learning.time_budget is None:
            return min(1.0, by_steps)
        by_time = np.float64(self.seconds / learning.time_budget)
        (by_time,) = np.frombuffer(processes.of_first(by_time.tobytes()))
        return min(1.0, max(by_steps, float(by_time)))

    def resume(self, state: OuterState, notes: dict[str, Any]) -> None:
        super().resume(self._layout.replicate(state), notes)
        self.fraction = self._fraction_now()

    def advance(self) -> None:
        """Takes a step.

        Raises:
          InrcError: Too many steps in a row were skipped.
          KeyboardInterrupt: The progress function has raised it, here or in another process.
        """
        rate = np.float32(self._learning.outer_rate) * outer.cosine(self.fraction)
        self.state, report = jax.block_until_ready(self._step(self.state, self._training, rate))
        if int(self.state.n_skipped_in_a_row) >= _MOST_SKIPPED:
            raise InrcError(
                f"{_MOST_SKIPPED} outer steps in a row had gradients that are not finite or explode; lower outer_rate "
                f"({self._learning.outer_rate:g}) or inner_rate ({self._learning.inner_rate:g})"
            )
        # Read from the clock once per step, so that the step that ends the loop is also the one that is validated.
        self.fraction = self._fraction_now()
        validation = math.nan
        step = int(self.state.step)
        if step % self._validate_every == 0 or self.fraction >= 1:
            held_out: Report = self._validate(self.state.learned, self._validation)
            validation = float(held_out.psnr_after)
            self.history.append((step, round(self.seconds, 1), float(held_out.psnr_before), validation))
        self.seconds_done = self.seconds
        self._times = [*self._times[-_SPEED_STEPS:], time.monotonic()]
        interrupted = False
        try:
            if self._report_progress is not None:
                self._report_progress(self._progress(report, validation))
        except KeyboardInterrupt:
            interrupted = True
        if processes.any_of(interrupted):
            raise KeyboardInterrupt

    def _progress(self, report: Report, validation: float) -> TrainProgress:
        per_step = (self._times[-1] - self._times[0]) / (len(self._times) - 1) if len(self._times) > 1 else math.nan
        step, learning = int(self.state.step), self._learning
        left = (learning.n_steps - step) * per_step
        if learning.time_budget is not None:
            left = min(left, max(0.0, learning.time_budget - self.seconds))
        return TrainProgress(
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
        """The result once the loop has ended."""
        state = self.state
        return Trained(state.learned, int(state.step), int(state.n_skipped), self.seconds_done, tuple(self.history))
