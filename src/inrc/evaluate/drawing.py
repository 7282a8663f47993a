"""Drawing that all figures share: style, axes, labels at the ends of lines, and files with reproducible bytes."""

import contextlib
import dataclasses
import io
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inrc.errors import InrcError
from inrc.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

LinePoints = Sequence[tuple[float, float]]

GRAY = "#595959"
_RC = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # TrueType: some publishers refuse matplotlib's default
    "svg.hashsalt": "inrc",  # without it the names of elements are random
}
LABEL_SIZE = 8.0
_SIZE = (7.2, 4.6)  # inches


@dataclasses.dataclass(frozen=True)
class Look:
    """The look of a codec in figures: its label, its colour, and the width, dashes and markers of its line."""

    label: str
    colour: str
    width: float
    dashes: Literal["-", "--"] = "-"
    size: float = 2.5
    marker: str = "o"

    @property
    def is_heavy(self) -> bool:
        """Whether this is the look of one of our codecs."""
        return self.width > 2

    def plot(self, axes: "Axes", points: LinePoints) -> None:
        """Draws points and the line through them."""
        x, y = zip(*points, strict=True)
        options = {"color": self.colour, "linewidth": self.width, "markersize": self.size, "label": self.label}
        axes.plot(x, y, linestyle=self.dashes, marker=self.marker, zorder=3 if self.is_heavy else 2, **options)


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Sets matplotlib's own defaults with our changes, whatever the user has configured.

    Raises:
      InrcError: matplotlib is missing.
    """
    try:
        import matplotlib.style
    except ImportError as error:
        raise InrcError("figures need matplotlib; install it by: pip install inrc[eval]") from error
    with matplotlib.style.context(["default", _RC]):
        yield


def new_figure(height: float) -> "Figure":
    """Returns an empty figure of the common width and of a height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_SIZE[0], height), layout="constrained")


def new_axes(title: str, *, height: float = _SIZE[1], pad: float = 6.0) -> tuple["Figure", "Axes"]:
    """Returns a figure with one pair of axes below a title."""
    figure = new_figure(height)
    axes = figure.add_subplot()
    axes.set_title(title, pad=pad)
    return figure, axes


def tint(colour: str, strength: float) -> str:
    """Returns a colour mixed with white: the full colour at a strength of 1, white at 0."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def log_axis(axes: "Axes", low: float, high: float, label: str) -> None:
    """Makes the horizontal axis logarithmic, with plain numbers."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    _number_plainly(axes.xaxis, low, high)
    axes.set_xlabel(label)


def log_heights(axes: "Axes", heights: Sequence[float], label: str) -> None:
    """Makes the vertical axis logarithmic, with plain numbers, from a little below to a little above all heights."""
    low, high = min(heights) / 1.1, max(heights) * 1.1
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    _number_plainly(axes.yaxis, low, high)
    axes.set_ylabel(label)


def _number_plainly(axis: "Axis", low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axis.set_minor_locator(NullLocator())


def fit_heights(axes: "Axes", heights: Sequence[float]) -> None:
    """Ends the vertical axis a little beyond the lowest and the highest value."""
    margin = 0.04 * (max(heights) - min(heights)) or 0.02 * abs(max(heights)) or 1.0
    axes.set_ylim(min(heights) - margin, max(heights) + margin)


def label_ends(axes: "Axes", ends: Sequence[tuple[Look, tuple[float, float]]], *, beside: bool = False) -> None:
    """Labels lines in their colours, joined to their ends (x, y): at the right edge, or `beside` the ends."""
    to_fraction = axes.transScale + axes.transLimits
    ends = sorted(ends, key=lambda end: end[1][1])
    fractions = [to_fraction.transform(end) for _, end in ends]
    gap = 1.25 * LABEL_SIZE / 72 * axes.figure.dpi / axes.bbox.height
    heights = spread_apart([float(y) for _, y in fractions], gap)
    for (look, end), (x, _), height in zip(ends, fractions, heights, strict=True):
        axes.annotate(
            look.label,
            end,
            (x + 0.02 if beside else 1.03, height),
            textcoords="axes fraction",
            color=look.colour,
            fontsize=LABEL_SIZE,
            fontweight="bold" if look.is_heavy else "normal",
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": look.colour,
                "linewidth": 0.5,
                "alpha": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 4 if beside else 2,
            },
        )


def spread_apart(heights: Sequence[float], gap: float) -> list[float]:
    """Moves rising heights apart to distances of at least `gap`, and into 0..1 as far as they fit.

    The squares of the moves are least: it is the isotonic regression of the heights less the gaps of their ranks, which
    the pool-adjacent-violators algorithm finds.
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


def footnote(figure: "Figure", text: str) -> None:
    """Writes a text below a figure in small type, if there is one."""
    if text:
        wrapped = textwrap.fill(text, 140)
        figure.supxlabel(wrapped, x=0.01, horizontalalignment="left", fontsize=7, color=GRAY)


def save(figure: "Figure", folder: Path, stem: str) -> list[Path]:
    """Writes a figure as PDF, SVG and PNG; the same figure gives the same bytes.

    Args:
      figure: a figure of `new_figure`.
      folder: the folder of the files; it is made if it does not exist.
      stem: name of the files, without a suffix.

    Returns:
      The paths of the files.

    Raises:
      OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
    paths = []
    for suffix, metadata in undated.items():
        with style():
            file = io.BytesIO()
            figure.savefig(file, format=suffix, dpi=200, metadata=metadata)
        paths.append(folder / f"{stem}.{suffix}")
        write_atomically(paths[-1], file.getvalue())
    return paths
