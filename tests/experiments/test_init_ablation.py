"""The ablation of starts: its variants, and a tiny ablation that is run twice."""

import json

import pytest

from experiments import init_ablation
from inrc.meta.stages import Method, Scales
from meta_init.family import siren
from tests.meta import tiny


def test_all_have_the_same_seconds_and_no_scales():
    variants = init_ablation.variants(siren("base", 0.15), 600.0)
    assert [variant.name for variant in variants] == ["MAML", "FOMAML", "Meta-SGD", "Reptile", "mean of fits"]
    *learned, mean = variants
    assert [variant.learning.method for variant in learned] == [
        Method.MAML, Method.FOMAML, Method.META_SGD, Method.REPTILE,
    ]  # fmt: skip
    for variant in learned:
        assert variant.learning.time_budget == 600.0
        assert variant.prior.n_rounds == 0
    assert (mean.learning.n_steps, mean.prior.time_budget, mean.prior.n_rounds) == (0, 600.0, 1)
    assert mean.prior.scales is Scales.NONE
    assert len({(variant.model, variant.shape) for variant in variants}) == 1


@pytest.mark.slow
def test_it_resumes_where_it_was_stopped_and_writes_a_record(tmp_path):
    (tmp_path / "pictures").mkdir()
    tiny.write_pictures(tmp_path / "pictures")
    recipes = init_ablation.variants(tiny.RECIPE, 60.0, n_steps=2)
    recipes = [recipe for recipe in recipes if recipe.name in ("FOMAML", "mean of fits")]
    states = []
    results = tmp_path / "results" / "record.json"
    folders = {"data": tmp_path / "pictures", "runs": tmp_path / "runs", "results": results}
    found = init_ablation.ablate(recipes, **folders, steps=(0, 10), on_training=states.append)
    assert [summary.start for summary in found] == ["random", "FOMAML", "mean of fits"]
    assert len(states) > 2
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"FOMAML", "mean of fits"}
    record = json.loads(results.read_text())
    assert [row["psnr_db"] for row in record] == [pytest.approx(list(summary.psnr_db)) for summary in found]
    assert [row["outer_steps"] for row in record] == [0, 2, 0]
    assert record[0]["seconds"] == 0 < record[1]["seconds"]

    n_states = len(states)
    assert init_ablation.ablate(recipes, **folders, steps=(0, 10), on_training=states.append) == found
    assert len(states) == n_states
    assert json.loads(results.read_text()) == record
