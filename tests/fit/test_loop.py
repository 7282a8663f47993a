"""The loop that runs fits of every family: resuming, interruption, best so far, budgets, races.

The fits are those of one tiny coordinate network.
"""

import dataclasses
import itertools
import json
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.errors import CheckpointMismatchError
from inrc.fit.coordinate.fitting import CoordinateBatch, CoordinateFitResult, fit_network
from inrc.fit.coordinate.program import Problem, distortion, stacks_of
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.stacks import unstacked, unstacked_scalars
from inrc.fit.task import Progress, Target
from inrc.layout import layout
from inrc.training import RateStage, Restart
from tests.fit import problems
from tests.fit.problems import assert_same, interrupt_after, rounded, rounded_loss, start_at
from tests.models.networks import random_params

CONFIG, MODEL, N_CHUNKS = problems.CONFIG, problems.MODEL, problems.N_CHUNKS


@pytest.fixture(scope="module")
def whole() -> CoordinateFitResult:
    """The fit that is never stopped."""
    return fit_network(problems.target(), MODEL, CONFIG)


def test_the_same_seed_gives_the_same_result_and_another_another(whole):
    assert_same(fit_network(problems.target(), MODEL, CONFIG), whole)
    other = fit_network(problems.target(), MODEL, dataclasses.replace(CONFIG, seed=1))
    assert not np.array_equal(other.params["layer_0"], whole.params["layer_0"])


class TestProgress:
    @pytest.fixture
    def calls(self) -> list[Progress]:
        calls: list[Progress] = []
        fit_network(problems.target(), MODEL, CONFIG, progress=calls.append)
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
        stopped = fit_network(problems.target(), MODEL, CONFIG, progress=interrupt_after(chunk), **options)
        assert stopped.interrupted
        assert path.exists()
        assert_same(fit_network(problems.target(), MODEL, CONFIG, **options), whole)

    def test_a_fit_may_be_stopped_again_and_again(self, whole, tmp_path):
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        results = [
            fit_network(problems.target(), MODEL, CONFIG, progress=interrupt_after(2), **options)
            for _ in range(N_CHUNKS + 1)
        ]
        assert results[0].interrupted
        assert not results[-1].interrupted
        assert_same(results[-1], whole)

    def test_a_resumed_race_ends_as_if_never_stopped(self, tmp_path):
        config = dataclasses.replace(CONFIG, n_seeds=3, race_fraction=0.3)
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        uninterrupted = fit_network(problems.target(), MODEL, config)
        fit_network(problems.target(), MODEL, config, progress=interrupt_after(2), **options)
        assert_same(fit_network(problems.target(), MODEL, config, **options), uninterrupted)

    def test_a_resumed_fit_with_restarts_ends_as_if_never_stopped(self, tmp_path):
        # The first restart meets no best weights yet, the second one does.
        noise = Restart(1.0, 0.5, from_best=True)
        stages = (RateStage(0.5), RateStage(0.25, restart=noise), RateStage(0.25, restart=noise))
        config = dataclasses.replace(CONFIG, schedule=Schedule(stages=stages, hard_from=1.0, measured_from=0.5))
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        uninterrupted = fit_network(problems.target(), MODEL, config)
        for _ in range(3):
            assert fit_network(problems.target(), MODEL, config, progress=interrupt_after(4), **options).interrupted
        assert_same(fit_network(problems.target(), MODEL, config, **options), uninterrupted)
        still = tuple(dataclasses.replace(stage, restart=None) for stage in stages)
        undisturbed = dataclasses.replace(
            config, groups_per_chunk=1, schedule=dataclasses.replace(config.schedule, stages=still)
        )
        other = fit_network(problems.target(), MODEL, undisturbed)
        assert not np.array_equal(other.params["layer_1"], uninterrupted.params["layer_1"])

    def test_a_resumed_steering_ends_as_if_never_stopped(self, tmp_path):
        config = dataclasses.replace(CONFIG, target_bits=300.0)
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        uninterrupted = fit_network(problems.target(), MODEL, config)
        assert uninterrupted.lambda_rd != config.lambda_rd
        fit_network(problems.target(), MODEL, config, progress=interrupt_after(4), **options)
        assert_same(fit_network(problems.target(), MODEL, config, **options), uninterrupted)

    @pytest.mark.parametrize("change", ["picture", "matrix", "offset", "model", "config", "mean", "scale", "steps"])
    def test_a_checkpoint_of_something_else_is_a_mismatch(self, tmp_path, change):
        path = tmp_path / "fit.ckpt"
        target, start = problems.target(), start_at(random_params(MODEL, problems.SHAPE, 3))
        fit_network(
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
            fit_network(**other, checkpoint_path=path)

    def test_another_time_budget_is_no_mismatch(self, whole, tmp_path):
        options = {"checkpoint_path": tmp_path / "fit.ckpt", "checkpoint_every": -1.0}
        fit_network(problems.target(), MODEL, CONFIG, progress=interrupt_after(3), **options)
        resumed = fit_network(problems.target(), MODEL, dataclasses.replace(CONFIG, time_budget=500.0), **options)
        assert_same(resumed, whole)


class TestInterruption:
    def test_it_keeps_what_has_been_reached(self):
        stopped = fit_network(problems.target(), MODEL, CONFIG, progress=interrupt_after(3))
        assert stopped.interrupted
        assert stopped.n_steps == 24
        assert all(np.isfinite(p).all() for p in stopped.params.values())
        assert rounded_loss(stopped) < 2 * problems.picture().var()

    def test_in_a_race_it_keeps_the_start_that_leads(self):
        race = dataclasses.replace(CONFIG, n_seeds=3, race_fraction=0.3)
        shown: list[Progress] = []
        fit_network(problems.target(), MODEL, race, progress=shown.append)
        length = sum(state.fraction == 0.0 for state in shown) // 3
        assert length >= 2
        assert all(np.isnan(state.seconds_left) for state in shown[: 3 * length])
        # The first has taken one chunk, the second one after it.
        for n_chunks, n_steps in ((1, 8), (length + 1, 8 * length)):
            stopped = fit_network(problems.target(), MODEL, race, progress=interrupt_after(n_chunks))
            assert stopped.interrupted
            assert stopped.n_steps == n_steps
            assert rounded_loss(stopped) < 2 * problems.picture().var()

    def test_a_fit_resumed_before_rounding_and_stopped_at_once_returns_where_it_is(self, tmp_path):
        path = tmp_path / "fit.ckpt"
        late = dataclasses.replace(CONFIG, schedule=Schedule(hard_from=0.95))
        fit_network(
            problems.target(), MODEL, late, progress=interrupt_after(2), checkpoint_path=path, checkpoint_every=-1
        )
        on = fit_network(
            problems.target(), MODEL, late, progress=interrupt_after(2), checkpoint_path=path, checkpoint_every=1e9
        )
        straight = fit_network(problems.target(), MODEL, late, progress=interrupt_after(3))
        assert on.n_steps == straight.n_steps == 24
        for name in on.params:
            np.testing.assert_array_equal(on.params[name], straight.params[name])


class TestBestSoFar:
    # A learning rate that never falls: late states are often worse than earlier ones.
    # Four passes a chunk, so that every chunk is looked at.
    config = dataclasses.replace(
        CONFIG,
        n_passes=80,
        groups_per_chunk=4,
        schedule=Schedule(0.2, (RateStage(last=1.0, warm_up=0.03),), hard_from=0.29),
    )

    @pytest.fixture
    def finished(self, tmp_path) -> tuple[CoordinateFitResult, Path, list[dict[str, np.ndarray]]]:
        """(result, its last checkpoint, the weights after every chunk)."""
        path = tmp_path / "fit.ckpt"
        states: list[dict[str, np.ndarray]] = []

        def progress(_: Progress) -> None:
            if path.exists():
                states.append(stored(path, "state"))

        result = fit_network(
            problems.target(), MODEL, self.config, progress=progress, checkpoint_path=path, checkpoint_every=-1
        )
        states.append(stored(path, "state"))
        return result, path, states

    def cost(self, result: CoordinateFitResult, params, log_steps) -> float:
        matrices, bits = rounded(result.problem, params, log_steps)
        loss = float(distortion(result.problem, matrices, result.signal))
        return loss + self.config.lambda_rd * bits / problems.N_PIXELS

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
    """{name: matrix} or {name: logarithm of its step} of a state in a checkpoint, whose leaves come by field."""
    stacks = stacks_of(Problem(MODEL, problems.SHAPE, 3))
    first = {"params": 0, "log_steps": len(stacks)}[field]
    with np.load(path) as archive:
        arrays = {stack.key: jnp.asarray(archive[f"{prefix}_{first + i}"][0]) for i, stack in enumerate(stacks)}
    by_name = (unstacked if field == "params" else unstacked_scalars)(stacks, arrays)
    return {name: np.asarray(by_name[name]) for name, _ in layout(MODEL, problems.SHAPE, 3)}


class TestTimeBudget:
    def test_it_ends_a_long_fit_with_its_whole_schedule(self, whole):
        del whole  # compiled before: the budget holds for fitting alone
        calls: list[Progress] = []
        config = dataclasses.replace(CONFIG, n_passes=1e6, time_budget=3.0)
        began = time.monotonic()
        result = fit_network(problems.target(), MODEL, config, progress=calls.append)
        seconds = time.monotonic() - began
        assert 1.5 < seconds < 4.5
        assert calls[-1].fraction == 1.0
        assert len(calls) > 20
        assert 0.9 * 8 * len(calls) <= result.n_steps <= 8 * len(calls)  # a chunk that diverged is undone

    def test_it_counts_the_compilation_and_the_seconds_of_measurements(self, whole, monkeypatch):
        del whole
        calls, measured_after, rounded_states = [], [], CoordinateBatch.rounded

        def slow(batch, state):
            time.sleep(0.02 if measured_after else 1.0)  # it is compiled at its first call
            measured_after.append(len(calls))
            return rounded_states(batch, state)

        monkeypatch.setattr(CoordinateBatch, "rounded", slow)
        config = dataclasses.replace(CONFIG, n_passes=1e6, time_budget=3.0)
        began = time.monotonic()
        fit_network(problems.target(), MODEL, config, progress=calls.append)
        assert time.monotonic() - began < 4.0
        assert measured_after[0] == 0
        assert len(measured_after) > 5
        assert calls[-1].fraction == 1.0

    def test_a_generous_one_changes_nothing(self, whole):
        assert_same(fit_network(problems.target(), MODEL, dataclasses.replace(CONFIG, time_budget=1e4)), whole)


class TestRace:
    def test_it_pays(self):
        # Each race contains the start of the single fit; nearly the whole fit is the race.
        config = dataclasses.replace(CONFIG, n_seeds=4, race_fraction=0.9, n_passes=24)
        single, raced = [], []
        for seed in range(5):
            race = dataclasses.replace(config, seed=seed)
            raced.append(rounded_loss(fit_network(problems.target(), MODEL, race)))
            single.append(rounded_loss(fit_network(problems.target(), MODEL, dataclasses.replace(race, n_seeds=1))))
        assert np.mean(raced) < 0.95 * np.mean(single)
        assert sum(r < s for r, s in zip(raced, single, strict=True)) >= 3

    def test_steps_of_the_race_count_once(self):
        config = dataclasses.replace(CONFIG, n_seeds=3, race_fraction=0.3)
        calls: list[Progress] = []
        result = fit_network(problems.target(), MODEL, config, progress=calls.append)
        assert result.n_steps == 8 * N_CHUNKS
        # round(0.3 * 6) chunks of each of three starts were the race.
        assert len(calls) == 3 * 2 + N_CHUNKS - 2
