"""Cells of tables of records with known numbers, and their forms in Markdown and on a terminal."""

import dataclasses
import io
import math

import pytest
from rich.console import Console

from inrc.errors import RecordError
from inrc.evaluate import tables
from inrc.evaluate.pictures import kodak
from inrc.evaluate.published import PublishedCurve
from inrc.evaluate.tables import Table
from tests.evaluate.samples import BPP, PICTURES, make_curve_records, make_record


def make_published(name: str = "Paper", *, rate_factor: float = 1.0) -> PublishedCurve:
    """Returns the curve of `make_curve_records` over one picture, at other rates."""
    points = tuple((rate_factor * bpp, 32 + 3 * math.log2(bpp / 0.8)) for bpp in BPP)
    return PublishedCurve(name.lower(), name, "implicit", "A. Author, 2025", "a table", "none", points)


def columns(table: Table, row: int = 0) -> dict[str, str]:
    return dict(zip(table.header, table.rows[row], strict=True))


def test_means_of_a_codec_and_point():
    table = tables.rate_distortion_table(
        [
            make_record(psnr_db=20.0, encode_compile_seconds=4.0),
            make_record(picture="kodim02", psnr_db=30.0, bpp=0.2, encode_seconds=4.0, ms_ssim=0.97),
        ]
    )
    assert table.title == "Means over 2 pictures"
    assert columns(table) == {
        "codec": "JPEG 4:4:4",
        "point": "50",
        "bytes": "14,746",  # of 19,661 and 9,830
        "bpp": "0.3000",
        "PSNR, dB": "25.00",
        "PSNR of mean MSE, dB": "22.60",
        "SSIM": "0.9000",
        "MS-SSIM": "0.9600",
        "encode, s": "3",
        "encode CPU, s": "3",
        "compile, s": "2",
        "decode, s": "0.25",
        "pictures": "2",
    }


def test_pictures_that_a_codec_lacks_and_failures_are_left_out_of_the_means():
    records = [*make_curve_records(bpp=(0.2, 0.1)), *make_curve_records("inrc", bpp=(0.1,), pictures=PICTURES[:2])]
    records.append(dataclasses.replace(make_record(codec="inrc", picture="kodim03", point=0.1), failure="boom"))
    table = tables.rate_distortion_table(records)
    assert [(row[0], row[1], row[-1]) for row in table.rows] == [
        ("JPEG 4:4:4", "0.1", "2"),
        ("JPEG 4:4:4", "0.2", "2"),
        ("inrc", "0.1", "2"),
    ]
    with pytest.raises(RecordError, match="no picture"):
        tables.rate_distortion_table([])


def test_bd_rates_of_a_codec_with_a_fifth_fewer_bytes():
    records = [*make_curve_records(), *make_curve_records("inrc", rate_factor=0.8)]
    table = tables.bd_rate_table(records, "jpeg_444")
    assert table.title == "BD-rate against JPEG 4:4:4, %"
    assert table.rows == (("inrc", "-20.0", "-20.0", "-20.0", "-20.0", "3"),)


def test_pictures_without_overlap_are_counted():
    ours = make_curve_records("inrc", rate_factor=1.25, pictures=PICTURES[:2])
    ours += make_curve_records("inrc", psnr_shift=40, pictures=PICTURES[2:])
    table = tables.bd_rate_table([*make_curve_records(), *ours], "jpeg_444")
    assert columns(table)["PSNR, mean of pictures"] == "+25.0 (2)"


def test_published_curves_are_compared_over_all_of_kodak_only():
    published = [make_published(rate_factor=0.5), make_published("Far", rate_factor=0.5)]
    published[1] = dataclasses.replace(published[1], points=((0.1, 90.0), (0.2, 95.0)))
    some = tables.bd_rate_table(make_curve_records(), "jpeg_444", published)
    assert some.rows == ()
    assert "Published curves are left out: they need JPEG 4:4:4 on all 24 Kodak pictures." in some.note

    records = [
        dataclasses.replace(record, picture=name)
        for name in kodak().names
        for record in make_curve_records(pictures=("one",))
    ]
    whole = tables.bd_rate_table(records, "jpeg_444", published)
    assert [row[:2] for row in whole.rows] == [("Paper (published)", "-50.0"), ("Far (published)", "–")]
    assert "left out" not in whole.note


def test_variants_are_compared_with_the_first_at_the_same_point():
    records = make_curve_records("mse", bpp=(0.1, 0.2))
    records += make_curve_records("ssim", bpp=(0.1,), rate_factor=1.1, psnr_shift=-0.5)
    records += make_curve_records("late", bpp=(0.4,))
    table = tables.ablation_table(records)
    assert [row[:2] for row in table.rows] == [("mse", "0.1"), ("ssim", "0.1"), ("mse", "0.2"), ("late", "0.4")]
    assert [columns(table, 1)[name] for name in table.header[-4:]] == ["+10.0", "-0.50", "+0.0000", "+0.0000"]
    assert [columns(table, 3)[name] for name in table.header[-4:]] == ["–"] * 4
    assert table.note == "Δ: difference from mse at the same point."


def test_unknown_numbers_are_dashes():
    table = tables.rate_distortion_table([make_record(encode_cpu_seconds=math.nan)])
    assert columns(table)["encode CPU, s"] == "–"
    assert [tables.signed(value) for value in (None, math.nan, -0.04, 2.26)] == ["–", "–", "+0.0", "+2.3"]


def test_markdown_has_as_many_cells_in_every_line():
    table = Table("Title", ("a", "b, %"), (("x|y", "1"), ("z", "-2")), note="Note.")
    lines = tables.to_markdown(table).splitlines()
    assert lines == ["**Title**", "", "| a | b, % |", "|---|---:|", "| x\\|y | 1 |", "| z | -2 |", "", "Note."]


def test_rich_prints_every_cell_as_it_is():
    table = Table("Title", ("codec", "bpp"), (("[bold]x", "0.1234"),), note="Note.")
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(tables.to_rich(table))
    text = console.export_text()
    assert all(part in text for part in ("Title", "codec", "[bold]x", "0.1234", "Note."))
