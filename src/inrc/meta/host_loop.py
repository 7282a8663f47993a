"""What the host does around the compiled steps of a run: it counts seconds, saves checkpoints and resumes from them."""

import abc
import time
from typing import Any, Generic

from inrc.meta.checkpoint import Checkpoints, State


class HostLoop(abc.ABC, Generic[State]):
    """A run that advances by one or a few compiled steps at a time; a kind of run derives its own loop.

    Attributes:
      state: of the run, all that the compiled steps change.
      history: rows of numbers that are reported at the end; the second of each row is the seconds so far.
      fraction: of the run that is done, 0..1.
      seconds_done: of the run when the last step was done, those of earlier processes included.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.history: list[tuple[float, ...]] = []
        self.fraction = 0.0
        self.seconds_done = 0.0
        self._seconds_before = 0.0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the run began, those of earlier processes included."""
        return self._seconds_before + time.monotonic() - self._began

    @abc.abstractmethod
    def advance(self) -> None:
        """Takes one or a few steps and sets `state`, `fraction` and `seconds_done`.

        Raises:
          InrcError: The run diverged.
          KeyboardInterrupt: The user stopped the run.
        """

    def start(self) -> None:
        """Prepares a run that has no checkpoint, before its first step."""

    def resume(self, state: State, notes: dict[str, Any]) -> None:
        """Continues from a checkpoint."""
        self.state = state
        self._seconds_before = self.seconds_done = notes["seconds"]
        self.history = [tuple(row) for row in notes["history"]]

    def run(self, checkpoints: Checkpoints | None = None, checkpoint_every: float = 60.0) -> None:
        """Advances to the end, from the newest checkpoint if there is one.

        Args:
          checkpoints: where the state is saved, at the end of an interrupted run too; nowhere if not given.
          checkpoint_every: seconds between two checkpoints.

        Raises:
          CheckpointMismatchError: The checkpoint belongs to another run.
          InrcError: The run diverged.
          KeyboardInterrupt: The user stopped the run.
        """
        restored = None if checkpoints is None else checkpoints.restore(self.state)
        if restored is None:
            self.start()
        else:
            self.resume(*restored)
        saved = time.monotonic()
        try:
            while self.fraction < 1:
                self.advance()
                if checkpoints is not None and time.monotonic() - saved > checkpoint_every:
                    self._save(checkpoints)
                    saved = time.monotonic()
        finally:
            if checkpoints is not None:
                self._save(checkpoints)

    def _save(self, checkpoints: Checkpoints) -> None:
        checkpoints.save(self.state, {"seconds": self.seconds_done, "history": self.history})
