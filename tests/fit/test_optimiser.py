"""Adam against optax, SOAP against its definition and against Adam."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inrc.fit import optimiser
from inrc.fit.optimiser import OptimiserConfig

ADAM = OptimiserConfig(preconditioned=False, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
SOAP = OptimiserConfig()


def gradients_of(seed: int, n_steps: int) -> list[dict[str, jax.Array]]:
    generator = np.random.default_rng(seed)
    shapes = {"a": (4, 3), "b": (2, 5)}
    return [
        {name: jnp.asarray(generator.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
        for _ in range(n_steps)
    ]


def test_adam_is_optaxs_adam():
    reference = optax.scale_by_adam(b1=0.9, b2=0.99, eps=1e-8)
    gradients = gradients_of(0, 12)
    state, expected_state = optimiser.init(ADAM, gradients[0]), reference.init(gradients[0])
    for step, gradient in enumerate(gradients):
        directions, state = optimiser.update(ADAM, gradient, state, jnp.float32(step))
        expected, expected_state = reference.update(gradient, expected_state)
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), directions, expected)


def test_soap_in_the_identity_basis_is_adam():
    gradients = gradients_of(1, 6)
    config = SOAP._replace(beta_1=0.9, beta_2=0.99)
    soap, adam = (optimiser.init(c, gradients[0]) for c in (config, ADAM))
    for step, gradient in enumerate(gradients):  # never refreshed
        by_soap, soap = optimiser.update(config, gradient, soap, jnp.float32(step))
        by_adam, adam = optimiser.update(ADAM, gradient, adam, jnp.float32(step))
        for name in gradient:
            np.testing.assert_allclose(by_soap[name], by_adam[name], atol=1e-5)


@pytest.fixture(scope="module")
def refreshed() -> dict[str, optimiser.OptimiserState]:
    """State after gradients with a strong direction of their own, refreshed often."""
    state = optimiser.init(SOAP, gradients_of(2, 1)[0])
    step_of = jax.jit(functools.partial(optimiser.update, SOAP))
    refresh = jax.jit(functools.partial(optimiser.refresh, SOAP))
    for step, gradient in enumerate(gradients_of(2, 60)):
        # Rows 0 and 1 move together and more than the others: no axis is an eigenvector.
        gradient["a"] = gradient["a"] + 5 * jnp.float32([[1], [1], [0], [0]]) @ gradient["a"][1:2]
        _, state = step_of(gradient, state, jnp.float32(step))
        state = refresh(state)
    return state


def sides(state: dict[str, optimiser.OptimiserState]):
    return [side for s in state.values() for side in (s.left, s.right)]


def test_bases_are_orthonormal(refreshed):
    for _, basis in sides(refreshed):
        np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-5)


def test_reflections_make_the_bases_that_decompositions_do():
    matrices = np.random.default_rng(3).normal(size=(2, 5, 12, 12)).astype(np.float32)
    matrices[0, 0, :, 7:] = 1e-7 * np.eye(12)[:, 7:]
    matrices[0, 1] = 0.0
    found = np.asarray(optimiser._householder(jnp.asarray(matrices)), np.float64)
    np.testing.assert_allclose(found.swapaxes(-1, -2) @ found, np.broadcast_to(np.eye(12), found.shape), atol=1e-5)
    expected = np.linalg.qr(matrices.astype(np.float64))[0]
    same = np.abs(np.sum(found * expected, axis=-2))  # columns, but for their signs
    np.testing.assert_allclose(same[1], 1.0, atol=1e-4)
    np.testing.assert_allclose(same[0, 0, :7], 1.0, atol=1e-4)


def test_bases_diagonalise_their_covariance(refreshed):
    covariance, basis = refreshed["a"].left
    rotated = np.asarray(basis.T @ covariance @ basis)
    off_diagonal = np.abs(rotated - np.diag(np.diag(rotated))).max()
    original = np.abs(covariance - np.diag(np.diag(covariance))).max()
    assert off_diagonal < 0.05 * original
    assert (np.diff(np.diag(rotated)) <= 1e-3 * rotated.max()).all()  # largest first


def test_covariances_are_running_means_of_products():
    gradient = {"a": jnp.float32([[1.0, 2.0], [0.0, -1.0]])}
    config = SOAP._replace(beta_shampoo=0.75)
    state = optimiser.init(config, gradient)
    for step in range(2):
        _, state = optimiser.update(config, gradient, state, jnp.float32(step))
    weight = 1 - 0.75**2
    np.testing.assert_allclose(state["a"].left[0], weight * np.array([[5, -2], [-2, 1]]), rtol=1e-5)
    np.testing.assert_allclose(state["a"].right[0], weight * np.array([[1, 2], [2, 5]]), rtol=1e-5)


def test_long_and_single_sides_keep_their_own_basis():
    state = optimiser.init(SOAP._replace(max_dimension=8), {"a": jnp.zeros((9, 8)), "b": jnp.zeros((1, 4))})
    assert state["a"].left == ()
    assert state["a"].right[1].shape == (8, 8)
    assert state["b"].left == ()
    assert state["b"].right[1].shape == (4, 4)


def test_refreshing_without_any_basis_changes_nothing():
    state = optimiser.init(SOAP._replace(max_dimension=2), {"a": jnp.ones((3, 4))})
    again = optimiser.refresh(SOAP, state)
    np.testing.assert_array_equal(again["a"].momentum, state["a"].momentum)


def test_soap_beats_adam_on_an_ill_conditioned_quadratic():
    generator = np.random.default_rng(5)
    # Curvatures over four decades, in bases that no axis is aligned with.
    left, right = (np.linalg.qr(generator.normal(size=(n, n)))[0] for n in (8, 6))
    a = jnp.asarray(left @ np.diag(np.geomspace(1, 1e-2, 8)) @ left.T, jnp.float32)
    b = jnp.asarray(right @ np.diag(np.geomspace(1, 1e-2, 6)) @ right.T, jnp.float32)
    start = {"x": jnp.asarray(generator.normal(size=(8, 6)), jnp.float32)}

    def loss(params):
        return 0.5 * jnp.sum((a @ params["x"] @ b) ** 2)

    @functools.partial(jax.jit, static_argnums=0)
    def descend(config, rate):
        def body(carry, step):
            params, state = carry
            state = jax.lax.cond(step % 5 == 0, lambda s: optimiser.refresh(config, s), lambda s: s, state)
            directions, state = optimiser.update(config, jax.grad(loss)(params), state, step)
            return ({"x": params["x"] - rate * (1 - step / 300) * directions["x"]}, state), None

        (params, _), _ = jax.lax.scan(body, (start, optimiser.init(config, start)), jnp.arange(300.0))
        return loss(params)

    by_soap = min(float(descend(SOAP, rate)) for rate in (0.01, 0.03, 0.1))
    by_adam = min(float(descend(SOAP._replace(preconditioned=False), rate)) for rate in (0.01, 0.03, 0.1))
    assert by_soap < 0.2 * by_adam


def test_gradients_are_clipped_together():
    gradients = {"a": jnp.float32([[3.0]]), "b": jnp.float32([[0.0, 4.0]])}
    clipped = optimiser.clip_by_global_norm(gradients, 1.0)
    np.testing.assert_allclose(clipped["a"], [[0.6]], rtol=1e-6)
    np.testing.assert_allclose(clipped["b"], [[0.0, 0.8]], rtol=1e-6)
    unchanged = optimiser.clip_by_global_norm(gradients, 5.5)
    np.testing.assert_array_equal(unchanged["b"], gradients["b"])
    zero = optimiser.clip_by_global_norm({"a": jnp.zeros((2, 2))}, 1.0)
    assert (np.asarray(zero["a"]) == 0).all()
