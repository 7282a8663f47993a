"""Where fits of coordinate networks start, and what their weights are coded against."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import HashGridEncoding, LossConfig, ModelConfig, ModelFamily
from inrc.entropy import coder
from inrc.fit.checkpoint import fingerprint
from inrc.fit.coordinate.fitting import CoordinateBatch, fit_network
from inrc.fit.coordinate.minibatches import open_grid
from inrc.fit.coordinate.program import Problem, after_inner_steps, stacks_of
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.coordinate.start import first_state
from inrc.fit.lanes import Lanes
from inrc.fit.stacks import unstacked
from inrc.fit.task import Target, Task
from inrc.fit.weights import prior_of, steps_of
from inrc.layout import layout
from inrc.meta.data import Samples
from inrc.meta.inner import Learned, descend
from inrc.models import build
from inrc.quant.uniform import index_of_step, indices_of_steps, quantise, step_of_index
from inrc.signal.coordinates import pixel_centres
from tests.fit import problems
from tests.fit.problems import start_at
from tests.models.networks import random_params

CONFIG, MODEL = problems.CONFIG, problems.MODEL


class TestStart:
    params = random_params(MODEL, problems.SHAPE, 3, seed=8)
    slow = dataclasses.replace(CONFIG, schedule=Schedule(learning_rate=1e-7))

    def test_a_fit_begins_at_the_means_and_the_signals_colour(self):
        target = problems.target()
        result = fit_network(target, MODEL, self.slow, start=start_at(self.params))
        for name, matrix in self.params.items():
            first = np.array(matrix)
            if name == "layer_2":
                first[:, -1] = target.mean_outputs
            np.testing.assert_allclose(result.params[name], first, atol=1e-5)
            assert result.steps[name] == pytest.approx(0.025, rel=0.4)  # a quarter of the scale, and then learned

    def test_around_zero_it_begins_at_random_weights_under_the_prior(self):
        zeros = {name: np.zeros_like(matrix) for name, matrix in self.params.items()}
        start = start_at(zeros, 1e-3, steps=dict.fromkeys(zeros, 2**-7))
        with_prior, without = (fit_network(problems.target(), MODEL, self.slow, start=s) for s in (start, None))
        for name in zeros:
            np.testing.assert_allclose(with_prior.params[name], without.params[name], atol=1e-5)
        assert with_prior.params["layer_0"].std() > 0.01
        assert with_prior.steps["layer_0"] == pytest.approx(2**-7, rel=0.4)

    def test_first_steps_may_be_others(self):
        result = fit_network(
            problems.target(), MODEL, self.slow, start=start_at(self.params, steps=dict.fromkeys(self.params, 2**-7))
        )
        for name in self.params:
            assert result.steps[name] == pytest.approx(2**-7, rel=0.4)

    @pytest.mark.parametrize(("scale", "near"), [(1e-5, True), (0.3, False)])
    def test_weights_stay_near_their_means_where_the_prior_says_so(self, scale, near):
        config = dataclasses.replace(CONFIG, n_passes=60, lambda_rd=0.03)
        start = start_at(self.params, scale, steps=dict.fromkeys(self.params, 0.02))
        result = fit_network(problems.target(), MODEL, config, start=start)
        n_moved = sum(
            int(np.count_nonzero(quantise(p, step_of_index(index_of_step(result.steps[n])), start.mean[n])))
            for n, p in result.params.items()
        )
        n_weights = sum(p.size for p in result.params.values())
        assert (n_moved < 0.02 * n_weights) == near
        assert (n_moved > 0.2 * n_weights) != near

    def test_a_target_in_bits_is_met_under_a_prior(self):
        config = dataclasses.replace(CONFIG, n_passes=300, target_bits=400.0)
        start = start_at(self.params, 0.05)
        result = fit_network(problems.target(), MODEL, config, start=start)
        indices = {name: index_of_step(step) for name, step in result.steps.items()}
        names = list(result.params)
        integers = [quantise(result.params[n], step_of_index(indices[n]), start.mean[n]) for n in names]
        exponents = [coder.exponents_of(indices_of_steps(start.scale[n]), indices[n]) for n in names]
        assert coder.ideal_bits((), integers, exponents) == pytest.approx(400, rel=0.06)

    def test_a_race_from_a_start_runs_under_its_prior(self):
        config = dataclasses.replace(self.slow, n_seeds=2, race_fraction=0.3)
        result = fit_network(problems.target(), MODEL, config, start=start_at(self.params))
        np.testing.assert_allclose(result.params["layer_1"], self.params["layer_1"], atol=1e-5)


class TestInnerSteps:
    params = random_params(MODEL, problems.SHAPE, 3, seed=8)

    def test_the_bias_of_a_flat_network_reaches_the_mean_in_one_step_of_the_best_rate(self):
        """Under weights of 0 the error is (bias - x)^2, mean over C channels: the best rate is C / 2."""
        params = {name: jnp.asarray(matrix) for name, matrix in self.params.items()}
        params["layer_2"] = jnp.zeros_like(params["layer_2"])
        target = Target(problems.picture(problems.SHAPE))
        fit = CoordinateBatch([Task(target, CONFIG)], MODEL, Lanes(), padded=False)
        rates = {name: jnp.zeros((1, *matrix.shape)) for name, matrix in params.items()}
        rates["layer_2"] = rates["layer_2"].at[0, :, -1].set(3 / 2)
        after = after_inner_steps(fit.plan.problem, params, jax.tree.map(lambda leaf: leaf[0], fit.signals), rates)
        np.testing.assert_allclose(after["layer_2"][:, -1], target.values.mean((1, 2)), atol=1e-6)
        np.testing.assert_array_equal(after["layer_1"], params["layer_1"])

    def test_fits_begin_after_them_and_they_are_those_of_meta_learning(self):
        target = problems.target()
        generator = np.random.default_rng(0)
        rates = {name: generator.uniform(0.01, 0.05, (2, *m.shape)).astype("f4") for name, m in self.params.items()}
        start = dataclasses.replace(start_at(self.params), inner_rates=rates)
        task = Task(target, dataclasses.replace(CONFIG, loss=LossConfig(mse=0, l1=1)), start)
        fit = CoordinateBatch([task], MODEL, Lanes(), padded=True)
        found = unstacked(stacks_of(fit.plan.problem), jax.tree.map(lambda leaf: leaf[0], fit.first(0).params))

        def squared_error(params, _):
            outputs = build.apply(MODEL, problems.SHAPE, 3, params, open_grid(centres))
            values = problems.MATRIX @ outputs.reshape(3, -1) + problems.OFFSET[:, None]
            mse = jnp.mean((values - target.values.reshape(3, -1)) ** 2)
            return mse, mse

        centres = tuple(jnp.asarray(pixel_centres(n)) for n in problems.SHAPE)
        first = {name: jnp.asarray(matrix) for name, matrix in self.params.items()}
        first["layer_2"] = first["layer_2"].at[:, -1].set(target.mean_outputs)
        learned = Learned(first, {name: jnp.log(own) for name, own in rates.items()})
        expected, errors = descend(squared_error, learned, Samples(*3 * (jnp.zeros(2),)))
        assert float(errors[1]) < float(errors[0])
        for name, matrix in expected.items():
            np.testing.assert_allclose(found[name], matrix, atol=2e-5)
            assert np.abs(matrix - first[name]).max() > 1e-4

    def test_another_rate_is_another_fit(self):
        one, other = (
            dataclasses.replace(start_at(self.params), inner_rates={n: np.full((1, *m.shape), rate, "f4") for n, m in
            self.params.items()})
            for rate in (0.1, 0.2)
        )  # fmt: skip
        assert fingerprint(one.arrays()) != fingerprint(other.arrays())


def test_tables_begin_with_a_step_that_their_first_weights_say_nothing_of():
    model = ModelConfig(ModelFamily.HASH_GRID, (5,), HashGridEncoding(2, 2, 4, 3, 8))
    problem = Problem(model, (12, 16), 3, LossConfig())
    stacks = stacks_of(problem)
    state = first_state(problem, CONFIG, np.zeros(3, np.float32), None, prior_of(stacks, None), 0)
    names = tuple(name for name, _ in layout(model, (12, 16), 3))
    steps = steps_of(stacks, names, {key: np.asarray(step) for key, step in state.log_steps.items()})
    assert steps["table_0"] == steps["table_1"] == pytest.approx(2**-6)
    assert 0.05 < steps["layer_0"] < 0.3  # a quarter of the deviation of He's weights
