"""The page of records: its numbers, that it loads nothing from elsewhere, and the pictures that it shows."""

import base64
import dataclasses
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrc.cli.report import Report, report_command
from inrc.codec.decode import decode
from inrc.errors import ConfigError, RecordError
from inrc.evaluate import comparison, records, report
from inrc.evaluate.pictures import kodak
from inrc.evaluate.published import PublishedCurve
from inrc.evaluate.records import Record
from inrc.metrics import psnr_db
from tests.evaluate.samples import BPP, PICTURES, make_curve_records, make_record

FILE = Path(__file__).parent.parent / "golden" / "v1" / "codec-siren.inr"
HOSTILE = "</script><img src=x onerror=alert(1)>"
PUBLISHED = PublishedCurve(
    id="paper",
    name="Paper",
    kind="implicit",
    citation="A. Author, https://example.org/paper",
    source="Table 1",
    note="",
    points=((0.1, 24.0), (1.6, 36.0)),
)


def embedded(page: str) -> dict:
    """Returns the data of the page's script as a browser reads it: up to the first end of a script element."""
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def curves() -> list[Record]:
    """Returns records of two codecs, the second of which needs 30 % fewer bytes."""
    settings = {"format": "JPEG", "subsampling": "4:4:4"}
    return [
        *make_curve_records("jpeg_444", settings=settings),
        *make_curve_records("inrc", rate_factor=0.7, extension="inr", details={"bits_per_weight": 4.25}),
    ]


@dataclasses.dataclass(frozen=True)
class Run:
    """The results of a run: the original, its file and the record."""

    originals: Path
    files: Path
    record: Record

    @property
    def file(self) -> Path:
        return self.files / self.record.file_name

    def compare(self, **options) -> comparison.Comparisons:
        return comparison.compare([self.record], originals=[self.originals], files=self.files, **options)


@pytest.fixture
def kept(tmp_path) -> Run:
    """An .inr file of 64x48 pixels, and an original that resembles it."""
    originals, files = tmp_path / "originals", tmp_path / "files"
    originals.mkdir()
    files.mkdir()
    data = FILE.read_bytes()
    decoded = decode(data).pixels
    noise = np.random.default_rng(0).integers(-8, 9, decoded.shape)
    original = np.clip(decoded.astype(int) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(original).save(originals / "kodim01.png")
    identity = records.digest(np.array(original.shape, "<i8").tobytes() + original.tobytes())
    record = make_record(
        codec="inrc",
        extension="inr",
        picture_digest=identity,
        width=64,
        height=48,
        n_bytes=len(data),
        bpp=8 * len(data) / (64 * 48),
        psnr_db=psnr_db(original, decoded),
        file_digest=records.digest(data),
    )
    run = Run(originals, files, record)
    run.file.write_bytes(data)
    return run


class TestPage:
    def test_it_refers_to_nothing_outside_of_itself(self):
        page = report.page(curves(), published=[PUBLISHED])
        for reference in re.findall(r"<[^>]*\b(?:src|srcset|href|action)=([^\s>]*)", page):
            assert reference.startswith('"data:'), reference
        code = page.replace(page.split('id="data">')[1].split("</script>")[0], "")
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", code)
        assert "default-src 'none'" in page

    def test_it_holds_the_numbers_of_the_records(self):
        values = embedded(report.page(curves()))
        rows = [dict(zip(values["columns"], row, strict=True)) for row in values["rows"]]
        assert len(rows) == 2 * len(BPP) * len(PICTURES)
        for row, record in zip(rows, curves(), strict=True):
            assert (row["picture"], row["codec"], row["n_bytes"]) == (record.picture, record.codec, record.n_bytes)
            assert row["psnr_db"] == pytest.approx(record.psnr_db, rel=1e-7)
            assert row["bits_per_weight"] == record.details.get("bits_per_weight")
            assert row["lpips"] is None
        assert values["ours"] == ["inrc"]
        assert values["labels"] == {"jpeg_444": "JPEG 4:4:4", "inrc": "inrc"}
        curve = next(one for one in values["mean"]["curves"]["psnr_db"] if one["name"] == "jpeg_444")
        assert curve["points"][3] == [0.8, 31.0, 2.0]  # 32, 31 and 30 dB

    def test_bd_rates_are_those_of_the_curves(self):
        (table,) = embedded(report.page(curves()))["bd"]
        assert table["anchor"] == "jpeg_444"
        (row,) = table["rows"]
        assert (row[0], row[-1]) == ("inrc", len(PICTURES))
        assert row[1:-1] == pytest.approx([-30] * 4)

    def test_every_measured_anchor_can_be_chosen(self):
        found = [*curves(), *make_curve_records("avif_444", rate_factor=0.35)]
        tables = embedded(report.page(found, anchor="inrc"))["bd"]
        assert [table["anchor"] for table in tables] == ["inrc", "jpeg_444", "avif_444"]
        rates = {row[0]: row[1] for row in tables[0]["rows"]}
        assert rates == pytest.approx({"jpeg_444": 100 * (1 / 0.7 - 1), "avif_444": -50})

    def test_published_curves_are_compared_on_kodak_alone(self):
        assert embedded(report.page(curves(), published=[PUBLISHED]))["bd"][0]["published"] == []
        # The mean of 24 pictures, each 1 dB below the one before, is 11.5 dB below the first: 23 dB at 0.1 bpp here.
        found = make_curve_records("jpeg_444", pictures=kodak().names, psnr_shift=11.5)
        ((name, psnr, ms_ssim),) = embedded(report.page(found, published=[PUBLISHED]))["bd"][0]["published"]
        assert name == "Paper"
        assert psnr == pytest.approx(100 * (2 ** (-1 / 3) - 1))  # 1 dB more, where 3 dB are a factor of 2
        assert ms_ssim is None

    def test_failures_are_listed_and_not_measured(self):
        failure = make_record(codec="inrc", point=9.0, extension="inr", failure="ConfigError: too small")
        values = embedded(report.page([*curves(), failure]))
        assert values["failures"] == [["kodim01", "inrc", 9.0, "ConfigError: too small"]]
        assert len(values["rows"]) == len(curves())

    def test_codecs_without_common_pictures_are_left_out_of_the_mean(self):
        values = embedded(report.page([*curves(), *make_curve_records("other", pictures=("coffee",))]))
        assert values["mean"]["pictures"] == list(PICTURES)
        assert values["mean"]["left_out"] == ["other"]

    def test_it_says_when_and_with_what(self):
        made = embedded(report.page([make_record(), make_record(point=1.0, versions={"inrc": "0.2.0"})]))["made"]
        assert made["versions"] == {"inrc": ["0.1.0", "0.2.0"]}
        assert made["devices"] == {"2 x cpu x86_64": 2}
        assert made["commits"] == {"f09d35f123": 2}

    def test_names_cannot_leave_their_place(self):
        found = make_curve_records("jpeg_444", pictures=(HOSTILE,), device="<!--<script>", commit="\u2028&lt;")
        page = report.page(found)
        assert "<img src=x" not in page
        assert "<!--" not in page
        assert page.count("</script>") == report.page(curves()).count("</script>") == 2
        assert embedded(page)["rows"][0][0] == HOSTILE

    def test_what_is_not_finite_is_still_json(self):
        found = [make_record(psnr_db=math.inf, mse=0.0, ms_ssim=1.0, encode_seconds=math.nan)]
        values = embedded(report.page(found))
        row = dict(zip(values["columns"], values["rows"][0], strict=True))
        assert (row["psnr_db"], row["encode_seconds"]) == ("inf", None)

    def test_the_same_records_make_the_same_page(self):
        assert report.page(curves()) == report.page(curves())

    def test_no_records_make_a_page_too(self):
        assert embedded(report.page([]))["rows"] == []


class TestComparisons:
    def test_a_kept_file_stands_between_its_original_and_its_rivals(self, kept):
        found = kept.compare()
        assert found.notes == ()
        (pair,) = found.pairs
        original, ours, *rivals = pair.sides
        assert (original.name, ours.name) == ("original", "inrc")
        assert ours.n_bytes == kept.file.stat().st_size
        assert ours.psnr_db == kept.record.psnr_db
        assert rivals[0].name == "JPEG 4:4:4"

    def test_the_original_and_ours_are_embedded_exactly(self, kept):
        original, ours, *_ = kept.compare().pairs[0].sides
        for side, expected in (
            (original, np.asarray(Image.open(kept.originals / "kodim01.png"))),
            (ours, decode(kept.file.read_bytes()).pixels),
        ):
            data = base64.b64decode(side.image.removeprefix("data:image/webp;base64,"))
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), expected)

    def test_rivals_are_files_of_at_most_our_bytes_or_the_smallest(self, kept):
        _, ours, *rivals = kept.compare().pairs[0].sides
        for side in rivals:
            data = base64.b64decode(side.image.split(",")[1])
            assert len(data) == side.n_bytes
            smallest = "its smallest file" in side.remark
            assert side.n_bytes <= ours.n_bytes or (smallest and re.match(r"quality [01];", side.remark))
            assert smallest == (side.n_bytes > ours.n_bytes)

    def test_images_stand_once_in_the_page(self, kept):
        other = dataclasses.replace(kept.record, point=51.0, settings_digest="other")
        found = comparison.compare([kept.record, other], originals=[kept.originals], files=kept.files)
        values = embedded(report.page([kept.record, other], comparisons=found))
        assert len(values["comparisons"]) == 2
        assert len(values["images"]) == len(found.pairs[0].sides)
        assert values["comparisons"][0]["sides"][0]["psnr_db"] == "inf"

    def test_a_missing_file_is_named_with_the_command_that_makes_it(self, kept):
        kept.file.unlink()
        (note,) = kept.compare().notes
        assert kept.record.file_name in note
        assert f"inrc evaluate EXPERIMENT.py --files {kept.files} --remake" in note

    def test_another_file_under_its_name_is_left_out(self, kept):
        kept.file.write_bytes(FILE.read_bytes() + b"\0")
        found = kept.compare()
        assert found.pairs == ()
        assert "is not the recorded file" in found.notes[0]

    def test_a_missing_original_is_named_with_the_remedy(self, kept):
        (kept.originals / "kodim01.png").unlink()
        found = kept.compare()
        assert found.pairs == ()
        assert "kodim01" in found.notes[0]
        assert "--pictures" in found.notes[0]
        assert kodak().remedy in found.notes[0]

    def test_an_original_with_other_pixels_is_left_out(self, kept):
        Image.new("RGB", (64, 48)).save(kept.originals / "kodim01.png")
        found = kept.compare()
        assert found.pairs == ()
        assert "other pixels" in found.notes[0]

    def test_a_file_that_was_measured_at_another_size_is_left_out(self, kept):
        otherwise = dataclasses.replace(kept.record, psnr_db=kept.record.psnr_db - 1)
        found = comparison.compare([otherwise], originals=[kept.originals], files=kept.files)
        assert found.pairs == ()
        assert "decodes to other pixels" in found.notes[0]

    def test_pictures_that_would_make_the_page_too_large_are_left_out(self, kept):
        found = kept.compare(max_image_bytes=100)
        assert found.pairs == ()
        assert "--max-mb" in found.notes[0]

    def test_an_unknown_codec_and_missing_records_are_reported(self, kept):
        assert "by nobody" in kept.compare(codec="nobody").notes[0]
        assert len(comparison.compare([], originals=[], files=kept.files).notes) == 1

    def test_the_number_of_pictures_may_be_zero_but_not_negative(self, kept):
        assert kept.compare(pictures=0) == comparison.Comparisons()
        with pytest.raises(ConfigError, match="pictures and -1 rates; give 0 or more"):
            kept.compare(rates=-1)

    @pytest.mark.parametrize(("n", "expected"), [(0, []), (1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (20, [*range(10)])])
    def test_items_are_chosen_at_equal_distances(self, n, expected):
        assert comparison.evenly_spaced(range(10), n) == expected


class TestCommand:
    def test_it_writes_the_page(self, kept, tmp_path, capsys, monkeypatch):
        monkeypatch.delenv("INRC_KODAK", raising=False)
        results, output = tmp_path / "some.jsonl", tmp_path / "new" / "page.html"
        records.append(results, kept.record)
        report_command(Report(results=(results,), output=output, pictures=(tmp_path, kept.originals), files=kept.files))
        values = embedded(output.read_text())
        assert [pair["picture"] for pair in values["comparisons"]] == ["kodim01"]
        said = capsys.readouterr()
        assert said.out.startswith(f"{output}  ")
        assert said.err.startswith("kodim01  inrc  ")

    def test_a_missing_file_of_records_is_an_error(self, tmp_path):
        with pytest.raises(RecordError, match="run its experiment first"):
            report_command(Report(results=(tmp_path / "none.jsonl",), output=tmp_path / "page.html"))
