"""One tiny problem that all tests of fits share, so that its programs compile once per process, and their helpers."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.coordinate import program
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import CoordinateFitResult
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import FitResult, Progress, Start, Target
from inrc.fit.weights import Matrices, first_weights, prior_of, quantised

SHAPE = (12, 16)
N_PIXELS = SHAPE[0] * SHAPE[1]
MODEL = ModelConfig(widths=(6, 5), encoding=EncodingConfig(EncodingKind.NERF, 2))
ADAM = OptimiserConfig(preconditioned=False)  # compiles in half the time
# 4 phases, 8 steps to a chunk: two passes a chunk.
CONFIG = CoordinateFitConfig(n_passes=12, phase_factor=2, steps_per_group=4, groups_per_chunk=2, optimiser=ADAM)
N_CHUNKS = 6
MATRIX, OFFSET = 0.5 * np.eye(3), np.full(3, 0.5)


def picture(shape: tuple[int, ...] = SHAPE, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth values [channels, ...] in [0, 1]."""
    generator = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    waves = [
        0.5 + 0.4 * np.sin(sum(generator.uniform(-3, 3) * axis for axis in axes) + generator.uniform(0, 6))
        for _ in range(channels)
    ]
    return np.stack([np.broadcast_to(wave, shape) for wave in waves]).astype(np.float32)


def target(seed: int = 0) -> Target:
    """The problem's signal."""
    return Target(picture(seed=seed), MATRIX, OFFSET)


def assert_same(one: FitResult, other: FitResult) -> None:
    """Bit for bit."""
    assert list(one.params) == list(other.params)
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], other.params[name])
    assert one.steps == other.steps
    assert one.n_steps == other.n_steps
    assert one.lambda_rd == other.lambda_rd


def interrupt_after(n_chunks: int) -> Callable[[Progress], None]:
    """A progress callback that is Ctrl-C at the end of chunk `n_chunks`."""
    calls = []

    def progress(state: Progress) -> None:
        calls.append(state)
        if len(calls) == n_chunks:
            raise KeyboardInterrupt

    return progress


def rounded(problem: program.Problem, params, log_steps) -> tuple[Matrices, float]:
    """Weights {name: matrix} as a file without a prior holds them, and their bits by the rate model."""
    stacks = program.stacks_of(problem)
    weights = first_weights(stacks, problem.optimiser, {n: jnp.asarray(p) for n, p in params.items()}, log_steps)
    prior = prior_of(stacks, None)
    matrices, bits = quantised(stacks, weights, prior, jnp.float32(0), jnp.float32(1), jnp.uint32(0))
    return matrices, float(bits)


def rounded_result(result: CoordinateFitResult) -> tuple[Matrices, float]:
    """`rounded` of the weights of a result."""
    return rounded(result.problem, result.params, {n: jnp.log(jnp.float32(s)) for n, s in result.steps.items()})


def rounded_loss(result: CoordinateFitResult) -> float:
    """The loss of a result as a file without a prior holds it."""
    matrices, _ = rounded_result(result)
    return float(program.distortion(result.problem, matrices, result.signal))


def start_at(centre, scale: float = 0.1, **values) -> Start:
    """A start whose prior has one scale."""
    mean = {name: np.asarray(p) for name, p in centre.items()}
    return Start(mean, {name: np.full(p.shape, scale, np.float32) for name, p in mean.items()}, **values)
