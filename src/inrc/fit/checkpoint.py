"""Checkpoints of a fit: NumPy archives that a hash ties to the signal and the options of the fit.

An archive is written under a temporary name and then renamed, so that no reader meets a part of one.
"""

import dataclasses
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inrc.errors import CheckpointMismatchError


def fingerprint(arrays: Iterable[np.ndarray], *configs: Any) -> str:
    """SHA-256 over the arrays (signal, first weights) and all options that a fit depends on.

    Functions, such as those of a user's own optimiser, are identified by their names and by the constants that they
    enclose, in every process alike.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, str(array.dtype))).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for config in configs:
        digest.update(repr(_described(dataclasses.asdict(config))).encode())
    return digest.hexdigest()


def _described(value: Any) -> Any:
    """A value whose text is the same in every process."""
    if isinstance(value, dict):
        return {key: _described(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_described(part) for part in value]
    return _described_function(value, ()) if callable(value) else value


def _described_function(function: Any, outer: tuple[Any, ...]) -> Any:
    """The name of a function, and the constants and functions that it encloses; `outer` are those that enclose it."""
    named = function if hasattr(function, "__qualname__") else type(function)
    name = f"{named.__module__}.{named.__qualname__}"
    cells = getattr(function, "__closure__", None) or ()
    return [name, *(_described_constant(cell.cell_contents, (*outer, function)) for cell in cells)]


def _described_constant(value: Any, outer: tuple[Any, ...]) -> Any:
    if isinstance(value, tuple | list):
        return [_described_constant(part, outer) for part in value]
    if callable(value) and value not in outer:
        return _described_function(value, outer)
    # The text of any other object may hold its address, which no other process shares.
    return value if isinstance(value, bool | int | float | str | type(None)) else type(value).__qualname__


def save(path: Path, identity: str, state: Any, best: Any, meta: Mapping[str, float]) -> None:
    """Writes two states of the same structure, and numbers that JSON can hold.

    Args:
      path: of the archive.
      identity: hash of what the fit depends on (`fingerprint`).
      state: the current state.
      best: the best state so far.
      meta: numbers that belong to them.
    """
    arrays = {}
    for prefix, tree in (("state", state), ("best", best)):
        for i, leaf in enumerate(jax.tree.leaves(tree)):
            arrays[f"{prefix}_{i}"] = _to_numpy(leaf)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, meta=np.array(json.dumps({**meta, "identity": identity})), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path | None, identity: str, like: Any) -> tuple[Any, Any, dict[str, Any]] | None:
    """Reads (state, best state, numbers), or None where there is no checkpoint.

    Args:
      path: of the archive.
      identity: hash of what the fit depends on.
      like: a state with the structure, shapes and types of the two.

    Raises:
      CheckpointMismatchError: The file is damaged, or belongs to another signal or other options.
    """
    if path is None or not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            meta = json.loads(str(archive["meta"]))
            if meta["identity"] != identity:
                raise CheckpointMismatchError(
                    f"the checkpoint {path} belongs to another picture or other options: delete it or use those"
                )
            trees = []
            for prefix in ("state", "best"):
                leaves, structure = jax.tree.flatten(like)
                stored = [_from_numpy(archive[f"{prefix}_{i}"], leaf) for i, leaf in enumerate(leaves)]
                trees.append(jax.tree.unflatten(structure, stored))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointMismatchError(f"the checkpoint {path} is damaged ({error}): delete it") from error
    return trees[0], trees[1], meta


def _to_numpy(leaf: jax.Array) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _from_numpy(array: np.ndarray, like: jax.Array) -> jax.Array:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(array))
    if array.shape != like.shape:
        raise ValueError(f"an array has shape {array.shape} instead of {like.shape}")
    return jnp.asarray(array)
