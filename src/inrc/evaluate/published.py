"""Curves that others have published, kept as data files, to be drawn and compared beside measured ones.

Every system has a JSON file: an object with "name", "kind" (one of `KINDS`), "citation", "source", "note" and "points",
and with "ms_ssim" where it is known. `PublishedCurve` describes each field.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from inrc.errors import ConfigError, OverlapError, RecordError
from inrc.evaluate.curves import Metric, Points, common_pictures, mean_curve, ms_ssim_db
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record
from inrc.metrics.bdrate import bd_rate

KINDS = ("implicit", "latent", "learned", "classical")
TEXTS = ("name", "kind", "citation", "source", "note")

DEFAULT_PUBLISHED = ("coin", "strumpler-meta", "nif25", "cool-chic-1.0", "c3", "vtm")
"""The published curves that are drawn where none are named, by `PublishedCurve.id`."""


@dataclasses.dataclass(frozen=True)
class PublishedCurve:
    """The mean rate-distortion curve of one system over one set of pictures.

    Attributes:
      id: name of its file, without ".json".
      name: name in legends.
      kind: "implicit" (a network's weights), "latent" (a picture's own latents and small network), "learned"
        (networks trained on many pictures) or "classical".
      citation: authors, title, venue and year of the system.
      source: where the numbers come from.
      note: what matters in a comparison: how means are taken, whether bytes are real, what the rate leaves out.
      points: (bits per pixel, PSNR in dB of RGB), both increasing.
      ms_ssim: (bits per pixel, MS-SSIM of RGB), both increasing; empty where unknown.
    """

    id: str
    name: str
    kind: str
    citation: str
    source: str
    note: str
    points: Points
    ms_ssim: Points = ()

    def by(self, metric: Metric) -> Points:
        """Returns (bpp, quality) by a metric; empty where it is unknown."""
        if metric == "psnr_db":
            return self.points
        if metric == "ms_ssim_db":
            return tuple((bpp, ms_ssim_db(value)) for bpp, value in self.ms_ssim if value < 1)
        return self.ms_ssim if metric == "ms_ssim" else ()


def load_published(folder: Path) -> tuple[PublishedCurve, ...]:
    """Loads the curves of all .json files of a folder, sorted by name.

    Raises:
      RecordError: There is no such file, a file is no published curve (the message names file and field), or two curves
        have the same name.
    """
    curves = sorted((_load(path) for path in sorted(folder.glob("*.json"))), key=lambda curve: curve.name)
    if not curves:
        raise RecordError(f"{folder} has no published curves; give a folder of .json files")
    for one, other in itertools.pairwise(curves):
        if one.name == other.name:
            raise RecordError(f"{folder}: {one.id}.json and {other.id}.json have the same name {one.name!r}")
    return tuple(curves)


def choose(published: Iterable[PublishedCurve], ids: Sequence[str] = ()) -> list[PublishedCurve]:
    """Chooses the curves to draw: those of the given ids, in that order, or those of `DEFAULT_PUBLISHED`.

    Raises:
      RecordError: There is no curve of a given id.
    """
    by_id = {curve.id: curve for curve in published}
    unknown = [name for name in ids if name not in by_id]
    if unknown:
        raise RecordError(f"there is no published curve {unknown[0]}; there are {', '.join(by_id)}")
    return [by_id[name] for name in ids or DEFAULT_PUBLISHED if name in by_id]


def are_all_of_kodak(pictures: Iterable[str]) -> bool:
    """Whether pictures, by name, are exactly those of Kodak, over which published curves are means."""
    return set(pictures) == set(kodak().names)


def on_kodak(records: Sequence[Record], codec: str) -> bool:
    """Whether a codec was measured on all pictures of Kodak, over which published curves are means."""
    return set(kodak().names) <= set(common_pictures(records, (codec,)))


def published_bd_rate(records: Sequence[Record], anchor: str, curve: PublishedCurve, metric: Metric) -> float | None:
    """Returns the BD-rate of a published curve against an anchor's mean curve over Kodak, in percent.

    It is None where one of them has no curve of the metric, or where they overlap too little.
    """
    try:
        points = mean_curve(records, anchor, metric, pictures=kodak().names).points
        return bd_rate(points, curve.by(metric))
    except (OverlapError, ConfigError, RecordError):
        return None


def _load(path: Path) -> PublishedCurve:
    """Loads the curve of one file.

    Raises:
      RecordError: The file is no published curve.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not a file of JSON: {error}") from error
    if not isinstance(values, dict):
        raise RecordError(f"{path} holds {type(values).__name__}; a published curve is an object")
    unknown = sorted(values.keys() - {*TEXTS, "points", "ms_ssim"})
    if unknown:
        raise RecordError(f"{path}: {unknown[0]} is not a field of a published curve")
    texts = {field: _text(path, field, values.get(field)) for field in TEXTS}
    if texts["kind"] not in KINDS:
        raise RecordError(f"{path}: kind is {texts['kind']!r}; it must be one of {', '.join(KINDS)}")
    points = _points(path, "points", values.get("points"))
    ms_ssim = _points(path, "ms_ssim", values["ms_ssim"]) if "ms_ssim" in values else ()
    if ms_ssim and not 0 <= ms_ssim[0][1] <= ms_ssim[-1][1] <= 1:
        raise RecordError(f"{path}: ms_ssim spans {ms_ssim[0][1]}..{ms_ssim[-1][1]}; it must lie in 0..1")
    return PublishedCurve(id=path.stem, points=points, ms_ssim=ms_ssim, **texts)


def _text(path: Path, field: str, value: object) -> str:
    """Checks and returns the text of a field.

    Raises:
      RecordError: The value is no text, or a blank one.
    """
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"{path}: {field} is {value!r}; it must be a text")
    return value


def _points(path: Path, field: str, rows: Any) -> Points:
    """Checks and returns the (rate, quality) pairs of a field: at least two, positive rates, both columns increasing.

    Raises:
      RecordError: The value is no such list.
    """
    if not isinstance(rows, list) or len(rows) < 2:
        raise RecordError(f"{path}: {field} is not a list of at least two [bpp, quality] pairs")
    last = (0.0, -math.inf)
    points = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 2 or not all(_is_number(value) for value in row):
            raise RecordError(f"{path}: {field} has {row!r}; each entry is [bpp, quality], two finite numbers")
        point = (float(row[0]), float(row[1]))
        if point[0] <= last[0] or point[1] <= last[1]:
            raise RecordError(f"{path}: {field} does not rise at {row}; rates are positive, both columns increase")
        points.append(point)
        last = point
    return tuple(points)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
