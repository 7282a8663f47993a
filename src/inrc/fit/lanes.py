"""Many fits as one program: a lane is one fit of a batch.

All arrays of a batch have a leading axis of lanes. Lanes form groups of one size: those of a group run side by side
under `vmap`, a device runs its groups in turn, and devices share the groups.

The result of a fit depends neither on the other lanes nor on their number: since all groups have one size, a fit ends
in the same weights in any batch and on any number of devices. For the same reason every device runs the program of one
group on its shard. A program partitioned by XLA would be fused, and would round, in another way (experiments/NOTES.md,
row 11.5).
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool

_AXIS = "image"
"""Name of the mesh's axis."""
_MEMORY_SHARE = 0.6
"""Share of an accelerator's memory for the arrays of lanes. The rest is for what the estimates of their sizes leave
out, such as programs and the states that are kept beside the current one. It has not been tuned on a device."""
_UNKNOWN_MEMORY = 1 << 33
"""Bytes of an accelerator that does not report its memory."""
_MOST_FITS = 1024
"""Fits of a group at most, on an accelerator; not measured (experiments/NOTES.md, row 22.1, has groups of 64)."""


class Lanes(NamedTuple):
    """How the fits of a batch are spread over lanes and devices.

    Attributes:
      side_by_side: fits of a group, which `vmap` maps.
      n_turns: groups that a device takes one after the other.
      mesh: the devices; None for the default one alone.
    """

    side_by_side: int = 1
    n_turns: int = 1
    mesh: Mesh | None = None

    @property
    def n(self) -> int:
        """Number of lanes."""
        return self.side_by_side * self.n_turns * self.n_devices

    @property
    def n_devices(self) -> int:
        """Number of devices."""
        return 1 if self.mesh is None else self.mesh.size

    def put(self, tree: Any) -> Any:
        """Puts arrays [n, ...] on the devices."""
        return jax.tree.map(jnp.asarray, tree) if self.mesh is None else jax.device_put(tree, self._sharding)

    @property
    def _sharding(self) -> NamedSharding:
        assert self.mesh is not None
        return NamedSharding(self.mesh, PartitionSpec(_AXIS))

    def groups(self, tree: Any) -> list[Any]:
        """Splits arrays [n, ...] into arrays [side_by_side, ...] of every group, ordered by device and then by turn."""

        def of_device(leaf: jax.Array, place: int) -> jax.Array:
            return leaf if self.mesh is None else leaf.addressable_data(place)

        def of_turn(leaf: jax.Array, turn: int) -> jax.Array:
            return leaf if self.n_turns == 1 else leaf[turn * self.side_by_side : (turn + 1) * self.side_by_side]

        return [
            jax.tree.map(lambda leaf, place=place, turn=turn: of_turn(of_device(leaf, place), turn), tree)
            for place in range(self.n_devices)
            for turn in range(self.n_turns)
        ]

    def each(self, function: Callable[..., Any], problem: Any, *arrays: Any) -> Any:
        """Calls function(problem, *arrays of one fit) for all fits.

        Args:
          function: a function of a module, so that it is compiled once.
          problem: static.
          arrays: trees of arrays [n, ...].

        Returns:
          A tree of arrays [n, ...].
        """
        return self.joined([_run(function, problem, (), group) for group in self.groups(arrays)])

    def compiled(self, function: Callable[..., Any], problem: Any, shared: Any, *arrays: Any) -> "Compiled":
        """Compiles function(problem, shared, *arrays of one fit) for these shapes, for all devices at once."""
        lowered = [_run.lower(function, problem, (shared,), group) for group in self.groups(arrays)[:: self.n_turns]]
        with ThreadPoolExecutor(len(lowered)) as pool:
            return Compiled(self, tuple(pool.map(lambda one: one.compile(), lowered)))

    def joined(self, groups: Sequence[Any]) -> Any:
        """Inverse of `groups`."""

        def join(*leaves: jax.Array) -> jax.Array:
            shards = [
                leaves[first] if self.n_turns == 1 else jnp.concatenate(leaves[first : first + self.n_turns])
                for first in range(0, len(leaves), self.n_turns)
            ]
            if self.mesh is None:
                return shards[0]
            shape = self.n, *leaves[0].shape[1:]
            return jax.make_array_from_single_device_arrays(shape, self._sharding, shards)

        return jax.tree.map(join, *groups)


@dataclasses.dataclass(frozen=True)
class Compiled:
    """The programs that `Lanes.compiled` has compiled, one for each device."""

    lanes: Lanes
    programs: tuple[Callable[..., Any], ...]

    def __call__(self, shared: Any, *arrays: Any) -> Any:
        """Runs all fits: results are arrays [n, ...], as are `arrays`; `shared` is the same for all fits."""
        groups = self.lanes.groups(arrays)
        return self.lanes.joined(
            [self.programs[i // self.lanes.n_turns]((shared,), group) for i, group in enumerate(groups)]
        )


def spread(n_fits: int, side_by_side: int, devices: Sequence[Any] | None = None) -> Lanes:
    """Lanes for at least `n_fits`, in groups of `side_by_side`, on no more of the `devices` than needed."""
    devices = jax.local_devices() if devices is None else devices
    n_groups = math.ceil(n_fits / side_by_side)
    n_devices = min(len(devices), n_groups)
    n_turns = math.ceil(n_groups / n_devices)
    n_devices = math.ceil(n_groups / n_turns)
    if n_devices == 1:
        return Lanes(side_by_side, n_turns)
    mesh = jax.make_mesh((n_devices,), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices[:n_devices])
    return Lanes(side_by_side, n_turns, mesh)


def batched(trees: Sequence[Any], n: int) -> Any:
    """Stacks trees of arrays as a tree of NumPy arrays [n, ...]; the last tree is repeated to fill up."""
    trees = [*trees, *[trees[-1]] * (n - len(trees))]
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


@jax.jit
def chosen(mask: Bool[Array, " lanes"], one: Any, other: Any) -> Any:
    """Chooses between trees of arrays [lanes, ...]: `one` where the mask is true, else `other`."""
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape(-1, *(1,) * (a.ndim - 1)), a, b), one, other)


def at_most_fits(values_per_fit: float) -> int | None:
    """Fits of a group that an accelerator's memory holds, each of `values_per_fit` float32 values; None on a CPU."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return None
    stats = device.memory_stats() or {}
    available = _MEMORY_SHARE * stats.get("bytes_limit", _UNKNOWN_MEMORY)
    return max(1, min(_MOST_FITS, int(available / (4 * values_per_fit))))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _run(function: Callable[..., Any], problem: Any, shared: tuple[Any, ...], arrays: tuple[Any, ...]) -> Any:
    # By default accelerators multiply with fewer bits than float32 has. A decoder does not, so a fit must not either.
    with jax.default_matmul_precision("highest"):
        return _over_lanes(functools.partial(function, problem, *shared), arrays)


def _over_lanes(function: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
    """function(*arrays of one lane), for all lanes of a group."""
    if len(jax.tree.leaves(arrays)[0]) > 1:
        return jax.vmap(function)(*arrays)
    # Without vmap a single lane has the arithmetic and the memory traffic of the plain program.
    return jax.tree.map(lambda x: x[None], function(*jax.tree.map(lambda x: x[0], arrays)))
