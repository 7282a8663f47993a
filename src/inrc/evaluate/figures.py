"""Figures of rate, quality and time, from records and published curves.

They need matplotlib, which the extra "eval" installs. `inrc.evaluate.looks` says how codecs look in them.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inrc.errors import RecordError
from inrc.evaluate import curves
from inrc.evaluate.curves import Curve, Metric
from inrc.evaluate.drawing import (
    GRAY,
    LABEL_SIZE,
    LinePoints,
    Look,
    fit_heights,
    footnote,
    label_ends,
    log_axis,
    new_axes,
    style,
    tint,
)
from inrc.evaluate.looks import METRICS, looks_of, published_lines
from inrc.evaluate.published import PublishedCurve, are_all_of_kodak
from inrc.evaluate.records import Record
from inrc.evaluate.tables import count_pictures, signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rate_distortion(
    records: Sequence[Record], metric: Metric = "psnr_db", *, published: Sequence[PublishedCurve] = ()
) -> "Figure":
    """Draws quality against rate near the rates of our codecs: means over the pictures that all codecs have measured.

    Published curves are means over the 24 Kodak pictures, and are drawn only where the records are of these pictures.

    Args:
      records: records of any codecs.
      metric: the quality.
      published: curves that are drawn dashed beside the measured ones.

    Raises:
      RecordError: The codecs have no picture in common, or no codec was measured by the metric.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    mean_curves = curves_with(records, metric, pictures)
    looks = looks_of(records)
    drawn = [(looks[curve.codec], curve.points) for curve in mean_curves]
    note = ""
    if are_all_of_kodak(pictures):
        drawn += published_lines(published, metric)
        note = "Published curves differ in their averages, and in whether bytes are real or estimated. " * (
            len(drawn) > len(mean_curves)
        )
    elif published:
        note = "Published curves are means over all 24 Kodak pictures, and therefore not shown beside these. "
    ours = {record.codec for record in records if record.is_ours}
    rates = [[bpp for bpp, _ in curve.points] for curve in mean_curves if curve.codec in ours or not ours]
    low, high = rate_interval([bpp for of_codec in rates for bpp in of_codec])
    with style():
        figure, axes = new_axes(f"{METRICS[metric][0]} against rate, means over {count_pictures(pictures)}")
        for look, points in drawn:
            look.plot(axes, points)
        visible = [(look, _window(points, low, high)) for look, points in drawn]
        visible = [(look, points) for look, points in visible if points]
        log_axis(axes, low, high, "rate, bits per pixel")
        axes.set_ylabel(METRICS[metric][1])
        fit_heights(axes, [y for _, points in visible for _, y in points])
        label_ends(axes, [(look, points[-1]) for look, points in visible])
        footnote(figure, note)
    return figure


def quality_by_seconds(records: Sequence[Record], *, bpp: float | None = None) -> "Figure":
    """Draws PSNR at one rate against the seconds of encoding: means over the pictures that all codecs have measured.

    Curves are interpolated as `curves.at_rate` describes. Of a codec whose points are efforts at about this rate, every
    point is drawn. Codecs that do not reach the rate are named below the figure.

    Args:
      records: records of any codecs.
      bpp: the rate; the rate of `curves.common_rate` if not given, which prefers our codecs.

    Raises:
      RecordError: The codecs have no picture in common, or there are fewer than two points at the rate.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    mean_curves = curves_with(records, "psnr_db", pictures)
    looks = looks_of(records)
    ours = {record.codec for record in records if record.is_ours}
    bpp = bpp or curves.common_rate(mean_curves, [curve for curve in mean_curves if curve.codec in ours])
    drawn = [(looks[curve.codec], points) for curve in mean_curves if (points := curves.at_rate(curve, bpp))]
    if sum(len(points) for _, points in drawn) < 2:
        raise RecordError(f"there are no two codecs or efforts to compare at {bpp:.3g} bpp; choose another rate")
    absent = [looks[curve.codec].label for curve in mean_curves if not curves.at_rate(curve, bpp)]
    note = f"Interpolated between rates. Wall-clock seconds without compilation, as measured on {_devices(records)}. "
    note += "Points that are joined have rates within 10 %. " if any(len(points) > 1 for _, points in drawn) else ""
    note += f"Not measured around this rate: {', '.join(absent)}. " if absent else ""
    with style():
        figure, axes = new_axes(f"PSNR at {bpp:.2g} bpp against encoding time, means over {count_pictures(pictures)}")
        for look, points in drawn:
            dataclasses.replace(look, size=6.5 if look.is_heavy else 5.0).plot(axes, points)
        seconds = [x for _, points in drawn for x, _ in points]
        log_axis(axes, min(seconds) / 2, max(seconds) * 2, "encoding one picture, seconds")
        axes.set_ylabel(f"PSNR at {bpp:.2g} bpp, dB")
        fit_heights(axes, [y for _, points in drawn for _, y in points])
        label_ends(axes, [(look, points[-1]) for look, points in drawn], beside=True)
        footnote(figure, note)
    return figure


def anytime(records: Sequence[Record], codec: str) -> "Figure":
    """Draws the PSNR that a codec estimates during the fit against seconds: one line per point, means over pictures.

    The ring at the end of a line is the PSNR of the decoded files.

    Args:
      records: records of any codecs.
      codec: the codec that is drawn.

    Raises:
      RecordError: No record of the codec has a trace.
      InrcError: matplotlib is missing.
    """
    pictures = curves.common_pictures(records, (codec,))
    traced = [r for r in curves.measured(records) if r.codec == codec and r.picture in pictures and len(r.trace) > 1]
    if not traced:
        raise RecordError(f"no record of {codec} has a trace of its fit")
    by_point: dict[float, list[Record]] = {}
    for record in traced:
        by_point.setdefault(record.point, []).append(record)
    groups = sorted(by_point.values(), key=lambda group: _mean(group, "bpp"))
    labels = [f"{_mean(group, 'bpp'):.2g} bpp" for group in groups]
    if len(set(labels)) < len(labels):  # as of points that are efforts
        labels = [f"{group[0].point:g} ({label})" for group, label in zip(groups, labels, strict=True)]
    look = looks_of(records)[codec]
    with style():
        figure, axes = new_axes(
            f"{look.label}: PSNR while fitting, means over {count_pictures({r.picture for r in traced})}"
        )
        ends, points = [], []
        for i, (group, label) in enumerate(zip(groups, labels, strict=True)):
            colour = tint(look.colour, 1 - 0.45 * (len(groups) - 1 - i) / max(1, len(groups) - 1))
            line = Look(label, colour, 1.6, size=0.0)
            end = _mean(group, "encode_seconds"), _mean(group, "psnr_db")
            trace = curves.mean_trace(group)
            line.plot(axes, trace)
            axes.plot(*end, "o", markersize=5, markerfacecolor="white", markeredgecolor=colour)
            ends.append((line, end))
            points += [*trace, end]
        log_axis(axes, min(x for x, _ in points) / 1.3, max(x for x, _ in points) * 1.3, "seconds of encoding")
        axes.set_ylabel("PSNR, dB")
        fit_heights(axes, [y for _, y in points])
        label_ends(axes, ends, beside=True)
        footnote(
            figure,
            "Lines: estimated from the loss, at equal fractions of the fits. Rings: decoded files, at the end of "
            f"encoding. Wall-clock seconds without compilation, as measured on {_devices(traced)}.",
        )
    return figure


def bd_rate_bars(records: Sequence[Record], anchor: str, codec: str, metric: Metric = "psnr_db") -> "Figure":
    """Draws the BD-rate of one codec against another, picture by picture.

    Raises:
      RecordError: One of them was not measured, or the curves of no picture overlap enough.
      InrcError: matplotlib is missing.
    """
    row = next((row for row in curves.bd_table(records, anchor, metric) if row.codec == codec), None)
    if row is None or row.mean_of_pictures is None:
        raise RecordError(f"{codec} and {anchor} have no picture whose curves overlap enough for a BD-rate")
    looks = looks_of(records)
    bars = sorted(row.by_picture.items(), key=lambda item: -item[1])
    missing = [name for name in curves.common_pictures(records, (anchor, codec)) if name not in row.by_picture]
    with style():
        figure, axes = new_axes(
            f"{looks[codec].label}: BD-rate against {looks[anchor].label} by {METRICS[metric][0]}, "
            f"{count_pictures(row.by_picture)}",
            height=1.3 + 0.17 * max(len(bars), 3),
            pad=16,
        )
        values = [value for _, value in bars]
        axes.barh([name for name, _ in bars], values, height=0.65, color=tint(looks[codec].colour, 0.75))
        axes.axvline(0, color=GRAY, linewidth=0.8)
        axes.axvline(row.mean_of_pictures, color="black", linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            f"mean {signed(row.mean_of_pictures).replace('-', '−')} %",
            (row.mean_of_pictures, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            horizontalalignment="center",
            fontsize=LABEL_SIZE,
        )
        axes.set_ylim(-0.7, len(bars) - 0.3)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelsize=LABEL_SIZE)
        axes.set_xlabel(f"difference in bytes at equal {METRICS[metric][0]}, %")
        footnote(figure, f"Curves overlap too little: {', '.join(missing)}." if missing else "")
    return figure


def curves_with(records: Sequence[Record], metric: Metric, pictures: Iterable[str]) -> list[Curve]:
    """Returns the mean curves of the codecs that were measured by a metric.

    Raises:
      RecordError: No codec was measured by it.
    """
    with_metric = curves.mean_curves(records, metric, pictures=pictures)
    if not with_metric:
        raise RecordError(f"no record has a {metric}; measure it first")
    return with_metric


def rate_interval(rates: Sequence[float], *, margin: float = 1.5, least: float = 8.0) -> tuple[float, float]:
    """Returns an interval around all rates whose ends are at least a factor of `least` apart."""
    low, high = min(rates) / margin, max(rates) * margin
    widening = max(1.0, math.sqrt(least * low / high))
    return low / widening, high * widening


def _window(points: LinePoints, low: float, high: float) -> LinePoints:
    """Returns the part of a curve between two rates, with interpolated points at a rate that the curve crosses."""
    x, y = np.log([bpp for bpp, _ in points]), [value for _, value in points]
    inside = [point for point in points if low <= point[0] <= high]
    for rate in (low, high):
        if points[0][0] < rate < points[-1][0]:
            inside.append((rate, float(np.interp(math.log(rate), x, y))))
    return sorted(inside)


def _devices(records: Iterable[Record]) -> str:
    return "; ".join(sorted({record.device for record in records if record.device})) or "an unknown device"


def _mean(records: Iterable[Record], name: str) -> float:
    return statistics.fmean(getattr(record, name) for record in records)
