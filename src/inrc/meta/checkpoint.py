"""Checkpoints of the outer loop: every one appears whole or not at all, bound to its recipe and pictures by a hash.

Of several processes the first alone reads and writes, and tells the others; they need not see its disk, and there may
be more or fewer of them when a run goes on.
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
        self._manager = _manager(self.folder) if processes.is_first() else None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        if self._manager is not None:
            self._manager.close()

    def save(self, state: _Stepped, notes: dict[str, Any]) -> None:
        """Keeps a state, unless its step is kept already.

        Args:
          state: of the outer loop.
          notes: JSON values beside it.
        """
        if self._manager is None or self._manager.latest_step() == int(state.step):
            return
        notes = {**notes, "identity": self.identity}
        state = jax.tree.map(np.asarray, state)
        arguments = {_STATE: ocp.args.StandardSave(state), _NOTES: ocp.args.JsonSave(notes)}
        self._manager.save(int(state.step), args=ocp.args.Composite(**arguments), force=True)

    def restore(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """The newest (state, notes), arrays on the host; None where nothing has been kept.

        Raises:
          CheckpointMismatchError: It belongs to another recipe or other pictures, or is damaged.
        """
        like = jax.tree.map(np.asarray, like)
        found = None if self._manager is None else self._restore(self._manager, like)
        return _unpacked(processes.of_first(_packed(found)), like)

    @staticmethod
    def newest(folder: Path, like: State) -> State | None:
        """The newest state in a folder, whatever run it is of; None where there is none."""
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
    """Orbax's manager of a folder, for this process alone."""
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
    """Bytes that `_unpacked` understands; none of None."""
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
