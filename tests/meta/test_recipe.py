"""Recipes: values out of range, files of recipes, folders of pictures, and recipes as JSON."""

import ast
import dataclasses
import json

import pytest

from inrc import presets
from inrc.codec.coordinate.family import network_and_fit
from inrc.codec.options import EncodeOptions
from inrc.config import ModelConfig
from inrc.errors import ConfigError, MissingDataError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.layout import layout
from inrc.meta import recipe
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import InnerOptimiser, Learning, Method, PriorStage, Sampling
from tests.conftest import COFFEE_SMALL
from tests.meta import tiny

RECIPES = COFFEE_SMALL.parents[2] / "meta_init"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inner_steps": 0}, "inner_steps is 0"),
        ({"n_tasks": 0}, "n_tasks is 0"),
        ({"phase_factor": 0}, "phase_factor is 0"),
        ({"inner_rate": 0.0}, "inner_rate is 0.0"),
        ({"outer_rate": -1.0}, "outer_rate is -1.0"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0"),
        ({"n_steps": -1}, "n_steps is -1"),
        ({"rates_rate": -1.0}, "rates_rate is -1.0"),
        ({"seed": 1 << 32}, "seed is 4294967296"),
        ({"time_budget": 0.0}, "time_budget is 0.0"),
        ({"tasks_at_once": 3}, "tasks_at_once is 3; it must divide the 4 tasks"),
        ({"inner_optimiser": InnerOptimiser.ADAM}, "meta-sgd differentiates inner steps of SGD"),
        ({"phase_factor": 3}, "3 gives 9 sub-pictures, and 10 inner steps need 11"),
    ],
)
def test_learning_out_of_range_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Learning(**changes)


def test_some_values_are_allowed_with_other_methods():
    assert Learning(phase_factor=3, sampling=Sampling.PIXELS).inner_steps == 10
    assert Learning(Method.REPTILE, inner_optimiser=InnerOptimiser.ADAM).n_tasks == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_pictures": 1}, "n_pictures is 1"),
        ({"n_rounds": -1}, "n_rounds is -1"),
        ({"shrinkage": -1.0}, "shrinkage is -1.0"),
        ({"time_budget": 0.0}, "time_budget is 0.0"),
        ({"fit": CoordinateFitConfig(time_budget=1.0)}, "give them passes and a lambda"),
        ({"fit": CoordinateFitConfig(target_bits=1.0)}, "give them passes and a lambda"),
        ({"fit": CoordinateFitConfig(lambda_rd=0.0)}, "lambda_rd of the prior's fits is 0.0"),
    ],
)
def test_a_prior_stage_out_of_range_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        PriorStage(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (24, 16)}, "the canvas is 16x24; it must be a landscape"),
        ({"shape": (16, 25)}, "phase_factor 2 must divide both sides"),
        ({"name": "a/b"}, "name is 'a/b'"),
        ({"name": ""}, "name is ''"),
        ({"name": ".."}, "name is '..'"),
        ({"keep_rates": True}, "keep_rates is for .* these are META_SGD, LOG_MSE, MEAN"),
    ],
)
def test_a_recipe_out_of_range_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(tiny.RECIPE, **changes)


def test_recipes_are_values_of_python_files(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from inrc.config import ModelConfig\nfrom inrc.meta.recipe import CoordinateRecipe\n"
        "RECIPE = CoordinateRecipe('mine', ModelConfig(widths=(4,)))\n"
    )
    found = recipe.load_recipe(path)
    assert (found.name, found.model, found.learning) == ("mine", ModelConfig(widths=(4,)), Learning())
    path.write_text("RECIPE = 1\n")
    with pytest.raises(ConfigError, match="no Recipe called RECIPE"):
        recipe.load_recipe(path)
    with pytest.raises(ConfigError, match="name one like meta_init/"):
        recipe.load_recipe(tmp_path / "none.py")


@pytest.mark.parametrize(("name", "bpp"), [("siren_0075", 0.075), ("siren_015", 0.15), ("siren_03", 0.3)])
def test_the_repositorys_recipes_have_the_networks_and_fits_of_the_codec(name, bpp):
    found = recipe.load_recipe(RECIPES / f"{name}.py")
    model, fit = network_and_fit(EncodeOptions(codec="siren", init="none"), (512, 768), 3, bpp)
    assert (found.name, found.model, found.shape) == (name, model, (512, 768))
    n_weights = sum(rows * columns for _, (rows, columns) in layout(model, found.shape, 3))
    assert n_weights == pytest.approx(presets.n_weights_for(bpp, 512 * 768), rel=0.05)
    assert found.prior.fit == dataclasses.replace(fit, n_passes=20)
    assert found.learning == Learning(time_budget=1500.0)
    assert (found.prior.n_pictures, found.prior.n_rounds) == (48, 2)


def test_every_recipe_of_the_repository_states_its_command_and_cost():
    recipes = [path for path in RECIPES.glob("*.py") if "\nRECIPE = " in path.read_text()]
    assert {path.stem for path in recipes} >= {"smoke", "siren_0075", "siren_015", "siren_03"}
    for path in recipes:
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert f"Command: inrc meta train meta_init/{path.name}" in text
        assert "Cost:" in text
        assert recipe.load_recipe(path).name == path.stem


def test_the_user_or_the_environment_names_the_folder_of_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("INRC_TRAIN", str(tmp_path))
    assert recipe.training_folder(None) == tmp_path
    (tmp_path / "other").mkdir()
    assert recipe.training_folder(tmp_path / "other") == tmp_path / "other"
    with pytest.raises(MissingDataError, match="none is no folder: set INRC_TRAIN or --data"):
        recipe.training_folder(tmp_path / "none")
    monkeypatch.delenv("INRC_TRAIN")
    with pytest.raises(MissingDataError, match="no folder of training pictures is given"):
        recipe.training_folder(None)


def test_cards_show_recipes_as_json(tmp_path):
    shown = json.loads(
        json.dumps(recipe.as_json(CoordinateRecipe("one", tiny.MODEL, tiny.SHAPE, tiny.LEARNING, data=tmp_path)))
    )
    assert shown["learning"]["method"] == "meta_sgd"
    assert shown["model"]["encoding"] == {"kind": "nerf", "n_frequencies": 2, "sigma": 10.0}
    assert shown["prior"]["fit"]["optimiser"]["preconditioned"] is True
    assert shown["shape"] == [16, 24]
    assert shown["data"] == str(tmp_path)


@pytest.mark.parametrize(("name", "shape", "n_weights"), [("kodak", (512, 768), 5411), ("small", (64, 64), 4771)])
def test_the_recipes_for_strumpler_have_the_papers_network_and_inner_steps(name, shape, n_weights):
    found = recipe.load_recipe(RECIPES / f"strumpler_{name}.py")
    assert isinstance(found, CoordinateRecipe)
    assert (found.codec, found.keep_rates, found.shape) == ("strumpler-meta", True, shape)
    assert (found.learning.method, found.learning.inner_steps) == (Method.META_SGD, 3)
    assert sum(rows * columns for _, (rows, columns) in layout(found.model, shape, 3)) == n_weights
