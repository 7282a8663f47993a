"""Several processes that do one run together, each on devices of its own, by JAX's multi-process runtime.

All of them run the same program on the same pictures, and meet in collective operations. What the clock, a disk or
Ctrl-C decides is decided by one and told to the others here, lest they part. Alone, a process hears only itself.
"""

import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from inrc.errors import ConfigError, InrcError


def join(
    coordinator: str | None = None,
    n_processes: int | None = None,
    index: int | None = None,
    *,
    timeout: float = 120.0,
) -> None:
    """Makes this process one of several; before anything else is asked of JAX.

    Args:
      coordinator: HOST:PORT where process 0 can be reached and listens.
      n_processes: how many there are.
      index: of this one, from 0. Where all three are None, JAX finds them out by itself: on Slurm, Open MPI,
        Kubernetes, Cloud TPUs and by its own environment variables.
      timeout: seconds that the processes wait for one another at the beginning, and after which one that gives no
        sign of life counts as lost. JAX ends the waiting process then (SIGABRT).

    Raises:
      ConfigError: Some of the three are given and others not, they contradict each other, or JAX finds no cluster.
      InrcError: The processes do not come together.
    """
    given = (coordinator, n_processes, index)
    if None in given and given != (None, None, None):
        raise ConfigError(
            f"coordinator, number of processes and index are {coordinator}, {n_processes} and {index}: give all three"
        )
    if n_processes is not None and index is not None and not 0 <= index < n_processes:
        raise ConfigError(f"the index of the process is {index}; it must be within 0..{n_processes - 1}")
    if coordinator is not None and not coordinator.rpartition(":")[2].isdigit():
        raise ConfigError(f"the coordinator is {coordinator}; name it as HOST:PORT")
    if not timeout >= 1:
        raise ConfigError(f"the timeout is {timeout} s; it must be 1 or more")
    seconds = round(timeout)
    try:
        jax.distributed.initialize(
            coordinator,
            n_processes,
            index,
            initialization_timeout=seconds,
            heartbeat_timeout_seconds=seconds,
            shutdown_timeout_seconds=seconds,
        )
    except ValueError as error:
        raise ConfigError(f"no cluster is known here ({error}): give coordinator, number and index") from error
    except RuntimeError as error:
        raise InrcError(f"the processes do not come together ({error}); start all of them anew") from error
    with loss_reported():
        gather(b"")  # once they are connected, the loss of one is noticed at once


@contextlib.contextmanager
def loss_reported() -> Iterator[None]:
    """Makes the loss of another process, in whatever meets it first, a typed error.

    Raises:
      InrcError: A process is gone.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if jax.process_count() == 1 or isinstance(error, InrcError):
            raise
        if isinstance(error, ValueError) and "Gloo" not in str(error):
            raise
        raise InrcError(
            f"process {jax.process_index()} of {jax.process_count()} has lost another ({error}): "
            "see what that one says, and start all of them again"
        ) from error


def is_first() -> bool:
    """Whether this process is the one that writes and tells."""
    return jax.process_index() == 0


def gather(data: bytes) -> list[bytes]:
    """What every process gives, in their order; all must call it."""
    if jax.process_count() == 1:
        return [data]
    lengths = multihost_utils.process_allgather(np.frombuffer(np.int64(len(data)).tobytes(), np.uint8))
    n_bytes = [int(length) for length in np.ascontiguousarray(lengths).view(np.int64).ravel()]
    room = 1 << max(n_bytes).bit_length()  # programs are compiled for few lengths
    padded = np.frombuffer(data.ljust(room, b"\0"), np.uint8)
    every = multihost_utils.process_allgather(padded)
    return [row[:n].tobytes() for row, n in zip(every, n_bytes, strict=True)]


def of_first(data: bytes) -> bytes:
    """What process 0 gives; what others give is not looked at."""
    return gather(data if is_first() else b"")[0]


def any_of(flag: bool) -> bool:
    """Whether the flag is set on some process."""
    return b"\1" in gather(b"\1" if flag else b"\0")


def check_same(identity: str) -> None:
    """Makes sure that all processes are about to do the same.

    Raises:
      ConfigError: One has another identity than the first.
    """
    identities = gather(identity.encode())
    others = [str(i) for i, other in enumerate(identities) if other != identities[0]]
    if others:
        raise ConfigError(
            f"the recipe or the pictures of process {', '.join(others)} are not those of process 0: give all the same"
        )
