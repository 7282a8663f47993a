"""Many fits as one program: lanes under `vmap`, groups of them in turn, and all sharded over devices.

All arrays of a batch have a leading axis of lanes, one fit each. What a lane computes depends neither on the others nor
on their number: groups have one size, so that a fit ends in the same weights in any batch and on any number of devices.
For the same reason every device runs the program of one group on its shard, and not its part of a partitioned program,
which XLA fuses, and rounds, in another way.
"""

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from inrc.fit import program
from inrc.fit.program import Params, Prior, Problem, Signal, State, StepPlan

_AXIS = "image"
_CACHE_VALUES = 1 << 20
"""Activations of a step, over all lanes of a group, that a CPU's core keeps at hand."""
_MAX_SIDE_BY_SIDE_ON_CPU = 16
_VALUES_PER_ACTIVATION = 6
"""Sine, cosine, gradients and temporaries of a layer's output: an estimate, not yet checked on an accelerator."""
_MEMORY_SHARE = 0.6


class Lanes(NamedTuple):
    """How the fits of a batch are spread.

    Attributes:
      side_by_side: fits of a group, under `vmap`.
      n_turns: groups that a device takes one after the other.
      mesh: the devices; None for the default one alone.
    """

    side_by_side: int = 1
    n_turns: int = 1
    mesh: Mesh | None = None

    @property
    def n(self) -> int:
        """Fits in all."""
        return self.side_by_side * self.n_turns * self.n_devices

    @property
    def n_devices(self) -> int:
        """Devices that share them."""
        return 1 if self.mesh is None else self.mesh.size

    def put(self, tree: Any) -> Any:
        """Arrays [n, ...] on the devices."""
        return jax.tree.map(jnp.asarray, tree) if self.mesh is None else jax.device_put(tree, self._sharding)

    @property
    def _sharding(self) -> NamedSharding:
        assert self.mesh is not None
        return NamedSharding(self.mesh, PartitionSpec(_AXIS))

    def groups(self, tree: Any) -> list[Any]:
        """Arrays [n, ...] as those [side_by_side, ...] of every group, one device's turns after the other's."""

        def of_device(leaf: jax.Array, place: int) -> jax.Array:
            return leaf if self.mesh is None else leaf.addressable_data(place)

        def of_turn(leaf: jax.Array, turn: int) -> jax.Array:
            return leaf if self.n_turns == 1 else leaf[turn * self.side_by_side : (turn + 1) * self.side_by_side]

        return [
            jax.tree.map(lambda leaf, place=place, turn=turn: of_turn(of_device(leaf, place), turn), tree)
            for place in range(self.n_devices)
            for turn in range(self.n_turns)
        ]

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


def spread(n_fits: int, side_by_side: int, devices: Sequence[Any] | None = None) -> Lanes:
    """Lanes for at least `n_fits`, in groups of `side_by_side`, over as many of `devices` as have work."""
    devices = jax.local_devices() if devices is None else devices
    n_groups = math.ceil(n_fits / side_by_side)
    n_devices = min(len(devices), n_groups)
    n_turns = math.ceil(n_groups / n_devices)
    n_devices = math.ceil(n_groups / n_turns)
    if n_devices == 1:
        return Lanes(side_by_side, n_turns)
    mesh = jax.make_mesh((n_devices,), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices[:n_devices])
    return Lanes(side_by_side, n_turns, mesh)


def best_side_by_side(problem: Problem, n_samples: int, tile_samples: int) -> int:
    """Fits of a group that suit the devices: as many as a core's cache holds, or an accelerator's memory.

    Args:
      problem: of each.
      n_samples: of a minibatch.
      tile_samples: of a tile; structural losses see the whole minibatch.
    """
    device = jax.local_devices()[0]
    per_sample = sum(problem.model.widths) + problem.n_outputs
    at_once = n_samples if problem.loss.structural else min(n_samples, tile_samples)
    if device.platform == "cpu":
        return min(max(1, _CACHE_VALUES // (per_sample * at_once)), _MAX_SIDE_BY_SIDE_ON_CPU)
    stats = device.memory_stats() or {}
    available = _MEMORY_SHARE * stats.get("bytes_limit", 1 << 33)
    n_bytes = 4 * (_VALUES_PER_ACTIVATION * per_sample * at_once + 2 * problem.n_outputs * math.prod(problem.shape))
    return max(1, min(1024, int(available / n_bytes)))


def stacked(trees: Sequence[Any], n: int) -> Any:
    """Arrays [n, ...] of NumPy: those of all trees, then the last ones again to fill up."""
    trees = [*trees, *[trees[-1]] * (n - len(trees))]
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


class Programs:
    """What a batch runs: programs of one group, the same for every one.

    Attributes:
      problem: static.
      lanes: how fits are spread.
    """

    def __init__(self, problem: Problem, lanes: Lanes) -> None:
        self.problem = problem
        self.lanes = lanes
        self._chunks: list[Callable[..., Any]] = []

    def compile(self, *arguments: Any) -> None:
        """Compiles `run_chunks` for arguments of these shapes, for all devices at once."""
        plan, *arrays = arguments
        groups = self.lanes.groups(tuple(arrays))[:: self.lanes.n_turns]
        lowered = [_run_chunks.lower(self.problem, plan, group) for group in groups]
        with ThreadPoolExecutor(len(lowered)) as pool:
            self._chunks = list(pool.map(lambda one: one.compile(), lowered))

    def run_chunks(
        self,
        plan: StepPlan,
        states: State,
        signals: Signal,
        priors: Prior,
        rate_scales: jax.Array,
        bits_weights: jax.Array,
    ) -> tuple[State, tuple[jax.Array, jax.Array]]:
        """`program.run_chunk` of every lane; all follow one plan, each with its own share of the learning rate.

        Returns:
          (states after, (distortion, bits)), the latter two [n, groups, steps per group].
        """
        groups = self.lanes.groups((states, signals, priors, rate_scales, bits_weights))
        done = (self._chunks[i // self.lanes.n_turns](plan, group) for i, group in enumerate(groups))
        return self.lanes.joined(list(done))

    def rounded_costs(self, states: State, signals: Signal, priors: Prior) -> tuple[jax.Array, jax.Array]:
        """(distortion [n], bits [n]) of every lane's weights as a file would hold them."""
        groups = self.lanes.groups((states, signals, priors))
        return self.lanes.joined([_rounded_costs(self.problem, group) for group in groups])

    def distortions(self, params: Params, signals: Signal) -> jax.Array:
        """Distortion [n] of given weights."""
        groups = self.lanes.groups((params, signals))
        return self.lanes.joined([_distortions(self.problem, group) for group in groups])


@jax.jit
def chosen(mask: jax.Array, one: Any, other: Any) -> Any:
    """Trees of arrays [n, ...]: those of `one` where mask [n] is true, else those of `other`."""
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape(-1, *(1,) * (a.ndim - 1)), a, b), one, other)


@functools.partial(jax.jit, static_argnums=0)
def _run_chunks(problem: Problem, plan: StepPlan, arrays: tuple[Any, ...]) -> Any:
    def one(state: State, signal: Signal, prior: Prior, rate_scale: jax.Array, bits_weight: jax.Array):
        own = plan._replace(learning_rate=plan.learning_rate * rate_scale)
        return program.run_chunk(problem, state, signal, prior, own, bits_weight)

    return _over_lanes(one, arrays)


@functools.partial(jax.jit, static_argnums=0)
def _rounded_costs(problem: Problem, arrays: tuple[Any, ...]) -> Any:
    return _over_lanes(functools.partial(program.rounded_cost, problem), arrays)


@functools.partial(jax.jit, static_argnums=0)
def _distortions(problem: Problem, arrays: tuple[Any, ...]) -> Any:
    return _over_lanes(functools.partial(program.distortion, problem), arrays)


def _over_lanes(function: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
    """function(*arrays of one lane), for all lanes of a group."""
    if len(jax.tree.leaves(arrays)[0]) > 1:
        return jax.vmap(function)(*arrays)
    # A lane alone is the plain program: in arithmetic, and in what it keeps in cache.
    return jax.tree.map(lambda x: x[None], function(*jax.tree.map(lambda x: x[0], arrays)))
