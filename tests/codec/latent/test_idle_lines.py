"""Lines of weights that cost more than they win are set to 0."""

import numpy as np
import pytest

from inrc.codec.job import Job
from inrc.codec.latent.idle_lines import without_idle_lines
from inrc.codec.latent.rdoq import loss_of
from inrc.codec.plan import Candidate
from inrc.entropy import zero_lines
from tests.codec.latent.test_files import IMAGE, OPTIONS


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    job = Job(IMAGE, OPTIONS, None, None)
    return job.fit(job.plan(1.0))


def n_zero_lines(candidate: Candidate) -> int:
    found = [zero_lines.find(matrix[None]) for matrix in candidate.file.weights.integers]
    return sum(int(lines.rows.sum() + lines.columns.sum()) for lines in found)


@pytest.mark.parametrize("lambda_rd", [1e-2, 1e-1])
def test_files_cost_less_where_bits_are_dear(candidate, lambda_rd):
    found = without_idle_lines(candidate, lambda_rd)
    assert loss_of(found, lambda_rd) < loss_of(candidate, lambda_rd)
    assert n_zero_lines(found) > n_zero_lines(candidate)
    for new, old in zip(found.file.weights.integers, candidate.file.weights.integers, strict=True):
        assert np.all((new == old) | (new == 0))
        assert np.abs(old[new != old]).max(initial=0) < 16  # no line of large integers
    assert all(np.array_equal(a, b) for a, b in zip(found.file.latents, candidate.file.latents, strict=True))


def test_nothing_costs_more(candidate):
    own = candidate.result.lambda_rd
    assert loss_of(without_idle_lines(candidate, own), own) <= loss_of(candidate, own)


def test_nothing_changes_where_bits_cost_nothing(candidate):
    found = without_idle_lines(candidate, 0.0)
    assert loss_of(found, 0.0) <= loss_of(candidate, 0.0)
