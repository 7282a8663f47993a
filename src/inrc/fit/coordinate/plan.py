"""What the fits of a batch of coordinate networks share: the compiled program, minibatches and the schedule."""

import dataclasses
import math

from inrc.config import ModelConfig
from inrc.fit.batch import FitPlan
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.minibatches import phase_grid
from inrc.fit.coordinate.program import Problem
from inrc.fit.coordinate.schedule import CoordinateSteps, minibatch_order, steps_of_chunk
from inrc.fit.lanes import at_most_fits
from inrc.fit.steering import MIN_UPDATES
from inrc.fit.task import Task
from inrc.layout import band_shape, feature_counts, n_in_tables
from inrc.models.tiles import largest_tile

_MIN_CHUNKS = 4
PLANNED_RATE = 0.5
"""Peak of the learning rate in the plan of a batch; every fit takes its own share of it."""
_CACHE_VALUES = 1 << 20
"""Activations of a step, over all lanes of a group, that stay in the cache of a CPU's core."""
_MAX_SIDE_BY_SIDE_ON_CPU = 16
"""Lanes of a group on a CPU: more did not make batches faster (experiments/NOTES.md, "Batches")."""
_VALUES_PER_ACTIVATION = 6
"""Sine, cosine, gradients and temporaries of a layer's output: an estimate, not yet checked on an accelerator."""

_VALUES_PER_ENTRY = 8
"""A number of a table, its rounded value and gradient, two moments, what the best state keeps, and temporaries."""


def default_tile_samples() -> int:
    """Samples per tile: few on a CPU, where activations should stay in cache; many where launches cost."""
    return largest_tile(on_cpu=8192, on_accelerator=1 << 18)


@dataclasses.dataclass(frozen=True)
class CoordinateFitPlan(FitPlan):
    """What the fits of a batch of coordinate networks share.

    Attributes, beside those of every `FitPlan`:
      problem: its shape stands for all shapes whose networks have the same inputs.
      grid: samples per axis of a minibatch, padding included.
      factor: minibatches keep every so many-th sample.
      tile_samples: samples of a tile.
      n_all_chunks: compiled calls of a fit.
      starts_random: whether fits start at random weights.
    """

    problem: Problem
    config: CoordinateFitConfig
    groups_per_chunk: int
    grid: tuple[int, ...]
    factor: int
    tile_samples: int
    n_all_chunks: int
    starts_random: bool

    @property
    def n_phases(self) -> int:
        """Minibatches of a pass."""
        return self.factor ** len(self.grid)

    def n_chunks(self, start_fraction: float) -> int:
        return max(1, round(self.n_all_chunks * (1.0 - start_fraction)))

    def steps(self, start: float, stop: float, chunk: int) -> CoordinateSteps:
        config = self.config
        order = minibatch_order(self.n_phases, self.chunk_steps, seed=config.seed, chunk=chunk)
        return steps_of_chunk(
            config.schedule, start=start, stop=stop, phases=order, steps_per_group=config.steps_per_group
        )

    def side_by_side(self) -> int:
        """As many fits as a core's cache holds, or an accelerator's memory."""
        problem = self.problem
        encoding, n_table = problem.model.encoding, n_in_tables(problem.model.encoding, problem.shape)
        per_sample = sum(problem.model.widths) + problem.n_outputs
        if n_table:
            per_sample += sum(feature_counts(encoding, problem.shape))
        n_samples = math.prod(self.grid)
        # Structural losses see the whole minibatch.
        at_once = n_samples if problem.loss.structural else min(n_samples, self.tile_samples)
        others = 2 * problem.n_outputs * math.prod(problem.shape) + _VALUES_PER_ENTRY * n_table
        return at_most_fits(_VALUES_PER_ACTIVATION * per_sample * at_once + others) or min(
            max(1, _CACHE_VALUES // (per_sample * at_once + n_table)), _MAX_SIDE_BY_SIDE_ON_CPU
        )


def fit_plan(task: Task, model: ModelConfig, *, padded: bool = False) -> CoordinateFitPlan:
    """The plan of a fit. Fits of one plan may share a batch.

    Padded, signals of nearly the same shape have the same plan; what is added to them is masked, so that no result
    depends on it. Structural losses look beyond a mask and are never padded.
    """
    config, shape = task.config, task.target.shape
    assert isinstance(config, CoordinateFitConfig)
    factor = min(config.phase_factor, *shape)
    grid = phase_grid(shape, factor, padded=padded and not config.loss.structural)
    n_steps = config.n_passes * factor ** len(shape)
    groups_per_chunk = _groups_per_chunk(config, n_steps)
    n_outputs = task.target.n_channels
    return CoordinateFitPlan(
        problem=Problem(
            model,
            band_shape(model.encoding, shape),
            n_outputs,
            config.loss,
            config.optimiser,
            clip_norm=config.clip_norm,
            weight_bits=config.weight_bits,
            weight_l1=config.weight_l1,
        ),
        config=dataclasses.replace(
            config,
            n_passes=1.0,
            lambda_rd=0.0,
            target_bits=None,
            least_lambda=0.0,
            schedule=dataclasses.replace(config.schedule, learning_rate=PLANNED_RATE),
        ),
        groups_per_chunk=groups_per_chunk,
        grid=grid,
        factor=factor,
        tile_samples=config.tile_samples or default_tile_samples(),
        n_all_chunks=max(1, round(n_steps / (config.steps_per_group * groups_per_chunk))),
        starts_random=task.start is None or task.start.is_random,
    )


def _groups_per_chunk(config: CoordinateFitConfig, n_steps: float) -> int:
    """Groups of a chunk: fewer than configured where a fit would end before its rate has been steered or measured.

    Restarts are at the ends of chunks: they too are met by fewer groups where stages are short.
    """
    n_chunks = _MIN_CHUNKS if config.target_bits is None else MIN_UPDATES
    shares = [stage.share for stage in config.schedule.stages if stage.restart is not None]
    if shares:
        n_chunks = max(n_chunks, _MIN_CHUNKS / min(shares))
    return min(config.groups_per_chunk, max(1, int(n_steps / (config.steps_per_group * n_chunks))))
