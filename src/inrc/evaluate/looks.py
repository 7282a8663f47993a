"""How codecs look in figures: labels, colours, line widths and markers.

Our codecs are solid and heavy, other measured codecs thin, and published curves dashed. The colours are those of Okabe
and Ito, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/).
"""

from collections.abc import Iterable, Sequence

from inrc.evaluate import curves
from inrc.evaluate.curves import Metric
from inrc.evaluate.drawing import GRAY, LinePoints, Look
from inrc.evaluate.published import PublishedCurve
from inrc.evaluate.records import Record

METRICS: dict[Metric, tuple[str, str]] = {
    "psnr_db": ("PSNR", "PSNR, dB"),
    "ssim": ("SSIM", "SSIM"),
    "ms_ssim": ("MS-SSIM", "MS-SSIM"),
    "ms_ssim_db": ("MS-SSIM", "MS-SSIM, dB: −10 log₁₀(1 − MS-SSIM)"),
    "lpips": ("LPIPS", "LPIPS"),
}
"""Name of each metric, and the label of its axis."""

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHED = ("#CC79A7", "#009E73", "#000000", "#E69F00", "#56B4E9", GRAY)  # unlike the anchors whose curves lie nearby
_MARKERS = "osD^v"  # the next marker is taken where there are more codecs than colours
_OF_ANCHORS = {
    "jpeg_444": "#000000",
    "jpeg_420": "#8C8C8C",
    "jpeg2000": "#56B4E9",
    "webp": "#E69F00",
    "avif_444": "#009E73",
    "jxl": "#CC79A7",
}
"""Colour of each codec of `inrc.baselines.anchors`, the same in every figure."""


def looks_of(records: Sequence[Record]) -> dict[str, Look]:
    """Returns the look of each codec; the same records give the same looks in every figure."""
    ours = curves.codecs(record for record in records if record.is_ours)
    names = curves.codecs(records)
    without_colour = [name for name in dict.fromkeys((*ours, *names)) if name not in _OF_ANCHORS]
    labels = curves.labels(records)
    looks = {}
    for name in names:
        width, size = (2.2, 4.5) if name in ours else (1.0, 2.5)
        if name in _OF_ANCHORS:
            looks[name] = Look(labels[name], _OF_ANCHORS[name], width, size=size)
        else:
            lap, i = divmod(without_colour.index(name), len(COLOURS))
            looks[name] = Look(labels[name], COLOURS[i], width, size=size, marker=_MARKERS[lap % len(_MARKERS)])
    return looks


def published_lines(published: Iterable[PublishedCurve], metric: Metric) -> list[tuple[Look, LinePoints]]:
    """Returns the looks and the points of the published curves that have the metric."""
    return [
        (Look(f"{curve.name} (published)", _DASHED[i % len(_DASHED)], 1.1, "--", size=0.0), curve.by(metric))
        for i, curve in enumerate(published)
        if curve.by(metric)
    ]
