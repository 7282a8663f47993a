"""Noise on weights between the stages of a fit."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.fit.coordinate.fitting import CoordinateBatch
from inrc.fit.coordinate.restarts import restarted
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.lanes import Lanes
from inrc.fit.stacks import stacked, stacks_of, unstacked
from inrc.fit.task import Task
from inrc.training import RateStage, Restart
from tests.fit import problems

LAYOUT = (
    ("table_0", (2, 30)),
    ("layer_0", (30, 20)),
    ("layer_1", (25, 31)),
    ("layer_10", (40, 26)),
    ("modulator_0", (20, 20)),
    ("modulator_1", (1, 21)),
)
STACKS = stacks_of(LAYOUT, 512)
GENERATOR = np.random.default_rng(0)
PARAMS = {
    name: GENERATOR.normal(0.0, 1 + i, shape).astype(np.float32) for i, (name, shape) in enumerate(LAYOUT)
}  # fmt: skip
IN_STACKS = {key: np.asarray(x) for key, x in stacked(STACKS, {n: jnp.asarray(p) for n, p in PARAMS.items()}).items()}


def differences(restart: Restart, *, bias: bool = True, seed: int = 3, stage: int = 2) -> dict[str, np.ndarray]:
    """How far every weight moves."""
    moved = restarted(STACKS, IN_STACKS, restart, bias=bias, seed=seed, stage=stage)
    for stack in STACKS:
        assert (moved[stack.key][stack.mask() == 0] == 0).all()
    matrices = unstacked(STACKS, {key: jnp.asarray(x) for key, x in moved.items()})
    return {name: np.asarray(matrices[name]) - matrix for name, matrix in PARAMS.items()}


def test_a_fraction_of_the_weights_moves_by_as_much_as_the_mean_of_their_matrix_allows():
    moves = differences(Restart(0.25, 0.5))
    for name in ("layer_1", "layer_10"):
        weights = PARAMS[name][:, :-1]
        relative = moves[name][moves[name] != 0] / (0.5 * np.abs(weights).mean())
        assert relative.size / weights.size == pytest.approx(0.25, abs=0.05)
        assert np.abs(relative).max() == pytest.approx(1.0, abs=0.05)
        assert np.square(relative).mean() == pytest.approx(1 / 3, abs=0.06)  # of a uniform distribution in -1..1
        assert abs(relative.mean()) < 0.15
    assert (moves["modulator_1"] != 0).any()


@pytest.mark.parametrize(("moves_first", "kept"), [(False, {"table_0", "layer_0", "modulator_0"}), (True, {"table_0"})])
def test_tables_stay_and_first_layers_where_they_are_to(moves_first, kept):
    moves = differences(Restart(1.0, 1.0, moves_first=moves_first))
    assert {name for name, move in moves.items() if not move.any()} == kept


@pytest.mark.parametrize("bias", [True, False])
def test_biases_stay(bias):
    moves = differences(Restart(1.0, 1.0), bias=bias)
    for name in ("layer_1", "layer_10", "modulator_1"):
        assert (moves[name][:, :-1] != 0).all()
        assert (moves[name][:, -1] == 0).all() == (bias or name == "modulator_1")


def test_noise_is_a_function_of_seed_and_stage():
    first = differences(Restart(0.5, 0.5))
    for name, move in differences(Restart(0.5, 0.5)).items():
        np.testing.assert_array_equal(move, first[name])
    for other in (differences(Restart(0.5, 0.5), seed=4), differences(Restart(0.5, 0.5), stage=3)):
        assert not np.array_equal(other["layer_1"], first["layer_1"])


class TestBatch:
    """What restarts make of the states of several fits."""

    def batch(self, n: int, restart: Restart, **values) -> CoordinateBatch:
        schedule = Schedule(stages=(RateStage(0.5), RateStage(0.5, restart=restart)))
        config = dataclasses.replace(problems.CONFIG, schedule=schedule, **values)
        tasks = [Task(problems.target(seed=seed), config) for seed in range(n)]
        return CoordinateBatch(tasks, problems.MODEL, Lanes(side_by_side=4), padded=False)

    def test_a_fit_is_moved_alike_whatever_the_others_are(self):
        alone, together = self.batch(1, Restart(1.0, 0.5)), self.batch(3, Restart(1.0, 0.5))
        one, many = (batch.restarted(batch.first(0), {}, 0.4, 0.5) for batch in (alone, together))
        moved = []
        for key, x in together.first(0).params.items():
            np.testing.assert_array_equal(one.params[key][0], many.params[key][0])
            np.testing.assert_array_equal(many.params[key][3], many.params[key][2])
            moved.append(np.any(many.params[key] != x, axis=(1, 2, 3)))
        assert np.any(moved, axis=0).all()

    def test_nothing_happens_within_a_stage(self):
        batch = self.batch(1, Restart(1.0, 0.5))
        state = batch.first(0)
        assert batch.restarted(state, {}, 0.5, 0.6) is state

    @pytest.mark.parametrize("from_best", [False, True])
    def test_it_starts_from_the_best_weights_or_from_the_latest(self, from_best):
        batch = self.batch(1, Restart(0.0, 0.5, from_best))
        state = batch.first(0)
        best = {part: {key: x + 1 for key, x in getattr(state, part).items()} for part in batch.kept}
        started = batch.restarted(state, best, 0.4, 0.5)
        for part in batch.kept:
            for key, x in getattr(state, part).items():
                np.testing.assert_array_equal(getattr(started, part)[key], x + from_best)

    def test_steps_of_fixed_bits_follow_the_moved_weights(self):
        batch = self.batch(2, Restart(1.0, 0.9), weight_bits=5.5)
        state = batch.restarted(batch.first(0), {}, 0.4, 0.5)
        for key, x in state.params.items():
            expected = 2 * np.abs(x).max(axis=(2, 3)) / (2**5.5 - 1)
            np.testing.assert_allclose(np.exp(state.log_steps[key]), expected, rtol=1e-4, atol=2e-9)

    def test_a_higher_loss_after_it_is_no_divergence(self):
        batch = self.batch(1, Restart(1.0, 0.9))
        (guard,) = batch.guards
        assert guard.admits(0.01)
        batch.restarted(batch.first(0), {}, 0.4, 0.5)
        assert guard.admits(0.5)
        assert guard.rate_scale == 1.0

    def test_states_are_measured_before_it(self):
        batch = self.batch(1, Restart(1.0, 0.9))
        assert batch.is_measured(0.45, 0.5, 3)
        assert not batch.is_measured(0.55, 0.6, 3)

    def test_states_are_measured_from_a_fraction_of_its_own(self):
        batch = self.batch(1, Restart(1.0, 0.9))
        assert not batch.is_measured(0.3, 0.35, 4)  # weights are rounded from 0.4 on
        schedule = dataclasses.replace(batch.plan.config.schedule, hard_from=1.0, measured_from=0.2)
        late = CoordinateBatch(
            [Task(problems.target(), dataclasses.replace(problems.CONFIG, schedule=schedule))],
            problems.MODEL,
            Lanes(),
            padded=False,
        )
        assert late.is_measured(0.3, 0.35, 4)
        assert not late.is_measured(0.1, 0.15, 4)
