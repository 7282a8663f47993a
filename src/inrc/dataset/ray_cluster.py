"""A Ray cluster: how to connect to it, and how many workers it has room for."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inrc.errors import DatasetError, InrcError

_STORE_BYTES = 100 << 20
"""Ray's shared memory where the cluster is this machine alone: rows are small."""


def import_ray() -> Any:
    """Returns the module of Ray.

    Raises:
      InrcError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InrcError("the engine ray needs Ray; install it by: pip install 'inrc[cluster]'") from error
    return ray


@contextlib.contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """Connects to a cluster for as long as the context lasts. A connection that the caller has made stays open.

    Args:
      ray: the module of Ray.
      address: as for `ray.init`; if not given, the cluster of RAY_ADDRESS, or one of this machine alone.

    Raises:
      DatasetError: The cluster cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None or address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise DatasetError(f"cannot reach the Ray cluster {address or 'local'}: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def workers_of(nodes: Sequence[Mapping[str, float]], cores_per_worker: int) -> tuple[int, dict[str, Any]]:
    """Returns how many workers a cluster has room for, and the resources of one worker as options of a Ray actor.

    Args:
      nodes: the resources of every machine, as Ray names them.
      cores_per_worker: as in `RayEngine`. Where no machine has as many cores, a worker takes all cores of the largest.
    """
    for name in ("GPU", "TPU"):
        with_some = [node for node in nodes if node.get(name, 0) >= 1]
        if with_some:
            n_cores = min(int(node.get("CPU", 0) // node[name]) for node in with_some)
            resources: dict[str, Any] = {"num_gpus": 1} if name == "GPU" else {"resources": {name: 1}}
            return sum(int(node[name]) for node in with_some), {**resources, "num_cpus": min(cores_per_worker, n_cores)}
    n_cores = max(1, min(cores_per_worker, max((int(node.get("CPU", 0)) for node in nodes), default=1)))
    return max(1, sum(int(node.get("CPU", 0) // n_cores) for node in nodes)), {"num_cpus": n_cores}


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, or the error's type where there is no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
