"""Empirical Bayes: scales of synthetic fits, shrinkage, kinds of centres and scales; finished fits are kept."""

import dataclasses

import numpy as np
import pytest

from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.layout import layout
from inrc.meta import prior
from inrc.meta.data import output_transform
from inrc.meta.prior import PictureFit, PriorProgress, empirical_bayes, learn_prior, shared_init_of
from inrc.meta.stages import Centre, PriorStage, Scales
from inrc.meta.starts import flat_start, start_of
from inrc.quant.uniform import STEPS_PER_OCTAVE
from inrc.shared_init import SharedInit
from tests.meta import tiny
from tests.models.networks import values

STEP = 2.0**-10
PICTURES = tiny.collection().training


def synthetic(n: int, scale: dict[str, np.ndarray], seed: int = 0) -> list[PictureFit]:
    """Fits whose weights have a Laplace distribution around `tiny.start`, with the given mean magnitudes."""
    generator = np.random.default_rng(seed)
    mean = tiny.start().mean
    return [
        PictureFit(
            {name: (mean[name] + generator.laplace(0, scale[name])).astype(np.float32) for name in mean},
            dict.fromkeys(mean, STEP),
            1.0,
        )
        for _ in range(n)
    ]


def scales_of_ranks(seed: int = 1) -> dict[str, np.ndarray]:
    """A different scale for every weight, far above the step: not a product of rows and columns."""
    generator = np.random.default_rng(seed)
    return {name: 0.1 * 2 ** generator.uniform(-2, 2, matrix.shape) for name, matrix in tiny.start().mean.items()}


def relative_errors(found, true) -> np.ndarray:
    return np.concatenate([np.abs(found.scale[name] / true[name] - 1).ravel() for name in true])


def test_scales_of_many_fits_are_those_of_their_distribution():
    true = scales_of_ranks()
    found = empirical_bayes(synthetic(2000, true), tiny.start(), PriorStage(centre=Centre.MEAN))
    assert relative_errors(found, true).max() < 0.15
    for name, matrix in tiny.start().mean.items():
        np.testing.assert_allclose(found.mean[name], matrix, atol=0.05)


def test_few_fits_are_shrunk_towards_the_product_of_rows_and_columns():
    rows, columns = np.array([1.0, 2, 3, 4, 5, 6]), np.linspace(0.5, 2, 11)
    rank_one = {name: np.full(m.shape, 0.1) for name, m in tiny.start().mean.items()}
    rank_one["layer_0"] = 0.02 * rows[:, None] * columns
    fits = synthetic(4, rank_one)
    errors = [
        relative_errors(
            empirical_bayes(fits, tiny.start(), PriorStage(centre=Centre.START, shrinkage=s)), rank_one
        ).mean()
        for s in (0.0, 8.0, 1e6)
    ]
    assert errors[0] > 1.3 * errors[1] > 1.3 * errors[2]
    product = empirical_bayes(fits, tiny.start(), PriorStage(centre=Centre.START, shrinkage=1e6)).scale["layer_0"]
    assert np.linalg.matrix_rank(product, tol=1e-4) == 1


def test_weights_that_no_picture_moves_have_the_least_scale():
    still = {name: np.zeros(m.shape) for name, m in tiny.start().mean.items()}
    still["layer_0"][:, 0] = 0.1
    start = flat_start(dict(tiny.start().mean), 0.25)  # as stored, so that there is no difference to be rounded
    fits = [
        PictureFit(
            {n: start.mean[n] + np.float32(sign) * still[n] for n in start.mean}, dict.fromkeys(still, STEP), 1.0
        )
        for sign in (-1, 1)
    ]
    found = empirical_bayes(fits, start, PriorStage(centre=Centre.START, shrinkage=0.0)).scale
    np.testing.assert_allclose(found["layer_0"][:, 0], 0.1, rtol=0.01)
    np.testing.assert_allclose(found["layer_0"][:, 1:], found["layer_0"].flat[0] / 11 / 64, rtol=1e-3)
    np.testing.assert_allclose(found["layer_1"], STEP / 64 / 64)


@pytest.mark.parametrize("kind", list(Scales))
def test_kinds_of_scales(kind):
    found = empirical_bayes(synthetic(50, scales_of_ranks()), tiny.start(), PriorStage(scales=kind)).scale
    if kind is Scales.NONE:
        assert {float(scale) for matrix in found.values() for scale in matrix.flat} == {1.0}
    elif kind is Scales.MATRIX:
        assert [len(np.unique(matrix)) for matrix in found.values()] == [1, 1]
        assert found["layer_0"][0, 0] == pytest.approx(scales_of_ranks()["layer_0"].mean(), rel=0.1)
    else:
        assert all(len(np.unique(matrix)) == matrix.size for matrix in found.values())


def test_centres_are_the_start_or_the_mean_or_the_median_as_stored_in_float16():
    fits = synthetic(3, scales_of_ranks())
    weights = np.stack([fit.params["layer_1"] for fit in fits])
    expected = {
        Centre.START: tiny.start().mean["layer_1"],
        Centre.MEAN: weights.astype(np.float64).mean(0).astype(np.float16).astype(np.float32),
        Centre.MEDIAN: np.median(weights, axis=0).astype(np.float16).astype(np.float32),
    }
    for centre, matrix in expected.items():
        found = empirical_bayes(fits, tiny.start(), PriorStage(centre=centre))
        np.testing.assert_array_equal(found.mean["layer_1"], matrix)


def test_steps_are_geometric_means_on_the_ladder():
    fits = [
        dataclasses.replace(fit, steps=dict.fromkeys(fit.steps, s))
        for fit, s in zip(synthetic(2, scales_of_ranks()), (2.0**-8, 2.0**-10), strict=True)
    ]
    steps = empirical_bayes(fits, tiny.start(), PriorStage()).steps
    assert steps == dict.fromkeys(tiny.start().mean, 2.0**-9)


def test_a_stored_start_is_read_back():
    found = empirical_bayes(synthetic(5, scales_of_ranks()), tiny.start(), PriorStage())
    again = start_of(shared_init_of(tiny.RECIPE, found))
    for name in found.mean:
        np.testing.assert_array_equal(again.mean[name], found.mean[name])
        ratio = np.abs(np.log2(again.scale[name] / found.scale[name]))
        assert ratio.max() <= 0.5 / STEPS_PER_OCTAVE + 1e-6
    assert again.steps == found.steps


def weights() -> dict[str, np.ndarray]:
    return dict(reversed(list(tiny.start().mean.items())))  # JAX returns dictionaries in another order


def test_no_rounds_leave_a_flat_prior():
    recipe = dataclasses.replace(tiny.RECIPE, prior=dataclasses.replace(tiny.RECIPE.prior, n_rounds=0))
    found, seconds = learn_prior(recipe, weights(), PICTURES)
    assert seconds == 0
    for name, _ in layout(tiny.MODEL, tiny.SHAPE, 3):
        np.testing.assert_array_equal(found.mean[name], tiny.start().mean[name].astype(np.float16))
        assert len(np.unique(found.scale_indices[name])) == 1
        assert found.steps[name] == pytest.approx(0.25 * found.mean[name].astype(np.float32).std(), rel=1e-5)
    assert found.lambda_rd == tiny.FIT.lambda_rd


def test_a_matrix_of_zeros_has_a_step_from_the_others():
    params = {"one": np.linspace(-0.02, 0.02, 50).reshape(5, 10), "two": np.zeros((3, 6))}
    deviation = float(np.std(params["one"].astype(np.float16).astype(np.float32)))
    steps = flat_start(params, 0.25).steps
    assert steps == {"one": pytest.approx(0.25 * deviation), "two": pytest.approx(0.25 * deviation / 8, rel=1e-3)}


def test_rounds_of_fits_move_the_mean_and_finished_fits_are_not_repeated(tmp_path, monkeypatch):
    recipe = dataclasses.replace(tiny.RECIPE, prior=dataclasses.replace(tiny.RECIPE.prior, n_rounds=2))
    states: list[PriorProgress] = []
    first, seconds = learn_prior(recipe, weights(), PICTURES, folder=tmp_path, progress=states.append)
    assert [(s.round, s.fit) for s in states if s.fraction == 1.0] == [(r, f) for r in (1, 2) for f in (1, 2, 3)]
    assert len({s.picture for s in states}) == 3
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npz"] * 6
    assert seconds > 0
    assert (first.mean["layer_0"] != tiny.start().mean["layer_0"].astype(np.float16)).any()

    def no_fit(*_: object, **__: object) -> None:
        raise AssertionError("a finished fit is repeated")

    monkeypatch.setattr(prior, "run_fits", no_fit)
    again, again_seconds = learn_prior(recipe, weights(), PICTURES, folder=tmp_path)
    assert (again.sha256, again_seconds) == (first.sha256, seconds)


def test_an_interrupted_stage_ends_in_the_same_result(tmp_path):
    def stop(state: PriorProgress) -> None:
        if state.fit == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_prior(tiny.RECIPE, weights(), PICTURES, folder=tmp_path, progress=stop)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    resumed, _ = learn_prior(tiny.RECIPE, weights(), PICTURES, folder=tmp_path)
    assert resumed.sha256 == learn_prior(tiny.RECIPE, weights(), PICTURES)[0].sha256


def test_the_time_budget_ends_a_round_after_two_fits(tmp_path):
    stage = dataclasses.replace(tiny.RECIPE.prior, n_rounds=2, time_budget=1e-9)
    learn_prior(dataclasses.replace(tiny.RECIPE, prior=stage), weights(), PICTURES, folder=tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 4


def test_fits_are_the_codecs_own():
    """They lower the loss, and tell how many seconds they took."""
    stage = dataclasses.replace(tiny.RECIPE.prior, fit=dataclasses.replace(tiny.FIT, n_passes=100, lambda_rd=1e-6))
    picture = PICTURES.pixels[0]
    fitted = prior.fit_picture(dataclasses.replace(tiny.RECIPE, prior=stage), picture, tiny.start())
    assert fitted.seconds > 0
    assert list(fitted.params) == list(tiny.start().mean)
    variance = float((picture / 255).var(axis=(1, 2)).mean())
    assert _mse(picture, fitted.params) < 0.5 * variance


def _mse(picture: np.ndarray, params) -> float:
    rows, columns = (np.linspace(-1, 1, 2 * n + 1)[1::2] for n in tiny.SHAPE)
    outputs = values(tiny.MODEL, tiny.SHAPE, params, [rows[:, None], columns[None]])
    matrix, offset = output_transform(tiny.MODEL, tiny.SHAPE)
    rendered = np.tensordot(matrix, outputs, 1) + offset[:, None, None]
    return float(((rendered - picture / 255) ** 2).mean())


def test_inits_have_the_network_and_the_lambda_of_the_recipe():
    init = shared_init_of(tiny.RECIPE, tiny.start())
    assert isinstance(init, SharedInit)
    assert (init.model, init.shape, init.n_outputs) == (tiny.MODEL, tiny.SHAPE, 3)
    assert init.lambda_rd == CoordinateFitConfig().lambda_rd


def test_kept_rates_are_stored_and_fits_take_the_inner_steps():
    rates = {name: np.full((2, *matrix.shape), 0.05, np.float32) for name, matrix in weights().items()}
    stage = dataclasses.replace(tiny.RECIPE.prior, n_pictures=2, centre=Centre.START)
    recipe = dataclasses.replace(tiny.RECIPE, prior=stage, codec="mine")
    init, _ = learn_prior(recipe, weights(), PICTURES, rates=rates)
    assert (init.codec, init.n_inner_steps) == ("mine", 2)
    found = start_of(init)
    for name, own in found.inner_rates.items():
        assert own.shape == rates[name].shape
        np.testing.assert_allclose(own, 0.05, rtol=2 ** (0.5 / STEPS_PER_OCTAVE) - 1)
    without, _ = learn_prior(recipe, weights(), PICTURES)
    assert without.n_inner_steps == 0
    assert any((init.scale_indices[name] != without.scale_indices[name]).any() for name in init.mean)
