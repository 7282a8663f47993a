"""Several processes that share one run, each on devices of its own, by JAX's multi-process runtime.

All of them run the same program on the same pictures and take part in the same collective operations. Whatever depends
on a clock, a disk or Ctrl-C is decided by one process, which sends its decision to the others: processes that decide
differently would wait for each other forever. A process alone exchanges with itself.
"""

import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from inrc.checks import checked_number
from inrc.errors import ConfigError, InrcError


def join(
    coordinator: str | None = None,
    n_processes: int | None = None,
    index: int | None = None,
    *,
    timeout: float = 120.0,
) -> None:
    """Makes this process one of several; it must be called before any other use of JAX.

    Args:
      coordinator: HOST:PORT at which process 0 listens and the others reach it.
      n_processes: number of processes.
      index: of this process, from 0. Where all three are None, JAX detects them itself: on Slurm, Open MPI, Kubernetes
        and Cloud TPUs, and from its own environment variables.
      timeout: seconds that processes wait for one another at the start, and after which a process that sends no
        heartbeat counts as lost. JAX then ends the processes that wait for it (SIGABRT).

    Raises:
      ConfigError: Only some of the three are given, they contradict each other, or JAX detects no cluster.
      InrcError: The processes do not connect.
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
    timeout = checked_number("the timeout in seconds", timeout, 1, 10**6)
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
        gather(b"")  # once processes are connected, the loss of one is noticed at once


@contextlib.contextmanager
def loss_reported() -> Iterator[None]:
    """Turns the error of whatever operation first notices the loss of another process into a typed error.

    Raises:
      InrcError: Another process is lost.
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
    """Whether this is process 0, which writes files and decides for all."""
    return jax.process_index() == 0


def gather(data: bytes) -> list[bytes]:
    """The data of every process, in the order of processes; all of them must call this function."""
    if jax.process_count() == 1:
        return [data]
    lengths = multihost_utils.process_allgather(np.frombuffer(np.int64(len(data)).tobytes(), np.uint8))
    n_bytes = [int(length) for length in np.ascontiguousarray(lengths).view(np.int64).ravel()]
    padded_length = 1 << max(n_bytes).bit_length()  # there are few such lengths, so that few programs are compiled
    padded = np.frombuffer(data.ljust(padded_length, b"\0"), np.uint8)
    every = multihost_utils.process_allgather(padded)
    return [row[:n].tobytes() for row, n in zip(every, n_bytes, strict=True)]


def of_first(data: bytes) -> bytes:
    """The data of process 0; those of other processes are not used."""
    return gather(data if is_first() else b"")[0]


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    return b"\1" in gather(b"\1" if flag else b"\0")


def check_same(identity: str) -> None:
    """Makes sure that all processes do the same run.

    Raises:
      ConfigError: A process has another identity than process 0.
    """
    identities = gather(identity.encode())
    others = [str(i) for i, other in enumerate(identities) if other != identities[0]]
    if others:
        raise ConfigError(
            f"the recipe or the pictures of process {', '.join(others)} are not those of process 0: give all the same"
        )
