import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inrc.errors import RecordError
from inrc.evaluate.published import KINDS, PublishedCurve, load_published
from inrc.metrics.bdrate import bd_rate

KODAK = Path(__file__).parents[2] / "experiments" / "published" / "kodak"
CURVES = load_published(KODAK)
BY_ID = {curve.id: curve for curve in CURVES}

SOUND: Mapping[str, Any] = {
    "name": "A codec",
    "kind": "implicit",
    "citation": 'A. Author, "A codec", A venue, 2024',
    "source": "its repository",
    "note": "bytes of files",
    "points": [[0.1, 27.0], [0.4, 31]],
}


def write(folder: Path, values: object, name: str = "codec.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_every_kind_of_system_is_there() -> None:
    assert len(CURVES) == len(list(KODAK.glob("*.json"))) >= 26
    assert {curve.kind for curve in CURVES} == set(KINDS)
    assert [curve.name for curve in CURVES] == sorted(curve.name for curve in CURVES)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.id)
def test_each_file_says_whose_numbers_these_are(curve: PublishedCurve) -> None:
    assert re.search(r", 20[12]\d$", curve.citation)
    assert re.search(r"repository|CompressAI", curve.source)
    # Means over Kodak: anything else would be another unit, another set or the columns exchanged.
    assert all(0.03 < bpp < 6 and 22 < psnr_db < 49 for bpp, psnr_db in curve.points)
    assert all(0.7 < ms_ssim < 1 for _, ms_ssim in curve.ms_ssim)


# BD-rates against VTM in percent, as computed from the unrounded sources by another program.
@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("mlic-plus", -13.1),
        ("elic", -7.0),
        ("cool-chic-5.0", -6.6),
        ("lottery-5100", -0.4),
        ("cool-chic-4.2", 1.0),
        ("c3-adaptive", 3.4),
        ("cheng2020-anchor", 3.7),
        ("cool-chic-3.1", 4.3),
        ("c3", 5.2),
        ("lottery-1200", 8.2),
        ("mbt2018", 11.0),
        ("bmshj2018-hyperprior", 30.5),
        ("cool-chic-2.0", 31.6),
        ("cool-chic-1.0", 51.7),
        ("recombiner", 61.4),
        ("mscn", 112.6),
        ("strumpler-meta", 140.3),
        ("nif", 157.7),
        ("strumpler-basic", 176.2),
        ("coin", 463.3),
    ],
)
def test_the_distance_to_vtm_is_as_known(name: str, percent: float) -> None:
    assert bd_rate(BY_ID["vtm"].points, BY_ID[name].points, min_overlap=0.4) == pytest.approx(percent, abs=0.1)


def test_the_overfitted_codecs_stand_in_their_known_order() -> None:
    order = ["coin", "strumpler-basic", "strumpler-meta", "nif25", "recombiner", "c3"]
    for older, newer in itertools.pairwise(order):
        assert bd_rate(BY_ID[older].points, BY_ID[newer].points) < 0


def test_a_curve_is_read_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path, {**SOUND, "ms_ssim": [[0.1, 0.9], [0.4, 0.97]]})
    write(tmp_path, {**SOUND, "name": "A better codec"}, "better.json")
    first, second = load_published(tmp_path)
    assert (first.id, first.name, first.ms_ssim) == ("better", "A better codec", ())
    assert second.id == "codec"
    assert second.points == ((0.1, 27.0), (0.4, 31.0))
    assert second.ms_ssim == ((0.1, 0.9), (0.4, 0.97))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("citation", None, "citation is None"),
        ("source", "  ", "source is '  '"),
        ("kind", "neural", "kind is 'neural'; it must be one of implicit"),
        ("ponts", [], "ponts is not a field"),
        ("points", None, "points is not a list"),
        ("points", [[0.1, 27.0]], "at least two"),
        ("points", [[0.1, 27.0], [0.2]], r"points has \[0.2\]"),
        ("points", [[0.1, 27.0], [0.2, "28"]], "two finite numbers"),
        ("points", [[0.1, 27.0], [0.2, True]], "two finite numbers"),
        ("points", [[0.1, 27.0], [0.2, float("nan")]], "two finite numbers"),
        ("points", [[0.0, 27.0], [0.2, 28.0]], r"rise at \[0.0, 27.0\]"),
        ("points", [[0.1, 27.0], [0.1, 28.0]], r"rise at \[0.1, 28.0\]"),
        ("points", [[0.1, 27.0], [0.2, 26.0]], r"rise at \[0.2, 26.0\]"),
        ("ms_ssim", [[0.1, 0.9], [0.2, 12.0]], r"ms_ssim spans 0.9\.\.12"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, field: str, value: object, message: str) -> None:
    path = write(tmp_path, {**SOUND, field: value})
    with pytest.raises(RecordError, match=f"^{re.escape(str(path))}: .*{message}"):
        load_published(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[1]"])
def test_a_file_that_is_no_object_of_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"torn\.json"):
        load_published(tmp_path)


def test_one_name_for_two_curves_is_refused(tmp_path: Path) -> None:
    write(tmp_path, SOUND, "one.json")
    write(tmp_path, SOUND, "two.json")
    with pytest.raises(RecordError, match=r"one\.json and two\.json .* 'A codec'"):
        load_published(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no published curves"):
        load_published(tmp_path)
