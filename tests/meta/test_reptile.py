"""Reptile moves towards the weights at the end of the inner steps."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inrc.meta.reptile import reptile
from inrc.meta.stages import InnerOptimiser, Method
from tests.meta import tiny

H = tiny.CURVATURE


def test_the_direction_is_the_start_minus_the_end():
    algorithm = reptile(tiny.quadratic_learning(Method.REPTILE, 2), tiny.quadratic)
    point, task = tiny.quadratic_learned(0.5, (7.0, 7.0)), tiny.quadratic_task(1.0, -2.0, 3.0)
    first = 0.5 - 0.1 * H * (0.5 - 1.0)
    end = first - 0.1 * H * (first + 2.0)
    direction, report = algorithm.gradient(point, task)
    assert float(direction.params["w"][0, 0]) == pytest.approx(0.5 - end, rel=1e-5)
    np.testing.assert_array_equal(direction.log_rates["w"], 0)
    assert float(report.loss) == pytest.approx(H / 2 * (end - 3.0) ** 2, rel=1e-5)
    assert float(report.psnr_before) == pytest.approx(-10 * np.log10(H / 2 * 0.5**2), abs=1e-4)


def test_adam_starts_every_task_with_moments_of_zero():
    algorithm = reptile(tiny.quadratic_learning(Method.REPTILE, 2, InnerOptimiser.ADAM), tiny.quadratic)
    point, task = tiny.quadratic_learned(0.5, (7.0, 7.0)), tiny.quadratic_task(1.0, 1.0, 3.0)
    optimiser = optax.adam(0.1)
    weight = point.params["w"]
    moments = optimiser.init(weight)
    for _ in range(2):
        update, moments = optimiser.update(H * (weight - 1.0), moments)
        weight = weight + jnp.asarray(update)
    assert float(weight[0, 0]) == pytest.approx(0.7, abs=0.01)
    for _ in range(2):
        end, _ = algorithm.adapt(point, task)
        np.testing.assert_allclose(end["w"], weight, rtol=1e-5)


def test_the_direction_is_not_scaled():
    algorithm = reptile(tiny.quadratic_learning(Method.REPTILE, 1), tiny.quadratic)
    point = tiny.quadratic_learned(30.0, (1.0,))
    update, _ = algorithm.optimiser.update(point, algorithm.optimiser.init(point))
    assert update == point
