"""Where fits of latents start."""

import numpy as np
import pytest

from inrc.fit.latent.program import LatentProblem, stacks_of
from inrc.fit.latent.start import first_latent_state
from inrc.fit.stacks import unstacked
from tests.fit import problems
from tests.fit.latent.test_fitting import MODEL


@pytest.mark.parametrize(
    ("n_channels", "n_colours"), [*(pytest.param(*n, marks=pytest.mark.slow) for n in ((1, 1), (2, 1), (3, 3))), (4, 3)]
)
def test_grids_start_as_luminance(n_channels: int, n_colours: int):
    problem = LatentProblem(MODEL, problems.SHAPE, n_channels)
    state = first_latent_state(problem, np.full(n_channels, 0.5), 0.01, None, 0)
    skip = unstacked(stacks_of(problem), state.params)["synthesis_skip"]
    np.testing.assert_allclose(skip[:n_colours], 0.04, atol=0.02)
    np.testing.assert_allclose(skip[n_colours:], 0.0, atol=0.02)
