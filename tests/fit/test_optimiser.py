"""Adam against optax, SOAP against its definition and against Adam, both as optax transformations."""

import functools
import math
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inrc.errors import ConfigError
from inrc.fit import optimiser
from inrc.fit.optimiser import OptimiserConfig, SoapState, refresh_bases, scale_by_soap, transformation_of
from inrc.fit.stacks import Stack, stacked, stacks_of, unstacked

ADAM = OptimiserConfig(preconditioned=False, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
SOAP = OptimiserConfig()
Gradients = dict[str, jax.Array]


def gradients_of(seed: int, n_steps: int) -> list[Gradients]:
    generator = np.random.default_rng(seed)
    shapes = {"a": (4, 3), "b": (2, 5)}
    return [
        {name: jnp.asarray(generator.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
        for _ in range(n_steps)
    ]


def soap_init(config: OptimiserConfig, params: Gradients) -> SoapState:
    state = scale_by_soap(config).init(params)
    assert isinstance(state, SoapState)
    return state


def soap_update(config: OptimiserConfig, gradients: Gradients, state: SoapState) -> tuple[Gradients, SoapState]:
    directions, after = scale_by_soap(config).update(gradients, state)
    assert isinstance(after, SoapState)
    return cast(Gradients, directions), after


def refreshed(state: Any) -> Any:
    return refresh_bases(state)


def assert_near(one: Any, other: Any, atol: float) -> None:
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=atol), one, other)


def test_adam_is_optaxs_adam():
    reference = optax.scale_by_adam(b1=0.9, b2=0.99, eps=1e-8)
    gradients = gradients_of(0, 12)
    state, expected_state = soap_init(ADAM, gradients[0]), reference.init(gradients[0])
    for gradient in gradients:
        directions, state = soap_update(ADAM, gradient, state)
        expected, expected_state = reference.update(gradient, expected_state)
        assert_near(directions, expected, atol=1e-6)
    assert float(state.n_updates) == 12


def test_soap_in_the_identity_basis_is_adam():
    gradients = gradients_of(1, 6)
    config = SOAP._replace(beta_1=0.9, beta_2=0.99)
    soap, adam = (soap_init(c, gradients[0]) for c in (config, ADAM))
    for gradient in gradients:  # never refreshed
        by_soap, soap = soap_update(config, gradient, soap)
        by_adam, adam = soap_update(ADAM, gradient, adam)
        assert_near(by_soap, by_adam, atol=1e-5)


@pytest.fixture(scope="module")
def trained() -> SoapState:
    """State after gradients with a strong direction of their own, refreshed often."""
    state = soap_init(SOAP, gradients_of(2, 1)[0])
    step_of = jax.jit(functools.partial(soap_update, SOAP))
    refresh = jax.jit(refreshed)
    for gradient in gradients_of(2, 60):
        # Rows 0 and 1 move together and more than the others: no axis is an eigenvector.
        gradient["a"] = gradient["a"] + 5 * jnp.float32([[1], [1], [0], [0]]) @ gradient["a"][1:2]
        _, state = step_of(gradient, state)
        state = refresh(state)
    return state


def test_bases_are_orthonormal(trained):
    for _, basis in (side for own in trained.matrices.values() for side in (own.left, own.right)):
        np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-5)


def test_reflections_make_the_bases_that_decompositions_do():
    matrices = np.random.default_rng(3).normal(size=(2, 5, 12, 12)).astype(np.float32)
    matrices[0, 0, :, 7:] = 1e-7 * np.eye(12)[:, 7:]
    matrices[0, 1] = 0.0
    bases = np.asarray(optimiser._householder(jnp.asarray(matrices)), np.float64)
    np.testing.assert_allclose(bases.swapaxes(-1, -2) @ bases, np.broadcast_to(np.eye(12), bases.shape), atol=1e-5)
    expected = np.linalg.qr(matrices.astype(np.float64))[0]
    same = np.abs(np.sum(bases * expected, axis=-2))  # columns, but for their signs
    np.testing.assert_allclose(same[1], 1.0, atol=1e-4)
    np.testing.assert_allclose(same[0, 0, :7], 1.0, atol=1e-4)


def test_bases_diagonalise_their_covariance(trained):
    covariance, basis = trained.matrices["a"].left
    rotated = np.asarray(basis.T @ covariance @ basis)
    off_diagonal = np.abs(rotated - np.diag(np.diag(rotated))).max()
    original = np.abs(covariance - np.diag(np.diag(covariance))).max()
    assert off_diagonal < 0.05 * original
    assert (np.diff(np.diag(rotated)) <= 1e-3 * rotated.max()).all()  # largest first


def test_covariances_are_running_means_of_products():
    gradient = {"a": jnp.float32([[1.0, 2.0], [0.0, -1.0]])}
    config = SOAP._replace(beta_shampoo=0.75)
    state = soap_init(config, gradient)
    for _ in range(2):
        _, state = soap_update(config, gradient, state)
    weight = 1 - 0.75**2
    np.testing.assert_allclose(state.matrices["a"].left[0], weight * np.array([[5, -2], [-2, 1]]), rtol=1e-5)
    np.testing.assert_allclose(state.matrices["a"].right[0], weight * np.array([[1, 2], [2, 5]]), rtol=1e-5)


def test_long_and_single_sides_keep_their_own_basis():
    matrices = soap_init(SOAP._replace(max_dimension=8), {"a": jnp.zeros((9, 8)), "b": jnp.zeros((1, 4))}).matrices
    assert matrices["a"].left == ()
    assert matrices["a"].right[1].shape == (8, 8)
    assert matrices["b"].left == ()
    assert matrices["b"].right[1].shape == (4, 4)


def test_a_turn_of_the_basis_throws_no_weight_far_away():
    transformation = scale_by_soap(OptimiserConfig())
    weights = {"w": jnp.zeros((2, 2))}
    state = transformation.init(weights)
    for _ in range(50):
        _, state = transformation.update({"w": jnp.array([[1.0, 0.0], [0.0, 0.0]])}, state)
    assert isinstance(state, SoapState)
    own = state.matrices["w"]
    # The second moments of the new first axis are those of the old second one, which are 0.
    turned = own._replace(left=(own.left[0], own.left[1][:, ::-1]))
    directions, _ = transformation.update({"w": jnp.zeros((2, 2))}, state._replace(matrices={"w": turned}))
    assert 1.0 < jnp.abs(cast(Any, directions)["w"]).max() <= 10.0


def test_refreshing_without_any_basis_changes_nothing():
    for state in (
        soap_init(SOAP._replace(max_dimension=2), {"a": jnp.ones((3, 4))}),
        soap_init(ADAM, {"a": jnp.ones((3, 4))}),
        optax.scale_by_adam().init({"a": jnp.ones((3, 4))}),
    ):
        assert_near(refreshed(state), state, atol=0)


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
            state = jax.lax.cond(step % 5 == 0, refreshed, lambda s: s, state)
            directions, state = soap_update(config, jax.grad(loss)(params), state)
            return ({"x": params["x"] - rate * (1 - step / 300) * directions["x"]}, state), None

        (params, _), _ = jax.lax.scan(body, (start, soap_init(config, start)), jnp.arange(300.0))
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


LAYOUT = (("tall", (20, 3)), ("wide", (2, 12)), ("row", (1, 9)), ("square", (12, 12)))
STACKS = stacks_of(LAYOUT, 512)


def layout_gradients(seed: int, n_steps: int) -> list[Gradients]:
    generator = np.random.default_rng(seed)
    return [
        {name: jnp.asarray(generator.normal(size=shape), jnp.float32) for name, shape in LAYOUT} for _ in range(n_steps)
    ]


def padding_of(arrays: Gradients) -> np.ndarray:
    """All numbers in the padding of stacks."""
    return np.concatenate([np.asarray(arrays[stack.key])[stack.mask() == 0] for stack in STACKS])


def with_known_bases(state: SoapState, seed: int, scale: float) -> SoapState:
    """The state with covariances of full rank: bases of directions that no gradient has reached are of rounding."""
    generator = np.random.default_rng(seed)

    def known(side):
        if not side:
            return side
        diagonal = scale * generator.uniform(1, 9, side[0].shape[-1])
        return jnp.broadcast_to(jnp.diag(jnp.asarray(diagonal, jnp.float32)), side[0].shape), side[1]

    matrices = {n: own._replace(left=known(own.left), right=known(own.right)) for n, own in state.matrices.items()}
    return state._replace(matrices=matrices)


def norm(gradients: Any) -> float:
    return float(np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(gradients))))


class TestOptaxsProtocol:
    """`scale_by_soap` among optax's own transformations."""

    @pytest.mark.parametrize("form", ["matrices", "stacks"])
    def test_in_a_chain_it_is_soap_on_what_comes_before(self, form):
        clip = optax.clip_by_global_norm(1.0)
        chain = optax.chain(clip, scale_by_soap(SOAP))
        if form == "stacks":
            gradients = [stacked(STACKS, gradient) for gradient in layout_gradients(7, 7)]
        else:
            gradients = gradients_of(7, 7)
        assert all(norm(gradient) > 2 for gradient in gradients)  # all are clipped
        alone = with_known_bases(soap_init(SOAP, gradients[0]), 1, 1e-3)
        state: Any = (clip.init(gradients[0]), alone)  # a chain's state holds those of its parts
        chain_update, refresh = jax.jit(chain.update), jax.jit(refreshed)
        alone_update = jax.jit(functools.partial(soap_update, SOAP))
        for step, gradient in enumerate(gradients):
            if step % 3 == 0:  # the bases within a chain are refreshed like those outside
                state, alone = refresh(state), refresh(alone)
            directions, state = chain_update(gradient, state)
            clipped = cast(Gradients, clip.update(gradient, clip.init(gradient))[0])
            assert norm(clipped) == pytest.approx(1.0, rel=1e-5)
            expected, alone = alone_update(clipped, alone)
            assert_near(directions, expected, atol=1e-4)
            if form == "stacks":
                assert not padding_of(expected).any()
        name = next(iter(gradients[0]))
        basis = alone.matrices[name].left[1]
        assert (
            np.abs(np.asarray(basis) - np.eye(basis.shape[-1])).max() > 0.1
        )  # or the bases would have stayed the identity

    def test_without_preconditioning_it_is_optaxs_adam_of_the_same_constants(self):
        reference = optax.scale_by_adam(b1=SOAP.beta_1, b2=SOAP.beta_2, eps=SOAP.epsilon)
        config = SOAP._replace(preconditioned=False)
        for gradients in (layout_gradients(8, 20), [stacked(STACKS, g) for g in layout_gradients(8, 20)]):
            state, expected_state = soap_init(config, gradients[0]), reference.init(gradients[0])
            for gradient in gradients:
                directions, state = soap_update(config, gradient, state)
                expected, expected_state = reference.update(gradient, expected_state)
                assert_near(directions, expected, atol=1e-6)

    def test_with_weight_decay_it_is_optaxs_adamw(self):
        config = SOAP._replace(preconditioned=False, weight_decay=0.3)
        reference = optax.adamw(0.01, b1=config.beta_1, b2=config.beta_2, eps=config.epsilon, weight_decay=0.3)
        own = theirs = gradients_of(7, 1)[0]
        state, expected_state = soap_init(config, own), reference.init(theirs)
        for gradient in gradients_of(8, 12):
            directions, moments = scale_by_soap(config).update(gradient, state, own)
            assert isinstance(moments, SoapState)
            state = moments
            own = {name: p - 0.01 * cast(Gradients, directions)[name] for name, p in own.items()}
            updates, expected_state = reference.update(gradient, expected_state, theirs)
            theirs = cast(Gradients, optax.apply_updates(theirs, updates))
        assert_near(own, theirs, atol=1e-6)
        with pytest.raises(ConfigError, match="give it the weights"):
            scale_by_soap(config).update(own, state)

    def test_equal_constants_give_the_same_object(self):
        assert transformation_of(OptimiserConfig()) is transformation_of(OptimiserConfig())
        assert transformation_of(OptimiserConfig(beta_1=0.9)) is scale_by_soap(OptimiserConfig(beta_1=0.9))
        assert transformation_of(OptimiserConfig(beta_1=0.9)) is not transformation_of(OptimiserConfig())
        own = optax.scale_by_lion()
        assert transformation_of(own) is own


@pytest.mark.parametrize(("limit", "norm"), [(2.0, 2.0), (100.0, 5.0), (math.inf, 5.0)])
def test_gradients_have_a_largest_norm_unless_it_is_infinite(limit, norm):
    clipped = optimiser.clip_by_global_norm({"a": jnp.full((2, 2), 1.5), "b": jnp.full((1, 1), 4.0)}, limit)
    np.testing.assert_allclose(clipped["a"], np.full((2, 2), 1.5 * norm / 5), rtol=1e-6)
    np.testing.assert_allclose(clipped["b"], [[4.0 * norm / 5]], rtol=1e-6)


def in_stack(stack: Stack, alone: SoapState, together: SoapState) -> optimiser.MatrixState:
    """The state of a stack whose matrices have the covariances of `alone`."""
    state = together.matrices[stack.key]
    sides = []
    for which, old in enumerate((state.left, state.right)):
        covariance = np.array(old[0])
        for i, (name, (rows, columns)) in enumerate(stack.matrices):
            own = alone.matrices[name]
            side = (own.left, own.right)[which if rows <= columns else 1 - which]
            if side:
                size = len(side[0])
                covariance[i, :size, :size] = side[0]
        sides.append((jnp.asarray(covariance), old[1]))
    return state._replace(left=sides[0], right=sides[1])


@pytest.mark.parametrize("config", [SOAP, SOAP._replace(preconditioned=False)])
def test_directions_of_a_stack_are_those_of_its_matrices_alone(config):
    assert len(STACKS) == 2
    gradients = layout_gradients(0, 6)
    alone = with_known_bases(soap_init(config, gradients[0]), 1, 1.0)
    together = soap_init(config, stacked(STACKS, gradients[0]))
    if config.preconditioned:
        together = together._replace(matrices={stack.key: in_stack(stack, alone, together) for stack in STACKS})
    update, refresh = jax.jit(functools.partial(soap_update, config)), jax.jit(refreshed)
    for step, gradient in enumerate(gradients):
        if step % 3 == 0:
            alone, together = refresh(alone), refresh(together)
        expected, alone = update(gradient, alone)
        directions, together = update(stacked(STACKS, gradient), together)
        assert not padding_of(directions).any()
        for name, direction in unstacked(STACKS, directions).items():
            np.testing.assert_allclose(direction, expected[name], atol=2e-3)
    assert not padding_of({key: own.momentum for key, own in together.matrices.items()}).any()
    momenta = unstacked(STACKS, {key: own.momentum for key, own in together.matrices.items()})
    for name, momentum in momenta.items():
        np.testing.assert_allclose(momentum, alone.matrices[name].momentum, atol=1e-6)


def test_the_entries_of_tables_stay_in_their_own_basis():
    state = soap_init(SOAP, {"table_0": jnp.zeros((1, 2, 400)), "stack_1": jnp.zeros((1, 2, 400))})
    table, layer = state.matrices["table_0"], state.matrices["stack_1"]
    assert [side.shape for side in table.left] == [(1, 2, 2)] * 2
    assert table.right == ()
    assert [side.shape for side in layer.right] == [(1, 400, 400)] * 2
