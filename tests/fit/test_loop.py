"""Whole fits: determinism, resuming, interruption, budgets, best so far."""

import dataclasses
import itertools
import json
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.entropy import coder
from inrc.errors import CheckpointMismatchError, ConfigError
from inrc.fit.config import FitConfig, FitResult, Progress, Start, Target
from inrc.fit.control import Guard
from inrc.fit.loop import fit
from inrc.fit.loss import LossConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.program import distortion, flat_prior, quantised
from inrc.fit.stages import Schedule
from inrc.layout import layout
from inrc.quant.uniform import index_of_step, indices_of_steps, quantise, step_of_index
from tests.fit import problems
from tests.models.networks import random_params

CONFIG, MODEL, N_CHUNKS = problems.CONFIG, problems.MODEL, problems.N_CHUNKS


def assert_same(one: FitResult, other: FitResult) -> None:
    """Bit for bit."""
    assert list(one.params) == list(other.params)
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], other.params[name])
    assert one.steps == other.steps
    assert one.n_steps == other.n_steps
    assert one.lambda_rd == other.lambda_rd


def interrupt_after(n_chunks: int):
    """A progress callback that is Ctrl-C at the end of chunk `n_chunks`."""
    calls = []

    def progress(state: Progress) -> None:
        calls.append(state)
        if len(calls) == n_chunks:
            raise KeyboardInterrupt

    return progress


def rounded(params, log_steps):
    """Weights as a file without a prior holds them, and their bits."""
    return quantised(params, flat_prior(params), log_steps, jnp.float32(0), jnp.float32(1), jnp.uint32(0))


def rounded_loss(result: FitResult) -> float:
    params = {n: jnp.asarray(p) for n, p in result.params.items()}
    log_steps = {n: jnp.log(jnp.float32(s)) for n, s in result.steps.items()}
    seen, _ = rounded(params, log_steps)
    return float(distortion(result.problem, seen, result.signal))


@pytest.fixture(scope="module")
def whole() -> FitResult:
    """The fit that is never stopped."""
    return fit(problems.target(), MODEL, CONFIG)


def test_result_describes_the_network(whole):
    assert [(n, p.shape) for n, p in whole.params.items()] == list(layout(MODEL, problems.SHAPE, 3))
    assert whole.steps.keys() == whole.params.keys()
    assert all(1e-7 < step < 10 for step in whole.steps.values())
    assert whole.n_steps == 8 * N_CHUNKS
    assert not whole.interrupted
    assert 0 <= whole.compile_seconds <= whole.seconds


def test_more_than_ten_matrices_stay_in_the_order_of_the_file():
    # JAX sorts the keys of a dictionary, and layer_10 comes before layer_2.
    model = dataclasses.replace(MODEL, widths=(2, 3) * 5)
    result = fit(problems.target(), model, dataclasses.replace(CONFIG, n_passes=2))
    assert [(n, p.shape) for n, p in result.params.items()] == list(layout(model, problems.SHAPE, 3))
    assert list(result.steps) == list(result.params)


def test_a_fit_learns():
    config = dataclasses.replace(CONFIG, n_passes=300, lambda_rd=1e-5, schedule=Schedule(learning_rate=0.01), seed=1)
    result = fit(problems.target(), MODEL, config)
    variance = problems.picture().var()
    assert rounded_loss(result) < 0.1 * variance


def test_a_larger_lambda_gives_fewer_bits():
    bits = []
    for lambda_rd in (1e-5, 1e-1):
        result = fit(problems.target(), MODEL, dataclasses.replace(CONFIG, n_passes=60, lambda_rd=lambda_rd))
        params = {n: jnp.asarray(p) for n, p in result.params.items()}
        log_steps = {n: jnp.log(jnp.float32(s)) for n, s in result.steps.items()}
        bits.append(float(rounded(params, log_steps)[1]))
    assert bits[1] < 0.6 * bits[0]


def test_the_same_seed_gives_the_same_result_and_another_another(whole):
    assert_same(fit(problems.target(), MODEL, CONFIG), whole)
    other = fit(problems.target(), MODEL, dataclasses.replace(CONFIG, seed=1))
    assert not np.array_equal(other.params["layer_0"], whole.params["layer_0"])


def test_the_first_prediction_is_the_mean_of_the_picture():
    result = fit(problems.target(), MODEL, CONFIG, progress=interrupt_after(1))
    mean = problems.picture().reshape(3, -1).mean(1)
    np.testing.assert_allclose(result.params["layer_2"][:, -1] * 0.5 + 0.5, mean, atol=0.1)


class TestProgress:
    @pytest.fixture
    def calls(self) -> list[Progress]:
        calls: list[Progress] = []
        fit(problems.target(), MODEL, CONFIG, progress=calls.append)
        return calls

    def test_it_is_called_after_every_chunk(self, calls):
        np.testing.assert_allclose([c.fraction for c in calls], np.arange(1, N_CHUNKS + 1) / N_CHUNKS)
        assert [c.step for c in calls] == [8 * i for i in range(1, N_CHUNKS + 1)]

    def test_time_passes_and_runs_out(self, calls):
        assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(calls))
        assert calls[-1].seconds_left == 0
        assert calls[0].seconds_left >= 0

    def test_it_reports_loss_and_rate(self, calls):
        assert 0 < calls[-1].loss < calls[0].loss
        # 9 features and a bias into 6, 6 + 1 into 5, 5 + 1 into 3 weights, at one to ten bits each.
        n_weights = 6 * 11 + 5 * 7 + 3 * 6
        assert 1 < calls[-1].bpp * problems.N_PIXELS / n_weights < 10


class TestCheckpoints:
    @pytest.mark.parametrize("chunk", range(2, N_CHUNKS + 1))
    def test_a_resumed_fit_ends_as_if_never_stopped(self, whole, tmp_path, chunk):
        path = tmp_path / "fit.ckpt"
        options = {"checkpoint_path": path, "checkpoint_every": -1.0}
        stopped = fit(problems.target(), MODEL, CONFIG, progress=interrupt_after(chunk), **options)
        assert stopped.interrupted
        assert path.exists()
        assert_same(fit(problems.target(), MODEL, CONFIG, **options), whole)

    def test_a_fit_may_be_stopped_again_and_again(self, whole, tmp_path):
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        results = [
            fit(problems.target(), MODEL, CONFIG, progress=interrupt_after(2), **options) for _ in range(N_CHUNKS + 1)
        ]
        assert results[0].interrupted
        assert not results[-1].interrupted
        assert_same(results[-1], whole)

    def test_a_resumed_race_ends_as_if_never_stopped(self, tmp_path):
        config = dataclasses.replace(CONFIG, n_seeds=3, race_fraction=0.3)
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        uninterrupted = fit(problems.target(), MODEL, config)
        fit(problems.target(), MODEL, config, progress=interrupt_after(2), **options)
        assert_same(fit(problems.target(), MODEL, config, **options), uninterrupted)

    def test_a_resumed_steering_ends_as_if_never_stopped(self, tmp_path):
        config = dataclasses.replace(CONFIG, target_bits=300.0)
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        uninterrupted = fit(problems.target(), MODEL, config)
        assert uninterrupted.lambda_rd != config.lambda_rd
        fit(problems.target(), MODEL, config, progress=interrupt_after(4), **options)
        assert_same(fit(problems.target(), MODEL, config, **options), uninterrupted)

    @pytest.mark.parametrize("change", ["picture", "matrix", "offset", "model", "config", "mean", "scale", "steps"])
    def test_a_checkpoint_of_something_else_is_a_mismatch(self, tmp_path, change):
        path = tmp_path / "fit.ckpt"
        target, start = problems.target(), start_at(random_params(MODEL, problems.SHAPE, 3))
        fit(
            target,
            MODEL,
            CONFIG,
            start=start,
            progress=interrupt_after(2),
            checkpoint_path=path,
            checkpoint_every=-1,
        )
        other = {"target": target, "model": MODEL, "config": CONFIG, "start": start}
        match change:
            case "picture":
                other["target"] = problems.target(seed=5)
            case "matrix":
                other["target"] = Target(target.values, 0.4 * np.eye(3), target.offset)
            case "offset":
                other["target"] = Target(target.values, target.matrix, np.full(3, 0.4))
            case "model":
                other["model"] = dataclasses.replace(MODEL, omega_0=29)
            case "config":
                other["config"] = dataclasses.replace(CONFIG, lambda_rd=1e-3)
            case "steps":
                other["start"] = dataclasses.replace(start, steps=dict.fromkeys(start.mean, 0.01))
            case _:
                tree = {name: 0.9 * p for name, p in getattr(start, change).items()}
                other["start"] = dataclasses.replace(start, **{change: tree})
        with pytest.raises(CheckpointMismatchError, match="another picture or other options"):
            fit(**other, checkpoint_path=path)

    def test_another_time_budget_is_no_mismatch(self, whole, tmp_path):
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        fit(problems.target(), MODEL, CONFIG, progress=interrupt_after(3), **options)
        resumed = fit(problems.target(), MODEL, dataclasses.replace(CONFIG, time_budget=500.0), **options)
        assert_same(resumed, whole)


class TestInterruption:
    def test_it_keeps_what_has_been_reached(self):
        stopped = fit(problems.target(), MODEL, CONFIG, progress=interrupt_after(3))
        assert stopped.interrupted
        assert stopped.n_steps == 24
        assert all(np.isfinite(p).all() for p in stopped.params.values())
        assert rounded_loss(stopped) < 2 * problems.picture().var()

    def test_in_a_race_it_keeps_the_start_that_leads(self):
        race = dataclasses.replace(CONFIG, n_seeds=3, race_fraction=0.3)
        shown: list[Progress] = []
        fit(problems.target(), MODEL, race, progress=shown.append)
        length = sum(state.fraction == 0.0 for state in shown) // 3
        assert length >= 2
        assert all(np.isnan(state.seconds_left) for state in shown[: 3 * length])
        # The first has taken one chunk, the second one after it.
        for n_chunks, n_steps in ((1, 8), (length + 1, 8 * length)):
            stopped = fit(problems.target(), MODEL, race, progress=interrupt_after(n_chunks))
            assert stopped.interrupted
            assert stopped.n_steps == n_steps
            assert rounded_loss(stopped) < 2 * problems.picture().var()

    def test_a_fit_resumed_before_rounding_and_stopped_at_once_returns_where_it_is(self, tmp_path):
        path = tmp_path / "fit.ckpt"
        late = dataclasses.replace(CONFIG, schedule=Schedule(hard_from=0.95))
        fit(problems.target(), MODEL, late, progress=interrupt_after(2), checkpoint_path=path, checkpoint_every=-1)
        on = fit(
            problems.target(), MODEL, late, progress=interrupt_after(2), checkpoint_path=path, checkpoint_every=1e9
        )
        straight = fit(problems.target(), MODEL, late, progress=interrupt_after(3))
        assert on.n_steps == straight.n_steps == 24
        for name in on.params:
            np.testing.assert_array_equal(on.params[name], straight.params[name])


class TestBestSoFar:
    # A learning rate that never falls: late states are often worse than earlier ones.
    # Four passes a chunk, so that every chunk is looked at.
    config = dataclasses.replace(
        CONFIG, n_passes=80, groups_per_chunk=4, schedule=Schedule(learning_rate=0.2, final_rate=1.0, hard_from=0.29)
    )

    @pytest.fixture
    def finished(self, tmp_path) -> tuple[FitResult, Path, list[dict[str, np.ndarray]]]:
        """(result, its last checkpoint, the weights after every chunk)."""
        path = tmp_path / "fit.ckpt"
        states: list[dict[str, np.ndarray]] = []

        def progress(_: Progress) -> None:
            if path.exists():
                states.append(stored(path, "state"))

        result = fit(
            problems.target(), MODEL, self.config, progress=progress, checkpoint_path=path, checkpoint_every=-1
        )
        states.append(stored(path, "state"))
        return result, path, states

    def cost(self, result: FitResult, params, log_steps) -> float:
        seen, bits = rounded(params, log_steps)
        loss = float(distortion(result.problem, seen, result.signal))
        return loss + self.config.lambda_rd * float(bits) / problems.N_PIXELS

    def test_it_is_the_loss_of_the_parameters_returned(self, finished):
        result, path, _ = finished
        with np.load(path) as archive:
            (best,) = json.loads(str(archive["meta"]))["best"]
        params = {n: jnp.asarray(p) for n, p in result.params.items()}
        log_steps = {n: jnp.float32(v) for n, v in stored(path, "best", "log_steps").items()}
        assert self.cost(result, params, log_steps) == pytest.approx(best, rel=1e-5)
        for name, matrix in stored(path, "best").items():
            np.testing.assert_array_equal(matrix, result.params[name])
            assert result.steps[name] == pytest.approx(float(np.exp(log_steps[name])), rel=1e-6)

    def test_no_state_of_the_rounded_stage_was_better(self, finished):
        result, path, states = finished
        log_steps = {n: jnp.float32(v) for n, v in stored(path, "best", "log_steps").items()}
        mine = self.cost(result, {n: jnp.asarray(p) for n, p in result.params.items()}, log_steps)
        # Steps stand still while weights are rounded, so one set serves all.
        costs = [self.cost(result, {n: jnp.asarray(p) for n, p in s.items()}, log_steps) for s in states]
        assert len(costs) == 20
        late = costs[6:]  # of chunks that began after 0.29
        assert mine == pytest.approx(min(late), rel=1e-4)
        assert costs[-1] > mine  # or the test would prove nothing


def stored(path: Path, prefix: str, field: str = "params") -> dict[str, np.ndarray]:
    """A field of a state in a checkpoint: the leaves of `State` come in the order of its fields."""
    names = sorted(name for name, _ in layout(MODEL, problems.SHAPE, 3))
    first = {"params": 0, "log_steps": len(names)}[field]
    with np.load(path) as archive:
        return {name: archive[f"{prefix}_{first + i}"][0] for i, name in enumerate(names)}


class TestGuard:
    def test_a_chunk_whose_loss_doubles_is_undone_at_half_the_rate(self):
        guard = Guard()
        assert [guard.admits(loss) for loss in (1.0, 0.5, 0.99, 1.01)] == [True, True, True, False]
        assert guard.rate_scale == 0.5

    def test_the_rate_comes_back(self):
        guard = Guard(lowest=0.5, rate_scale=0.25)
        assert all(guard.admits(0.6) for _ in range(100))
        assert guard.rate_scale == 1.0

    def test_a_loss_that_stays_higher_is_accepted(self):
        guard = Guard(lowest=0.1)
        assert [guard.admits(0.7) for _ in range(4)] == [False, False, True, True]

    def test_what_is_not_finite_never_is(self):
        guard = Guard(lowest=0.1)
        assert not any(guard.admits(value) for value in (float("nan"), float("inf"), float("nan")))
        assert guard.lowest == 0.1


class TestTimeBudget:
    def test_it_ends_a_long_fit_with_its_whole_schedule(self, whole):
        del whole  # compiled before: the budget holds for fitting alone
        calls: list[Progress] = []
        config = dataclasses.replace(CONFIG, n_passes=1e6, time_budget=3.0)
        began = time.monotonic()
        result = fit(problems.target(), MODEL, config, progress=calls.append)
        seconds = time.monotonic() - began
        assert 1.5 < seconds < 4.5
        assert calls[-1].fraction == 1.0
        assert len(calls) > 20
        assert 0.9 * 8 * len(calls) <= result.n_steps <= 8 * len(calls)  # a chunk that diverged is undone

    def test_a_generous_one_changes_nothing(self, whole):
        assert_same(fit(problems.target(), MODEL, dataclasses.replace(CONFIG, time_budget=1e4)), whole)


class TestRace:
    def test_it_pays(self):
        # Each race contains the start of the single fit; nearly the whole fit is the race.
        config = dataclasses.replace(CONFIG, n_seeds=4, race_fraction=0.9, n_passes=24)
        single, raced = [], []
        for seed in range(5):
            race = dataclasses.replace(config, seed=seed)
            raced.append(rounded_loss(fit(problems.target(), MODEL, race)))
            single.append(rounded_loss(fit(problems.target(), MODEL, dataclasses.replace(race, n_seeds=1))))
        assert np.mean(raced) < 0.95 * np.mean(single)
        assert sum(r < s for r, s in zip(raced, single, strict=True)) >= 3

    def test_steps_of_the_race_count_once(self):
        config = dataclasses.replace(CONFIG, n_seeds=3, race_fraction=0.3)
        calls: list[Progress] = []
        result = fit(problems.target(), MODEL, config, progress=calls.append)
        assert result.n_steps == 8 * N_CHUNKS
        # round(0.3 * 6) chunks of each of three starts were the race.
        assert len(calls) == 3 * 2 + N_CHUNKS - 2


def start_at(centre, scale: float = 0.1, **values) -> Start:
    """A start whose prior has one scale."""
    mean = {name: np.asarray(p) for name, p in centre.items()}
    return Start(mean, {name: np.full(p.shape, scale, np.float32) for name, p in mean.items()}, **values)


class TestStart:
    params = random_params(MODEL, problems.SHAPE, 3, seed=8)
    slow = dataclasses.replace(CONFIG, schedule=Schedule(learning_rate=1e-7))

    def test_a_fit_begins_at_the_means_and_the_signals_colour(self):
        target = problems.target()
        result = fit(target, MODEL, self.slow, start=start_at(self.params))
        for name, matrix in self.params.items():
            first = np.array(matrix)
            if name == "layer_2":
                first[:, -1] = target.mean_outputs
            np.testing.assert_allclose(result.params[name], first, atol=1e-5)
            assert result.steps[name] == pytest.approx(0.025, rel=0.4)  # a quarter of the scale, and then learned

    def test_around_zero_it_begins_at_random_weights_under_the_prior(self):
        zeros = {name: np.zeros_like(matrix) for name, matrix in self.params.items()}
        start = start_at(zeros, 1e-3, steps=dict.fromkeys(zeros, 2**-7))
        with_prior, without = (fit(problems.target(), MODEL, self.slow, start=s) for s in (start, None))
        for name in zeros:
            np.testing.assert_allclose(with_prior.params[name], without.params[name], atol=1e-5)
        assert with_prior.params["layer_0"].std() > 0.01
        assert with_prior.steps["layer_0"] == pytest.approx(2**-7, rel=0.4)

    def test_first_steps_may_be_others(self):
        result = fit(
            problems.target(), MODEL, self.slow, start=start_at(self.params, steps=dict.fromkeys(self.params, 2**-7))
        )
        for name in self.params:
            assert result.steps[name] == pytest.approx(2**-7, rel=0.4)

    @pytest.mark.parametrize(("scale", "near"), [(1e-5, True), (0.3, False)])
    def test_weights_stay_near_their_means_where_the_prior_says_so(self, scale, near):
        config = dataclasses.replace(CONFIG, n_passes=60, lambda_rd=0.03)
        start = start_at(self.params, scale, steps=dict.fromkeys(self.params, 0.02))
        result = fit(problems.target(), MODEL, config, start=start)
        n_moved = sum(
            int(np.count_nonzero(quantise(p, step_of_index(index_of_step(result.steps[n])), start.mean[n])))
            for n, p in result.params.items()
        )
        n_weights = sum(p.size for p in result.params.values())
        assert (n_moved < 0.02 * n_weights) == near
        assert (n_moved > 0.2 * n_weights) != near

    def test_a_target_in_bits_is_met_under_a_prior(self):
        config = dataclasses.replace(CONFIG, n_passes=300, target_bits=400.0)
        start = start_at(self.params, 0.05)
        result = fit(problems.target(), MODEL, config, start=start)
        indices = {name: index_of_step(step) for name, step in result.steps.items()}
        names = list(result.params)
        integers = [quantise(result.params[n], step_of_index(indices[n]), start.mean[n]) for n in names]
        exponents = [coder.exponents_of(indices_of_steps(start.scale[n]), indices[n]) for n in names]
        assert coder.ideal_bits((), integers, exponents) == pytest.approx(400, rel=0.06)

    def test_a_race_from_a_start_runs_under_its_prior(self):
        config = dataclasses.replace(self.slow, n_seeds=2, race_fraction=0.3)
        result = fit(problems.target(), MODEL, config, start=start_at(self.params))
        np.testing.assert_allclose(result.params["layer_1"], self.params["layer_1"], atol=1e-5)


def test_mean_outputs_show_the_mean():
    matrix = np.array([[0.5, 0.1, 0.0], [0.2, 0.4, -0.1], [0.0, 0.0, 0.3]])
    target = Target(problems.picture(), matrix, np.array([0.5, 0.4, 0.3]))
    shown = matrix @ target.mean_outputs + target.offset
    np.testing.assert_allclose(shown, problems.picture().reshape(3, -1).mean(1), rtol=1e-6)


@pytest.mark.parametrize("n_passes", [60, 300])
def test_lambda_is_steered_to_the_bits_that_the_coder_spends(n_passes):
    reached = []
    for target_bits in (300.0, 600.0):
        result = fit(problems.target(), MODEL, dataclasses.replace(CONFIG, n_passes=n_passes, target_bits=target_bits))
        steps = [step_of_index(index_of_step(step)) for step in result.steps.values()]
        integers = [quantise(matrix, step) for matrix, step in zip(result.params.values(), steps, strict=True)]
        reached.append(coder.ideal_bits((), integers))
    # At the lower one a dozen integers that go to 0 in the last steps are 5 % of the bits.
    assert 0.85 * 300 < reached[0] < 1.05 * 300
    assert 0.96 * 600 < reached[1] < 1.02 * 600


def test_a_picture_smaller_than_a_phase_grid():
    values = problems.picture((1, 9), channels=1)
    result = fit(Target(values, 0.5 * np.eye(1), np.full(1, 0.5)), MODEL, dataclasses.replace(CONFIG, phase_factor=4))
    assert all(np.isfinite(p).all() for p in result.params.values())


@pytest.mark.slow
def test_the_preconditioned_optimiser_and_structural_losses_fit_too():
    config = dataclasses.replace(CONFIG, n_passes=300, lambda_rd=1e-5, optimiser=OptimiserConfig())
    assert rounded_loss(fit(problems.target(), MODEL, config)) < 0.2 * problems.picture().var()
    visual = dataclasses.replace(CONFIG, n_passes=300, lambda_rd=1e-5, loss=LossConfig(ssim=0.05))
    assert rounded_loss(fit(problems.target(), MODEL, visual)) < 0.02


@pytest.mark.parametrize(
    "values",
    [
        {"n_passes": 0},
        {"n_passes": float("nan")},
        {"lambda_rd": -1e-9},
        {"phase_factor": 0},
        {"phase_factor": 65},
        {"n_seeds": 0},
        {"n_seeds": 65},
        {"steps_per_group": 0},
        {"groups_per_chunk": 0},
        {"time_budget": 0.0},
        {"seed": -1},
        {"seed": 2**40},
    ],
)
def test_senseless_settings_are_config_errors(values):
    with pytest.raises(ConfigError):
        FitConfig(**values)


class TestFixedBits:
    @pytest.mark.parametrize("bits", [3, 6])
    def test_integers_take_that_many_levels(self, bits):
        result = fit(problems.target(), MODEL, dataclasses.replace(CONFIG, weight_bits=bits))
        for name, matrix in result.params.items():
            largest = np.abs(matrix).max()
            assert result.steps[name] == pytest.approx(2 * largest / (2**bits - 1), rel=1e-4)
            assert np.abs(np.rint(matrix / result.steps[name])).max() <= 2 ** (bits - 1)

    def test_more_bits_are_better(self):
        # By a small lambda: where eight bits cost much, a mean colour of them alone is cheapest.
        config = dataclasses.replace(CONFIG, n_passes=100, lambda_rd=1e-4)
        coarse, fine = (
            rounded_loss(fit(problems.target(), MODEL, dataclasses.replace(config, weight_bits=bits)))
            for bits in (3, 8)
        )
        assert fine < 0.7 * coarse

    @pytest.mark.parametrize("bits", [0, 17])
    def test_their_number_has_limits(self, bits):
        with pytest.raises(ConfigError, match="weight_bits"):
            FitConfig(weight_bits=bits)
