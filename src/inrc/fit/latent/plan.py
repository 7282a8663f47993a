"""What the fits of a batch of latent grids share: the compiled program of a canvas, and the schedule."""

import dataclasses
import math

import jax

from inrc.config import LatentGridConfig
from inrc.fit.batch import FitPlan
from inrc.fit.lanes import at_most_fits
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.program import LatentProblem
from inrc.fit.latent.schedule import LatentSteps, steps_of_chunk
from inrc.fit.task import Target, Task
from inrc.latent_layout import canvas_of

_MIN_UPDATES = 20
"""Updates of lambda that a fit needs to reach its number of bits."""
_MOST_PADDING_ON_CPU = 1e8
"""Steps times pixels that padding a picture may add on a CPU. An idle core takes 0.25 us for each, so that padding
costs at most the 25 seconds in which a program for the picture's own shape would be compiled. An accelerator takes a
hundredth of that time and compiles no faster: there all pictures are padded."""
_VALUES_PER_INPUT = 8
"""Contexts, features, gradients and temporaries per pixel, relative to the context network's inputs: an estimate, not
yet checked on an accelerator."""


@dataclasses.dataclass(frozen=True)
class LatentFitPlan(FitPlan):
    """What the fits of a batch of latent grids share; attributes as in `FitPlan`."""

    problem: LatentProblem
    config: LatentFitConfig
    groups_per_chunk: int

    def n_chunks(self, start_fraction: float) -> int:
        return max(1, round((1.0 - start_fraction) * self.config.n_steps / self.chunk_steps))

    def steps(self, start: float, stop: float, chunk: int) -> LatentSteps:
        config = self.config
        return steps_of_chunk(
            config.schedule, start=start, stop=stop, n_steps=self.chunk_steps, steps_per_group=config.steps_per_group
        )

    def side_by_side(self) -> int:
        """As many fits as an accelerator's memory holds; one on a CPU, where it has the core's cache to itself."""
        model, (height, width) = self.problem.model, self.problem.shape
        inputs = model.n_context + model.n_grids + model.synthesis_width
        return at_most_fits(_VALUES_PER_INPUT * inputs * height * width) or 1


def fit_plan(task: Task, model: LatentGridConfig) -> LatentFitPlan:
    """The plan of a fit. Fits of one plan may share a batch."""
    config = task.config
    assert isinstance(config, LatentFitConfig)
    groups_per_chunk = config.groups_per_chunk
    if config.target_bits is not None:
        # Fewer where a fit would end before its rate has been steered.
        most = int(config.n_steps / (config.steps_per_group * _MIN_UPDATES))
        groups_per_chunk = min(groups_per_chunk, max(1, most))
    default = LatentFitConfig()
    return LatentFitPlan(
        problem=LatentProblem(
            model,
            _canvas(task.target, config),
            task.target.n_channels,
            config.optimiser,
            config.clip_norm,
            config.step_learning_rate,
            config.loss,
            config.rounding,
            config.latent_adam,
        ),
        config=dataclasses.replace(
            config,
            lambda_rd=default.lambda_rd,
            target_bits=None,
            least_lambda=0.0,
            network_weight=default.network_weight,
            first_step=default.first_step,
            seed=default.seed,
        ),
        groups_per_chunk=groups_per_chunk,
    )


def _canvas(target: Target, config: LatentFitConfig) -> tuple[int, int]:
    """(height, width) of the canvas on which a picture is fitted: pictures of one canvas share a compiled program.

    A picture whose shape is a canvas fills it. Structural losses would look at the padding and never have any.
    """
    height, width = target.shape
    canvas = canvas_of((height, width))
    n_added = (math.prod(canvas) - target.n_samples) * config.n_steps
    is_cheap = jax.default_backend() != "cpu" or n_added <= _MOST_PADDING_ON_CPU
    return canvas if is_cheap and not config.loss.structural else (height, width)
