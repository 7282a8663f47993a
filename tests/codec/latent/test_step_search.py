"""The search over the steps of networks that a fit has not rounded."""

import dataclasses

import pytest

from inrc.codec.job import Job
from inrc.codec.latent.rdoq import loss_of
from inrc.codec.latent.step_search import with_searched_steps
from inrc.codec.plan import Candidate, Plan
from inrc.fit.latent.fitting import LatentFitResult
from inrc.quant.uniform import index_of_step
from tests.codec.latent.test_files import IMAGE, OPTIONS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted() -> tuple[Job, Plan, LatentFitResult]:
    job = Job(IMAGE, OPTIONS, None, None)
    plan = job.plan(1.0)
    result = job.fit(plan).result
    assert isinstance(result, LatentFitResult)
    return job, plan, result


def rounded(job: Job, plan: Plan, result: LatentFitResult) -> Candidate:
    return job.family.rounded([plan], [result])[0]


def test_searched_steps_cost_less(fitted):
    job, plan, result = fitted
    fine = dataclasses.replace(result, steps=dict.fromkeys(result.steps, 2.0**-12))
    before, after = rounded(job, plan, fine), rounded(job, plan.with_config(searched_steps=True), fine)
    steps = after.result.steps
    assert list(steps) == list(result.steps)
    assert loss_of(after, result.lambda_rd) < loss_of(before, result.lambda_rd)
    assert len(after.packed()) < 0.8 * len(before.packed())
    assert len(set(steps.values())) > 2  # matrices have steps of their own


def test_a_fit_cut_short_has_a_step_for_each_network(fitted):
    _, plan, result = fitted
    steps = with_searched_steps(plan, dataclasses.replace(result, interrupted=True)).steps
    context = {step for name, step in steps.items() if name.startswith(("context", "cross"))}
    others = {step for name, step in steps.items() if not name.startswith(("context", "cross"))}
    assert len(context) == len(others) == 1
    assert all(index_of_step(step) % 8 == 0 for step in steps.values())
