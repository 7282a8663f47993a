"""A whole run: folder, card, resuming, and the two files of its export."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from inrc import shared_init
from inrc.errors import CheckpointMismatchError, InrcError, MissingDataError
from inrc.meta.export import export
from inrc.meta.recipe import as_json
from inrc.meta.run import Run, load_run, run_recipe
from tests.meta import tiny


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of pictures; the manifest beside it has the licences of two of them."""
    folder = tmp_path_factory.mktemp("pictures") / "train"
    folder.mkdir()
    tiny.write_pictures(folder)
    manifest = [{"file": f"train/{name}", "licence": "CC0"} for name in tiny.TRAINING_NAMES[:2]]
    (folder.parent / "train_manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "tiny"


@pytest.fixture(scope="module")
def finished(data, folder) -> Run:
    return run_recipe(tiny.RECIPE, folder, data=data)


def test_the_card_tells_how_the_init_was_made(finished):
    card = json.loads(json.dumps(finished.card))
    assert card["name"] == "tiny"
    assert card["recipe"] == json.loads(json.dumps(as_json(tiny.RECIPE)))
    assert card["n_weights"] == finished.init.n_weights == sum(m.size for m in finished.init.mean.values())
    assert card["pictures"] == {
        "n_training": 4,
        "n_validation": 2,
        "left_out": {},
        "licences": {"CC0": 2, "unknown": 2},
        "training": list(tiny.TRAINING_NAMES),
    }
    assert (card["outer_steps"], card["outer_steps_skipped"]) == (8, 0)
    assert [row["step"] for row in card["validation"]] == [8]
    assert card["outer_seconds"] > 0
    assert card["prior_seconds"] >= 0


def test_a_finished_run_is_read_back_and_not_repeated(finished, folder, data):
    def no_progress(state: object) -> None:
        raise AssertionError(f"a step is repeated: {state}")

    for again in (load_run(folder), run_recipe(tiny.RECIPE, folder, data=data, progress=no_progress)):
        assert again.init.sha256 == finished.init.sha256
        assert again.init.steps == finished.init.steps
        assert json.loads(json.dumps(again.card)) == json.loads(json.dumps(finished.card))


def test_another_prior_stage_keeps_the_outer_steps(finished, folder, data, tmp_path):
    steps = []
    recipe = dataclasses.replace(tiny.RECIPE, prior=dataclasses.replace(tiny.RECIPE.prior, n_rounds=0))
    flat = run_recipe(recipe, folder, data=data, progress=steps.append)
    assert steps == []
    assert flat.init.sha256 != finished.init.sha256
    run_recipe(tiny.RECIPE, folder, data=data)
    with pytest.raises(CheckpointMismatchError):
        run_recipe(dataclasses.replace(recipe, learning=dataclasses.replace(tiny.LEARNING, seed=1)), folder, data=data)


def test_an_export_is_named_by_its_hash(finished, tmp_path):
    gains = {"psnr_db": 1.5}
    init_path, card_path = export(finished, tmp_path / "exported", gains=gains)
    exported = shared_init.load(init_path)
    assert init_path.name == f"{exported.sha256[:16]}.npz"
    assert card_path.name == f"{exported.sha256[:16]}.json"
    for name, matrix in finished.init.mean.items():
        np.testing.assert_array_equal(exported.mean[name], matrix)
        np.testing.assert_array_equal(exported.scale_indices[name], finished.init.scale_indices[name])
    card = json.loads(card_path.read_text())
    assert (card["id"], card["sha256"]) == (exported.id.hex(), exported.sha256)
    assert card["n_bytes"] == init_path.stat().st_size
    assert card["gains"] == gains
    assert card["recipe"]["name"] == "tiny"
    before = hashlib.sha256(init_path.read_bytes()).hexdigest()
    again, _ = export(finished, tmp_path / "exported")
    assert hashlib.sha256(again.read_bytes()).hexdigest() == before
    assert json.loads(card_path.read_text())["gains"] is None


def test_folders_without_a_finished_run_are_refused(finished, tmp_path):
    with pytest.raises(InrcError, match="holds no finished run; finish it by the `inrc meta train`"):
        load_run(tmp_path)
    shared_init.save(finished.init, tmp_path / "init.npz")
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(InrcError, match=r"card\.json is damaged"):
        load_run(tmp_path)


def test_a_damaged_manifest_is_refused_before_the_run(tmp_path):
    tiny.write_pictures(tmp_path)
    (tmp_path / "train_manifest.json").write_text('["a.png"]')
    with pytest.raises(MissingDataError, match="no list of files and licences"):
        run_recipe(tiny.RECIPE, tmp_path / "run", data=tmp_path)
    assert not (tmp_path / "run").exists()
