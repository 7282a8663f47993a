"""What goes into a fit."""

import numpy as np

from inrc.fit.task import Target
from tests.fit import problems


def test_mean_outputs_show_the_mean():
    matrix = np.array([[0.5, 0.1, 0.0], [0.2, 0.4, -0.1], [0.0, 0.0, 0.3]])
    target = Target(problems.picture(), matrix, np.array([0.5, 0.4, 0.3]))
    shown = matrix @ target.mean_outputs + target.offset
    np.testing.assert_allclose(shown, problems.picture().reshape(3, -1).mean(1), rtol=1e-6)
