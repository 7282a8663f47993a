"""Figures of ablations: variants of our codecs, and starts of fits. They need matplotlib, as all figures do."""

import contextlib
import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inrc.errors import RecordError
from inrc.evaluate import curves
from inrc.evaluate.curves import Metric
from inrc.evaluate.drawing import (
    GRAY,
    LABEL_SIZE,
    Look,
    fit_heights,
    footnote,
    label_ends,
    log_axis,
    log_heights,
    new_axes,
    new_figure,
    style,
    tint,
)
from inrc.evaluate.figures import curves_with, rate_interval
from inrc.evaluate.looks import COLOURS, METRICS, looks_of
from inrc.evaluate.records import Record
from inrc.evaluate.tables import count_pictures, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inrc.meta.compare import Summary
    from inrc.meta.compare_latents import LatentSummary

_BEFORE_STEPS = 1 / 3
"""Place of step 0 on a logarithmic axis of steps."""


def variants(records: Sequence[Record], metric: Metric = "psnr_db") -> "Figure":
    """Draws quality against rate of all codecs: a panel for each of up to six pictures, or the means of more pictures.

    Raises:
      RecordError: The codecs have no picture in common, or no codec was measured by the metric.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    looks = looks_of(records)
    panels = {name: (name,) for name in pictures} if len(pictures) <= 6 else {"means": tuple(pictures)}
    n_columns = min(3, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    n_legend_rows = math.ceil(len(looks) / 4)
    with style():
        figure = new_figure(0.4 + 0.2 * n_legend_rows + (2.3 if n_columns == 3 else 3.6) * n_rows)
        title = f"{METRICS[metric][0]} against rate, {count_pictures(pictures)}"
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=10)
        for i, (name, members) in enumerate(panels.items()):
            axes = figure.add_subplot(n_rows, n_columns, i + 1)
            axes.set_title(name, fontsize=9)
            mean_curves = curves_with(records, metric, members)
            for curve in mean_curves:
                dataclasses.replace(looks[curve.codec], width=1.4, size=3.5).plot(axes, curve.points)
            low, high = rate_interval([bpp for curve in mean_curves for bpp, _ in curve.points], margin=1.1, least=1.5)
            log_axis(axes, low, high, "rate, bpp" if i >= len(panels) - n_columns else "")
            axes.set_ylabel(METRICS[metric][1] if i % n_columns == 0 else "")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=4, frameon=False, fontsize=LABEL_SIZE)
    return figure


def variant_bars(records: Sequence[Record], metric: Metric = "psnr_db") -> "Figure":
    """Draws the difference in quality of each codec from the first codec at equal points, such as sizes.

    Bars are means over pictures. Dots are single pictures, each a mean over points.

    Raises:
      RecordError: No other codec has a point of a picture in common with the first.
      InrcError: matplotlib is missing.
    """
    pictures = curves.shared_pictures(records)
    records = [record for record in records if record.picture in pictures]
    looks = looks_of(records)
    first, *others = curves.codecs(curves.measured(records))
    rows = []
    for codec in others:
        with contextlib.suppress(RecordError):
            rows.append((looks[codec], *curves.gains(records, first, codec, metric)))
    if not rows:
        raise RecordError(f"no codec has a point of a picture in common with {first}; measure both at equal points")
    with style():
        reference = f"that of “{looks[first].label}” at equal points"
        title = f"{METRICS[metric][0]} beyond {reference}, {count_pictures(pictures)}"
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
        axes.set_xlabel(f"difference in {METRICS[metric][1]}")
        footnote(figure, "Bars: means, given at the right with the difference in bytes. Dots: pictures.")
    return figure


def starts(summaries: "Sequence[Summary]") -> "Figure":
    """Draws PSNR of fits against steps, one line per start: means over pictures in bands of one standard deviation.

    Random starts are gray. The PSNR before the first step stands at a third of a step.

    Args:
      summaries: the summaries of `inrc.meta.compare`, all of the same steps.

    Raises:
      InrcError: matplotlib is missing.
    """
    with style():
        figure, axes = new_axes(f"PSNR while fitting, means over {count_pictures(summaries[0].pictures)}")
        places = _places(axes, summaries[0].steps)
        heights, ends = [], []
        for summary, look in zip(summaries, _looks(summaries), strict=True):
            low, high = (
                [mean + sign * spread for mean, spread in zip(summary.psnr_db, summary.deviation_db, strict=True)]
                for sign in (-1, 1)
            )
            axes.fill_between(places, low, high, color=look.colour, alpha=0.12, linewidth=0)
            look.plot(axes, list(zip(places, summary.psnr_db, strict=True)))
            ends.append((look, (places[-1], summary.psnr_db[-1])))
            heights += [*low, *high]
        axes.set_ylabel("PSNR, dB")
        fit_heights(axes, heights)
        label_ends(axes, ends)
        footnote(figure, "Weights as they are, before any rounding. Bands: one standard deviation over pictures.")
    return figure


def losses(summaries: "Sequence[LatentSummary]") -> "Figure":
    """Draws the loss of fits of latent grids against their steps, one line per start; random starts are gray.

    The loss of the start itself stands at a third of a step.

    Args:
      summaries: the summaries of `inrc.meta.compare_latents`, all of the same steps.

    Raises:
      InrcError: matplotlib is missing.
    """
    with style():
        count = count_pictures(summaries[0].pictures)
        figure, axes = new_axes(f"Loss of fits at lambda {summaries[0].lambda_rd:g}, geometric means over {count}")
        places = _places(axes, summaries[0].steps)
        heights = [loss for summary in summaries for loss in summary.loss]
        log_heights(axes, heights, "1,000 (MSE + lambda bits per pixel)")
        ends = []
        for summary, look in zip(summaries, _looks(summaries), strict=True):
            look.plot(axes, list(zip(places, summary.loss, strict=True)))
            ends.append((look, (places[-1], summary.loss[-1])))
        label_ends(axes, ends)
    return figure


def _places(axes: "Axes", steps: "Sequence[int]") -> list[float]:
    """Where numbers of steps stand on a logarithmic axis, which is drawn; no step stands at a third of one."""
    places = [max(n, _BEFORE_STEPS) for n in steps]
    log_axis(axes, places[0] / 1.3, places[-1] * 1.3, "steps")
    axes.set_xticks(places, [f"{n:g}" for n in steps])
    return places


def _looks(summaries: "Sequence[Summary] | Sequence[LatentSummary]") -> list[Look]:
    """Looks of starts: thin and gray if random, in colours otherwise."""
    colours = itertools.cycle(COLOURS)
    return [
        Look(s.start, GRAY, 1.0, size=3.5) if s.is_random else Look(s.start, next(colours), 2.2, size=3.5)
        for s in summaries
    ]
