"""Every experiment of the repository loads, states its cost, and is small in its smoke mode."""

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from inrc.baselines.interface import MeasuredCodec
from inrc.evaluate import records, runner
from inrc.evaluate.experiment import load_experiment
from inrc.evaluate.pictures import bundled
from tests.conftest import COFFEE_SMALL

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


def test_the_codec_of_contributing_joins_the_figure(tmp_path):
    """The example of CONTRIBUTING.md runs as it is written there."""
    guide = (FOLDER.parent / "CONTRIBUTING.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(example)
    experiment = load_experiment(tmp_path / "mine.py")
    assert [codec.name for codec in experiment.codecs][-2:] == ["inrc", "palette"]
    small = dataclasses.replace(experiment, pictures=bundled(COFFEE_SMALL), codecs=experiment.codecs[-1:])
    found = runner.run_experiment(small, results=tmp_path, files=tmp_path)
    assert [record.failure for record in found] == [""] * 3
    assert found[0].psnr_db < found[1].psnr_db < found[2].psnr_db
    assert found[0].n_bytes < found[1].n_bytes < found[2].n_bytes
