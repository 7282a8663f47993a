"""Fits of coordinate networks: what they learn, what they cost, and how they meet a number of bits."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from inrc.codec import weights
from inrc.config import LossConfig, WeightStorage
from inrc.entropy import coder
from inrc.errors import ConfigError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.fitting import CoordinateBatch, CoordinateFitResult, fit_network
from inrc.fit.coordinate.program import distortion, stacks_of
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.lanes import Lanes
from inrc.fit.measured import Measured
from inrc.fit.optimiser import OptimiserConfig
from inrc.fit.stacks import stacked, stacked_scalars
from inrc.fit.task import Start, Target, Task
from inrc.fit.weights import matrices_of, steps_of
from inrc.layout import layout
from inrc.quant.uniform import index_of_step, quantise, step_of_index
from tests.fit import problems
from tests.fit.problems import interrupt_after, rounded_loss, rounded_result

CONFIG, MODEL, N_CHUNKS = problems.CONFIG, problems.MODEL, problems.N_CHUNKS


@pytest.fixture(scope="module")
def whole() -> CoordinateFitResult:
    """The fit that is never stopped."""
    return fit_network(problems.target(), MODEL, CONFIG)


def test_result_describes_the_network(whole):
    assert [(n, p.shape) for n, p in whole.params.items()] == list(layout(MODEL, problems.SHAPE, 3))
    assert whole.steps.keys() == whole.params.keys()
    assert all(1e-7 < step < 10 for step in whole.steps.values())
    assert whole.n_steps == 8 * N_CHUNKS
    assert not whole.interrupted
    assert 0 <= whole.compile_seconds <= whole.seconds


def test_more_than_ten_matrices_stay_in_the_order_of_the_file():
    # JAX sorts the keys of a dictionary, and layer_10 comes before layer_2.
    model = dataclasses.replace(MODEL, widths=(2, 3) * 5)
    result = fit_network(problems.target(), model, dataclasses.replace(CONFIG, n_passes=2))
    assert [(n, p.shape) for n, p in result.params.items()] == list(layout(model, problems.SHAPE, 3))
    assert list(result.steps) == list(result.params)


def test_a_fit_learns():
    config = dataclasses.replace(CONFIG, n_passes=300, schedule=Schedule(learning_rate=0.01), seed=1)
    result = fit_network(problems.target(), MODEL, config)
    variance = problems.picture().var()
    assert rounded_loss(result) < 0.05 * variance  # seeds 0 to 15 end between 0.011 and 0.036 of it


def test_a_larger_lambda_gives_fewer_bits():
    bits = []
    for lambda_rd in (1e-5, 1e-1):
        result = fit_network(problems.target(), MODEL, dataclasses.replace(CONFIG, n_passes=60, lambda_rd=lambda_rd))
        bits.append(rounded_result(result)[1])
    assert bits[1] < 0.6 * bits[0]


def test_the_first_prediction_is_the_mean_of_the_picture():
    result = fit_network(problems.target(), MODEL, CONFIG, progress=interrupt_after(1))
    mean = problems.picture().reshape(3, -1).mean(1)
    np.testing.assert_allclose(result.params["layer_2"][:, -1] * 0.5 + 0.5, mean, atol=0.1)


@pytest.mark.parametrize("n_passes", [60, 300])
def test_lambda_is_steered_to_the_bits_that_the_coder_spends(n_passes):
    reached = []
    for target_bits in (300.0, 600.0):
        result = fit_network(
            problems.target(), MODEL, dataclasses.replace(CONFIG, n_passes=n_passes, target_bits=target_bits)
        )
        steps = [step_of_index(index_of_step(step)) for step in result.steps.values()]
        integers = [quantise(matrix, step) for matrix, step in zip(result.params.values(), steps, strict=True)]
        reached.append(coder.ideal_bits((), integers))
    # At the lower one a dozen integers that go to 0 in the last steps are 5 % of the bits.
    assert 0.85 * 300 < reached[0] < 1.05 * 300
    assert 0.96 * 600 < reached[1] < 1.02 * 600


def test_a_picture_smaller_than_a_phase_grid():
    values = problems.picture((1, 9), channels=1)
    result = fit_network(
        Target(values, 0.5 * np.eye(1), np.full(1, 0.5)), MODEL, dataclasses.replace(CONFIG, phase_factor=4)
    )
    assert all(np.isfinite(p).all() for p in result.params.values())


@pytest.mark.slow
def test_the_preconditioned_optimiser_and_structural_losses_fit_too():
    config = dataclasses.replace(CONFIG, n_passes=300, lambda_rd=1e-5, optimiser=OptimiserConfig())
    assert rounded_loss(fit_network(problems.target(), MODEL, config)) < 0.2 * problems.picture().var()
    visual = dataclasses.replace(CONFIG, n_passes=300, lambda_rd=1e-5, loss=LossConfig(ssim=0.05))
    assert rounded_loss(fit_network(problems.target(), MODEL, visual)) < 0.02


@pytest.mark.parametrize("storage", [WeightStorage.COMPANDED, WeightStorage.HALF])
def test_the_value_of_the_best_weights_is_that_of_the_file(storage, tmp_path):
    model, path = dataclasses.replace(MODEL, storage=storage), tmp_path / "fit.ckpt"
    config = dataclasses.replace(CONFIG, n_passes=4, weight_bits=5.5, lambda_rd=0.0, schedule=Schedule(hard_from=0.2))
    result = fit_network(problems.target(), model, config, checkpoint_path=path, checkpoint_every=-1)
    stored = weights.quantise(result.params, result.steps, storage=storage)
    decoded = {n: jnp.asarray(p) for n, p in weights.dequantise(layout(model, problems.SHAPE, 3), stored).items()}
    with np.load(path) as archive:
        (best,) = json.loads(str(archive["meta"]))["best"]
    assert float(distortion(result.problem, decoded, result.signal)) == pytest.approx(best, rel=1e-4)
    exact = {name: jnp.asarray(p) for name, p in result.params.items()}
    assert abs(float(distortion(result.problem, exact, result.signal)) / best - 1) > 1e-6  # or rounding is not tested


class TestFixedBits:
    @pytest.mark.parametrize("bits", [3, 6, 4.6])
    def test_integers_take_that_many_levels(self, bits):
        result = fit_network(problems.target(), MODEL, dataclasses.replace(CONFIG, weight_bits=bits))
        for name, matrix in result.params.items():
            largest = np.abs(matrix).max()
            assert result.steps[name] == pytest.approx(2 * largest / (2**bits - 1), rel=1e-4)
            assert np.abs(np.rint(matrix / result.steps[name])).max() <= np.ceil(2 ** (bits - 1))

    def test_more_bits_are_better(self):
        # By a small lambda: where eight bits cost much, a mean colour of them alone is cheapest.
        config = dataclasses.replace(CONFIG, n_passes=100, lambda_rd=1e-4)
        coarse, fine = (
            rounded_loss(fit_network(problems.target(), MODEL, dataclasses.replace(config, weight_bits=bits)))
            for bits in (3, 8)
        )
        assert fine < 0.7 * coarse

    @pytest.mark.parametrize("bits", [0, 17])
    def test_their_number_has_limits(self, bits):
        with pytest.raises(ConfigError, match="weight_bits"):
            CoordinateFitConfig(weight_bits=bits)


class TestOverhead:
    """How many bits the coder spends for one of the rate model, as steerings learn it from rounded weights."""

    def overhead(self, integers: dict[str, np.ndarray], bits: float, start: Start | None = None) -> float:
        """The overhead of weights of these integers at steps of 1/4, to which the rate model gives `bits`."""
        config = dataclasses.replace(CONFIG, target_bits=100.0)
        batch = CoordinateBatch([Task(problems.target(), config, start)], MODEL, Lanes(), padded=False)
        stacks = stacks_of(batch.plan.problem)
        means = dict.fromkeys(integers, np.float32(0)) if start is None else start.mean
        params = {name: jnp.asarray(0.25 * x + means[name], jnp.float32) for name, x in integers.items()}
        in_stacks = {key: x[None] for key, x in stacked(stacks, params).items()}
        log_steps = stacked_scalars(stacks, dict.fromkeys(integers, jnp.log(jnp.float32(0.25))))
        state = batch.first(0)._replace(params=in_stacks, log_steps={key: x[None] for key, x in log_steps.items()})
        batch.note_rounded(state, Measured(np.zeros(1), np.zeros(1), np.array([bits])))  # pyright: ignore[reportArgumentType]
        (steering,) = batch.steerings
        assert steering.excess(11.0) == pytest.approx(max(0.0, 11.0 * steering.overhead / 100.0 - 1.0))
        return steering.overhead

    @staticmethod
    def integers() -> dict[str, np.ndarray]:
        generator = np.random.default_rng(0)
        return {name: generator.integers(-4, 5, shape, np.int32) for name, shape in layout(MODEL, problems.SHAPE, 3)}

    def test_it_is_the_coders_own_code_length(self):
        integers = self.integers()
        expected = coder.ideal_bits((), list(integers.values())) / 10.0
        assert self.overhead(integers, 10.0) == pytest.approx(expected)

    def test_companded_weights_have_integers_of_their_own(self):
        model = dataclasses.replace(MODEL, storage=WeightStorage.COMPANDED)
        config = dataclasses.replace(CONFIG, target_bits=100.0)
        batch = CoordinateBatch([Task(problems.target(), config)], model, Lanes(), padded=False)
        state = batch.first(0)
        batch.note_rounded(state, Measured(np.zeros(1), np.zeros(1), np.array([10.0])))
        stacks = stacks_of(batch.plan.problem)
        params, log_steps = (
            {key: np.asarray(x[0]) for key, x in part.items()} for part in (state.params, state.log_steps)
        )
        names = tuple(name for name, _ in layout(model, problems.SHAPE, 3))
        own = matrices_of(stacks, names, params), steps_of(stacks, names, log_steps)
        integers = weights.quantise(*own, storage=WeightStorage.COMPANDED).integers
        (steering,) = batch.steerings
        assert steering.overhead == pytest.approx(coder.ideal_bits((), integers) / 10.0)

    def test_under_a_prior_it_is_that_of_the_file(self):
        integers = self.integers()
        generator = np.random.default_rng(1)
        exponents = {name: generator.integers(-8, 25, x.shape, np.int32) for name, x in integers.items()}
        mean = {name: generator.choice([-0.5, 0.0, 0.75], x.shape).astype(np.float32) for name, x in integers.items()}
        scale = {name: (0.25 * 2.0 ** (x / 8)).astype(np.float32) for name, x in exponents.items()}
        expected = coder.ideal_bits((), list(integers.values()), list(exponents.values())) / 10.0
        assert self.overhead(integers, 10.0, Start(mean, scale)) == pytest.approx(expected)
        assert abs(expected / self.overhead(integers, 10.0) - 1) > 0.05  # or the prior would not have counted
