"""Coordinate networks side by side: each as if alone, whatever its neighbours and the number of devices."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from inrc.errors import ConfigError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import CoordinateFitResult, fit_network, fit_networks
from inrc.fit.coordinate.minibatches import phase_grid
from inrc.fit.coordinate.plan import fit_plan
from inrc.fit.coordinate.program import distortion
from inrc.fit.lanes import Lanes
from inrc.fit.task import FitResult, Progress, Start, Target, Task
from tests.fit import problems
from tests.fit.problems import assert_same, interrupt_after, rounded_loss

CONFIG, MODEL = problems.CONFIG, problems.MODEL


def tasks(n: int, **changes) -> list[Task]:
    """Fits of different pictures, each at a rate and a learning rate of its own."""
    return [
        Task(
            problems.target(seed=i),
            dataclasses.replace(
                CONFIG,
                lambda_rd=CONFIG.lambda_rd * (1 + i),
                schedule=dataclasses.replace(CONFIG.schedule, learning_rate=2e-3 * (1 + i)),
                **changes,
            ),
        )
        for i in range(n)
    ]


def alone(task: Task, **options) -> CoordinateFitResult:
    assert isinstance(task.config, CoordinateFitConfig)
    return fit_network(task.target, MODEL, task.config, start=task.start, **options)


def assert_near(one: FitResult, other: FitResult) -> None:
    for name in one.params:
        np.testing.assert_allclose(one.params[name], other.params[name], atol=2e-3)
        assert one.steps[name] == pytest.approx(other.steps[name], rel=0.02)


def test_small_pictures_share_a_core_and_large_ones_do_not():
    several = [((64, 64), (4, 2, 2, 2)), ((512, 768), (81, 51, 35, 30))]
    plans = [
        fit_plan(Task(Target(np.zeros((3, *shape), np.float32)), CONFIG), dataclasses.replace(MODEL, widths=widths))
        for shape, widths in several
    ]
    assert [plan.side_by_side() for plan in plans] == [16, 1]


def test_in_turn_they_end_in_the_same_bits_as_alone():
    results = fit_networks(tasks(3), MODEL, lanes=Lanes(1, 3))
    for result, task in zip(results, tasks(3), strict=True):
        assert_same(result, alone(task))


def test_side_by_side_they_end_where_they_would_alone():
    results = fit_networks(tasks(3), MODEL, lanes=Lanes(4, 1))
    assert len(results) == 3
    for result, task in zip(results, tasks(3), strict=True):
        assert_near(result, alone(task))
    assert not np.allclose(results[0].params["layer_0"], results[1].params["layer_0"], atol=1e-3)


def test_a_fit_depends_on_no_other():
    first, *_ = fit_networks(tasks(4), MODEL, lanes=Lanes(2, 2))
    single, *_ = fit_networks(tasks(1), MODEL, lanes=Lanes(2, 1))
    assert_same(first, single)


def test_losses_of_other_weights():
    results = fit_networks(tasks(3), MODEL, lanes=Lanes(2, 2))
    losses = results[0].batch.distortions([result.params for result in results])
    swapped = results[0].batch.distortions([results[i].params for i in (1, 2, 0)])
    assert losses.shape == (3,)
    for i, result in enumerate(results):
        assert losses[i] == pytest.approx(
            float(distortion(result.problem, dict(result.params), result.signal)), rel=1e-5
        )
    assert (swapped > losses).all()


class TestPadding:
    def sized(self, shape: tuple[int, int], **changes) -> Task:
        target = Target(problems.picture(shape, seed=shape[0]), problems.MATRIX, problems.OFFSET)
        return Task(target, dataclasses.replace(CONFIG, **changes))

    def test_grids_grow_by_a_sixteenth_at_most(self):
        for n in range(1, 3000):
            (padded,) = phase_grid((n,), 1, padded=True)
            assert n <= padded <= n * 17 / 16

    @pytest.mark.slow
    def test_pictures_of_nearly_one_shape_share_a_plan_and_end_as_alone(self):
        shapes = [(67, 130), (68, 129), (66, 131)]
        several = [self.sized(shape) for shape in shapes]
        assert len({fit_plan(task, MODEL, padded=True) for task in several}) == 1
        assert len({fit_plan(task, MODEL) for task in several}) > 1
        for result, task in zip(fit_networks(several, MODEL, lanes=Lanes(1, 3)), several, strict=True):
            single = alone(task)
            assert_near(result, single)
            assert rounded_loss(result) == pytest.approx(rounded_loss(single), rel=0.01)

    def test_several_plans_are_refused(self):
        with pytest.raises(ConfigError, match="2 fit plans"):
            fit_networks([self.sized((12, 16)), self.sized((60, 16))], MODEL)
        with pytest.raises(ConfigError, match="2 fit plans"):
            fit_networks([self.sized((12, 16)), self.sized((12, 16), n_passes=99.0)], MODEL)


class TestTheLoop:
    def test_each_is_steered_to_its_own_bits(self):
        bits = (250.0, 400.0, 600.0)
        several = [
            Task(problems.target(seed=i), dataclasses.replace(CONFIG, n_passes=300, target_bits=b))
            for i, b in enumerate(bits)
        ]
        results = fit_networks(several, MODEL, lanes=Lanes(4, 1))
        assert results[0].lambda_rd > results[2].lambda_rd
        assert len({result.lambda_rd for result in results}) == 3

    def test_one_that_diverges_leaves_the_others_alone(self):
        fast = dataclasses.replace(CONFIG.schedule, learning_rate=0.99)
        wild = tasks(2)
        wild[1] = dataclasses.replace(
            wild[1], config=dataclasses.replace(CONFIG, lambda_rd=2 * CONFIG.lambda_rd, schedule=fast)
        )
        calm = fit_networks(tasks(1), MODEL, lanes=Lanes(2, 1))[0]
        results = fit_networks(wild, MODEL, lanes=Lanes(2, 1))
        assert_same(results[0], calm)
        assert all(np.isfinite(matrix).all() for matrix in results[1].params.values())

    def test_seeds_race_for_each(self):
        raced = fit_networks(tasks(3, n_seeds=3, race_fraction=0.3), MODEL, lanes=Lanes(1, 3))
        for result, task in zip(raced, tasks(3, n_seeds=3, race_fraction=0.3), strict=True):
            assert_same(result, alone(task))

    def test_priors_are_their_own(self):
        result = fit_network(problems.target(), MODEL, CONFIG)
        starts = [
            Start(
                {n: np.asarray(p) * scale for n, p in result.params.items()},
                {n: np.full(p.shape, 0.1 * scale, np.float32) for n, p in result.params.items()},
            )
            for scale in (1.0, 0.5)
        ]
        several = [Task(problems.target(), CONFIG, start) for start in starts]
        for batched, task in zip(fit_networks(several, MODEL, lanes=Lanes(1, 2)), several, strict=True):
            assert_same(batched, alone(task))

    def test_progress_is_the_mean(self):
        calls: list[Progress] = []
        fit_networks(tasks(2), MODEL, lanes=Lanes(1, 2), progress=calls.append)
        singles: list[list[Progress]] = [[], []]
        for task, own in zip(tasks(2), singles, strict=True):
            alone(task, progress=own.append)
        for call, one, other in zip(calls, *singles, strict=True):
            assert call.step == one.step
            assert call.loss == pytest.approx((one.loss + other.loss) / 2, rel=1e-6)
            assert call.bpp == pytest.approx((one.bpp + other.bpp) / 2, rel=1e-6)

    def test_a_resumed_batch_ends_as_if_never_stopped(self, tmp_path):
        options = {"lanes": Lanes(2, 2), "checkpoint_path": tmp_path / "batch.ckpt", "checkpoint_every": -1.0}
        whole = fit_networks(tasks(3), MODEL, lanes=Lanes(2, 2))
        stopped = fit_networks(tasks(3), MODEL, progress=interrupt_after(3), **options)
        assert all(result.interrupted for result in stopped)
        for result, other in zip(fit_networks(tasks(3), MODEL, **options), whole, strict=True):
            assert_same(result, other)


_SPREAD = """
import jax, numpy as np, sys
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from inrc.fit.lanes import spread
from inrc.fit.coordinate.fitting import fit_networks
from inrc.fit.optimiser import OptimiserConfig
from tests.fit.coordinate.test_batch import tasks
from tests.fit import problems
lanes = spread(13, 2)
assert (1 if lanes.mesh is None else lanes.mesh.size) == int(sys.argv[2]), lanes
results = fit_networks(tasks(13, optimiser=OptimiserConfig()), problems.MODEL, lanes=lanes)
np.savez(sys.argv[3], *[m for r in results for m in (*r.params.values(), np.array([*r.steps.values()]))])
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_devices", [2, 8])
def test_any_number_of_devices_gives_the_same_bits(tmp_path, n_devices):
    weights = []
    for n, used in ((1, 1), (n_devices, {2: 2, 8: 7}[n_devices])):
        path = tmp_path / f"{n}.npz"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", _SPREAD, str(n), str(used), str(path)]
        subprocess.run(command, check=True, env=environment, timeout=240)
        with np.load(path) as archive:
            weights.append([archive[name] for name in archive.files])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
