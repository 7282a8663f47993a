"""One step of the outer loop: it draws tasks, averages their gradients over all devices and guards the update."""

import functools
import math
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from inrc.config import ModelConfig
from inrc.errors import ConfigError
from inrc.meta.data import N_CHANNELS, Samples, draw_task, pictures_of_step
from inrc.meta.inner import Algorithm, Learned, Report, outputs_of_mean, squared_error
from inrc.meta.maml import maml
from inrc.meta.reptile import reptile
from inrc.meta.stages import Learning, Method
from inrc.models import build

TreeT = TypeVar("TreeT")

_AXIS = "tasks"
_EXPLOSION = 10.0
"""A gradient is refused if its norm is more than this many times the running mean of the norms."""
_NORM_DECAY = 0.95
"""Decay of that running mean."""
_REFUSAL_GROWTH = 1.5
"""Factor of that running mean for every refused gradient."""


class OuterState(NamedTuple):
    """Everything that an outer step changes.

    Attributes:
      learned: start and inner rates.
      moments: state of the outer optimiser.
      typical_norm: running mean of the gradient's norm; infinite before the first step.
      n_skipped: steps whose gradient was refused, int32.
      n_skipped_in_a_row: refused since the last step that was taken, int32.
      step: steps taken or skipped, int32.
    """

    learned: Learned
    moments: optax.OptState
    typical_norm: jax.Array
    n_skipped: jax.Array
    n_skipped_in_a_row: jax.Array
    step: jax.Array


class Layout(NamedTuple):
    """How the tasks of an outer step are spread over devices.

    Attributes:
      n_turns: groups of tasks, one after the other.
      n_at_once: tasks of a group, side by side.
      mesh: devices that share a group.
    """

    n_turns: int
    n_at_once: int
    mesh: Mesh

    @property
    def sharding(self) -> NamedSharding:
        """The sharding of arrays [n_turns, n_at_once, ...]."""
        return NamedSharding(self.mesh, PartitionSpec(None, _AXIS))

    @property
    def replicated(self) -> NamedSharding:
        """The sharding of what all devices need: states and pictures."""
        return NamedSharding(self.mesh, PartitionSpec())

    def replicate(self, tree: TreeT) -> TreeT:
        """Puts arrays on all devices; every process has all of them."""

        def put(leaf: np.ndarray | jax.Array) -> jax.Array:
            array = np.asarray(leaf)
            return jax.make_array_from_callback(array.shape, self.replicated, lambda index: array[index])

        return jax.tree.map(put, tree)


def algorithm_of(learning: Learning, model: ModelConfig, shape: tuple[int, int]) -> Algorithm:
    """The algorithm of `learning` for a network on a canvas.

    A task starts at its mean colour, as the codec's fits do.
    """
    make = reptile if learning.method is Method.REPTILE else maml
    algorithm = make(learning, squared_error(model, shape))
    if not model.bias:
        return algorithm
    last = f"layer_{len(model.widths)}"
    mean_outputs = outputs_of_mean(model, shape)

    def at_mean_colour(learned: Learned, task: Samples) -> Learned:
        params = {**learned.params, last: learned.params[last].at[:, -1].set(mean_outputs(task))}
        return learned._replace(params=params)

    def gradient(learned: Learned, task: Samples) -> tuple[Learned, Report]:
        slope, report = algorithm.gradient(at_mean_colour(learned, task), task)
        params = {**slope.params, last: slope.params[last].at[:, -1].set(0.0)}
        return slope._replace(params=params), report

    return algorithm._replace(
        adapt=lambda learned, task: algorithm.adapt(at_mean_colour(learned, task), task), gradient=gradient
    )


def layout_of(learning: Learning) -> Layout:
    """The layout that `learning` asks for, on as many devices as divide the tasks, equally many of every process.

    Raises:
      ConfigError: The tasks cannot be divided equally among the processes.
    """
    n_processes, devices = jax.process_count(), jax.devices()
    n_at_once = learning.tasks_at_once
    if n_at_once is None:
        on_cpu = devices[0].platform == "cpu"
        n_at_once = math.gcd(learning.n_tasks, len(devices)) if on_cpu else learning.n_tasks
    if n_at_once % n_processes:
        raise ConfigError(
            f"{n_processes} processes cannot share {n_at_once} tasks side by side, of {learning.n_tasks} in an outer "
            f"step: make n_tasks and tasks_at_once multiples of {n_processes}, or take other processes"
        )
    n_devices = math.gcd(n_at_once // n_processes, jax.local_device_count())
    chosen = [device for i in range(n_processes) for device in [d for d in devices if d.process_index == i][:n_devices]]
    mesh = jax.make_mesh((len(chosen),), (_AXIS,), axis_types=(AxisType.Auto,), devices=chosen)
    return Layout(learning.n_tasks // n_at_once, n_at_once, mesh)


def first_state(learning: Learning, model: ModelConfig, shape: tuple[int, int], algorithm: Algorithm) -> OuterState:
    """Random weights with a last layer of zeros, and the inner rates: Meta-SGD has one per weight and inner step.

    A random last layer would have to be unlearned, by the codec's fits too: with one, 300 steps from the start that
    meta_init/smoke.py learns end 5 dB lower, at the mean colour.
    """
    params = build.init(model, shape, N_CHANNELS, jax.random.key(learning.seed))
    last = f"layer_{len(model.widths)}"
    params[last] = jnp.zeros_like(params[last])
    log_rate = math.log(learning.inner_rate)
    per_weight = learning.method is Method.META_SGD
    log_rates = {
        name: jnp.full((learning.inner_steps, *(matrix.shape if per_weight else (1, 1))), log_rate, jnp.float32)
        for name, matrix in params.items()
    }
    learned = Learned(params, log_rates)
    zero = jnp.int32(0)
    return OuterState(learned, algorithm.optimiser.init(learned), jnp.float32(jnp.inf), zero, zero, zero)


def draw_tasks(learning: Learning, layout: Layout, phases: jax.Array, step: jax.Array) -> Samples:
    """Draws the tasks of an outer step, leading axes [n_turns, n_at_once, k + 1]; a pure function of seed and step.

    Args:
      learning: says how many tasks there are, and of which samples.
      layout: how they are spread.
      phases: training pictures, [N, factor^2, 3, h, w] uint8.
      step: int32.
    """
    order, places, _ = jax.random.split(jax.random.key(learning.seed), 3)
    pictures = pictures_of_step(order, step, learning.n_tasks, phases.shape[0])
    keys = jax.random.split(jax.random.fold_in(places, step), learning.n_tasks)
    draw = functools.partial(draw_task, n_samples=learning.inner_steps + 1, sampling=learning.sampling)
    tasks = jax.vmap(draw, in_axes=(0, None, 0))(keys, phases, pictures)
    tasks = jax.tree.map(lambda leaf: leaf.reshape(layout.n_turns, layout.n_at_once, *leaf.shape[1:]), tasks)
    return jax.lax.with_sharding_constraint(tasks, layout.sharding)


def mean_gradient(algorithm: Algorithm, learned: Learned, tasks: Samples) -> tuple[Learned, Report]:
    """(direction, report), means over tasks [n_turns, n_at_once, k + 1, ...]."""

    def turn(total: tuple[Learned, Report], group: Samples):
        each = jax.vmap(algorithm.gradient, in_axes=(None, 0))(learned, group)
        return jax.tree.map(lambda old, new: old + jnp.mean(new, axis=0) / n_turns, total, each), None

    n_turns = len(tasks.targets)
    zeros = jax.tree.map(jnp.zeros_like, learned), Report(*(jnp.float32(0) for _ in Report._fields))
    return jax.lax.scan(turn, zeros, tasks)[0]


def apply_gradient(
    learning: Learning, algorithm: Algorithm, state: OuterState, gradient: Learned, rate: jax.Array
) -> OuterState:
    """The state after a step against `gradient`, which is refused where it is not finite or explodes.

    A refused gradient leaves start and moments as they are. It raises the typical norm, so that gradients that stay
    large are refused a few times only.

    Args:
      learning: gives `rates_rate`.
      algorithm: gives the optimiser.
      state: before.
      gradient: mean over tasks.
      rate: outer rate of this step.
    """
    norm = optax.tree.norm(gradient)
    fine = jnp.isfinite(norm) & (norm <= _EXPLOSION * state.typical_norm)
    direction, moments = algorithm.optimiser.update(gradient, state.moments)
    assert isinstance(direction, Learned)
    moved = Learned(
        jax.tree.map(lambda p, d: p - rate * d, state.learned.params, direction.params),
        jax.tree.map(lambda r, d: r - rate * learning.rates_rate * d, state.learned.log_rates, direction.log_rates),
    )
    has_norm = jnp.isfinite(state.typical_norm)
    typical = jnp.where(has_norm, _NORM_DECAY * state.typical_norm + (1 - _NORM_DECAY) * norm, norm)
    after = OuterState(moved, moments, typical, state.n_skipped, jnp.int32(0), state.step)
    refused = state._replace(
        typical_norm=jnp.where(jnp.isfinite(norm), _REFUSAL_GROWTH, 1.0) * state.typical_norm,
        n_skipped=state.n_skipped + 1,
        n_skipped_in_a_row=state.n_skipped_in_a_row + 1,
    )
    chosen = jax.tree.map(lambda one, other: jnp.where(fine, one, other), after, refused)
    return chosen._replace(step=state.step + 1)


def outer_step(
    learning: Learning, layout: Layout, algorithm: Algorithm, state: OuterState, phases: jax.Array, rate: jax.Array
) -> tuple[OuterState, Report]:
    """Draws tasks of `phases` and takes a step: (state after, report of the tasks before it)."""
    tasks = draw_tasks(learning, layout, phases, state.step)
    gradient, report = mean_gradient(algorithm, state.learned, tasks)
    return apply_gradient(learning, algorithm, state, gradient, rate), report


def validate(learning: Learning, layout: Layout, algorithm: Algorithm, learned: Learned, phases: jax.Array) -> Report:
    """Mean report of one task per picture; the tasks are the same at every call."""
    keys = jax.random.split(jax.random.split(jax.random.key(learning.seed), 3)[2], len(phases))

    def report(inputs: tuple[jax.Array, jax.Array]) -> Report:
        key, picture = inputs
        task = draw_task(key, phases, picture, n_samples=learning.inner_steps + 1, sampling=learning.sampling)
        return algorithm.adapt(learned, task)[1]

    each = jax.lax.map(report, (keys, jnp.arange(len(phases))), batch_size=layout.n_at_once)
    return jax.tree.map(lambda values: jnp.mean(values, axis=0), each)


def cosine(fraction: float) -> np.float32:
    """Outer rate relative to its first value: a cosine from 1 at the start of the loop to 0.01 at its end."""
    return np.float32(0.505 + 0.495 * math.cos(math.pi * min(max(fraction, 0.0), 1.0)))
