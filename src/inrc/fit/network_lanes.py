"""What a batch of coordinate networks runs on all lanes: chunks of steps, and what weights would be judged by."""

import math
from typing import Any

import jax

from inrc.fit import program
from inrc.fit.lanes import Compiled, Lanes, at_most_fits
from inrc.fit.program import Prior, Problem, Signal, State, StepPlan

_CACHE_VALUES = 1 << 20
"""Activations of a step, over all lanes of a group, that a CPU's core keeps at hand."""
_MAX_SIDE_BY_SIDE_ON_CPU = 16
_VALUES_PER_ACTIVATION = 6
"""Sine, cosine, gradients and temporaries of a layer's output: an estimate, not yet checked on an accelerator."""


def best_side_by_side(problem: Problem, n_samples: int, tile_samples: int) -> int:
    """Fits of a group that suit the devices: as many as a core's cache holds, or an accelerator's memory.

    Args:
      problem: of each.
      n_samples: of a minibatch.
      tile_samples: of a tile; structural losses see the whole minibatch.
    """
    per_sample = sum(problem.model.widths) + problem.n_outputs
    at_once = n_samples if problem.loss.structural else min(n_samples, tile_samples)
    pixels = 2 * problem.n_outputs * math.prod(problem.shape)
    return at_most_fits(_VALUES_PER_ACTIVATION * per_sample * at_once + pixels) or min(
        max(1, _CACHE_VALUES // (per_sample * at_once)), _MAX_SIDE_BY_SIDE_ON_CPU
    )


def compiled_chunks(problem: Problem, lanes: Lanes, plan: StepPlan, *arrays: Any) -> Compiled:
    """`program.run_chunk` of every lane; all follow one plan, each with its own share of the learning rate.

    Args:
      problem: static.
      lanes: how fits are spread.
      plan: of all; only its shape matters here, as with the arrays.
      arrays: states, signals, priors, shares of the planned learning rate [n], losses per bit [n].

    Returns:
      (plan, *arrays) -> (states after, (distortion, bits)), the latter two [n, groups, steps per group].
    """
    return lanes.compiled(_run_chunk, problem, plan, *arrays)


def rounded_costs(problem: Problem, lanes: Lanes, *arrays: Any) -> tuple[jax.Array, jax.Array]:
    """(distortion [n], bits [n]) of every lane's weights as a file would hold them; arrays: states, signals, priors."""
    return lanes.each(program.rounded_cost, problem, *arrays)


def _run_chunk(
    problem: Problem,
    plan: StepPlan,
    state: State,
    signal: Signal,
    prior: Prior,
    rate_scale: jax.Array,
    bits_weight: jax.Array,
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    own = plan._replace(learning_rate=plan.learning_rate * rate_scale)
    return program.run_chunk(problem, state, signal, prior, own, bits_weight)
