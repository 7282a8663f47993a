"""Outer steps: tasks as a pure function of seed and step, means over them, refused gradients, many devices."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.meta import outer
from inrc.meta.data import interleaved
from inrc.meta.inner import Report
from inrc.meta.stages import Method
from tests.conftest import ROOT
from tests.meta import tiny

ON_EIGHT = dataclasses.replace(
    tiny.RECIPE, learning=dataclasses.replace(tiny.LEARNING, n_steps=4, n_tasks=8, tasks_at_once=8)
)


def make(learning):
    """(algorithm, layout, first state)."""
    algorithm = outer.algorithm_of(learning, tiny.MODEL, tiny.SHAPE)
    state = outer.first_state(learning, tiny.MODEL, tiny.SHAPE, algorithm)
    return algorithm, outer.layout_of(learning), state


def training() -> jax.Array:
    return jnp.asarray(interleaved(tiny.collection().training.pixels, 2))


def test_tasks_are_a_function_of_seed_and_step():
    layout, phases = outer.layout_of(tiny.LEARNING), training()

    def draw(step: int, seed: int = 0):
        learning = dataclasses.replace(tiny.LEARNING, seed=seed)
        return np.asarray(outer.draw_tasks(learning, layout, phases, jnp.int32(step)).targets)

    first = draw(3)
    assert first.shape == (2, 1, 3, 3, 8, 12)  # turns, at once, samples, channels, rows, columns
    np.testing.assert_array_equal(first, draw(3))
    for other in (draw(4), draw(3, seed=1)):
        assert (first != other).any()


@pytest.mark.parametrize("at_once", [pytest.param(1, marks=pytest.mark.slow), 2, 4])
def test_the_gradient_is_the_mean_over_tasks_in_any_layout(at_once):
    learning = dataclasses.replace(tiny.LEARNING, n_tasks=4, tasks_at_once=at_once)
    algorithm, layout, state = make(learning)
    assert (layout.n_turns, layout.n_at_once) == (4 // at_once, at_once)
    tasks = outer.draw_tasks(learning, layout, training(), jnp.int32(0))
    gradient, report = jax.jit(lambda learned: outer.mean_gradient(algorithm, learned, tasks))(state.learned)
    one_by_one = jax.jit(algorithm.gradient)
    flat = jax.tree.map(lambda leaf: leaf.reshape(4, *leaf.shape[2:]), tasks)
    each = [one_by_one(state.learned, jax.tree.map(lambda leaf, i=i: leaf[i], flat)) for i in range(4)]
    for found, *parts in zip(*map(jax.tree.leaves, ((gradient, report), *each)), strict=True):
        np.testing.assert_allclose(found, np.mean(parts, axis=0), rtol=1e-3, atol=1e-5)


def test_only_meta_sgd_has_a_rate_for_every_weight_and_step():
    for method in Method:
        learned = make(tiny.learning(method))[2].learned
        for name, matrix in learned.params.items():
            per_step = matrix.shape if method is Method.META_SGD else (1, 1)
            assert learned.log_rates[name].shape == (2, *per_step)
            np.testing.assert_allclose(np.exp(learned.log_rates[name]), tiny.LEARNING.inner_rate, rtol=1e-6)


def test_first_weights_are_random_with_a_last_layer_of_zeros():
    params = make(tiny.LEARNING)[2].learned.params
    assert float(jnp.abs(params["layer_0"]).min()) > 0
    np.testing.assert_array_equal(params["layer_1"], 0)


_ONE_OF_EACH_KIND = (Method.MAML, Method.META_SGD)


@pytest.mark.parametrize(
    "method",
    [method if method in _ONE_OF_EACH_KIND else pytest.param(method, marks=pytest.mark.slow) for method in Method],
)
def test_steps_lower_the_loss_and_only_meta_sgd_moves_rates(method):
    learning = tiny.learning(method, outer_rate=1.0 if method is Method.REPTILE else 3e-3)
    algorithm, layout, first = make(learning)
    phases, rate = training(), jnp.float32(learning.outer_rate)
    step = jax.jit(lambda state: outer.outer_step(learning, layout, algorithm, state, phases, rate))
    validated = jax.jit(lambda learned: outer.validate(learning, layout, algorithm, learned, phases))
    state = first
    for _ in range(40):
        state, _ = step(state)
    before, after = validated(first.learned), validated(state.learned)
    assert float(after.loss) < float(before.loss) - 0.1
    assert float(after.psnr_after) > float(after.psnr_before)
    for name, rates in first.learned.log_rates.items():
        moved = float(jnp.abs(state.learned.log_rates[name] - rates).max())
        assert moved > 1e-3 if method is Method.META_SGD else moved == 0
    assert int(state.step) == 40
    assert int(state.n_skipped) <= 2


def test_validation_does_not_depend_on_the_step():
    algorithm, layout, state = make(tiny.LEARNING)
    phases = jnp.asarray(interleaved(tiny.collection().validation.pixels, 2))
    validated = jax.jit(lambda learned: outer.validate(tiny.LEARNING, layout, algorithm, learned, phases))
    one, other = validated(state.learned), validated(state.learned)
    assert isinstance(one, Report)
    assert [float(x) for x in one] == [float(x) for x in other]
    assert all(leaf.shape == () for leaf in one)


class TestRefusal:
    """Gradients that explode change neither start nor moments."""

    ALGORITHM, _, STATE = make(tiny.learning(Method.MAML))

    def apply(self, state, size: float):
        gradient = jax.tree.map(lambda leaf: jnp.full_like(leaf, size), state.learned)
        return outer.apply_gradient(tiny.LEARNING, self.ALGORITHM, state, gradient, jnp.float32(0.1))

    def assert_refused(self, before, after) -> None:
        for one, other in zip(jax.tree.leaves(before[:2]), jax.tree.leaves(after[:2]), strict=True):
            np.testing.assert_array_equal(one, other)
        assert int(after.step) == int(before.step) + 1
        assert int(after.n_skipped) == int(before.n_skipped) + 1
        assert int(after.n_skipped_in_a_row) == int(before.n_skipped_in_a_row) + 1

    @pytest.mark.parametrize("size", [np.nan, np.inf, 11.0])
    def test_gradients_that_are_not_finite_or_ten_times_as_large_as_before_are_refused(self, size):
        state = self.apply(self.STATE, 1.0)
        assert int(state.n_skipped) == 0
        after = self.apply(state, size)
        self.assert_refused(state, after)
        again = self.apply(after, 1.0)
        assert int(again.n_skipped_in_a_row) == 0
        assert int(again.n_skipped) == 1

    def test_the_first_gradient_may_have_any_finite_size(self):
        assert int(self.apply(self.STATE, 1e6).n_skipped) == 0
        self.assert_refused(self.STATE, self.apply(self.STATE, np.nan))

    def test_gradients_that_stay_large_are_accepted_after_a_few(self):
        state = self.apply(self.STATE, 1.0)
        in_a_row = []
        for _ in range(8):
            state = self.apply(state, 100.0)
            in_a_row.append(int(state.n_skipped_in_a_row))
        assert in_a_row == [1, 2, 3, 4, 5, 6, 0, 0]  # 1.5^6 > 10


def test_the_outer_rate_falls_to_a_hundredth():
    assert outer.cosine(0.0) == 1.0
    assert outer.cosine(0.5) == pytest.approx(0.505)
    assert outer.cosine(1.0) == outer.cosine(2.0) == pytest.approx(0.01)


DEVICES = """
import contextlib, sys
import jax, numpy as np
from pathlib import Path
from tests.meta import tiny
from tests.meta.test_outer import ON_EIGHT, make

def stop_after_two(state):
    if state.step == 2:
        raise KeyboardInterrupt

assert make(ON_EIGHT.learning)[1].mesh.size == len(jax.devices()) == 8
folder = Path(sys.argv[1])
with contextlib.suppress(KeyboardInterrupt):
    tiny.train_start(ON_EIGHT, tiny.collection(), folder=folder / "checkpoints", progress=stop_after_two)
trained = tiny.train_start(ON_EIGHT, tiny.collection(), folder=folder / "checkpoints")
assert trained.n_steps == 4
np.savez(folder / "eight.npz", *jax.tree.leaves(trained.learned))
"""


@pytest.mark.slow
def test_eight_devices_do_what_one_does(tmp_path, compiled_programs):
    """The run on eight devices was also interrupted and resumed."""
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(compiled_programs),
    }
    command = [sys.executable, "-c", DEVICES, str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = jax.tree.leaves(tiny.train_start(ON_EIGHT, tiny.collection()).learned)
    with np.load(tmp_path / "eight.npz") as archive:
        found = [archive[name] for name in archive.files]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
