"""Checkpoints of the outer loop: every one appears whole or not at all, bound to its recipe and pictures by a hash."""

import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from inrc.errors import CheckpointMismatchError
from inrc.meta.outer import OuterState

_STATE, _NOTES = "state", "notes"


class Checkpoints:
    """The last checkpoints of a run, in a folder. Use it as a context manager.

    Attributes:
      folder: of nothing else; made where there is none.
      identity: hash of all that decides the run's course.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        # Orbax tells at length what it does; what goes wrong it raises.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self.folder = folder.absolute()
        self.identity = identity
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2, cleanup_tmp_directories=True, enable_async_checkpointing=False
        )
        self._manager = ocp.CheckpointManager(self.folder, item_names=(_STATE, _NOTES), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def save(self, state: OuterState, notes: dict[str, Any]) -> None:
        """Keeps a state, unless its step is kept already.

        Args:
          state: of the outer loop.
          notes: JSON values beside it.
        """
        notes = {**notes, "identity": self.identity}
        arguments = {_STATE: ocp.args.StandardSave(state), _NOTES: ocp.args.JsonSave(notes)}
        if self._manager.latest_step() != int(state.step):
            self._manager.save(int(state.step), args=ocp.args.Composite(**arguments), force=True)

    def restore(self, like: OuterState) -> tuple[OuterState, dict[str, Any]] | None:
        """The newest (state, notes), or None where nothing has been kept.

        Raises:
          CheckpointMismatchError: It belongs to another recipe or other pictures, or is damaged.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        try:
            notes = self._manager.restore(step, args=ocp.args.Composite(**{_NOTES: ocp.args.JsonRestore()}))[_NOTES]
            if notes["identity"] == self.identity:
                wanted = ocp.args.Composite(**{_STATE: ocp.args.StandardRestore(shapes)})
                return self._manager.restore(step, args=wanted)[_STATE], notes
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointMismatchError(f"the checkpoint in {self.folder} is damaged ({error}): delete it") from error
        raise CheckpointMismatchError(
            f"the checkpoint in {self.folder} belongs to another recipe or other pictures: "
            "use those, choose another folder, or delete it"
        )
