"""Whole fits of latents: resuming, interruption, warm starts, what is returned."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LatentGridConfig, LossConfig
from inrc.entropy.context import ROW_LIMIT, from_matrices
from inrc.errors import CheckpointMismatchError, ConfigError
from inrc.fit.latent import program
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.fitting import LatentFitResult, fit_latents
from inrc.fit.latent.program import LatentState
from inrc.fit.latent.start import warm_latent_state
from inrc.fit.measured import Measured
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import Progress, Target
from inrc.fit.weights import Matrices, Prior, prior_of, quantised
from inrc.latent_layout import CONTEXT_OFFSETS, grids_of, latent_layout
from inrc.metrics.ssim import ssim_index
from inrc.models.latent_grid.forward import values_and_bits
from inrc.models.latent_grid.packing import pack, packing_of
from tests.fit import problems

MODEL = LatentGridConfig(
    n_grids=3, n_hyper=1, n_spatial=3, n_cross=2, n_cross_levels=1, context_layers=1, synthesis_width=4, n_residual=1,
    refinement=False,
)  # fmt: skip
N_CHUNKS = 8
CONFIG = LatentFitConfig(
    n_steps=8 * 20, steps_per_group=5, groups_per_chunk=4, optimiser=OptimiserConfig(preconditioned=False)
)
VALUES = problems.picture()
TARGET = Target(VALUES)


@pytest.fixture(scope="module")
def whole() -> LatentFitResult:
    """The fit that is never stopped."""
    return fit_latents(TARGET, MODEL, CONFIG)


def assert_same(one: LatentFitResult, other: LatentFitResult) -> None:
    """Bit for bit."""
    for a, b in zip(one.latents, other.latents, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], other.params[name])
    assert one.steps == other.steps
    assert one.distortion == other.distortion


def state_of(result: LatentFitResult) -> LatentState:
    """A state of the result's integers and networks."""
    flat = pack(packing_of(MODEL, problems.SHAPE), result.latents).astype(np.float32)
    return warm_latent_state(result.problem, flat, result.params, result.steps, 0)


def flat_prior(result: LatentFitResult) -> Prior:
    return prior_of(program.stacks_of(result.problem), None)


def rounded_params(result: LatentFitResult) -> Matrices:
    """Its networks, rounded."""
    state, stacks = state_of(result), program.stacks_of(result.problem)
    return quantised(stacks, state.weights, flat_prior(result), jnp.float32(0), jnp.float32(1), state.seed)[0]


def measured(result: LatentFitResult, loss: LossConfig) -> Measured:
    """What the result comes to by another loss."""
    problem = result.problem._replace(loss=loss)
    return program.rounded_cost(problem, state_of(result), result.signal, flat_prior(result))


def cost(result: LatentFitResult) -> float:
    n_pixels = VALUES[0].size
    return result.distortion + CONFIG.lambda_rd * (result.latent_bits + result.network_bits) / n_pixels


def test_result_is_described_by_its_own_numbers(whole):
    assert [(n, p.shape) for n, p in whole.params.items()] == list(latent_layout(MODEL, 3))
    assert [x.shape for x in whole.latents] == [grid.shape for grid in grids_of(MODEL, problems.SHAPE)]
    assert whole.n_steps == 20 * N_CHUNKS
    again = measured(whole, CONFIG.loss)
    np.testing.assert_allclose(
        [again.distortion, again.latent_bits, again.network_bits],
        [whole.distortion, whole.latent_bits, whole.network_bits],
        rtol=1e-4,
    )


def test_a_fit_is_better_than_its_picture_s_mean(whole):
    assert whole.distortion < 0.3 * VALUES.reshape(3, -1).var(1).mean()
    assert any(grid.any() for grid in whole.latents)


def test_best_so_far_is_what_is_returned(whole):
    calls = []
    for n_chunks in (3, N_CHUNKS):

        def progress(state: Progress, last: int = n_chunks) -> None:
            calls.append(state)
            if len(calls) == last:
                raise KeyboardInterrupt

        calls.clear()
        result = fit_latents(TARGET, MODEL, CONFIG, progress=progress)
        assert result.interrupted
        assert result.n_steps == 20 * n_chunks
        assert cost(result) >= cost(whole)
    assert_same(result, whole)


def test_a_fit_resumes_where_it_was_stopped(whole, tmp_path: Path):
    path = tmp_path / "fit.npz"

    def stop(state: Progress) -> None:
        if state.fraction > 0.6:
            raise KeyboardInterrupt

    fit_latents(TARGET, MODEL, CONFIG, progress=stop, checkpoint_path=path, checkpoint_every=0.0)
    assert path.exists()
    steps = []
    resumed = fit_latents(TARGET, MODEL, CONFIG, progress=lambda s: steps.append(s.step), checkpoint_path=path)
    assert steps[0] > 20 * N_CHUNKS // 2
    assert_same(resumed, whole)
    with pytest.raises(CheckpointMismatchError):
        fit_latents(Target(1 - VALUES), MODEL, CONFIG, checkpoint_path=path)


def test_a_time_budget_ends_a_fit():
    config = dataclasses.replace(CONFIG, n_steps=10**6, time_budget=0.5)
    fractions = []
    result = fit_latents(TARGET, MODEL, config, progress=lambda s: fractions.append(s.fraction))
    assert fractions[-1] == 1.0
    assert result.n_steps < 10**6


class TestWarmStart:
    def test_only_the_rest_of_the_schedule_is_run_and_nothing_compiled(self, whole):
        steps = []

        def sizes() -> list[int]:
            return [getattr(each, "_cache_size")() for each in (program.run_chunk, program.rounded_cost)]  # noqa: B009

        before = sizes()
        for lambda_rd in (1e-2, 1e-4):
            config = dataclasses.replace(CONFIG, lambda_rd=lambda_rd, n_seeds=3)
            result = fit_latents(
                TARGET,
                MODEL,
                config,
                warm_start=whole,
                start_fraction=0.5,
                progress=lambda s: steps.append((s.step, s.fraction)),
            )
            assert result.n_steps == 20 * N_CHUNKS // 2
            assert result.compile_seconds < 0.2
            assert result.lambda_rd == lambda_rd
        assert sizes() == before
        assert steps[: N_CHUNKS // 2] == [(20 * (i + 1), 0.5 + (i + 1) / N_CHUNKS) for i in range(N_CHUNKS // 2)]

    def test_it_starts_from_the_earlier_result(self, whole):
        # At the last rates of a schedule almost nothing moves.
        result = fit_latents(TARGET, MODEL, CONFIG, warm_start=whole, start_fraction=0.97)
        assert cost(result) == pytest.approx(cost(whole), rel=0.2)
        assert abs(result.state_latents - whole.state_latents).max() < 0.1
        np.testing.assert_array_equal(
            np.round(whole.state_latents), pack(packing_of(MODEL, problems.SHAPE), whole.latents)
        )

    def test_another_lambda_gives_another_rate(self, whole):
        few, many = (
            fit_latents(TARGET, MODEL, dataclasses.replace(CONFIG, lambda_rd=x), warm_start=whole, start_fraction=0.5)
            for x in (1e-2, 1e-4)
        )
        assert few.latent_bits + few.network_bits < 0.8 * (many.latent_bits + many.network_bits)
        assert few.distortion > many.distortion

    def test_unsuitable_warm_starts_are_refused(self, whole):
        with pytest.raises(ConfigError, match=r"starts at fraction 0\.5"):
            fit_latents(TARGET, MODEL, CONFIG, start_fraction=0.5)
        with pytest.raises(ConfigError, match="another model or shape"):
            fit_latents(Target(VALUES[:, 1:]), MODEL, CONFIG, warm_start=whole)


@pytest.mark.slow
def test_distortion_is_by_the_loss_of_the_fit(whole):
    packing, params = packing_of(MODEL, problems.SHAPE), rounded_params(whole)

    @jax.jit
    def decoded(latents):
        values, _ = values_and_bits(MODEL, packing, params, jnp.asarray(whole.signal.mask), latents)
        return values, ssim_index(jnp.asarray(VALUES), values)

    values, ssim = (np.asarray(x) for x in decoded(jnp.round(whole.state_latents)))
    assert ssim < 0.99
    mixed, squared = (
        float(measured(whole, loss).distortion) for loss in (LossConfig(0.0, 0.8, ssim=0.2), LossConfig())
    )
    assert mixed == pytest.approx(0.8 * abs(values - VALUES).mean() + 0.2 * (1 - ssim), rel=1e-4)
    assert squared == pytest.approx(np.square(values - VALUES).mean(), rel=1e-4)
    assert whole.distortion == pytest.approx(squared, rel=1e-6)


def test_lambda_follows_the_bits():
    for bits in (400.0, 700.0):
        result = fit_latents(TARGET, MODEL, dataclasses.replace(CONFIG, n_steps=2000, target_bits=bits))
        n_weights = sum(matrix.size for matrix in result.params.values())
        of_coder = min(0.88 * n_weights, 0.54 * bits)  # that the rate model does not count
        assert 0.9 * bits < result.latent_bits + result.network_bits + of_coder <= 1.06 * bits
        assert result.lambda_rd != CONFIG.lambda_rd


def test_networks_are_those_that_the_coder_takes(whole):
    wild = {n: np.float32(40.0) * np.sign(p) if n == "context_0" else p for n, p in whole.params.items()}
    result = fit_latents(TARGET, MODEL, CONFIG, warm_start=dataclasses.replace(whole, params=wild), start_fraction=0.97)
    assert abs(result.params["context_0"][:, :-1]).sum(1).max() <= ROW_LIMIT * 1.001
    network = from_matrices(result.params, CONTEXT_OFFSETS[: MODEL.n_spatial])
    assert len(network.layers) == MODEL.context_layers
