"""Figures of records and published curves. They need matplotlib, which the extra "eval" installs.

Our codecs are solid and heavy, other measured ones thin, published curves dashed. Colours are those of Okabe and Ito,
which the colour-blind can tell apart (https://jfly.uni-koeln.de/color/).
"""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inrc.errors import RecordError
from inrc.evaluate import curves
from inrc.evaluate.curves import Curve, Metric
from inrc.evaluate.drawing import (
    GRAY,
    LABEL_SIZE,
    Look,
    Points,
    fit_heights,
    footnote,
    label_ends,
    log_axis,
    new_axes,
    new_figure,
    style,
    tint,
)
from inrc.evaluate.pictures import kodak
from inrc.evaluate.published import PublishedCurve
from inrc.evaluate.records import Record
from inrc.evaluate.tables import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from inrc.meta.compare import Summary


_METRICS: dict[Metric, tuple[str, str]] = {
    "psnr_db": ("PSNR", "PSNR, dB"),
    "ssim": ("SSIM", "SSIM"),
    "ms_ssim": ("MS-SSIM", "MS-SSIM"),
    "ms_ssim_db": ("MS-SSIM", "MS-SSIM, dB: −10 log₁₀(1 − MS-SSIM)"),
    "lpips": ("LPIPS", "LPIPS"),
}
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHED = ("#CC79A7", "#009E73", "#000000", "#E69F00", "#56B4E9", GRAY)  # unlike the anchors that lie near by
_BEFORE_STEPS = 1 / 3
"""Where a logarithmic axis of steps shows 0."""
_MARKERS = "osD^v"  # one after the other where there are more codecs than colours
_ANCHORS = {
    "jpeg_444": "#000000",
    "jpeg_420": "#8C8C8C",
    "jpeg2000": "#56B4E9",
    "webp": "#E69F00",
    "avif_444": "#009E73",
    "jxl": "#CC79A7",
}


# The figures -----------------------------------------------------------------------------------------------------


def rate_distortion(
    records: Sequence[Record], metric: Metric = "psnr_db", *, published: Sequence[PublishedCurve] = ()
) -> "Figure":
    """Quality against rate: mean curves over the pictures that all codecs have measured, near the rates of ours.

    Published curves are means over the 24 Kodak pictures, and drawn only where these are the pictures.

    Args:
      records: of any codecs.
      metric: the quality.
      published: curves to draw beside them, dashed.

    Raises:
      RecordError: The codecs have no picture in common, or none has the metric.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    found = _curves(records, metric, pictures)
    looks = _looks(records)
    drawn = [(looks[curve.codec], curve.points) for curve in found]
    note = ""
    if set(pictures) == set(kodak().names):
        drawn += _published(published, metric)
        note = "Published curves differ in their averages, and in whether bytes are real or estimated. " * (
            len(drawn) > len(found)
        )
    elif published:
        note = "Published curves are means over all 24 Kodak pictures, and therefore not shown beside these. "
    ours = {record.codec for record in records if record.is_ours}
    rates = [[bpp for bpp, _ in curve.points] for curve in found if curve.codec in ours or not ours]
    low, high = _interval([bpp for of_codec in rates for bpp in of_codec])
    with style():
        figure, axes = new_axes(f"{_METRICS[metric][0]} against rate, means over {_count(pictures)}")
        for look, points in drawn:
            look.plot(axes, points)
        seen = [(look, _window(points, low, high)) for look, points in drawn]
        seen = [(look, points) for look, points in seen if points]
        log_axis(axes, low, high, "rate, bits per pixel")
        axes.set_ylabel(_METRICS[metric][1])
        fit_heights(axes, [y for _, points in seen for _, y in points])
        label_ends(axes, [(look, points[-1]) for look, points in seen])
        footnote(figure, note)
    return figure


def quality_by_seconds(records: Sequence[Record], *, bpp: float | None = None) -> "Figure":
    """PSNR at one rate against the seconds of encoding, means over the pictures that all codecs have measured.

    Curves are interpolated as `curves.at_rate` says; of a codec whose points are efforts at about this rate each is
    drawn. Codecs that do not reach the rate are named below the figure.

    Args:
      records: of any codecs.
      bpp: the rate; the middle of the rates that most codecs share, our codecs above all, if not given.

    Raises:
      RecordError: The codecs have no picture in common, or less than two points are at the rate.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    found = _curves(records, "psnr_db", pictures)
    looks = _looks(records)
    ours = {record.codec for record in records if record.is_ours}
    bpp = bpp or curves.common_rate(found, [curve for curve in found if curve.codec in ours])
    drawn = [(looks[curve.codec], points) for curve in found if (points := curves.at_rate(curve, bpp))]
    if sum(len(points) for _, points in drawn) < 2:
        raise RecordError(f"there are no two codecs or efforts to compare at {bpp:.3g} bpp; choose another rate")
    absent = [looks[curve.codec].label for curve in found if not curves.at_rate(curve, bpp)]
    note = f"Interpolated between rates. Wall-clock seconds without compilation, as measured on {_devices(records)}. "
    note += "Points that are joined have rates within 10 %. " if any(len(points) > 1 for _, points in drawn) else ""
    note += f"Not measured around this rate: {', '.join(absent)}. " if absent else ""
    with style():
        figure, axes = new_axes(f"PSNR at {bpp:.2g} bpp against encoding time, means over {_count(pictures)}")
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
    """The PSNR that a codec estimates on the way against seconds, one line per point, means over pictures.

    The ring at the end of a line is the PSNR of the decoded files.

    Args:
      records: of any codecs.
      codec: the one that is drawn.

    Raises:
      RecordError: No record of it has a trace.
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
    if len(set(labels)) < len(labels):  # points that are efforts, say
        labels = [f"{group[0].point:g} ({label})" for group, label in zip(groups, labels, strict=True)]
    look = _looks(records)[codec]
    with style():
        figure, axes = new_axes(f"{look.label}: PSNR while fitting, means over {_count({r.picture for r in traced})}")
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
    """BD-rate of one codec against another, picture by picture.

    Raises:
      RecordError: One of them was not measured, or no picture's curves overlap enough.
      InrcError: matplotlib is missing.
    """
    row = next((row for row in curves.bd_table(records, anchor, metric) if row.codec == codec), None)
    if row is None or row.mean_of_pictures is None:
        raise RecordError(f"{codec} and {anchor} have no picture whose curves overlap enough for a BD-rate")
    looks = _looks(records)
    bars = sorted(row.by_picture.items(), key=lambda item: -item[1])
    missing = [name for name in curves.common_pictures(records, (anchor, codec)) if name not in row.by_picture]
    with style():
        figure, axes = new_axes(
            f"{looks[codec].label}: BD-rate against {looks[anchor].label} by {_METRICS[metric][0]}, "
            f"{_count(row.by_picture)}",
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
        axes.set_xlabel(f"difference in bytes at equal {_METRICS[metric][0]}, %")
        footnote(figure, f"Curves overlap too little: {', '.join(missing)}." if missing else "")
    return figure


def variants(records: Sequence[Record], metric: Metric = "psnr_db") -> "Figure":
    """Quality against rate of all codecs: a panel for each of up to six pictures, or the means of more.

    Raises:
      RecordError: The codecs have no picture in common, or none has the metric.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    looks = _looks(records)
    panels = {name: (name,) for name in pictures} if len(pictures) <= 6 else {"means": tuple(pictures)}
    n_columns = min(3, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    n_legend_rows = math.ceil(len(looks) / 4)
    with style():
        figure = new_figure(0.4 + 0.2 * n_legend_rows + (2.3 if n_columns == 3 else 3.6) * n_rows)
        title = f"{_METRICS[metric][0]} against rate, {_count(pictures)}"
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=10)
        for i, (name, members) in enumerate(panels.items()):
            axes = figure.add_subplot(n_rows, n_columns, i + 1)
            axes.set_title(name, fontsize=9)
            found = _curves(records, metric, members)
            for curve in found:
                dataclasses.replace(looks[curve.codec], width=1.4, size=3.5).plot(axes, curve.points)
            low, high = _interval([bpp for curve in found for bpp, _ in curve.points], margin=1.1, least=1.5)
            log_axis(axes, low, high, "rate, bpp" if i >= len(panels) - n_columns else "")
            axes.set_ylabel(_METRICS[metric][1] if i % n_columns == 0 else "")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=4, frameon=False, fontsize=LABEL_SIZE)
    return figure


def variant_bars(records: Sequence[Record], metric: Metric = "psnr_db") -> "Figure":
    """What each codec's quality has beyond the first codec's at equal points, such as sizes.

    Bars are means over pictures, dots single pictures, each a mean over points.

    Raises:
      RecordError: No other codec has a point of a picture in common with the first.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    records = [record for record in records if record.picture in pictures]
    looks = _looks(records)
    first, *others = curves.codecs(curves.measured(records))
    rows = []
    for codec in others:
        with contextlib.suppress(RecordError):
            rows.append((looks[codec], *curves.gains(records, first, codec, metric)))
    if not rows:
        raise RecordError(f"no codec has a point of a picture in common with {first}; measure both at equal points")
    with style():
        title = f"{_METRICS[metric][0]} beyond that of “{looks[first].label}” at equal points, {_count(pictures)}"
        figure, axes = new_axes(title, height=1.2 + 0.27 * len(rows))
        for y, (look, by_picture, more_bytes) in enumerate(reversed(rows)):
            gains = list(by_picture.values())
            mean = statistics.fmean(gains)
            axes.barh(y, mean, height=0.6, color=tint(look.colour, 0.45))
            axes.plot(gains, [y] * len(gains), look.marker, markersize=3, color=look.colour)
            axes.annotate(
                f"{signed(mean, 2 if metric.endswith('db') else 4)}, bytes {signed(more_bytes)} %".replace("-", "−"),
                (1.01, y),
                xycoords=("axes fraction", "data"),
                verticalalignment="center",
                fontsize=LABEL_SIZE,
            )
        axes.set_yticks(range(len(rows)), [look.label for look, *_ in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.axvline(0, color=GRAY, linewidth=0.8)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"difference in {_METRICS[metric][1]}")
        footnote(figure, "Bars: means, given at the right with the difference in bytes. Dots: pictures.")
    return figure


def starts(summaries: "Sequence[Summary]") -> "Figure":
    """PSNR of fits against their steps, one line per start: means over pictures in bands of one standard deviation.

    Random starts are gray. What is met before the first step stands at a third of a step.

    Args:
      summaries: of `inrc.meta.compare`, all after the same steps.

    Raises:
      InrcError: matplotlib is missing.
    """
    steps = summaries[0].steps
    places = [max(n, _BEFORE_STEPS) for n in steps]
    learned = [summary.start for summary in summaries if not summary.is_random]
    with style():
        figure, axes = new_axes(f"PSNR while fitting, means over {_count(summaries[0].pictures)}")
        ends, heights = [], []
        for summary in summaries:
            colour = GRAY if summary.is_random else _COLOURS[learned.index(summary.start) % len(_COLOURS)]
            look = Look(summary.start, colour, 1.0 if summary.is_random else 2.2, size=3.5)
            low, high = (
                [mean + sign * spread for mean, spread in zip(summary.psnr_db, summary.deviation_db, strict=True)]
                for sign in (-1, 1)
            )
            axes.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
            look.plot(axes, list(zip(places, summary.psnr_db, strict=True)))
            ends.append((look, (places[-1], summary.psnr_db[-1])))
            heights += [*low, *high]
        log_axis(axes, places[0] / 1.3, places[-1] * 1.3, "steps")
        axes.set_xticks(places, [f"{n:g}" for n in steps])
        axes.set_ylabel("PSNR, dB")
        fit_heights(axes, heights)
        label_ends(axes, ends)
        footnote(figure, "Weights as they are, before any rounding. Bands: one standard deviation over pictures.")
    return figure


# Which points ----------------------------------------------------------------------------------------------------


def _curves(records: Sequence[Record], metric: Metric, pictures: Iterable[str]) -> list[Curve]:
    """Mean curves of the codecs that have the metric.

    Raises:
      RecordError: None has it.
    """
    found = curves.mean_curves(records, metric, pictures=pictures)
    if not found:
        raise RecordError(f"no record has a {metric}; measure it first")
    return found


def _published(published: Iterable[PublishedCurve], metric: Metric) -> list[tuple[Look, Points]]:
    """Looks and points of the published curves that have the metric."""
    return [
        (Look(f"{curve.name} (published)", _DASHED[i % len(_DASHED)], 1.1, "--", size=0.0), curve.by(metric))
        for i, curve in enumerate(published)
        if curve.by(metric)
    ]


def _window(points: Points, low: float, high: float) -> Points:
    """The part of a curve between two rates, with its value at either where the curve goes on beyond."""
    x, y = np.log([bpp for bpp, _ in points]), [value for _, value in points]
    inside = [point for point in points if low <= point[0] <= high]
    for rate in (low, high):
        if points[0][0] < rate < points[-1][0]:
            inside.append((rate, float(np.interp(math.log(rate), x, y))))
    return sorted(inside)


def _interval(rates: Sequence[float], *, margin: float = 1.5, least: float = 8.0) -> tuple[float, float]:
    """An interval around all rates, its ends at least a factor of `least` apart."""
    low, high = min(rates) / margin, max(rates) * margin
    widening = max(1.0, math.sqrt(least * low / high))
    return low / widening, high * widening


# How they look ---------------------------------------------------------------------------------------------------


def _looks(records: Sequence[Record]) -> dict[str, Look]:
    """The look of each codec; the same records give the same looks in every figure."""
    ours = curves.codecs(record for record in records if record.is_ours)
    names = curves.codecs(records)
    strangers = [name for name in dict.fromkeys((*ours, *names)) if name not in _ANCHORS]
    labels = curves.labels(records)
    looks = {}
    for name in names:
        width, size = (2.2, 4.5) if name in ours else (1.0, 2.5)
        if name in _ANCHORS:
            looks[name] = Look(labels[name], _ANCHORS[name], width, size=size)
        else:
            lap, i = divmod(strangers.index(name), len(_COLOURS))
            looks[name] = Look(labels[name], _COLOURS[i], width, size=size, marker=_MARKERS[lap % len(_MARKERS)])
    return looks


def _count(pictures: Collection[str]) -> str:
    return f"{len(pictures)} picture{'' if len(pictures) == 1 else 's'}"


def _devices(records: Iterable[Record]) -> str:
    return "; ".join(sorted({record.device for record in records if record.device})) or "an unknown device"


def _mean(records: Iterable[Record], name: str) -> float:
    return statistics.fmean(getattr(record, name) for record in records)
