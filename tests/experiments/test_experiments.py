"""Every experiment of the repository loads, says what it costs, and is small in its smoke mode."""

import ast
from pathlib import Path

import pytest

from inrc.baselines.interface import MeasuredCodec
from inrc.evaluate import records
from inrc.evaluate.experiment import load_experiment

FOLDER = Path(__file__).parents[2] / "experiments"
FILES = sorted(path for path in FOLDER.glob("*.py") if "\nEXPERIMENT = " in path.read_text())


def digests(codec: MeasuredCodec) -> set[str]:
    return {records.settings_digest(codec.settings(point)) for point in codec.points}


def test_they_are_all_there():
    assert {path.stem for path in FILES} >= {
        "smoke", "kodak_rd", "kodak_quick", "kodak_anchors",
        "loss_ablation", "quant_ablation", "encoding_ablation", "resolution",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_says_command_cost_and_what_to_expect(path):
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert all(word in text for word in ("Command:", "Cost:", "Expected:"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_settings_tell_its_points_apart(path):
    for smoke in (False, True):
        experiment = load_experiment(path, smoke=smoke)
        for codec in experiment.codecs:
            assert len(digests(codec)) == len(codec.points)
    assert experiment.n_points <= 64
    assert experiment.pictures.names == ("coffee_small",)


def test_the_quick_set_shares_its_records_with_the_whole():
    quick, whole = (load_experiment(FOLDER / f"{name}.py") for name in ("kodak_quick", "kodak_rd"))
    assert quick.results == whole.results
    assert [digests(codec) for codec in quick.codecs] == [digests(codec) for codec in whole.codecs]
    assert set(quick.pictures.names) < set(whole.pictures.names)
    assert quick.pictures.names == tuple(f"kodim{n:02d}" for n in (1, 5, 13, 15, 20, 23))
