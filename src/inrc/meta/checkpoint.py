"""Checkpoints of a run: each is written whole or not at all, and bound to its recipe and pictures by a hash.

Of several processes, only the first reads and writes, and sends the others what it has read. They need not see its
disk, and a run may continue with more or fewer processes.
"""

import io
import json
import logging
from pathlib import Path
from typing import Any, Protocol, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

from inrc.errors import CheckpointMismatchError
from inrc.meta import processes

_STATE, _NOTES = "state", "notes"


class _Stepped(Protocol):
    """A pytree that knows its number of steps."""

    @property
    def step(self) -> Any: ...


State = TypeVar("State", bound=_Stepped)


class Checkpoints:
    """The newest checkpoints of a run, in a folder; a context manager.

    Attributes:
      folder: holds nothing else; made where there is none.
      identity: hash of everything that the run's states depend on.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        # Orbax logs every call at length; its errors are exceptions.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self.folder = folder.absolute()
        self.identity = identity
        self._manager = _manager(self.folder) if processes.is_first() else None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        if self._manager is not None:
            self._manager.close()

    def save(self, state: _Stepped, notes: dict[str, Any]) -> None:
        """Saves a state, unless that of the same step is saved already.

        Args:
          state: of the run.
          notes: JSON values that are saved with it.
        """
        if self._manager is None or self._manager.latest_step() == int(state.step):
            return
        notes = {**notes, "identity": self.identity}
        state = jax.tree.map(np.asarray, state)
        arguments = {_STATE: ocp.args.StandardSave(state), _NOTES: ocp.args.JsonSave(notes)}
        self._manager.save(int(state.step), args=ocp.args.Composite(**arguments), force=True)

    def restore(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """The newest (state, notes), arrays on the host; None if there is no checkpoint.

        Args:
          like: a state of the same structure.

        Raises:
          CheckpointMismatchError: The checkpoint belongs to another recipe or other pictures, or is damaged.
        """
        like = jax.tree.map(np.asarray, like)
        found = None if self._manager is None else self._restore(self._manager, like)
        return _unpacked(processes.of_first(_packed(found)), like)

    @staticmethod
    def newest(folder: Path, like: State) -> State | None:
        """The newest state in a folder, of whatever run; None if there is none."""
        if not folder.is_dir():
            return None
        with _manager(folder.absolute()) as manager:
            step = manager.latest_step()
            if step is None:
                return None
            wanted = ocp.args.StandardRestore(jax.tree.map(np.asarray, like))
            return manager.restore(step, args=ocp.args.Composite(**{_STATE: wanted}))[_STATE]

    def _restore(self, manager: ocp.CheckpointManager, like: State) -> tuple[State, dict[str, Any]] | None:
        step = manager.latest_step()
        if step is None:
            return None
        try:
            notes = manager.restore(step, args=ocp.args.Composite(**{_NOTES: ocp.args.JsonRestore()}))[_NOTES]
            if notes["identity"] == self.identity:
                wanted = ocp.args.Composite(**{_STATE: ocp.args.StandardRestore(like)})
                return manager.restore(step, args=wanted)[_STATE], notes
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointMismatchError(f"the checkpoint in {self.folder} is damaged ({error}): delete it") from error
        raise CheckpointMismatchError(
            f"the checkpoint in {self.folder} belongs to another recipe or other pictures: "
            "use those, choose another folder, or delete it"
        )


def _manager(folder: Path) -> ocp.CheckpointManager:
    """Orbax's manager of a folder, for a single process."""
    folder.mkdir(parents=True, exist_ok=True)
    alone = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0}, barrier_sync_key_prefix="first")
    options = ocp.CheckpointManagerOptions(
        max_to_keep=2,
        create=False,
        cleanup_tmp_directories=True,
        enable_async_checkpointing=False,
        multiprocessing_options=alone,
    )
    return ocp.CheckpointManager(folder, item_names=(_STATE, _NOTES), options=options)


def _packed(found: tuple[State, dict[str, Any]] | None) -> bytes:
    """Bytes that `_unpacked` reads; b"" for None."""
    if found is None:
        return b""
    state, notes = found
    buffer = io.BytesIO()
    np.savez(buffer, *map(np.asarray, jax.tree.leaves(state)), notes=np.array(json.dumps(notes)), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(data: bytes, like: State) -> tuple[State, dict[str, Any]] | None:
    if not data:
        return None
    structure = jax.tree.structure(like)
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        leaves = [archive[f"arr_{i}"] for i in range(structure.num_leaves)]
        return jax.tree.unflatten(structure, leaves), json.loads(str(archive["notes"]))
