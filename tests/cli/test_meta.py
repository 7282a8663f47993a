"""`inrc meta`: train, export and compare, end to end on tiny pictures."""

import dataclasses
import json
import re
import signal
import subprocess

import numpy as np
import pytest

from inrc import shared_init
from inrc.evaluate import ablation_figures
from inrc.meta.compare import Summary
from tests.cli.conftest import TIMEOUT
from tests.meta import tiny

pytest.importorskip("matplotlib")

RECIPE = """
import dataclasses
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.meta.recipe import CoordinateRecipe
from inrc.meta.stages import Learning, PriorStage

FIT = CoordinateFitConfig(n_passes=4, phase_factor=2, optimiser=OptimiserConfig(preconditioned=False))
RECIPE = CoordinateRecipe(
    "small",
    ModelConfig(widths=(6,), encoding=EncodingConfig(EncodingKind.NERF, 2)),
    (16, 24),
    Learning(n_steps=N_STEPS, inner_steps=2, n_tasks=2, phase_factor=2),
    PriorStage(FIT, n_pictures=2, n_rounds=1),
)
"""
NUMBER = r"-?\d+\.\d+"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a recipe and pictures."""
    folder = tmp_path_factory.mktemp("meta")
    (folder / "pictures").mkdir()
    tiny.write_pictures(folder / "pictures")
    (folder / "recipe.py").write_text(RECIPE.replace("N_STEPS", "4"))
    (folder / "long.py").write_text(RECIPE.replace("N_STEPS", "10**6"))
    return folder


@pytest.fixture(scope="module")
def trained(inrc_command, folder):
    return inrc_command("meta", "train", folder / "recipe.py", "--data", folder / "pictures", cwd=folder)


def test_train_prints_progress_and_its_result(trained, folder):
    assert trained.returncode == 0, trained.stderr
    init = shared_init.load(folder / "out/meta/small/init.npz")
    assert trained.stdout == f"out/meta/small/init.npz: {init.n_weights} weights, id {init.id.hex()}\n"
    step = re.search(rf"^step 4  loss {NUMBER}  {NUMBER} to {NUMBER} dB  validation {NUMBER} dB", trained.stderr, re.M)
    assert step is not None, trained.stderr
    assert "tasks/s  0:00:00 left" in trained.stderr
    assert re.search(r"^prior, round 1/1, fit 2/2, \d\.png  100%$", trained.stderr, re.M)


def test_a_finished_run_is_not_repeated(trained, folder, inrc_command):
    done = inrc_command(
        "meta", "train", folder / "recipe.py", "--quiet", cwd=folder, INRC_TRAIN=str(folder / "pictures")
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, trained.stdout, "")


@pytest.mark.slow
def test_compare_and_export(trained, folder, inrc_command, tmp_path):
    assert trained.returncode == 0, trained.stderr
    run = folder / "out/meta/small"
    environment = {"INRC_TRAIN": str(folder / "pictures")}
    done = inrc_command("meta", "compare", run, "--pictures", 1, "-o", tmp_path / "compared", **environment)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| start", "| random", "| small"]
    assert [cell.split()[0] for cell in rows[0][1:8]] == ["0", "1", "3", "10", "30", "100", "300"]
    assert all(re.fullmatch(rf"{NUMBER} ± {NUMBER}", cell) for row in rows[1:] for cell in row[1:8])
    assert {path.name for path in (tmp_path / "compared").iterdir()} == {
        "compare.json", "compare.svg", "compare.png", "compare.pdf",
    }  # fmt: skip
    assert [line.split("  ")[:2] for line in done.stderr.splitlines()] == [["random", "10.png"], ["small", "10.png"]]
    written = json.loads((tmp_path / "compared" / "compare.json").read_text())
    init = shared_init.load(run / "init.npz")
    assert written["inits"] == {"small": init.id.hex()}
    assert f"{written['starts'][1]['psnr_db'][-1]:.2f} ±" in rows[2][7]

    gains = tmp_path / "compared" / "compare.json"
    done = inrc_command("meta", "export", run, "-o", tmp_path / "exported", "--gains", gains)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "exported" / f"{init.id.hex()}.npz"
    first, second = done.stdout.splitlines()
    assert first == f"{path}: {path.stat().st_size:,} bytes, {init.n_weights} weights"
    assert second == str(path.with_suffix(".json"))
    gains = json.loads(path.with_suffix(".json").read_text())["gains"]
    assert [start["start"] for start in gains["starts"]] == ["random", "small"]

    # An init named by its id or its file gives the same results as its run, and a named folder is fitted as a whole.
    arguments = ("meta", "compare", init.id.hex()[:6], path, "--data", folder / "pictures", "--pictures", 2, "--json")
    done = inrc_command(*arguments, "-o", tmp_path, INRC_INIT_PATH=str(tmp_path / "exported"))
    assert done.returncode == 0, done.stderr
    by_id, by_path = json.loads(done.stdout)["starts"][1:]
    assert by_id["pictures"] == ["0.png", "1.png"]
    assert by_id["psnr_db"] == by_path["psnr_db"]


def test_the_figure_shows_means_in_bands_over_a_logarithmic_axis():
    random = Summary("random", True, ("one", "two"), (0, 10, 300), (15.0, 16.0, 20.0), (1.0, 2.0, 3.0), 20.0, 0.1)
    learned = dataclasses.replace(random, start="mine", is_random=False, psnr_db=(18.0, 21.0, 22.0))
    (axes,) = ablation_figures.starts([random, learned]).axes
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "10", "300"]
    for line, summary in zip(axes.lines, (random, learned), strict=True):
        assert line.get_label() == summary.start
        assert line.get_xydata() == pytest.approx(np.column_stack([(1 / 3, 10, 300), summary.psnr_db]))
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)
    assert (band[:, 1].min(), band[:, 1].max()) == (14.0, 23.0)


def test_ctrl_c_says_how_to_resume(inrc_command, folder, tmp_path):
    arguments = ("meta", "train", folder / "long.py", "--data", folder / "pictures", "-o", tmp_path)
    process = inrc_command.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process:
        assert process.stderr.readline().startswith("step 1 ")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "inrc: stopping after this step" in stderr
    assert stderr.splitlines()[-1] == "inrc: interrupted; the same command resumes from the last checkpoint"
    (kept,) = [int(path.name) for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
    assert kept >= 1
    other = inrc_command("meta", "train", folder / "recipe.py", "--data", folder / "pictures", "-o", tmp_path)
    assert other.returncode == 1
    assert "another recipe or other pictures" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none.py"), "none.py is not a Python file; name one like meta_init/"),
        (("train", "{folder}/recipe.py"), "set INRC_TRAIN or --data"),
        (("export", "{folder}/pictures"), "holds no finished run; finish it by"),
        (("compare",), "there is nothing to compare"),
        (("compare", "{folder}/pictures"), "holds no finished run; finish it by"),
        (("compare", "none.npz"), "cannot read the init none.npz"),
        (("compare", "abcdef"), "no shared inits have an id that begins with abcdef"),
    ],
)
def test_errors_are_one_line_with_a_remedy(inrc_command, folder, arguments, message):
    given = [argument.format(folder=folder) for argument in arguments]
    done = inrc_command("meta", *given, cwd=folder, INRC_TRAIN="")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


def test_gains_are_those_of_the_init(trained, inrc_command, folder, tmp_path):
    path = tmp_path / "compare.json"
    for content, message in (
        ("{", "is no comparison"),
        ('{"inits": {"one": "abc"}, "starts": []}', "does not compare the init"),
    ):
        path.write_text(content)
        done = inrc_command("meta", "export", folder / "out/meta/small", "-o", tmp_path, "--gains", path)
        assert done.returncode == 1
        assert message in done.stderr
