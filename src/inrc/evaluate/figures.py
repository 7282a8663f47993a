"""Figures of records and published curves. They need matplotlib, which the extra "eval" installs.

Our codecs are solid and heavy, other measured ones thin, published curves dashed. Colours are those of Okabe and Ito,
which the colour-blind can tell apart (https://jfly.uni-koeln.de/color/).
"""

import contextlib
import dataclasses
import io
import math
import statistics
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from inrc.errors import InrcError, RecordError
from inrc.evaluate import curves
from inrc.evaluate.curves import Curve, Metric
from inrc.evaluate.pictures import kodak
from inrc.evaluate.published import PublishedCurve
from inrc.evaluate.records import Record
from inrc.signal.image import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[float, float]]

DEFAULT_PUBLISHED = ("coin", "strumpler-meta", "nif25", "cool-chic-1.0", "c3", "vtm")
"""Published curves that are drawn where none are named, by `PublishedCurve.id`."""

_METRICS: dict[Metric, tuple[str, str]] = {
    "psnr_db": ("PSNR", "PSNR, dB"),
    "ssim": ("SSIM", "SSIM"),
    "ms_ssim": ("MS-SSIM", "MS-SSIM"),
    "ms_ssim_db": ("MS-SSIM", "MS-SSIM, dB: −10 log₁₀(1 − MS-SSIM)"),
    "lpips": ("LPIPS", "LPIPS"),
}
_GRAY = "#595959"
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_ANCHORS = {
    "jpeg_444": ("JPEG 4:4:4", "#000000"),
    "jpeg_420": ("JPEG 4:2:0", "#8C8C8C"),
    "jpeg2000": ("JPEG 2000", "#56B4E9"),
    "webp": ("WebP", "#E69F00"),
    "avif_444": ("AVIF 4:4:4", "#009E73"),
    "jxl": ("JPEG XL", "#CC79A7"),
}
_RC = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": _GRAY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "xtick.color": _GRAY,
    "ytick.color": _GRAY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # TrueType: some publishers refuse matplotlib's default
    "svg.hashsalt": "inrc",  # without it the names of elements are random
}
_LABEL_SIZE = 8.0
_SIZE = (7.2, 4.6)  # inches


@dataclasses.dataclass(frozen=True)
class _Look:
    """How a codec is drawn: its label, its colour and the options of its line."""

    label: str
    colour: str
    width: float
    dashes: Literal["-", "--"] = "-"
    size: float = 2.5

    def plot(self, axes: "Axes", points: Points) -> None:
        """Draws points and the line through them."""
        x, y = zip(*points, strict=True)
        options = {"color": self.colour, "linewidth": self.width, "markersize": self.size, "label": self.label}
        axes.plot(x, y, linestyle=self.dashes, marker="o", **options)


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
        note = "Published curves are as their authors give them. " * (len(drawn) > len(found))
    elif published:
        note = "Published curves are means over all 24 Kodak pictures, and therefore not shown beside these. "
    ours = {record.codec for record in records if _is_ours(record)}
    rates = [[bpp for bpp, _ in curve.points] for curve in found if curve.codec in ours or not ours]
    low, high = _interval([bpp for of_codec in rates for bpp in of_codec])
    with _style():
        figure, axes = _new(f"{_METRICS[metric][0]} against rate, means over {_count(pictures)}")
        for look, points in drawn:
            look.plot(axes, points)
        seen = [(look, _window(points, low, high)) for look, points in drawn]
        seen = [(look, points) for look, points in seen if points]
        _log_rates(axes, low, high)
        axes.set_ylabel(_METRICS[metric][1])
        _fit_heights(axes, [y for _, points in seen for _, y in points])
        _label_ends(axes, [(look, points[-1]) for look, points in seen])
        _note(figure, note)
    return figure


def quality_by_seconds(records: Sequence[Record], *, bpp: float | None = None) -> "Figure":
    """PSNR at one rate against the seconds of encoding, means over the pictures that all codecs have measured.

    PSNR and the logarithm of the seconds are interpolated over the logarithm of the rate, between the two points
    around that rate. Of a codec whose points all lie within 15 % of the rate (one whose points are efforts) each point
    is drawn as it was measured. Codecs that do not reach the rate are named below the figure.

    Args:
      records: of any codecs.
      bpp: the rate; the middle of the rates that most codecs share, our codecs above all, if not given.

    Raises:
      RecordError: The codecs have no picture in common, or none reaches the rate.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    found = _curves(records, "psnr_db", pictures)
    looks = _looks(records)
    bpp = bpp or _common_rate(found, {record.codec for record in records if _is_ours(record)})
    drawn = [(looks[curve.codec], points) for curve in found if (points := _at_rate(curve, bpp))]
    if not drawn:
        raise RecordError(f"no codec was measured around {bpp:.3g} bpp; choose another rate")
    absent = [looks[curve.codec].label for curve in found if not _at_rate(curve, bpp)]
    devices = sorted({record.device for record in curves.measured(records)})
    note = f"Wall-clock seconds without compilation, as measured on {'; '.join(devices)}. "
    note += f"Not measured around this rate: {', '.join(absent)}. " if absent else ""
    with _style():
        figure, axes = _new(f"PSNR at {bpp:.2g} bpp against encoding time, means over {_count(pictures)}")
        for look, points in drawn:
            dataclasses.replace(look, size=6.5 if look.width > 1.5 else 5.0).plot(axes, points)
        axes.set_xscale("log")
        axes.set_xlabel("encoding one picture, seconds")
        axes.set_ylabel(f"PSNR at {bpp:.2g} bpp, dB")
        seconds = [x for _, points in drawn for x, _ in points]
        axes.set_xlim(min(seconds) / 2, max(seconds) * 2)
        _fit_heights(axes, [y for _, points in drawn for _, y in points])
        _label_ends(axes, [(look, points[-1]) for look, points in drawn])
        _note(figure, note)
    return figure


def anytime(records: Sequence[Record], codec: str) -> "Figure":
    """The PSNR that a codec estimates on the way against seconds, one line per point, means over pictures.

    A picture that is done keeps its last value. The ring at the end of a line is the PSNR of the decoded files.

    Args:
      records: of any codecs.
      codec: the one that is drawn.

    Raises:
      RecordError: No record of it has a trace.
      InrcError: matplotlib is missing.
    """
    pictures = set(curves.common_pictures(records, (codec,)))
    traced = [r for r in curves.measured(records) if r.codec == codec and r.picture in pictures and _trace(r)]
    if not traced:
        raise RecordError(f"no record of {codec} has a trace of its fit, at pictures measured at all of its points")
    by_point: dict[float, list[Record]] = {}
    for record in traced:
        by_point.setdefault(record.point, []).append(record)
    groups = sorted(by_point.values(), key=lambda group: statistics.fmean(r.bpp for r in group))
    look = _looks(records)[codec]
    with _style():
        figure, axes = _new(f"{look.label}: PSNR while fitting, means over {_count({r.picture for r in traced})}")
        ends, heights = [], []
        for group, colour in zip(groups, _shades(look.colour, len(groups)), strict=True):
            bpp, seconds, quality = (
                statistics.fmean(getattr(r, name) for r in group) for name in ("bpp", "encode_seconds", "psnr_db")
            )
            line = _Look(f"{bpp:.2g} bpp", colour, 1.8, size=0.0)
            points = _mean_trace(group)
            line.plot(axes, points)
            axes.plot(seconds, quality, "o", markersize=5, markerfacecolor="white", markeredgecolor=colour)
            ends.append((line, (seconds, quality)))
            heights += [y for x, y in points if x > points[-1][0] / 50] + [quality]
        axes.set_xscale("log")
        axes.set_xlabel("seconds of encoding, without compilation")
        axes.set_ylabel("PSNR, dB: estimate, and decoded file (○)")
        _fit_heights(axes, heights)
        _label_ends(axes, ends)
        devices = "; ".join(sorted({record.device for record in traced}))
        _note(
            figure, f"Seconds as measured on {devices}. The estimate is that of the loss, rounding or noise included."
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
    with _style():
        figure, axes = _new(
            f"{looks[codec].label}: BD-rate against {looks[anchor].label} by {_METRICS[metric][0]}, "
            f"{_count(row.by_picture)}",
            height=1.3 + 0.19 * max(len(bars), 6),
        )
        values = [value for _, value in bars]
        axes.barh([name for name, _ in bars], values, height=0.7, color=looks[codec].colour)
        axes.axvline(0, color=_GRAY, linewidth=0.8)
        axes.axvline(row.mean_of_pictures, color="black", linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            f"mean {row.mean_of_pictures:+.1f} %",
            (row.mean_of_pictures, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=_LABEL_SIZE,
        )
        axes.set_ylim(-0.6, len(bars) - 0.2)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelsize=_LABEL_SIZE)
        axes.set_xlabel("more or fewer bytes at equal quality, %")
        _note(figure, f"Curves overlap too little: {', '.join(missing)}." if missing else "")
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
    with _style():
        figure, _ = _new("", height=0.6 + (3.6 if n_columns < 3 else 2.4) * n_rows)
        figure.clear()
        figure.suptitle(
            f"{_METRICS[metric][0]} against rate, {_count(pictures)}", x=0.01, horizontalalignment="left", fontsize=10
        )
        for i, (name, members) in enumerate(panels.items()):
            axes = figure.add_subplot(n_rows, n_columns, i + 1, title=name)
            found = _curves(records, metric, members)
            for curve in found:
                dataclasses.replace(looks[curve.codec], width=1.4, size=3.5).plot(axes, curve.points)
            _log_rates(axes, *_interval([bpp for curve in found for bpp, _ in curve.points], margin=1.15, least=1.5))
            axes.set_xlabel(axes.get_xlabel() if i >= len(panels) - n_columns else "")
            axes.set_ylabel(_METRICS[metric][1] if i % n_columns == 0 else "")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    return figure


def variant_bars(records: Sequence[Record], metric: Metric = "psnr_db") -> "Figure":
    """What each codec's quality has beyond the first codec's at equal points, such as sizes.

    Bars are means over points and pictures, dots are those of single pictures.

    Raises:
      RecordError: There are no two codecs that have measured the same point of the same picture.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    looks = _looks(records)
    by_codec: dict[str, dict[tuple[str, float], Record]] = {}
    for record in curves.measured(records):
        if record.picture in pictures:
            by_codec.setdefault(record.codec, {})[record.picture, record.point] = record
    first, *rest = by_codec
    rows = {codec: _gains(by_codec[first], by_codec[codec], metric) for codec in rest}
    rows = {codec: gains for codec, gains in rows.items() if gains is not None}
    if not rows:
        raise RecordError(f"no codec has a point and a picture in common with {first}; measure them at equal points")
    with _style():
        title = f"{_METRICS[metric][0]} beyond that of “{looks[first].label}” at equal points, {_count(pictures)}"
        figure, axes = _new(title, height=1.3 + 0.32 * max(len(rows), 4))
        for y, (codec, (gains, more_bytes)) in enumerate(reversed(rows.items())):
            axes.barh(y, statistics.fmean(gains), height=0.6, color=looks[codec].colour, alpha=0.55)
            axes.plot(gains, [y] * len(gains), "o", markersize=3, color=looks[codec].colour)
            axes.annotate(
                f"{statistics.fmean(gains):+.3g}, bytes {more_bytes:+.1f} %",
                (1.01, y),
                xycoords=("axes fraction", "data"),
                verticalalignment="center",
                fontsize=_LABEL_SIZE,
            )
        axes.set_yticks(range(len(rows)), [looks[codec].label for codec in reversed(rows)])
        axes.axvline(0, color=_GRAY, linewidth=0.8)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"difference in {_METRICS[metric][1]}")
        _note(figure, "Dots: pictures. Beside the bars: mean difference, and that of the bytes.")
    return figure


def save(figure: "Figure", folder: Path, stem: str) -> list[Path]:
    """Writes a figure as PDF, SVG and PNG, the same bytes for the same figure.

    Args:
      figure: by a function of this module.
      folder: made where there is none.
      stem: name of the files, without a suffix.

    Returns:
      Paths of the files.

    Raises:
      OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
    paths = []
    for suffix, metadata in undated.items():
        with _style():
            file = io.BytesIO()
            figure.savefig(file, format=suffix, dpi=200, metadata=metadata)
        paths.append(folder / f"{stem}.{suffix}")
        write_atomically(paths[-1], file.getvalue())
    return paths


# Which points ----------------------------------------------------------------------------------------------------


def _is_ours(record: Record) -> bool:
    return record.extension == "inr"


def _curves(records: Sequence[Record], metric: Metric, pictures: Iterable[str]) -> list[Curve]:
    """Mean curves of the codecs that have the metric.

    Raises:
      RecordError: None has it.
    """
    pictures, found = list(pictures), []
    for codec in curves.codecs(curves.measured(records)):
        with contextlib.suppress(RecordError):
            found.append(curves.mean_curve(records, codec, metric, pictures=pictures))
    if not found:
        raise RecordError(f"no record has a {metric}; measure it first")
    return found


def _published(published: Iterable[PublishedCurve], metric: Metric) -> list[tuple[_Look, Points]]:
    """Looks and points of the published curves that have the metric."""
    found = []
    for i, curve in enumerate(published):
        look = _Look(f"{curve.name} (published)", _COLOURS[(i + 1) % len(_COLOURS)], 1.1, "--", size=0.0)
        points: Points = ()
        if metric == "psnr_db":
            points = curve.points
        elif metric in ("ms_ssim", "ms_ssim_db"):
            points = [(x, curves.ms_ssim_db(y) if metric == "ms_ssim_db" else y) for x, y in curve.ms_ssim]
        if points:
            found.append((look, points))
    return found


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


def _common_rate(found: Sequence[Curve], ours: set[str]) -> float:
    """Middle of the rates that are common to all curves, or to ours, or that the first has, whichever there are."""
    preferred = [curve for curve in found if curve.codec in ours] or list(found)
    for chosen in (found, preferred, preferred[:1]):
        low = max(curve.points[0][0] for curve in chosen)
        high = min(curve.points[-1][0] for curve in chosen)
        if low <= high:
            break
    return math.sqrt(low * high)


def _at_rate(curve: Curve, bpp: float) -> Points:
    """(seconds, quality) of a curve at a rate; of all its points where these all lie within 15 % of it."""
    rates = [rate for rate, _ in curve.points]
    qualities = [quality for _, quality in curve.points]
    if all(abs(rate / bpp - 1) < 0.15 for rate in rates):
        return sorted(zip(curve.seconds, qualities, strict=True))
    if not rates[0] <= bpp <= rates[-1]:
        return ()
    x = np.log(rates)
    seconds, quality = np.interp(math.log(bpp), x, np.log(curve.seconds)), np.interp(math.log(bpp), x, qualities)
    return [(math.exp(seconds), float(quality))]


def _trace(record: Record) -> Points:
    return [(seconds, psnr_db) for seconds, psnr_db, _ in record.trace if seconds > 0 and math.isfinite(psnr_db)]


def _mean_trace(group: Sequence[Record]) -> Points:
    """Mean of the traces of several pictures, from when the last has begun to when the last is done."""
    traces = [_trace(record) for record in group]
    low, high = max(trace[0][0] for trace in traces), max(trace[-1][0] for trace in traces)
    seconds = np.geomspace(low, high, 120)
    rows = [np.interp(seconds, [x for x, _ in trace], [y for _, y in trace]) for trace in traces]
    return [(float(x), float(y)) for x, y in zip(seconds, np.mean(rows, axis=0), strict=True)]


def _gains(
    first: dict[tuple[str, float], Record], other: dict[tuple[str, float], Record], metric: Metric
) -> tuple[list[float], float] | None:
    """Gains in quality by picture, means over the common points, and the mean percentage of bytes beyond the first's."""
    common = [key for key in first if key in other]
    if not common:
        return None
    by_picture: dict[str, list[float]] = {}
    for key in common:
        gain = curves.mean_quality([other[key]], metric) - curves.mean_quality([first[key]], metric)
        by_picture.setdefault(key[0], []).append(gain)
    gains = [statistics.fmean(of_points) for of_points in by_picture.values()]
    return gains, 100 * (statistics.fmean(other[key].n_bytes / first[key].n_bytes for key in common) - 1)


# How they are drawn ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Matplotlib's own defaults with our changes, whatever the user has set.

    Raises:
      InrcError: matplotlib is missing.
    """
    try:
        import matplotlib.style
    except ImportError as error:
        raise InrcError("figures need matplotlib; install it by: pip install inrc[eval]") from error
    with matplotlib.style.context(["default", _RC]):
        yield


def _new(title: str, *, height: float = _SIZE[1]) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
    return figure, figure.add_subplot(title=title)


def _looks(records: Iterable[Record]) -> dict[str, _Look]:
    """The look of each codec; the same records give the same looks in every figure."""
    first = {}
    for record in records:
        first.setdefault(record.codec, record)
    others = [codec for codec in first if codec not in _ANCHORS]
    looks = {}
    for codec, record in first.items():
        label, colour = _ANCHORS.get(codec) or (codec, _COLOURS[others.index(codec) % len(_COLOURS)])
        looks[codec] = _Look(label, colour, 2.2, size=4.5) if _is_ours(record) else _Look(label, colour, 1.0)
    return looks


def _shades(colour: str, n: int) -> list[str]:
    """`n` shades of a colour from light to full."""
    from matplotlib.colors import to_hex, to_rgb

    full = np.array(to_rgb(colour))
    return [to_hex(1 - (1 - full) * strength) for strength in np.linspace(1.0 if n == 1 else 0.45, 1.0, n)]


def _log_rates(axes: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("rate, bits per pixel")


def _fit_heights(axes: "Axes", heights: Sequence[float]) -> None:
    margin = 0.04 * (max(heights) - min(heights)) or 0.5
    axes.set_ylim(min(heights) - margin, max(heights) + margin)


def _label_ends(axes: "Axes", ends: Sequence[tuple[_Look, tuple[float, float]]]) -> None:
    """Labels at the right edge, each in its line's colour and joined to the line's end (x, y)."""
    low, high = axes.get_ylim()
    ends = sorted(ends, key=lambda end: end[1][1])
    gap = 1.25 * _LABEL_SIZE / (72 * 0.8 * axes.figure.get_figheight())
    heights = spread([(y - low) / (high - low) for _, (_, y) in ends], gap)
    for (look, end), height in zip(ends, heights, strict=True):
        axes.annotate(
            look.label,
            end,
            (1.03, height),
            textcoords="axes fraction",
            color=look.colour,
            fontsize=_LABEL_SIZE,
            fontweight="bold" if look.width > 1.5 else "normal",
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": look.colour,
                "linewidth": 0.5,
                "alpha": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 2,
            },
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights moved apart to `gap` or more, by the least squares, and into 0..1 as far as they fit.

    That is the isotonic regression of heights less their ranks' gaps, by pooling adjacent violators.
    """
    pools: list[tuple[float, int]] = []
    for rank, height in enumerate(heights):
        mean, n = height - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, m = pools.pop()
            mean, n = (mean * n + other * m) / (n + m), n + m
        pools.append((mean, n))
    top = max(0.0, 1 - (len(heights) - 1) * gap)
    flat = [min(max(mean, 0.0), top) for mean, n in pools for _ in range(n)]
    return [height + rank * gap for rank, height in enumerate(flat)]


def _note(figure: "Figure", text: str) -> None:
    if text:
        wrapped = textwrap.fill(text, 125)
        figure.supxlabel(wrapped, x=0.01, horizontalalignment="left", fontsize=7, color=_GRAY)


def _count(pictures: Iterable[str]) -> str:
    n = len(list(pictures))
    return f"{n} picture{'' if n == 1 else 's'}"
