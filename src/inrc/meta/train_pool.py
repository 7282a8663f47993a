"""A pool of crops on the host: steps in their order, progress, and the networks of an earlier run as a start."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inrc.config import LatentGridConfig
from inrc.errors import ConfigError, InrcError
from inrc.fit.checkpoint import fingerprint
from inrc.fit.latent.program import LatentProblem, stacks_of
from inrc.fit.optimiser import refresh_bases
from inrc.fit.stacks import stacked, unstacked
from inrc.fit.weights import matrices_of
from inrc.latent_layout import latent_layout
from inrc.meta.checkpoint import Checkpoints
from inrc.meta.host_loop import HostLoop
from inrc.meta.latent_pool import PoolState, first_pool, plan_of, pool_step, scaled
from inrc.meta.stages import PoolLearning

CHECKPOINTS = "checkpoints"
_REPORT_STEPS = 20


@dataclasses.dataclass(frozen=True)
class PoolProgress:
    """The state of a pool.

    Attributes:
      fraction: of the run that is done, 0..1.
      step: steps of the networks so far.
      loss, mse, bpp: means since the last report.
      seconds: since the run began, earlier processes included.
      seconds_left: estimate.
    """

    fraction: float
    step: int
    loss: float
    mse: float
    bpp: float
    seconds: float
    seconds_left: float


@dataclasses.dataclass(frozen=True)
class PoolResult:
    """The networks that a pool has learned.

    Attributes:
      params: {name: matrix}, in the order of the layout.
      n_steps: steps of the networks.
      seconds: of the run.
      history: (step, seconds, loss, mse, bpp) of every report.
    """

    params: dict[str, np.ndarray]
    n_steps: int
    seconds: float
    history: tuple[tuple[float, ...], ...]


def train_pool(
    learning: PoolLearning,
    model: LatentGridConfig,
    pixels: np.ndarray,
    folder: Path,
    *,
    progress: Callable[[PoolProgress], None] | None = None,
    checkpoint_every: float = 120.0,
) -> PoolResult:
    """Learns networks from crops.

    Args:
      learning: how.
      model: the networks.
      pixels: [crops, C, height, width] uint8.
      folder: of the run. A run whose checkpoint is found there continues and ends in the same networks as one that was
        never stopped.
      progress: called every few steps; may raise KeyboardInterrupt.
      checkpoint_every: seconds between two checkpoints.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to another recipe or other pictures.
      ConfigError: There are several processes.
      InrcError: The loss is no longer finite, or the run to start from is missing.
      KeyboardInterrupt: On Ctrl-C, once the state is saved.
    """
    if jax.process_count() > 1:
        raise ConfigError("networks of latent grids are learned by one process; run the recipe on one host")
    loop = _PoolLoop(learning, model, pixels, folder.parent, progress)
    with Checkpoints(folder / CHECKPOINTS, fingerprint([pixels], model, learning)) as checkpoints:
        loop.run(checkpoints, checkpoint_every)
    return loop.result()


class _PoolLoop(HostLoop[PoolState]):
    """The compiled steps and what the host keeps between them."""

    def __init__(
        self,
        learning: PoolLearning,
        model: LatentGridConfig,
        pixels: np.ndarray,
        runs: Path,
        progress: Callable[[PoolProgress], None] | None,
    ) -> None:
        _, n_channels, height, width = pixels.shape
        self._learning = learning
        self._pixels = jnp.asarray(pixels)
        self._runs = runs
        self._report_progress = progress
        self._problem = LatentProblem(model, (height, width), n_channels, learning.optimiser, learning.clip_norm)
        self._refresh = jax.jit(refresh_bases)
        self._step = functools.partial(pool_step, self._problem)
        mean_values = pixels.mean((0, 2, 3)) / 255.0
        super().__init__(first_pool(self._problem, mean_values, learning.batch, learning.seed))

    def start(self) -> None:
        """Takes the networks at the end of another run, if the recipe names one."""
        name = self._learning.start_from
        if name is None:
            return
        earlier = Checkpoints.newest(self._runs / name / CHECKPOINTS, self.state)
        if earlier is None:
            raise InrcError(f"{self._runs / name} holds no run to start from; run its recipe first")
        stacks = stacks_of(self._problem)
        matrices = unstacked(stacks, {key: jnp.asarray(stack) for key, stack in earlier.params.items()})
        self.state = self.state._replace(params=stacked(stacks, scaled(matrices, self._learning.start_scale)))

    def resume(self, state: PoolState, notes: dict[str, Any]) -> None:
        super().resume(jax.tree.map(np.array, state), notes)
        self.fraction = self._fraction_now()

    def _fraction_now(self) -> float:
        return min(1.0, int(self.state.step) / self._learning.n_steps)

    def advance(self) -> None:
        """Takes a few steps and reports their means.

        Raises:
          InrcError: The loss is no longer finite.
          KeyboardInterrupt: The progress function has raised it.
        """
        learning, measured = self._learning, []
        first = int(self.state.step)
        for step in range(first, min(first + _REPORT_STEPS, learning.n_steps)):
            if step % learning.steps_per_group == 0:
                self.state = self.state._replace(optimiser=self._refresh(self.state.optimiser))
            plan = plan_of(learning, len(self._pixels), step)
            with jax.default_matmul_precision("highest"):
                self.state, means = self._step(self.state, self._pixels, plan, jnp.float32(learning.lambda_rd))
            measured.append(means)
        loss, mse, bpp = np.mean([[float(x) for x in means] for means in measured], axis=0)
        done = int(self.state.step)
        if not np.isfinite(loss):
            raise InrcError(f"the pool's loss is {loss} after {done} steps; lower the networks' learning rate")
        self.fraction = self._fraction_now()
        self.seconds_done = self.seconds
        self.history.append((done, round(self.seconds_done, 1), float(loss), float(mse), float(bpp)))
        if self._report_progress is not None:
            left = self.seconds_done / self.fraction * (1 - self.fraction)
            self._report_progress(PoolProgress(self.fraction, done, loss, mse, bpp, self.seconds_done, left))

    def result(self) -> PoolResult:
        """The result once the run has ended."""
        stacks, n_channels = stacks_of(self._problem), self._problem.n_channels
        names = tuple(name for name, _ in latent_layout(self._problem.model, n_channels))
        params = matrices_of(stacks, names, {key: np.asarray(stack) for key, stack in self.state.params.items()})
        return PoolResult(params, int(self.state.step), self.seconds_done, tuple(self.history))
