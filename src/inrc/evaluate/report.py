"""One self-contained HTML page of records: chart, BD-rates, every measurement, and pictures to compare by eye.

The page holds everything that it shows, and opens from any place without a network.
"""

import dataclasses
import importlib.resources
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inrc.evaluate.comparison import Comparisons
from inrc.evaluate.curves import Metric, bd_table, codecs, common_pictures, labels, mean_curves, measured
from inrc.evaluate.published import TEXTS, PublishedCurve, are_all_of_kodak, choose, on_kodak, published_bd_rate
from inrc.evaluate.records import DEFAULT_ANCHOR, Record
from inrc.json_lines import number_to_json

FURTHER_ANCHORS = ("avif_444",)

CHART_METRICS: tuple[Metric, ...] = ("psnr_db", "ssim", "ms_ssim_db")
BD_METRICS: tuple[Metric, ...] = ("psnr_db", "ms_ssim_db")
COLUMNS = (
    *("picture", "codec", "point", "n_bytes", "bpp", "psnr_db", "ssim", "ms_ssim"),
    *("lpips", "encode_seconds", "decode_seconds", "bits_per_weight"),
)
"""Columns of the page's table: fields of `Record`, and as the last one a field of its details."""

_PLACEHOLDER = "__DATA__"
_MAX_PUBLISHED = 8
"""Published curves that the chart shows at first, where there is none of the selection that figures show."""


def page(
    records: Sequence[Record],
    *,
    comparisons: Comparisons | None = None,
    published: Sequence[PublishedCurve] = (),
    anchor: str = DEFAULT_ANCHOR,
) -> str:
    """Returns the HTML page; the same arguments give the same bytes.

    Args:
      records: the records that tables and chart show, failures included.
      comparisons: pictures to compare by eye.
      published: curves that others have published, which are drawn beside ours.
      anchor: the codec that BD-rates refer to at first. AVIF and JPEG can be chosen in the page if they were measured.
    """
    good = measured(records)
    comparisons = comparisons or Comparisons(notes=("No pictures were requested.",))
    averaged, pictures = _mean_over(good)
    preferred = choose(published) or published[:_MAX_PUBLISHED]
    comparable = are_all_of_kodak(pictures)  # means over other pictures cannot be compared
    data = {
        "made": _made(records),
        "columns": COLUMNS,
        "rows": [[_cell(record, name) for name in COLUMNS] for record in good],
        "labels": labels(good),
        "ours": codecs(record for record in good if record.is_ours),
        "mean": {
            "pictures": pictures,
            "left_out": [codec for codec in codecs(good) if codec not in averaged],
            "curves": {metric: _curves(good, averaged, pictures, metric) for metric in CHART_METRICS},
        },
        "published": [_published(curve, shown=comparable and curve in preferred) for curve in published],
        "bd": _bd_tables(good, anchor, published),
        "failures": [
            [record.picture, record.codec, record.point, record.failure] for record in records if record.failure
        ],
        **_compared(comparisons),
    }
    template = importlib.resources.files("inrc.evaluate").joinpath("report.html").read_text("utf-8")
    return template.replace(_PLACEHOLDER, embedded(data))


def embedded(data: Mapping[str, Any]) -> str:
    """Returns JSON for a script element: nothing in it can end the element or start another one."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII only
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _number(value: float | None) -> float | str | None:
    """Returns a JSON value of 8 significant digits; None stays None."""
    return None if value is None else number_to_json(value, n_digits=8)


def _cell(record: Record, name: str) -> Any:
    value = record.details.get(name) if name == "bits_per_weight" else getattr(record, name)
    return _number(value) if isinstance(value, float) else value


def _made(records: Sequence[Record]) -> dict[str, Any]:
    """Returns when and with what the records were measured."""
    versions: dict[str, list[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    times = sorted(record.measured_at for record in records if record.measured_at)
    return {
        "times": [times[0], times[-1]] if times else [],
        "devices": Counter(record.device for record in records if record.device),
        "commits": Counter(record.commit for record in records if record.commit),
        "versions": versions,
    }


def _mean_over(records: Sequence[Record]) -> tuple[list[str], list[str]]:
    """Returns codecs and the pictures that all of them have measured; a codec that shares none is left out."""
    names = codecs(records)
    by_reach = sorted(names, key=lambda name: len(common_pictures(records, [name])), reverse=True)
    while by_reach and not common_pictures(records, by_reach):
        by_reach.pop()
    return [name for name in names if name in by_reach], common_pictures(records, by_reach) if by_reach else []


def _curves(
    records: Sequence[Record], names: Iterable[str], pictures: Sequence[str], metric: Metric
) -> list[dict[str, Any]]:
    """Returns name and points [bpp, quality, seconds] of the codecs that were measured by a metric."""
    curves = []
    for curve in mean_curves(records, metric, names=names, pictures=pictures):
        points = [
            [_number(bpp), _number(quality), _number(seconds)]
            for (bpp, quality), seconds in zip(curve.points, curve.seconds, strict=True)
        ]
        curves.append({"name": curve.codec, "points": points})
    return curves


def _bd_tables(records: Sequence[Record], anchor: str, published: Iterable[PublishedCurve]) -> list[dict[str, Any]]:
    """Returns for each anchor that was measured its rows [codec, two numbers for each metric, pictures].

    Published curves are means over the 24 pictures of Kodak, and have rows only if the anchor was measured on these.
    """
    tables = []
    for name in dict.fromkeys((anchor, DEFAULT_ANCHOR, *FURTHER_ANCHORS)):
        if name not in codecs(records):
            continue
        by_codec: dict[str, list[Any]] = {}
        n_pictures: dict[str, int] = {}
        for metric in BD_METRICS:
            for row in bd_table(records, name, metric):
                cells = by_codec.setdefault(row.codec, [row.codec])
                cells += [_number(value) for value in (row.of_means, row.mean_of_pictures)]
                n_pictures[row.codec] = row.n_pictures
        others = [
            [curve.name, *(_number(published_bd_rate(records, name, curve, metric)) for metric in BD_METRICS)]
            for curve in (published if on_kodak(records, name) else ())
        ]
        tables.append(
            {
                "anchor": name,
                "rows": [[*cells, n_pictures[codec]] for codec, cells in by_codec.items()],
                "published": others,
            }
        )
    return tables


def _published(curve: PublishedCurve, *, shown: bool) -> dict[str, Any]:
    texts = {name: getattr(curve, name) for name in TEXTS}
    return {**texts, "shown": shown, "curves": {metric: curve.by(metric) for metric in BD_METRICS}}


def _compared(comparisons: Comparisons) -> dict[str, Any]:
    """Returns comparisons in which every image is an index into a list of data URIs, so that it is embedded once."""
    images: dict[str, int] = {}
    pairs = []
    for pair in comparisons.pairs:
        values = dataclasses.asdict(pair)
        for side in values["sides"]:
            side["image"] = images.setdefault(side["image"], len(images))
            for name in ("bpp", "psnr_db", "ssim"):
                side[name] = _number(side[name])
        pairs.append(values)
    return {"comparisons": pairs, "notes": comparisons.notes, "images": list(images)}
