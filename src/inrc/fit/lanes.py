"""Many fits as one program: lanes under `vmap`, groups of them in turn, and all spread over devices.

All arrays of a batch have a leading axis of lanes, one fit each. What a lane computes depends neither on the others nor
on their number: groups have one size, so that a fit ends in the same weights in any batch and on any number of devices.
"""

import functools
import math
from collections.abc import Callable, Sequence
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
"""Sine, cosine, gradients and temporaries of a layer's output: measured, generous."""
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
        return self.side_by_side * self.n_turns * (1 if self.mesh is None else self.mesh.size)

    def put(self, tree: Any) -> Any:
        """Arrays [n, ...] on the devices."""
        if self.mesh is None:
            return jax.tree.map(jnp.asarray, tree)
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec(_AXIS)))


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


@functools.partial(jax.jit, static_argnames=("problem", "lanes"))
def run_chunks(
    problem: Problem,
    lanes: Lanes,
    states: State,
    signals: Signal,
    priors: Prior,
    plan: StepPlan,
    rate_scales: jax.Array,
    bits_weights: jax.Array,
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    """`program.run_chunk` of every lane; all follow one plan, each with its own share of the learning rate.

    Returns:
      (states after, (distortion, bits)), the latter two [n, groups, steps per group].
    """

    def one(plan: StepPlan, state: State, signal: Signal, prior: Prior, rate_scale: jax.Array, bits_weight: jax.Array):
        own = plan._replace(learning_rate=plan.learning_rate * rate_scale)
        return program.run_chunk(problem, state, signal, prior, own, bits_weight)

    return _over_lanes(lanes, one, plan, (states, signals, priors, rate_scales, bits_weights))


@functools.partial(jax.jit, static_argnames=("problem", "lanes"))
def rounded_costs(
    problem: Problem, lanes: Lanes, states: State, signals: Signal, priors: Prior
) -> tuple[jax.Array, jax.Array]:
    """(distortion [n], bits [n]) of every lane's weights as a file would hold them."""
    return _over_lanes(
        lanes, lambda _, *arrays: program.rounded_cost(problem, *arrays), None, (states, signals, priors)
    )


@functools.partial(jax.jit, static_argnames=("problem", "lanes"))
def distortions(problem: Problem, lanes: Lanes, params: Params, signals: Signal) -> jax.Array:
    """Distortion [n] of given weights."""
    return _over_lanes(lanes, lambda _, *arrays: program.distortion(problem, *arrays), None, (params, signals))


@jax.jit
def chosen(mask: jax.Array, one: Any, other: Any) -> Any:
    """Trees of arrays [n, ...]: those of `one` where mask [n] is true, else those of `other`."""
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape(-1, *(1,) * (a.ndim - 1)), a, b), one, other)


def _over_lanes(lanes: Lanes, function: Callable[..., Any], shared: Any, arrays: tuple[Any, ...]) -> Any:
    """function(shared, *arrays of one lane), for all lanes."""

    def group(shared: Any, arrays: tuple[Any, ...]) -> Any:
        if lanes.side_by_side == 1:
            # A lane alone is the plain program: in arithmetic, and in what it keeps in cache.
            results = function(shared, *jax.tree.map(lambda x: x[0], arrays))
            return jax.tree.map(lambda x: x[None], results)
        return jax.vmap(lambda *own: function(shared, *own))(*arrays)

    def device(shared: Any, arrays: tuple[Any, ...]) -> Any:
        if lanes.n_turns == 1:
            return group(shared, arrays)
        turns = jax.tree.map(lambda x: x.reshape(lanes.n_turns, lanes.side_by_side, *x.shape[1:]), arrays)
        results = jax.lax.map(lambda turn: group(shared, turn), turns)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), results)

    if lanes.mesh is None:
        return device(shared, arrays)
    own = PartitionSpec(_AXIS)
    mapped = jax.shard_map(device, mesh=lanes.mesh, in_specs=(PartitionSpec(), own), out_specs=own, check_vma=False)
    return mapped(shared, arrays)
