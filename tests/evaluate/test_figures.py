"""Figures: their lines, labels and scales, and that saving a figure twice gives the same bytes."""

import dataclasses
import math
import sys

import numpy as np
import pytest

from inrc.baselines import anchors
from inrc.errors import InrcError, RecordError
from inrc.evaluate import ablation_figures, drawing, figures, looks
from inrc.evaluate.pictures import kodak
from inrc.evaluate.published import PublishedCurve, choose
from inrc.evaluate.records import Record
from tests.evaluate.samples import BPP, PICTURES, make_curve_records, make_record

to_hex = pytest.importorskip("matplotlib.colors").to_hex

PAPER = PublishedCurve("coin", "COIN", "implicit", "cite", "source", "note", ((0.2, 22.0), (0.8, 28.0)), ((0.2, 0.9),))


def ours(codec: str = "inrc", **changes) -> list[Record]:
    return make_curve_records(codec, extension="inr", **changes)


def on_kodak(records: list[Record]) -> list[Record]:
    return [dataclasses.replace(record, picture=name) for name in kodak().names for record in records]


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def lines(figure) -> dict[str, np.ndarray]:
    return {line.get_label(): np.array(line.get_xydata()) for line in figure.axes[0].lines}


def widths(figure) -> list[float]:
    return [bar.get_width() for bar in figure.axes[0].patches]


def note(figure) -> str:
    return figure.get_supxlabel().replace("\n", " ")


def test_rate_distortion_draws_the_mean_curves_on_a_log_axis():
    figure = figures.rate_distortion([*make_curve_records(), *ours(rate_factor=0.5, bpp=(0.2, 0.8))])
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_title(loc="left") == "PSNR against rate, means over 3 pictures"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rate, bits per pixel", "PSNR, dB")
    assert lines(figure)["inrc"] == pytest.approx(np.array([(0.1, 25.0), (0.4, 31.0)]))
    assert lines(figure)["JPEG 4:4:4"][:, 0] == pytest.approx(BPP)
    assert sorted(labels(figure)) == ["JPEG 4:4:4", "inrc"]
    low, high = axes.get_xlim()
    assert low < 0.1 < 0.4 < high < 1.6  # the rates of ours, not those of JPEG
    jpeg, inrc = axes.lines
    assert inrc.get_linewidth() > 2 * jpeg.get_linewidth()


def test_ms_ssim_is_drawn_in_db():
    figure = figures.rate_distortion(ours(), "ms_ssim_db")
    assert lines(figure)["inrc"][:, 1] == pytest.approx([10 + 2 * math.log2(bpp / 0.8) for bpp in BPP])
    assert figure.axes[0].get_ylabel().startswith("MS-SSIM, dB")


def test_published_curves_are_dashed_and_only_beside_all_of_kodak():
    whole = figures.rate_distortion(on_kodak(ours(pictures=("one",))), published=[PAPER])
    assert lines(whole)["COIN (published)"] == pytest.approx(np.array(PAPER.points))
    assert [line.get_linestyle() for line in whole.axes[0].lines] == ["-", "--"]
    assert "differ in their averages" in note(whole)
    in_db = figures.rate_distortion(on_kodak(ours(pictures=("one",))), "ms_ssim_db", published=[PAPER])
    assert lines(in_db)["COIN (published)"] == pytest.approx(np.array([(0.2, 10.0)]))

    some = figures.rate_distortion(ours(), published=[PAPER])
    assert list(lines(some)) == ["inrc"]
    assert "not shown" in note(some)


def test_published_curves_are_chosen_by_id():
    other = dataclasses.replace(PAPER, id="other")
    assert choose([other, PAPER]) == [PAPER]
    assert choose([other, PAPER], ("other", "coin")) == [other, PAPER]
    with pytest.raises(RecordError, match="no published curve none; there are other, coin"):
        choose([other, PAPER], ("none",))


def test_a_codec_keeps_its_colour_in_every_figure():
    trace = ((1.0, 20.0, 1.0), (2.0, 25.0, 1.0))
    records = [*make_curve_records("webp"), *ours("b", trace=trace), *ours("a", trace=trace)]
    colours = {line.get_label(): line.get_color() for line in figures.rate_distortion(records).axes[0].lines}
    seconds = {line.get_label(): line.get_color() for line in figures.quality_by_seconds(records).axes[0].lines}
    assert seconds == colours
    ring = figures.anytime(records, "a").axes[0].lines[-1]
    assert to_hex(ring.get_markeredgecolor()) == to_hex(colours["a"])
    assert len(set(colours.values())) == 3


def test_more_codecs_than_colours_differ_by_their_markers():
    records = [record for i in range(10) for record in ours(f"codec {i}")]
    drawn = {(line.get_color(), line.get_marker()) for line in figures.rate_distortion(records).axes[0].lines}
    assert len(drawn) == 10


def test_every_anchor_has_a_colour_of_its_own():
    assert set(looks._OF_ANCHORS) == {codec.name for codec in anchors()}
    assert len(set(looks._OF_ANCHORS.values())) == len(looks._OF_ANCHORS)


def test_single_points_can_be_drawn():
    records = [*ours("a", bpp=(0.2,), psnr_shift=1), *ours("b", bpp=(0.2,))]
    assert lines(figures.rate_distortion(records))["a"] == pytest.approx(np.array([(0.2, 26.0)]))
    assert len(figures.quality_by_seconds(records).axes[0].lines) == 2
    assert len(ablation_figures.variants(records).axes) == 3


def test_quality_is_compared_at_one_rate():
    slow = ours("slow", encode_seconds=100.0, psnr_shift=3)
    efforts = ours("efforts", bpp=(0.2,)) + [
        make_record(codec="efforts", picture=name, point=9.0, bpp=0.2, psnr_db=28, encode_seconds=9)
        for name in PICTURES
    ]
    records = [*make_curve_records(encode_seconds=0.5), *slow, *efforts, *ours("far", bpp=(3.2, 6.4))]
    figure = figures.quality_by_seconds(records, bpp=0.2)
    assert figure.axes[0].get_xscale() == "log"
    shown = lines(figure)
    assert shown["JPEG 4:4:4"] == pytest.approx(np.array([(0.5, 25.0)]))
    assert shown["slow"] == pytest.approx(np.array([(100.0, 28.0)]))
    assert shown["efforts"] == pytest.approx(np.array([(2.0, 25.0), (9.0, 28.0)]))
    assert "far" not in shown
    assert "as measured on 2 x cpu x86_64." in note(figure)
    assert "Not measured around this rate: far." in note(figure)
    with pytest.raises(RecordError, match="no two codecs or efforts"):
        figures.quality_by_seconds(records, bpp=50.0)


def test_anytime_draws_one_line_per_rate_and_where_the_files_end():
    records = [
        *ours(bpp=(0.2,), trace=((1.0, 20.0, 1.0), (10.0, 24.0, 1.0)), encode_seconds=12.0),
        *ours(bpp=(0.8,), trace=((1.0, 22.0, 1.0), (20.0, 30.0, 1.0)), encode_seconds=22.0),
    ]
    figure = figures.anytime(records, "inrc")
    assert labels(figure) == ["0.2 bpp", "0.8 bpp"]
    low, ring, *_ = (np.array(line.get_xydata()) for line in figure.axes[0].lines)
    assert low[[0, -1]] == pytest.approx(np.array([(1.0, 20.0), (10.0, 24.0)]))
    assert ring == pytest.approx(np.array([(12.0, 25.0)]))
    assert "2 x cpu x86_64" in note(figure)
    efforts = [dataclasses.replace(r, point=r.point + 3, bpp=0.2) for r in records]
    assert labels(figures.anytime(efforts, "inrc")) == ["3.2 (0.2 bpp)", "3.8 (0.2 bpp)"]
    with pytest.raises(RecordError, match="no record of jpeg_444 has a trace"):
        figures.anytime([*records, *make_curve_records()], "jpeg_444")


def test_bd_rate_bars_are_the_pictures_bd_rates():
    records = [*make_curve_records(), *ours(rate_factor=0.8, pictures=PICTURES[:2])]
    records += ours(psnr_shift=40, pictures=PICTURES[2:])
    figure = figures.bd_rate_bars(records, "jpeg_444", "inrc")
    assert widths(figure) == pytest.approx([-20, -20], abs=1e-6)
    assert labels(figure) == ["mean −20.0 %"]
    assert figure.axes[0].get_title(loc="left") == "inrc: BD-rate against JPEG 4:4:4 by PSNR, 2 pictures"
    assert "kodim03" in note(figure)
    with pytest.raises(RecordError, match="no picture whose curves overlap"):
        figures.bd_rate_bars(records, "jpeg_444", "jpeg_444")


def test_variants_have_a_panel_for_each_of_few_pictures():
    few = ablation_figures.variants([*ours("a"), *ours("b", psnr_shift=1)])
    assert [axes.get_title(loc="left") for axes in few.axes] == list(PICTURES)
    assert np.array(few.axes[1].lines[1].get_ydata())[3] == pytest.approx(32)  # 32 dB at 0.8 bpp, 1 lower, 1 higher
    assert [text.get_text() for text in few.legends[0].get_texts()] == ["a", "b"]
    many = ablation_figures.variants(on_kodak(ours("a", pictures=("one",))))
    assert [axes.get_title(loc="left") for axes in many.axes] == ["means"]


def test_variant_bars_are_differences_from_the_first():
    records = [*ours("a"), *ours("b", psnr_shift=0.5, rate_factor=1.1), *ours("c", bpp=(99.0,))]
    figure = ablation_figures.variant_bars(records)
    assert widths(figure) == pytest.approx([0.5])
    assert lines(figure)["_child1"][:, 0] == pytest.approx([0.5] * 3)
    assert labels(figure) == ["+0.50, bytes +10.0 %"]
    with pytest.raises(RecordError, match="no codec has a point"):
        ablation_figures.variant_bars(ours("a"))


def test_labels_move_apart_as_little_as_possible():
    assert drawing.spread_apart([0.2, 0.5, 0.9], 0.1) == pytest.approx([0.2, 0.5, 0.9])
    assert drawing.spread_apart([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])
    assert drawing.spread_apart([0.0, 0.0, 0.9, 1.0, 1.0], 0.1) == pytest.approx([0.0, 0.1, 0.8, 0.9, 1.0])
    assert drawing.spread_apart([], 0.1) == []


def test_saving_twice_gives_the_same_bytes(tmp_path):
    saved = []
    for name in ("one", "two"):
        figure = figures.rate_distortion([*make_curve_records(), *ours()])
        saved.append(drawing.save(figure, tmp_path / name, "rate"))
    assert [path.name for path in saved[0]] == ["rate.pdf", "rate.svg", "rate.png"]
    assert [path.read_bytes() for path in saved[0]] == [path.read_bytes() for path in saved[1]]
    pdf, svg, png = (path.read_bytes() for path in saved[0])
    assert (pdf[:5], png[1:4]) == (b"%PDF-", b"PNG")
    assert b"<svg" in svg
    assert b"CreationDate" not in pdf
    assert b"<dc:date>" not in svg


def test_a_missing_matplotlib_is_a_typed_error(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InrcError, match=r"pip install inrc\[eval\]"):
        figures.rate_distortion(ours())
