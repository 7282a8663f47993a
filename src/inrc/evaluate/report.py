"""One self-contained HTML page of records: chart, BD-rates, every measurement, and pictures to compare by eye.

`compare` decodes the files that a run has kept and makes their rivals of equal size; `page` is a function of records
and of what `compare` returns. The page holds all that it shows: it opens from any place without a network.
"""

import base64
import dataclasses
import importlib.resources
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from inrc.baselines.classical import avif_444, best_at_most, jpeg_444, library_versions
from inrc.baselines.interface import MeasuredCodec, Pixels
from inrc.codec.decode import decode
from inrc.errors import ConfigError, InrcError, MissingDataError, OverlapError
from inrc.evaluate.curves import Metric, bd_table, codecs, common_pictures, latest, mean_curve, measured, ms_ssim_db
from inrc.evaluate.pictures import kodak
from inrc.evaluate.published import Points, PublishedCurve
from inrc.evaluate.records import Record, digest
from inrc.metrics import psnr_db, ssim
from inrc.metrics.bdrate import bd_rate
from inrc.signal.image import read_image

DEFAULT_ANCHOR = "jpeg_444"
FURTHER_ANCHORS = ("avif_444",)
MAX_IMAGE_BYTES = 12_000_000

CHART_METRICS: tuple[Metric, ...] = ("psnr_db", "ssim", "ms_ssim_db")
BD_METRICS: tuple[Metric, ...] = ("psnr_db", "ms_ssim_db")
COLUMNS = (
    *("picture", "codec", "point", "n_bytes", "bpp", "psnr_db", "ssim", "ms_ssim"),
    *("lpips", "encode_seconds", "decode_seconds", "bits_per_weight"),
)
"""Of the page's rows: fields of `Record`, and the last from its details."""

_EXTENSION = "inr"
_PLACEHOLDER = "__DATA__"
_PSNR_TOLERANCE = 0.1
_WEBP_MAX_SIDE = 16383
_Item = TypeVar("_Item")


@dataclasses.dataclass(frozen=True)
class Side:
    """One version of a picture.

    Attributes:
      name: "original" or that of a codec.
      image: data URI.
      n_bytes, bpp: of its file.
      psnr_db, ssim: of its pixels; infinite and 1 for the original.
      remark: what else is to be said under it.
    """

    name: str
    image: str
    n_bytes: int
    bpp: float
    psnr_db: float
    ssim: float
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A picture as one of our files holds it, between its original and its rivals.

    Attributes:
      picture: its name.
      width, height: in pixels.
      sides: the original, ours, and others of at most our bytes where they can be that small.
    """

    picture: str
    width: int
    height: int
    sides: tuple[Side, ...]


@dataclasses.dataclass(frozen=True)
class Comparisons:
    """What can be compared by eye, and why other pictures cannot.

    Attributes:
      pairs: picture by picture, rates rising.
      notes: a sentence each: what was left out, and the remedy.
    """

    pairs: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()


# Pictures --------------------------------------------------------------------------------------------------------


def compare(
    records: Sequence[Record],
    *,
    originals: Sequence[Path],
    files: Path,
    codec: str = "",
    pictures: int = 3,
    rates: int = 3,
    max_image_bytes: int = MAX_IMAGE_BYTES,
    progress: Callable[[str], None] = lambda line: None,
) -> Comparisons:
    """Decodes kept files, and makes a JPEG and an AVIF of at most the same size of each.

    Args:
      records: of any codecs; those of .inr files count.
      originals: folders in which the original of a picture is looked for, as its name and ".png", in this order.
      files: folder of the files that the run has kept.
      codec: whose files to show; the first in the records if not given.
      pictures, rates: how many pictures, and rates of each, spread evenly over those that there are.
      max_image_bytes: what the embedded pictures may take in the page.
      progress: called with a line before every comparison.

    Returns:
      The comparisons, with a note on every kind of thing that is missing. Nothing missing is an error.
    """
    ours = [record for record in latest(measured(records)) if record.extension == _EXTENSION]
    ours = [record for record in ours if record.codec == (codec or ours[0].codec)]
    if not ours:
        return Comparisons(notes=(f"There is no record of an .inr file{f' by {codec}' if codec else ''} to show.",))
    paths = {record.picture: _find(record.picture, originals) for record in ours}
    notes = [
        *_missing_originals([picture for picture, path in paths.items() if path is None], originals),
        *_missing_files([record.file_name for record in ours if not (files / record.file_name).is_file()], files),
    ]
    kept = [record for record in ours if paths[record.picture] and (files / record.file_name).is_file()]
    chosen = spread(list(dict.fromkeys(record.picture for record in kept)), pictures)
    pairs: list[Comparison] = []
    for picture in chosen:
        group = sorted((record for record in kept if record.picture == picture), key=lambda record: record.n_bytes)
        for record in spread(group, rates):
            progress(f"{picture}  {record.codec}  {record.bpp:.3f} bpp")
            try:
                pair = _comparison(record, paths[picture] or Path(), files)
            except InrcError as error:
                notes.append(f"{error}.")
                continue
            if _image_bytes([*pairs, pair]) > max_image_bytes:
                notes.append(f"The page would be too large with {picture} at {record.bpp:.3f} bpp: raise --max-mb.")
                continue
            pairs.append(pair)
    return Comparisons(tuple(pairs), tuple(notes))


def spread(items: Sequence[_Item], n_items: int) -> list[_Item]:
    """At most `n_items` of a sequence at equal distances, with its first and its last."""
    if n_items >= len(items):
        return list(items)
    return [items[round(index)] for index in np.linspace(0, len(items) - 1, n_items)]


def _find(picture: str, folders: Iterable[Path]) -> Path | None:
    paths = (folder / f"{picture}.png" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _missing_originals(pictures: Sequence[str], folders: Sequence[Path]) -> list[str]:
    if not pictures:
        return []
    where = ", ".join(str(folder) for folder in folders) or "any folder"
    remedy = f" {kodak().remedy}" if set(pictures) & set(kodak().names) else ""
    return [f"The originals of {_some(pictures)} are not in {where}: name theirs with --pictures.{remedy}"]


def _missing_files(names: Sequence[str], folder: Path) -> list[str]:
    if not names:
        return []
    remedy = f"inrc evaluate EXPERIMENT.py --results out/again --files {folder}"
    return [f"{_some(names)} not in {folder}: run their experiment with fresh records to make them ({remedy})."]


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _image_bytes(pairs: Iterable[Comparison]) -> int:
    return sum(len(image) for image in {side.image for pair in pairs for side in pair.sides})


def _comparison(record: Record, path: Path, files: Path) -> Comparison:
    """Raises MissingDataError where the original or the file is another than the record's."""
    pixels = read_image(path).pixels
    if _pixels_digest(pixels) != record.picture_digest:
        raise MissingDataError(f"{path} has other pixels than the {record.picture} of the records")
    data = (files / record.file_name).read_bytes()
    if digest(data) != record.file_digest:
        raise MissingDataError(f"{record.file_name} is not the recorded file: remove it and make it again")
    decoded = decode(data).pixels
    # An experiment may measure a file otherwise, at another size for one: that is not what is shown here.
    if decoded.shape != pixels.shape or abs(psnr_db(pixels, decoded) - record.psnr_db) > _PSNR_TOLERANCE:
        raise MissingDataError(f"{record.file_name} decodes to other pixels than {record.codec} was measured on")
    n_pixels = pixels.shape[0] * pixels.shape[1]
    n_bytes = path.stat().st_size
    original = Side("original", _lossless(pixels), n_bytes, 8 * n_bytes / n_pixels, math.inf, 1.0)
    sides = [original, _side(record.codec, data, pixels, decoded, _lossless(decoded))]
    sides += [_rival(*rival, pixels, len(data)) for rival in _rivals()]
    return Comparison(record.picture, record.width, record.height, tuple(sides))


def _rivals() -> list[tuple[str, MeasuredCodec, Sequence[float], str]]:
    """Name, codec, points from the smallest file to the largest, and media type."""
    found: list[tuple[str, MeasuredCodec, Sequence[float], str]] = [
        ("JPEG 4:4:4", jpeg_444(), range(1, 101), "image/jpeg")
    ]
    if library_versions()["libavif"] != "absent":
        found.append(("AVIF 4:4:4", avif_444(), range(101), "image/avif"))
    return found


def _rival(
    name: str, codec: MeasuredCodec, points: Sequence[float], media_type: str, pixels: Pixels, n_bytes: int
) -> Side:
    data, point = best_at_most(codec, pixels, points, n_bytes)
    side = _side(name, data, pixels, codec.decode(data), _data_uri(data, media_type))
    excess = f"; its smallest file is {len(data) / n_bytes:.1f} times as large as ours" if len(data) > n_bytes else ""
    return dataclasses.replace(side, remark=f"quality {point:g}{excess}")


def _side(name: str, data: bytes, pixels: Pixels, decoded: Pixels, image: str) -> Side:
    bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
    return Side(name, image, len(data), bpp, psnr_db(pixels, decoded), ssim(pixels, decoded))


def _pixels_digest(pixels: Pixels) -> str:
    return digest(np.array(pixels.shape, "<i8").tobytes() + pixels.tobytes())


def _lossless(pixels: Pixels) -> str:
    """A data URI of exactly these pixels: WebP, which takes two thirds of PNG's bytes, where it can hold them."""
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    stream = io.BytesIO()
    if max(pixels.shape[:2]) > _WEBP_MAX_SIDE:
        picture.save(stream, "PNG", optimize=True)
        return _data_uri(stream.getvalue(), "image/png")
    picture.save(stream, "WEBP", lossless=True, quality=80, method=4)
    return _data_uri(stream.getvalue(), "image/webp")


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


# The page --------------------------------------------------------------------------------------------------------


def page(
    records: Sequence[Record],
    *,
    comparisons: Comparisons | None = None,
    published: Sequence[PublishedCurve] = (),
    anchor: str = DEFAULT_ANCHOR,
) -> str:
    """The HTML page: the same bytes for the same arguments.

    Args:
      records: what the tables and the chart show, failures included; of several with one picture, codec and point the
        last counts.
      comparisons: pictures to compare by eye.
      published: curves that others have published, drawn beside ours.
      anchor: codec that BD-rates refer to at first; AVIF and JPEG can be chosen in the page where they were measured.
    """
    current = latest(records)
    good = measured(current)
    comparisons = comparisons or Comparisons(notes=("No pictures were asked for.",))
    shown, pictures = _mean_over(good)
    data = {
        "made": _made(current),
        "n_superseded": len(records) - len(current),
        "columns": COLUMNS,
        "rows": [[_cell(record, name) for name in COLUMNS] for record in good],
        "labels": _labels(good),
        "ours": codecs(record for record in good if record.extension == _EXTENSION),
        "mean": {
            "pictures": pictures,
            "left_out": [codec for codec in codecs(good) if codec not in shown],
            "curves": {metric: _curves(good, shown, pictures, metric) for metric in CHART_METRICS},
        },
        "published": [_published(curve) for curve in published],
        "bd": _bd_tables(good, anchor, published),
        "failures": [
            [record.picture, record.codec, record.point, record.failure] for record in current if record.failure
        ],
        **_compared(comparisons),
    }
    template = importlib.resources.files(__package__).joinpath("report.html").read_text("utf-8")
    return template.replace(_PLACEHOLDER, embedded(data))


def embedded(data: Mapping[str, Any]) -> str:
    """JSON that stands inside of a script element: nothing in it can end the element or begin another one."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII only
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _finite(value: float) -> float | str | None:
    """A JSON value: of what is not finite, infinity becomes "inf" and the rest null; 8 digits are kept."""
    if math.isfinite(value):
        return float(f"{value:.8g}")
    return "inf" if value == math.inf else None


def _cell(record: Record, name: str) -> Any:
    value = record.details.get(name) if name == "bits_per_weight" else getattr(record, name)
    return _finite(value) if isinstance(value, float) else value


def _made(records: Sequence[Record]) -> dict[str, Any]:
    """When and with what the records were measured."""
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
    """Codecs and the pictures that all of them have measured; codecs that share none with the others are left out."""
    names = codecs(records)
    by_reach = sorted(names, key=lambda name: len(common_pictures(records, [name])), reverse=True)
    while by_reach and not common_pictures(records, by_reach):
        by_reach.pop()
    return [name for name in names if name in by_reach], common_pictures(records, by_reach) if by_reach else []


def _curves(
    records: Sequence[Record], names: Iterable[str], pictures: Sequence[str], metric: Metric
) -> list[dict[str, Any]]:
    found = []
    for name in names:
        try:
            curve = mean_curve(records, name, metric, pictures=pictures)
        except InrcError:  # the codec was not measured by this metric
            continue
        points = [
            [_finite(bpp), _finite(quality), _finite(seconds)]
            for (bpp, quality), seconds in zip(curve.points, curve.seconds, strict=True)
        ]
        found.append({"name": name, "points": points})
    return found


def _bd_tables(records: Sequence[Record], anchor: str, published: Iterable[PublishedCurve]) -> list[dict[str, Any]]:
    """For each anchor that was measured: rows [codec, pictures, then two numbers for each metric].

    Published curves are means over the 24 pictures of Kodak: their rows are there if the anchor was measured on these.
    """
    tables = []
    for name in dict.fromkeys((anchor, DEFAULT_ANCHOR, *FURTHER_ANCHORS)):
        if name not in codecs(records):
            continue
        by_codec: dict[str, list[Any]] = {}
        for metric in BD_METRICS:
            for row in bd_table(records, name, metric):
                cells = by_codec.setdefault(row.codec, [row.codec, row.n_pictures])
                cells += [None if value is None else _finite(value) for value in (row.of_means, row.mean_of_pictures)]
        others = []
        if set(kodak().names) <= set(common_pictures(records, (name,))):
            points = mean_curve(records, name, pictures=kodak().names).points
            others = [[curve.name, _bd_rate_or_none(points, curve.points)] for curve in published]
        tables.append({"anchor": name, "rows": list(by_codec.values()), "published": others})
    return tables


def _bd_rate_or_none(anchor: Points, test: Points) -> float | None:
    try:
        return float(f"{bd_rate(anchor, test):.8g}")
    except (OverlapError, ConfigError):
        return None


def _published(curve: PublishedCurve) -> dict[str, Any]:
    in_db = [(bpp, ms_ssim_db(value)) for bpp, value in curve.ms_ssim if value < 1]
    texts = {name: getattr(curve, name) for name in ("name", "kind", "citation", "source", "note")}
    return {**texts, "curves": {"psnr_db": curve.points, "ms_ssim_db": in_db}}


def _labels(records: Iterable[Record]) -> dict[str, str]:
    """Names for readers, where the settings give a codec's format: "JPEG 4:4:4" for "jpeg_444"."""
    formats = {
        record.codec: " ".join(
            str(record.settings[name]) for name in ("format", "subsampling") if name in record.settings
        )
        for record in records
    }
    counts = Counter(formats.values())
    return {codec: label if label and counts[label] == 1 else codec for codec, label in formats.items()}


def _compared(comparisons: Comparisons) -> dict[str, Any]:
    """Comparisons with every image once, as an index into a list of data URIs."""
    images: dict[str, int] = {}
    pairs = []
    for pair in comparisons.pairs:
        values = dataclasses.asdict(pair)
        for side in values["sides"]:
            side["image"] = images.setdefault(side["image"], len(images))
            for name in ("bpp", "psnr_db", "ssim"):
                side[name] = _finite(side[name])
        pairs.append(values)
    return {"comparisons": pairs, "notes": comparisons.notes, "images": list(images)}
