"""Whole fits of latents: resuming, interruption, what is returned; schedules."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.entropy.context import ROW_LIMIT, from_matrices
from inrc.errors import CheckpointMismatchError, ConfigError
from inrc.fit.config import Progress
from inrc.fit.latent_config import LatentFitConfig, LatentFitResult
from inrc.fit.latent_program import LatentProblem, LatentState, noise_of, rounded_latent_cost, run_latent_chunk
from inrc.fit.latent_stages import LatentSchedule, LatentStage, plan_latent_chunk
from inrc.fit.latent_start import continued_latent_state, first_latent_state, latent_prior
from inrc.fit.latents import fit_latents
from inrc.fit.loss import LossConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.program import Params, quantised
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


@pytest.fixture(scope="module")
def whole() -> LatentFitResult:
    """The fit that is never stopped."""
    return fit_latents(VALUES, MODEL, CONFIG)


def assert_same(one: LatentFitResult, other: LatentFitResult) -> None:
    """Bit for bit."""
    for a, b in zip(one.latents, other.latents, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], other.params[name])
    assert one.steps == other.steps
    assert one.mse == other.mse


def state_of(result: LatentFitResult) -> LatentState:
    """A state of the result's integers and networks."""
    flat = pack(packing_of(MODEL, problems.SHAPE), result.latents)
    return continued_latent_state(result.problem, flat, result.params, result.steps, 0)


def seen_params(result: LatentFitResult) -> Params:
    """Its networks, rounded."""
    state = state_of(result)
    prior = latent_prior(result.problem, None)
    return quantised(state.params, prior, state.log_steps, jnp.float32(0), jnp.float32(1), state.seed)[0]


def cost(result: LatentFitResult) -> float:
    n_pixels = VALUES[0].size
    return result.mse + CONFIG.lambda_rd * (result.latent_bits + result.network_bits) / n_pixels


def test_result_is_described_by_its_own_numbers(whole):
    assert [(n, p.shape) for n, p in whole.params.items()] == list(latent_layout(MODEL, 3))
    assert [x.shape for x in whole.latents] == [grid.shape for grid in grids_of(MODEL, problems.SHAPE)]
    assert whole.n_steps == 20 * N_CHUNKS
    again = rounded_latent_cost(whole.problem, state_of(whole), whole.signal, latent_prior(whole.problem, None))
    np.testing.assert_allclose(
        [again.mse, again.latent_bits, again.network_bits],
        [whole.mse, whole.latent_bits, whole.network_bits],
        rtol=1e-4,
    )


def test_a_fit_is_better_than_its_picture_s_mean(whole):
    assert whole.mse < 0.3 * VALUES.reshape(3, -1).var(1).mean()
    assert any(grid.any() for grid in whole.latents)


def test_best_so_far_is_what_is_returned(whole):
    seen = []
    for n_chunks in (3, N_CHUNKS):

        def progress(state: Progress, last: int = n_chunks) -> None:
            seen.append(state)
            if len(seen) == last:
                raise KeyboardInterrupt

        seen.clear()
        result = fit_latents(VALUES, MODEL, CONFIG, progress=progress)
        assert result.interrupted
        assert result.n_steps == 20 * n_chunks
        assert cost(result) >= cost(whole)
    assert_same(result, whole)


def test_a_fit_goes_on_where_it_was_stopped(whole, tmp_path: Path):
    path = tmp_path / "fit.npz"

    def stop(state: Progress) -> None:
        if state.fraction > 0.6:
            raise KeyboardInterrupt

    fit_latents(VALUES, MODEL, CONFIG, progress=stop, checkpoint_path=path, checkpoint_every=0.0)
    assert path.exists()
    steps = []
    resumed = fit_latents(VALUES, MODEL, CONFIG, progress=lambda s: steps.append(s.step), checkpoint_path=path)
    assert steps[0] > 20 * N_CHUNKS // 2
    assert_same(resumed, whole)
    with pytest.raises(CheckpointMismatchError):
        fit_latents(1 - VALUES, MODEL, CONFIG, checkpoint_path=path)


def test_a_time_budget_ends_a_fit():
    config = dataclasses.replace(CONFIG, n_steps=10**6, time_budget=0.5)
    fractions = []
    result = fit_latents(VALUES, MODEL, config, progress=lambda s: fractions.append(s.fraction))
    assert fractions[-1] == 1.0
    assert result.n_steps < 10**6


class TestContinued:
    def test_only_the_rest_of_the_course_is_taken_and_nothing_compiled(self, whole):
        steps = []

        def sizes() -> list[int]:
            return [getattr(each, "_cache_size")() for each in (run_latent_chunk, rounded_latent_cost)]  # noqa: B009

        before = sizes()
        for lambda_rd in (1e-2, 1e-4):
            config = dataclasses.replace(CONFIG, lambda_rd=lambda_rd, n_seeds=3)
            result = fit_latents(
                VALUES, MODEL, config, continued=whole, begin=0.5, progress=lambda s: steps.append((s.step, s.fraction))
            )
            assert result.n_steps == 20 * N_CHUNKS // 2
            assert result.compile_seconds < 0.2
            assert result.lambda_rd == lambda_rd
        assert sizes() == before
        assert steps[: N_CHUNKS // 2] == [(20 * (i + 1), 0.5 + (i + 1) / N_CHUNKS) for i in range(N_CHUNKS // 2)]

    def test_it_goes_on_from_what_was_there(self, whole):
        # At the last rates of a course almost nothing moves.
        result = fit_latents(VALUES, MODEL, CONFIG, continued=whole, begin=0.97)
        assert cost(result) == pytest.approx(cost(whole), rel=0.2)
        assert abs(result.state_latents - whole.state_latents).max() < 0.1
        np.testing.assert_array_equal(
            np.round(whole.state_latents), pack(packing_of(MODEL, problems.SHAPE), whole.latents)
        )

    def test_another_lambda_gives_another_rate(self, whole):
        few, many = (
            fit_latents(VALUES, MODEL, dataclasses.replace(CONFIG, lambda_rd=x), continued=whole, begin=0.5)
            for x in (1e-2, 1e-4)
        )
        assert few.latent_bits + few.network_bits < 0.8 * (many.latent_bits + many.network_bits)
        assert few.mse > many.mse

    def test_what_cannot_be_continued_is_refused(self, whole):
        with pytest.raises(ConfigError, match=r"begins at 0\.5"):
            fit_latents(VALUES, MODEL, CONFIG, begin=0.5)
        with pytest.raises(ConfigError, match="another model or shape"):
            fit_latents(VALUES[:, 1:], MODEL, CONFIG, continued=whole)


@pytest.mark.slow
def test_distortion_is_the_loss_that_was_asked_for(whole):
    packing, params = packing_of(MODEL, problems.SHAPE), seen_params(whole)

    @jax.jit
    def decoded(latents):
        values, _ = values_and_bits(MODEL, packing, params, whole.signal.mask, latents)
        return values, ssim_index(jnp.asarray(VALUES), values)

    values, ssim = (np.asarray(x) for x in decoded(jnp.round(whole.state_latents)))
    measured = rounded_latent_cost(
        whole.problem._replace(loss=LossConfig(mse=0.0, l1=0.8, ssim=0.2)),
        state_of(whole),
        whole.signal,
        latent_prior(whole.problem, None),
    )
    assert ssim < 0.99
    assert measured.distortion == pytest.approx(0.8 * abs(values - VALUES).mean() + 0.2 * (1 - ssim), rel=1e-4)
    assert measured.mse == pytest.approx(np.square(values - VALUES).mean(), rel=1e-4)
    assert whole.distortion == whole.mse


def test_lambda_follows_the_bits():
    for bits in (400.0, 700.0):
        result = fit_latents(VALUES, MODEL, dataclasses.replace(CONFIG, n_steps=2000, target_bits=bits))
        assert 0.9 * bits < result.latent_bits + result.network_bits <= 1.02 * bits
        assert result.lambda_rd != CONFIG.lambda_rd


def test_networks_are_those_that_the_coder_takes(whole):
    wild = {n: np.float32(40.0) * np.sign(p) if n == "context_0" else p for n, p in whole.params.items()}
    result = fit_latents(VALUES, MODEL, CONFIG, continued=dataclasses.replace(whole, params=wild), begin=0.97)
    assert abs(result.params["context_0"][:, :-1]).sum(1).max() <= ROW_LIMIT * 1.001
    network = from_matrices(result.params, CONTEXT_OFFSETS[: MODEL.n_spatial])
    assert len(network.layers) == MODEL.context_layers


@pytest.mark.parametrize(("n_channels", "n_colours"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_grids_begin_in_gray(n_channels: int, n_colours: int):
    problem = LatentProblem(MODEL, problems.SHAPE, n_channels)
    skip = first_latent_state(problem, np.full(n_channels, 0.5), 0.01, None, 0).params["synthesis_skip"]
    np.testing.assert_allclose(skip[:n_colours], 0.04, atol=0.02)
    np.testing.assert_allclose(skip[n_colours:], 0.0, atol=0.02)


def test_noise_of_two_steps_cancels():
    pairs = [noise_of(jnp.uint32(7), jnp.float32(step)) for step in range(6)]
    assert [int(seed) for seed, _ in pairs] == [7, 7, 9, 9, 11, 11]
    assert [float(sign) for _, sign in pairs] == [1, -1, 1, -1, 1, -1]


def test_a_schedule_is_its_stages():
    schedule = LatentSchedule(
        (
            LatentStage(0.5, (1.0, 0.0), (2.0, 2.0), (0.4, 0.2), (0.3, 0.1)),
            LatentStage(0.5, (0.5, 0.1), (1.0, 0.0), hard=True),
        ),
        first_rate=4.0,
        first_rate_until=0.5,
        networks_noisy_from=0.25,
        networks_hard_from=0.75,
    )
    plan = schedule.at(np.array([0.0, 0.25, 0.4999, 0.5, 0.75, 0.9999]))
    np.testing.assert_allclose(plan["network_rate"], [1, 0.5, 0, 0.5, 0.3, 0.1], atol=1e-3)
    np.testing.assert_allclose(plan["latent_rate"], [2, 2, 2, 1, 0.5, 0], atol=1e-3)
    np.testing.assert_allclose(plan["temperature"], [0.4, 0.3, 0.2, 1, 1, 1], atol=1e-3)
    np.testing.assert_allclose(plan["noise"], [0.3, 0.2, 0.1, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(plan["rate"], [4, 2, 1, 1, 1, 1], atol=1e-2)
    assert plan["hard"].tolist() == [0, 0, 0, 1, 1, 1]
    assert plan["network_noise"].tolist() == [0, 1, 1, 1, 0, 0]
    assert plan["network_hard"].tolist() == [0, 0, 0, 0, 1, 1]
    chunk = plan_latent_chunk(schedule, start=0.0, stop=0.5, n_steps=6, steps_per_group=3, rate_scale=0.5)
    assert chunk.latent_rate.shape == (2, 3)
    np.testing.assert_allclose(chunk.latent_rate, 1.0)


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="add up"):
        LatentSchedule((LatentStage(0.5, (1e-2, 0), (0.1, 0)),))
    with pytest.raises(ConfigError, match="bits weigh 0"):
        LatentSchedule(first_rate=0.0)
    with pytest.raises(ConfigError, match="latent_betas"):
        LatentStage(1.0, (1e-2, 0), (0.1, 0), latent_betas=(0.9, 1.0))
    with pytest.raises(ConfigError, match="n_steps is 0"):
        LatentFitConfig(n_steps=0)
    with pytest.raises(ConfigError, match="target_bits is 0"):
        LatentFitConfig(target_bits=0.0)
    with pytest.raises(ConfigError, match="n_hyper is 7"):
        LatentGridConfig(n_hyper=7)
