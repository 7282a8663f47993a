"""AdaRound: the quadratic form, the best of all ways to round a small matrix, and what it wins on a fitted network."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import ConfigError
from inrc.fit.coordinate import rounding
from inrc.fit.coordinate.fitting import CoordinateFitResult, fit_networks
from inrc.fit.coordinate.minibatches import polyphase
from inrc.fit.coordinate.rounding import AdaRoundConfig, Moments
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.lanes import Lanes
from inrc.fit.task import Task
from inrc.models import build
from inrc.quant.uniform import index_of_step, step_of_index
from inrc.signal.coordinates import pixel_centres
from tests.fit import problems
from tests.fit.problems import MODEL
from tests.models.networks import random_params

STEP, BITS, N_CASES = 2.0**-6, 4, 40
ADAROUND = AdaRoundConfig()
ROUND_ALL = jax.jit(jax.vmap(functools.partial(rounding.rounded_matrix, ADAROUND)))


@pytest.fixture(scope="module")
def fits() -> list[CoordinateFitResult]:
    """Two fits that never saw their weights rounded, of one batch."""
    config = dataclasses.replace(
        problems.CONFIG, n_passes=200, lambda_rd=0.0, schedule=Schedule(0.01, noise_from=1.0, hard_from=1.0)
    )
    tasks = [Task(problems.target(seed), config) for seed in (0, 1)]
    return fit_networks(tasks, MODEL, lanes=Lanes(n_turns=2), padded=False)


def steps_of(params, bits: int = BITS) -> dict[str, float]:
    """Steps of the ladder at which so many bits span every matrix."""
    return {n: step_of_index(index_of_step(2 * np.abs(m).max() / (2**bits - 1))) for n, m in params.items()}


def nearest(params, steps) -> dict[str, np.ndarray]:
    return {
        name: np.rint(matrix / steps[name]).astype(np.float32) * np.float32(steps[name])
        for name, matrix in params.items()
    }


class TestSamples:
    @pytest.mark.parametrize(("shape", "factor", "n_expected"), [((13, 10), 2, 130), ((300, 200), 2, 15000 + 15000)])
    def test_they_are_whole_phases(self, shape, factor, n_expected):
        samples = rounding.samples_of(polyphase(problems.picture(shape), factor, 256))
        assert len({len(axis) for axis in (*samples.axes, *samples.valid)}) == 1
        counts = [np.asarray(valid).sum(1) for valid in samples.valid]
        assert (counts[0] * counts[1]).sum() == n_expected

    def test_their_coordinates_are_pixels_and_none_is_twice_there(self):
        samples = rounding.samples_of(polyphase(problems.picture((13, 10)), 2, 16))
        seen = [
            (float(y), float(x))
            for rows, columns, own, others in zip(*samples.axes, *samples.valid, strict=True)
            for (y, v), (x, w) in itertools.product(zip(rows, own, strict=True), zip(columns, others, strict=True))
            if v * w > 0
        ]
        assert len(set(seen)) == len(seen) == 130


def test_the_quadratic_form_is_the_error_of_the_layers_outputs():
    params = random_params(MODEL, (13, 10), 3)
    other = {n: jnp.asarray(m) for n, m in nearest(params, dict.fromkeys(params, STEP)).items()}
    # 13 x 10 pixels in tiles of few rows: the last ones have samples that are not valid.
    samples = rounding.samples_of(polyphase(problems.picture((13, 10)), 2, 16))
    moments = jax.jit(functools.partial(rounding.moments_of, MODEL, (13, 10), 3))(samples, params, other)
    inputs_of = jax.jit(lambda own, y, x: build.matrix_inputs(MODEL, (13, 10), 3, own, [y, x]))
    fitted, rounded = (inputs_of(p, pixel_centres(13)[:, None], pixel_centres(10)[None, :]) for p in (params, other))
    for name, own in moments.items():
        x, y, matrix = (np.asarray(a, np.float64) for a in (fitted[name], rounded[name], params[name]))
        change = np.random.default_rng(0).normal(size=matrix.shape) * STEP
        error, before = (np.sum((matrix @ x - (matrix + d) @ y) ** 2) for d in (change, 0 * change))
        excess = rounding.excess_error(own, params[name], jnp.asarray(change, jnp.float32))
        np.testing.assert_allclose(float(excess) * np.mean(np.sum(y**2, axis=1)), error - before, rtol=1e-3)
        assert (before == 0) == (name == "layer_0")  # behind it, inputs differ and the form has its linear term


class TestOneMatrix:
    """Rows of six weights whose inputs are correlated, as those of a hidden layer are."""

    @pytest.fixture(scope="class")
    @classmethod
    def cases(cls):
        """`N_CASES` of (positions [1, 6], moments, integers that are chosen [1, 6])."""
        generator = np.random.default_rng(2)
        shape = N_CASES, 6, 50
        common = generator.normal(size=(N_CASES, 1, 50))
        inputs = common + generator.uniform(0.2, 1.0, (N_CASES, 6, 1)) * generator.normal(size=shape)
        square = inputs @ inputs.swapaxes(1, 2)
        drift = 0.003 * generator.normal(size=shape) @ inputs.swapaxes(1, 2)
        unit = np.mean(np.diagonal(square, axis1=1, axis2=2), axis=1)[:, None, None]
        moments = Moments(jnp.asarray(square / unit, jnp.float32), jnp.asarray(drift / unit, jnp.float32))
        positions = jnp.asarray(generator.uniform(-8, 8, (N_CASES, 1, 6)), jnp.float32)
        return positions, moments, np.asarray(ROUND_ALL(positions, jnp.zeros_like(positions), moments))

    @staticmethod
    def errors(cases, integers) -> np.ndarray:
        positions, moments, _ = cases
        return np.asarray(jax.vmap(rounding.excess_error)(moments, positions, jnp.asarray(integers) - positions))

    def test_integers_are_next_to_the_weights(self, cases):
        positions, _, integers = (np.asarray(array) for array in (cases[0], cases[0], cases[2]))
        assert np.all((integers == np.floor(positions)) | (integers == np.ceil(positions)))

    def test_most_are_rounded_in_the_best_of_all_ways(self, cases):
        floor = np.floor(cases[0])
        every = np.stack([self.errors(cases, floor + np.array([ways])) for ways in itertools.product((0, 1), repeat=6)])
        ours, nearest, best = self.errors(cases, cases[2]), self.errors(cases, np.rint(cases[0])), every.min(axis=0)
        assert np.mean(ours <= best + 1e-5) > 0.5  # 0.65; of the nearest integers 0.05
        assert ours.mean() < 1.15 * best.mean()  # 1.10; of the nearest integers 2.07
        assert nearest.mean() > 1.8 * best.mean()

    def test_a_weight_on_the_grid_stays(self):
        # To move it would make up for the error of the other one.
        moments = Moments(jnp.ones((N_CASES, 6, 6), jnp.float32), jnp.zeros((N_CASES, 6, 6), jnp.float32))
        positions = jnp.tile(jnp.float32([3.0, 0.4, 0.48, -2.0, 0.0, 7.0]), (N_CASES, 1, 1))
        integers = np.asarray(ROUND_ALL(positions, jnp.zeros_like(positions), moments))
        assert np.all(integers == [3, 0, 1, -2, 0, 7])  # the two between integers are 0.88 together


class TestNetwork:
    def test_four_bits_are_worth_more(self, fits):
        """PSNR of two fits at four bits a weight."""
        params = [result.params for result in fits]
        steps = [steps_of(own) for own in params]
        batch = fits[0].batch
        means = [{name: np.zeros_like(matrix) for name, matrix in own.items()} for own in params]
        chosen = batch.rounded(params, steps, means, ADAROUND)
        plain = [nearest(*pair) for pair in zip(params, steps, strict=True)]
        gains = 10 * np.log10(batch.distortions(plain) / batch.distortions(chosen))
        assert gains.min() > 0.5  # 0.8 to 2.1 dB, as machines round their sums
        for own, matrices, own_steps in zip(chosen, params, steps, strict=True):
            assert list(own) == list(matrices)
            for name, matrix in own.items():
                integers = np.rint(matrix / own_steps[name])
                np.testing.assert_allclose(integers * own_steps[name], matrix, rtol=1e-6)
                assert np.abs(integers - matrices[name] / own_steps[name]).max() < 1 + 1e-5

    def test_differences_from_means_lie_on_the_grid(self, fits):
        params, steps = fits[0].params, steps_of(fits[0].params)
        means = {name: np.random.default_rng(0).normal(size=m.shape).astype(np.float32) for name, m in params.items()}
        (chosen, _) = fits[0].batch.rounded([params] * 2, [steps] * 2, [means] * 2, ADAROUND)
        for name, matrix in chosen.items():
            integers = (matrix - means[name]) / steps[name]
            np.testing.assert_allclose(integers, np.rint(integers), atol=1e-4)
            assert np.abs(np.rint(integers) - (params[name] - means[name]) / steps[name]).max() < 1 + 1e-4


def test_a_modulator_is_rounded_as_the_layers_are():
    model = ModelConfig(widths=(4,), encoding=EncodingConfig(EncodingKind.NONE), modulator=(3,))
    params = random_params(model, (13, 10), 1)
    steps = {name: jnp.float32(STEP) for name in params}
    means = {name: jnp.zeros_like(matrix) for name, matrix in params.items()}
    samples = rounding.samples_of(polyphase(problems.picture((13, 10)), 2, 256))
    chosen = rounding.rounded(model, (13, 10), 1, AdaRoundConfig(n_steps=10), params, steps, means, samples)
    assert chosen.keys() == params.keys()
    for name, matrix in chosen.items():
        integers, exact = np.asarray(matrix) / STEP, np.asarray(params[name]) / STEP
        assert np.all((integers == np.floor(exact)) | (integers == np.ceil(exact)))


@pytest.mark.parametrize(
    "values",
    [
        {"n_steps": 0},
        {"regularisation": -1.0},
        {"regularisation": float("nan")},
        {"learning_rate": 0.0},
        {"beta_last": 0.5},
        {"beta_first": 1.0},
        {"warm_start": 1.5},
    ],
)
def test_constants_have_limits(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        AdaRoundConfig(**values)
