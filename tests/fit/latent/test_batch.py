"""Latent grids side by side: each as if alone, whatever its neighbours and the number of devices."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inrc.config import LatentGridConfig
from inrc.errors import ConfigError
from inrc.fit.lanes import Lanes
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.fitting import LatentFitResult, fit_latents, fit_latents_batch
from inrc.fit.latent.schedule import LatentSchedule, LatentStage
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.task import Target, Task
from tests.fit import problems
from tests.fit.problems import interrupt_after

# The smallest there is, for it compiles fastest.
MODEL = LatentGridConfig(
    n_grids=2, n_hyper=0, n_spatial=2, n_cross=0, n_cross_levels=0, context_layers=0, synthesis_width=3, n_residual=0,
    refinement=False,
)  # fmt: skip
# As many chunks as a fit has that is steered to its bits, so that all share their programs.
CONFIG = LatentFitConfig(
    n_steps=200, steps_per_group=5, groups_per_chunk=2, optimiser=OptimiserConfig(preconditioned=False)
)
IN_TURN, SIDE_BY_SIDE = Lanes(1, 3), Lanes(2, 2)


def tasks(n: int, **changes) -> list[Task]:
    """Fits of different pictures, each at a lambda and of a seed of its own."""
    return [
        Task(
            Target(problems.picture(seed=i)),
            dataclasses.replace(CONFIG, lambda_rd=CONFIG.lambda_rd * (1 + i), seed=i, **changes),
        )
        for i in range(n)
    ]


def assert_same(one: LatentFitResult, other: LatentFitResult) -> None:
    """Bit for bit."""
    np.testing.assert_array_equal(one.state_latents, other.state_latents)
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], other.params[name])
    assert one.steps == other.steps
    assert (one.distortion, one.latent_bits, one.network_bits) == (
        other.distortion,
        other.latent_bits,
        other.network_bits,
    )
    assert one.lambda_rd == other.lambda_rd
    assert one.n_steps == other.n_steps


def alone(task: Task) -> LatentFitResult:
    assert isinstance(task.config, LatentFitConfig)
    assert task.warm_start is None or isinstance(task.warm_start, LatentFitResult)
    return fit_latents(
        task.target,
        MODEL,
        task.config,
        start=task.start,
        warm_start=task.warm_start,
        start_fraction=task.start_fraction,
    )


@pytest.mark.parametrize(
    "changes",
    [
        *(pytest.param(one, marks=pytest.mark.slow) for one in ({}, {"n_seeds": 3, "race_fraction": 0.4})),
        {"target_bits": 400.0},
    ],
)
def test_in_turn_they_end_in_the_same_bits_as_alone(changes):
    results = fit_latents_batch(tasks(3, **changes), MODEL, lanes=IN_TURN)
    for result, task in zip(results, tasks(3, **changes), strict=True):
        assert_same(result, alone(task))
    assert not np.array_equal(results[0].state_latents, results[1].state_latents)


def test_each_warm_start_is_its_own():
    earlier = fit_latents_batch(tasks(3), MODEL, lanes=IN_TURN)
    several = [
        dataclasses.replace(
            task,
            warm_start=before,
            start_fraction=0.5,
            config=dataclasses.replace(CONFIG, lambda_rd=1e-4, seed=i),
        )
        for i, (task, before) in enumerate(zip(tasks(3), earlier, strict=True))
    ]
    for result, task in zip(fit_latents_batch(several, MODEL, lanes=IN_TURN), several, strict=True):
        assert result.n_steps == 100
        assert_same(result, alone(task))
    with pytest.raises(ConfigError, match="different fractions"):
        fit_latents_batch([several[0], dataclasses.replace(several[1], start_fraction=0.25)], MODEL)


def test_the_race_has_another_winner_than_the_first_start():
    first, raced = (fit_latents_batch(tasks(3, n_seeds=n, race_fraction=0.4), MODEL, lanes=IN_TURN) for n in (1, 3))
    assert any(not np.array_equal(a.state_latents, b.state_latents) for a, b in zip(first, raced, strict=True))


@pytest.mark.slow
class TestSideBySide:
    def test_a_fit_depends_on_no_other(self):
        results = fit_latents_batch(tasks(3), MODEL, lanes=SIDE_BY_SIDE)
        wild = dataclasses.replace(tasks(2)[1], target=Target(1e6 * problems.picture(seed=5)))
        first, diverged = fit_latents_batch([tasks(1)[0], wild], MODEL, lanes=Lanes(2, 1))
        assert_same(first, results[0])
        assert all(np.isfinite(matrix).all() for matrix in diverged.params.values())
        for result, task in zip(results, tasks(3), strict=True):
            # In other roundings, a short fit takes another way to a place as good.
            costs = [
                each.distortion + task.config.lambda_rd * (each.latent_bits + each.network_bits) / task.target.n_samples
                for each in (result, alone(task))
            ]
            assert costs[0] == pytest.approx(costs[1], rel=0.1)

    def test_a_resumed_batch_ends_as_if_never_stopped(self, tmp_path: Path):
        several = tasks(3, target_bits=400.0)
        options = {"lanes": SIDE_BY_SIDE, "checkpoint_path": tmp_path / "batch.ckpt", "checkpoint_every": -1.0}
        whole = fit_latents_batch(several, MODEL, lanes=SIDE_BY_SIDE)
        stopped = fit_latents_batch(several, MODEL, progress=interrupt_after(4), **options)
        assert all(result.interrupted for result in stopped)
        for result, other in zip(fit_latents_batch(several, MODEL, **options), whole, strict=True):
            assert_same(result, other)
        assert len({result.lambda_rd for result in whole}) == 3


def test_several_plans_are_refused():
    one = tasks(1)[0]
    for other in (
        dataclasses.replace(one, target=Target(one.target.values[:, 1:])),
        dataclasses.replace(one, config=dataclasses.replace(CONFIG, n_steps=201)),
        dataclasses.replace(
            one, config=dataclasses.replace(CONFIG, schedule=LatentSchedule((LatentStage(1.0, (1e-2, 0), (0.1, 0)),)))
        ),
    ):
        with pytest.raises(ConfigError, match="2 fit plans"):
            fit_latents_batch([one, other], MODEL)


_SPREAD = """
import jax, numpy as np, sys
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from inrc.fit.lanes import spread
from inrc.fit.latent.fitting import fit_latents_batch
from tests.fit.latent.test_batch import MODEL, tasks
lanes = spread(9, 2)
assert (1 if lanes.mesh is None else lanes.mesh.size) == int(sys.argv[2]), lanes
several = tasks(9, target_bits=400.0)
results = fit_latents_batch(several, MODEL, lanes=lanes)
np.savez(sys.argv[3], *[m for r in results for m in (*r.params.values(), r.state_latents, np.array(r.lambda_rd))])
"""


@pytest.mark.slow
def test_any_number_of_devices_gives_the_same_bits(tmp_path: Path):
    weights = []
    for n, used in ((1, 1), (8, 5)):
        path = tmp_path / f"{n}.npz"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", _SPREAD, str(n), str(used), str(path)]
        subprocess.run(command, check=True, env=environment, timeout=400)
        with np.load(path) as archive:
            weights.append([archive[name] for name in archive.files])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
