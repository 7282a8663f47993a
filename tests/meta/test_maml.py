"""Gradients of MAML, FOMAML and Meta-SGD, against formulas and against unrolled loops."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inrc.meta.data import Samples, draw_task, interleaved
from inrc.meta.inner import Learned, squared_error
from inrc.meta.maml import maml
from inrc.meta.stages import Method, Objective
from tests.meta import tiny
from tests.models.networks import random_params

H = tiny.CURVATURE


@pytest.fixture(scope="module")
def task() -> Samples:
    phases = jnp.asarray(interleaved(tiny.pixels(1), 2))
    return draw_task(jax.random.key(0), phases, jnp.int32(0), n_samples=3)


@pytest.fixture(scope="module")
def learned() -> Learned:
    params = random_params(tiny.MODEL, tiny.SHAPE, 3)
    rates = {
        name: jnp.log(jnp.full((2, *p.shape), 0.02) * (1 + jnp.arange(2.0)[:, None, None]))
        for name, p in params.items()
    }
    return Learned(params, rates)


def test_gradients_of_two_steps_on_a_parabola_are_those_of_the_papers():
    weight, (a, b), (one, two, unseen) = 0.5, (0.1, 0.2), (1.0, -2.0, 3.0)
    first = weight - a * H * (weight - one)
    end = first - b * H * (first - two)
    slope = H * (end - unseen)
    point, task = tiny.quadratic_learned(weight, (a, b)), tiny.quadratic_task(one, two, unseen)
    found = {
        method: maml(tiny.quadratic_learning(method, 2), tiny.quadratic).gradient(point, task)[0]
        for method in (Method.MAML, Method.FOMAML, Method.META_SGD)
    }
    exact = slope * (1 - a * H) * (1 - b * H)
    assert float(found[Method.FOMAML].params["w"][0, 0]) == pytest.approx(slope, rel=1e-5)
    assert float(found[Method.MAML].params["w"][0, 0]) == pytest.approx(exact, rel=1e-5)
    assert float(found[Method.META_SGD].params["w"][0, 0]) == pytest.approx(exact, rel=1e-5)
    by_rates = [slope * (1 - b * H) * -a * H * (weight - one), slope * -b * H * (first - two)]
    np.testing.assert_allclose(found[Method.META_SGD].log_rates["w"].ravel(), by_rates, rtol=1e-5)
    for method in (Method.MAML, Method.FOMAML):
        np.testing.assert_array_equal(found[method].log_rates["w"], 0)


def test_reports_are_of_the_first_samples_before_and_of_unseen_samples_after_the_steps():
    point, task = tiny.quadratic_learned(0.5, (0.1,)), tiny.quadratic_task(1.0, 3.0)
    params, report = maml(tiny.quadratic_learning(Method.MAML, 1), tiny.quadratic).adapt(point, task)
    assert float(params["w"][0, 0]) == pytest.approx(0.65)
    assert float(report.loss) == pytest.approx(H / 2 * 2.35**2)
    assert float(report.psnr_after) == pytest.approx(-10 * np.log10(H / 2 * 2.35**2), abs=1e-4)
    assert float(report.psnr_before) == pytest.approx(-10 * np.log10(H / 2 * 0.5**2), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("objective", list(Objective))
def test_the_gradient_through_a_network_is_that_of_an_unrolled_loop(task, learned, objective):
    config = tiny.learning(Method.META_SGD, inner_objective=objective, outer_objective=objective)
    loss = squared_error(tiny.MODEL, tiny.SHAPE)

    def value(params, i):
        mse = loss(params, jax.tree.map(lambda leaf: leaf[i], task))
        return jnp.log(mse) if objective is Objective.LOG_MSE else mse

    def unrolled(point: Learned):
        params = point.params
        for i in range(2):
            slope = jax.grad(value)(params, i)
            params = {n: p - jnp.exp(point.log_rates[n][i]) * slope[n] for n, p in params.items()}
        return value(params, 2)

    expected = jax.jit(jax.grad(unrolled))(learned)
    found, report = jax.jit(maml(config, loss).gradient)(learned, task)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
    assert largest > 1e-4
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5 * largest)
    assert float(report.loss) == pytest.approx(float(unrolled(learned)), rel=1e-5)


@pytest.mark.slow
def test_first_order_is_the_gradient_at_the_end_of_the_inner_steps(task, learned):
    loss = squared_error(tiny.MODEL, tiny.SHAPE)
    second, first = (maml(tiny.learning(method), loss) for method in (Method.MAML, Method.FOMAML))
    end, _ = jax.jit(first.adapt)(learned, task)
    expected = jax.jit(jax.grad(lambda params: jnp.log(loss(params, jax.tree.map(lambda leaf: leaf[-1], task)))))(end)
    found = jax.jit(first.gradient)(learned, task)[0].params
    for name, matrix in expected.items():
        np.testing.assert_allclose(found[name], matrix, rtol=1e-4, atol=1e-6)
    exact = jax.jit(second.gradient)(learned, task)[0].params
    differences = [float(jnp.abs(exact[name] - found[name]).max()) for name in exact]
    assert max(differences) > 1e-2 * max(float(jnp.abs(matrix).max()) for matrix in exact.values())


@pytest.mark.slow
def test_rates_of_zero_do_not_change_the_start(task, learned):
    still = learned._replace(log_rates=jax.tree.map(lambda rate: jnp.full_like(rate, -jnp.inf), learned.log_rates))
    loss = squared_error(tiny.MODEL, tiny.SHAPE)
    params, report = maml(tiny.LEARNING, loss).adapt(still, task)
    for name, matrix in learned.params.items():
        np.testing.assert_array_equal(params[name], matrix)
    assert float(report.psnr_before) == pytest.approx(float(report.psnr_after), abs=0.5)


def test_the_outer_gradient_is_clipped_and_scaled_by_adam():
    algorithm = maml(dataclasses.replace(tiny.LEARNING, clip_norm=1.0), tiny.quadratic)
    point = tiny.quadratic_learned(0.5, (0.1,))
    steep = jax.tree.map(lambda leaf: jnp.full_like(leaf, 30.0), point)
    _, moments = algorithm.optimiser.update(steep, algorithm.optimiser.init(point))
    assert isinstance(moments, tuple)
    assert isinstance(moments[1], optax.ScaleByAdamState)
    np.testing.assert_allclose([float(m.sum()) for m in jax.tree.leaves(moments[1].mu)], 0.1 / np.sqrt(2), rtol=1e-4)


def test_every_inner_step_learns_the_best_rate_of_its_own():
    """Two steps reach the minimum of parabolas of curvature 1 and 3 alike by rates of 1 and 1/3 alone."""

    def parabola(params, samples: Samples) -> jax.Array:
        return jnp.sum(samples.rows * (params["w"] - samples.targets) ** 2) / 2

    @jax.jit
    def outer_steps(state):
        return jax.lax.scan(lambda state, _: (outer_step(state), None), state, length=600)[0]

    def outer_step(state):
        point, moments = state
        slopes = jax.vmap(algorithm.gradient, in_axes=(None, 0))(point, tasks)[0]
        update, moments = algorithm.optimiser.update(jax.tree.map(lambda leaf: leaf.mean(0), slopes), moments)
        assert isinstance(update, Learned)
        moved = jax.tree.map(lambda leaf, change: leaf - 0.02 * change, point.log_rates, update.log_rates)
        return point._replace(log_rates=moved), moments

    algorithm = maml(tiny.quadratic_learning(Method.META_SGD, 2), parabola)
    curvatures, targets = (jnp.asarray(pair, jnp.float32) for pair in ([1, 3, 1, 3], [2, 2, -2, -2]))
    tasks = Samples(*(jnp.broadcast_to(x[:, None, None, None], (4, 3, 1, 1)) for x in (targets, curvatures, targets)))
    point = tiny.quadratic_learned(0.0, (0.3, 0.5))
    learned, _ = outer_steps((point, algorithm.optimiser.init(point)))
    np.testing.assert_allclose(np.exp(learned.log_rates["w"]).ravel(), [1 / 3, 1], rtol=1e-2)
