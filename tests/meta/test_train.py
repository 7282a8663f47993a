"""The outer loop: budgets, progress, validation, interruption, and killed runs that end in the same arrays."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from inrc.errors import CheckpointMismatchError, InrcError
from inrc.meta import outer
from inrc.meta import train as train_module
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import Method
from inrc.meta.train import Trained, TrainProgress
from tests.conftest import COFFEE_SMALL
from tests.meta import tiny

PICTURES = tiny.collection()
N_STEPS = tiny.LEARNING.n_steps


def with_learning(**changes) -> CoordinateRecipe:
    return dataclasses.replace(tiny.RECIPE, learning=dataclasses.replace(tiny.LEARNING, **changes))


def assert_same(one: Trained, other: Trained) -> None:
    """Bit for bit."""
    for found, expected in zip(jax.tree.leaves(one.learned), jax.tree.leaves(other.learned), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (one.n_steps, one.n_skipped) == (other.n_steps, other.n_skipped)
    for found, expected in zip(one.history, other.history, strict=True):
        assert (found[0], *found[2:]) == (expected[0], *expected[2:])  # all but seconds


@pytest.fixture(scope="module")
def whole() -> Trained:
    """A run that is never stopped."""
    return tiny.train_start(tiny.RECIPE, PICTURES, validate_every=3)


def test_a_run_takes_its_steps_and_reports_each(whole):
    states: list[TrainProgress] = []
    assert_same(tiny.train_start(tiny.RECIPE, PICTURES, progress=states.append, validate_every=3), whole)
    assert [state.step for state in states] == list(range(1, N_STEPS + 1))
    assert [state.fraction for state in states] == pytest.approx(np.arange(1, N_STEPS + 1) / N_STEPS)
    validated = [state.step for state in states if not math.isnan(state.validation_psnr)]
    assert validated == [row[0] for row in whole.history] == [3, 6, N_STEPS]
    assert [row[3] for row in whole.history] == [s.validation_psnr for s in states if s.step in validated]
    last = states[-1]
    assert last.tasks_per_second > 0
    assert (last.seconds_left, last.n_skipped) == (0, 0)
    assert 5 < last.psnr_before < 40
    assert last.loss == pytest.approx(-last.psnr_after * math.log(10) / 10, abs=0.2)  # the logarithm of the mse


def test_without_steps_the_start_stays_random():
    recipe = with_learning(n_steps=0)
    algorithm = outer.algorithm_of(recipe.learning, recipe.model, recipe.shape)
    expected = outer.first_state(recipe.learning, recipe.model, recipe.shape, algorithm).learned
    found = tiny.train_start(recipe, PICTURES)
    assert (found.n_steps, found.history) == (0, ())
    for one, other in zip(jax.tree.leaves(found.learned), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_time_budget_ends_a_run_and_the_last_step_is_validated():
    began = time.monotonic()
    states: list[TrainProgress] = []
    found = tiny.train_start(with_learning(n_steps=10**9, time_budget=2.0), PICTURES, progress=states.append)
    assert 2.0 <= found.seconds <= time.monotonic() - began
    assert found.history[-1][0] == found.n_steps == states[-1].step
    assert states[-1].fraction == 1.0
    assert all(state.seconds_left <= 2.0 for state in states if not math.isnan(state.seconds_left))


def test_an_interrupted_run_continues_from_its_last_step(whole, tmp_path):
    steps = []

    def stop_after_four(state: TrainProgress) -> None:
        steps.append(state.step)
        if state.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.train_start(tiny.RECIPE, PICTURES, folder=tmp_path, progress=stop_after_four, validate_every=3)
    resumed = tiny.train_start(
        tiny.RECIPE, PICTURES, folder=tmp_path, progress=lambda s: steps.append(s.step), validate_every=3
    )
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert_same(resumed, whole)
    assert resumed.seconds >= resumed.history[-1][1] - 0.1 >= resumed.history[0][1] - 0.1

    done = tiny.train_start(
        tiny.RECIPE, PICTURES, folder=tmp_path, progress=lambda s: steps.append(s.step), validate_every=3
    )
    assert len(steps) == N_STEPS  # no step is repeated
    assert_same(done, whole)


KILLED = """
import sys, time
from pathlib import Path
from tests.meta import tiny

def progress(state):
    print(state.step, flush=True)
    time.sleep(0.3)

often = {"checkpoint_every": 0.0, "validate_every": 3}
tiny.train_start(tiny.RECIPE, tiny.collection(), folder=Path(sys.argv[1]), progress=progress, **often)
"""


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_arrays_when_run_again(whole, tmp_path, compiled_programs):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(compiled_programs)}
    root = COFFEE_SMALL.parents[2]
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "5":  # the state after step 4 is saved
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    steps = []
    resumed = tiny.train_start(
        tiny.RECIPE, PICTURES, folder=tmp_path, validate_every=3, progress=lambda s: steps.append(s.step)
    )
    assert steps[0] in (5, 6)
    assert_same(resumed, whole)


def test_a_checkpoint_of_another_recipe_or_of_other_pictures_is_refused(tmp_path):
    tiny.train_start(with_learning(n_steps=1), PICTURES, folder=tmp_path)
    for recipe, pictures in (
        (tiny.RECIPE, PICTURES),
        (with_learning(n_steps=1, method=Method.MAML), PICTURES),
        (with_learning(n_steps=1), tiny.collection(seed=7)),
    ):
        with pytest.raises(CheckpointMismatchError, match="another recipe or other pictures"):
            tiny.train_start(recipe, pictures, folder=tmp_path)
    # A recipe with another time budget is the same recipe.
    assert tiny.train_start(with_learning(n_steps=1, time_budget=60.0), PICTURES, folder=tmp_path).n_steps == 1


def test_a_damaged_checkpoint_is_refused(tmp_path):
    tiny.train_start(with_learning(n_steps=1), PICTURES, folder=tmp_path)
    for path in (tmp_path / "1").rglob("*"):
        if path.is_file() and "metadata" not in path.name.lower():
            path.write_bytes(b"")
    with pytest.raises(CheckpointMismatchError, match="is damaged"):
        tiny.train_start(with_learning(n_steps=1), PICTURES, folder=tmp_path)


@pytest.mark.slow
def test_a_run_of_refused_gradients_ends_in_an_error(monkeypatch):
    monkeypatch.setattr(train_module, "_MOST_SKIPPED", 3)
    diverging = with_learning(method=Method.MAML, inner_rate=1e38)
    with pytest.raises(InrcError, match=r"3 outer steps in a row.*lower outer_rate \(0.001\) or inner_rate \(1e\+38\)"):
        tiny.train_start(diverging, PICTURES)
