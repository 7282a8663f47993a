"""The tutorial notebook: what is stored of it, and its numbers when it is executed."""

import json
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from experiments import tutorial

NUMBERS = """
import json
print(json.dumps({
    "float": float_psnr,
    "bare": psnr_db(picture, shown(outputs(bare, bare_params))),
    "levels": {n_bits: [coded, psnr] for n_bits, coded, psnr in rows},
    "files": {name: [len(file.data), file.stats.psnr_db] for name, file in files.items()},
    "decoded": psnr_db(picture, native),
    "shapes": [doubled.shape, part.shape],
}))
"""


def test_it_is_stored_as_it_was_executed():
    notebook = tutorial.load()
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 6


def test_it_has_five_steps_and_its_links_lead_somewhere():
    prose = "\n".join(cell.source for cell in tutorial.load().cells if cell.cell_type == "markdown")
    assert [line[3:5] for line in prose.splitlines() if line.startswith("## ")][:-1] == ["1.", "2.", "3.", "4.", "5."]
    links = [part.split(")")[0] for part in prose.split("](")[1:]]
    assert len(links) >= 4
    assert all((tutorial.NOTEBOOK.parent / link).exists() for link in links)


def test_it_is_small_and_names_no_place_of_a_machine():
    text = tutorial.NOTEBOOK.read_text()
    assert len(text) < 400_000
    told = json.loads(text)
    assert set(told["metadata"]) == {"kernelspec", "language_info"}
    for cell in told["cells"]:
        assert set(cell["metadata"]) == set()
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    stored = json.dumps(told)
    for root in (tutorial.NOTEBOOK.parent, Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix)):
        assert str(root) not in stored
    assert not re.search(r"(?<![\w.<])/(home|Users|root|tmp|usr|var)/|site-packages", stored)


@pytest.mark.slow
def test_its_numbers(monkeypatch, compiled_programs):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(compiled_programs))
    notebook = tutorial.load()
    notebook.cells.append(nbformat.v4.new_code_cell(NUMBERS))
    tutorial.executed(notebook)
    found = json.loads(notebook.cells[-1].outputs[0].text)

    assert found["float"] > 31
    assert found["float"] > found["bare"] + 3
    levels = found["levels"]
    assert levels["12"][1] == pytest.approx(found["float"], abs=0.1)
    assert 0.3 < found["float"] - levels["8"][1] < 2
    assert found["float"] - levels["5"][1] > 8
    assert all(int(n_bits) - 2.2 < coded < int(n_bits) - 1.2 for n_bits, (coded, _) in levels.items())

    theirs, short, ours = found["files"].values()
    assert theirs[1] > 24
    assert short[0] < 0.9 * theirs[0]
    assert short[1] > theirs[1]
    assert ours[0] < 0.9 * theirs[0]
    assert ours[1] > theirs[1] + 4
    assert found["decoded"] == pytest.approx(ours[1], abs=1e-9)
    assert found["shapes"] == [[128, 192, 3], [128, 192, 3]]
