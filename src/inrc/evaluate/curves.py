"""From records to curves and BD-rates: means over pictures, and each picture by itself."""

import contextlib
import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from inrc.errors import ConfigError, OverlapError, RecordError
from inrc.evaluate.records import Record
from inrc.metrics.bdrate import bd_rate

Metric = Literal["psnr_db", "ssim", "ms_ssim", "ms_ssim_db", "lpips"]
"""What a curve can show: fields of `Record`, and MS-SSIM on the scale of `ms_ssim_db`."""

Points = tuple[tuple[float, float], ...]
"""(bits per pixel, quality) with rising rates."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Rate and quality of one codec.

    Attributes:
      codec: its name.
      points: (bpp, quality) with rising bpp.
      seconds: of encoding at each point, compilation excepted.
      n_pictures: that the points are means over.
    """

    codec: str
    points: Points
    seconds: tuple[float, ...]
    n_pictures: int


@dataclasses.dataclass(frozen=True)
class BdRow:
    """How much less a codec spends than the anchor for the same quality, in percent; negative is better.

    Attributes:
      codec: its name.
      of_means: BD-rate of the mean curves; None where they overlap too little.
      by_picture: BD-rate of every picture's own curves, where they overlap enough.
      n_pictures: that both were measured on.
    """

    codec: str
    of_means: float | None
    by_picture: Mapping[str, float]
    n_pictures: int

    @property
    def mean_of_pictures(self) -> float | None:
        """Mean of `by_picture`; None where no picture's curves overlap enough."""
        return statistics.fmean(self.by_picture.values()) if self.by_picture else None


def measured(records: Iterable[Record]) -> list[Record]:
    """The records that did not fail."""
    return [record for record in records if not record.failure]


def codecs(records: Iterable[Record]) -> list[str]:
    """Names of the codecs, in the order of their first records."""
    return list(dict.fromkeys(record.codec for record in records))


def labels(records: Iterable[Record]) -> dict[str, str]:
    """Names for readers, where the settings give a codec's format: "JPEG 4:4:4" for "jpeg_444"."""
    formats = {
        record.codec: " ".join(
            str(record.settings[name]) for name in ("format", "subsampling") if name in record.settings
        )
        for record in records
    }
    counts = Counter(formats.values())
    return {codec: label if label and counts[label] == 1 else codec for codec, label in formats.items()}


def common_pictures(records: Sequence[Record], names: Iterable[str] | None = None) -> list[str]:
    """Pictures that every codec (of `names`, or all) has measured at all of its points, in order."""
    good = measured(records)
    wanted = list(names) if names is not None else codecs(good)
    common = dict.fromkeys(record.picture for record in good)
    for name in wanted:
        points = {record.point for record in good if record.codec == name}
        per_picture: dict[str, set[float]] = {}
        for record in good:
            if record.codec == name:
                per_picture.setdefault(record.picture, set()).add(record.point)
        common = {picture: None for picture in common if per_picture.get(picture) == points}
    return sorted(common)


def shared_pictures(records: Sequence[Record]) -> list[str]:
    """As `common_pictures` of all codecs, where there are any.

    Raises:
      RecordError: No picture has been measured by all codecs at all of their points.
    """
    pictures = common_pictures(records)
    if not pictures:
        names = ", ".join(codecs(measured(records))) or "no codec"
        raise RecordError(f"no picture was measured at every point of all codecs ({names}); leave out some codecs")
    return pictures


def mean_quality(records: Iterable[Record], metric: Metric) -> float:
    """Mean over records; "ms_ssim_db" is that of the mean MS-SSIM, as published curves give it."""
    if metric == "ms_ssim_db":
        return ms_ssim_db(mean_quality(records, "ms_ssim"))
    return statistics.fmean(getattr(record, metric) for record in records)


def ms_ssim_db(ms_ssim: float) -> float:
    """MS-SSIM in dB: -10 log10(1 - MS-SSIM), on which equal steps are about equally visible; infinite for a copy."""
    return math.inf if ms_ssim >= 1 else -10 * math.log10(1 - ms_ssim)


def mean_curve(
    records: Iterable[Record], codec: str, metric: Metric = "psnr_db", *, pictures: Iterable[str] | None = None
) -> Curve:
    """A codec's mean bpp, quality and seconds at each of its points, those with an infinite or unknown mean left out.

    Raises:
      RecordError: There is no such point.
    """
    wanted = None if pictures is None else set(pictures)
    by_point: dict[float, list[Record]] = {}
    for record in measured(records):
        if record.codec == codec and (wanted is None or record.picture in wanted):
            by_point.setdefault(record.point, []).append(record)
    rows = []
    for group in by_point.values():
        bpp = statistics.fmean(record.bpp for record in group)
        quality = mean_quality(group, metric)
        if math.isfinite(quality):
            rows.append((bpp, quality, statistics.fmean(record.encode_seconds for record in group)))
    if not rows:
        raise RecordError(f"no record of {codec} has a {metric}; measure it first")
    rows.sort()
    n_pictures = min(len(group) for group in by_point.values())
    return Curve(codec, tuple((bpp, quality) for bpp, quality, _ in rows), tuple(s for *_, s in rows), n_pictures)


def mean_curves(
    records: Sequence[Record],
    metric: Metric = "psnr_db",
    *,
    names: Iterable[str] | None = None,
    pictures: Iterable[str] | None = None,
) -> list[Curve]:
    """Returns the mean curves of several codecs, without those codecs that have no record of the metric.

    Args:
      records: of any codecs.
      metric: the quality of the curves.
      names: the codecs, in this order; all codecs if not given.
      pictures: the pictures that the curves are means over; those that all codecs have measured if not given.

    Raises:
      RecordError: No pictures are given, and no picture has been measured by all codecs at all of their points.
    """
    pictures = shared_pictures(records) if pictures is None else list(pictures)
    found = []
    for name in codecs(measured(records)) if names is None else names:
        with contextlib.suppress(RecordError):
            found.append(mean_curve(records, name, metric, pictures=pictures))
    return found


def psnr_of_mean_mse(records: Iterable[Record]) -> float:
    """PSNR in dB of the mean squared error over pictures, which some papers give instead of the mean PSNR."""
    mse = statistics.fmean(record.mse for record in records)
    return math.inf if mse == 0 else -10 * math.log10(mse)


def bd_table(records: Sequence[Record], anchor: str, metric: Metric = "psnr_db") -> list[BdRow]:
    """BD-rates of all codecs against one of them, each over the pictures that both have measured.

    Raises:
      RecordError: The anchor has not been measured.
    """
    good = measured(records)
    if anchor not in codecs(good):
        raise RecordError(f"there is no record of {anchor}; there are {', '.join(codecs(good))}")
    rows = []
    for codec in codecs(good):
        pictures = common_pictures(good, (anchor, codec))
        if codec == anchor or not pictures:
            continue
        by_picture = {picture: _bd_rate(good, anchor, codec, metric, (picture,)) for picture in pictures}
        known = {picture: value for picture, value in by_picture.items() if value is not None}
        rows.append(BdRow(codec, _bd_rate(good, anchor, codec, metric, pictures), known, len(pictures)))
    return rows


def common_rate(found: Sequence[Curve], preferred: Sequence[Curve]) -> float:
    """Middle, on a log scale, of the rates that all curves share, or else the preferred ones, or else the first has."""
    low, high = 0.0, math.inf
    for chosen in (found, preferred, (*preferred, *found)[:1]):
        if chosen:
            low = max(curve.points[0][0] for curve in chosen)
            high = min(curve.points[-1][0] for curve in chosen)
            if low <= high:
                break
    return math.sqrt(low * high)


def at_rate(curve: Curve, bpp: float) -> tuple[tuple[float, float], ...]:
    """(seconds, quality) of a curve at a rate.

    Quality and the logarithm of the seconds are interpolated over the logarithm of the rate. Where all points lie
    within 10 % of the rate, as when points are efforts (or 5 % if there is but one), these are returned as measured.

    Returns:
      One pair, or those of all points with rising seconds; none where the curve does not reach the rate.
    """
    rates, qualities = zip(*curve.points, strict=True)
    if all(abs(rate / bpp - 1) <= (0.05 if len(rates) == 1 else 0.1) for rate in rates):
        return tuple(sorted(zip(curve.seconds, qualities, strict=True)))
    if not rates[0] <= bpp <= rates[-1]:
        return ()
    x, log_rates = math.log(bpp), np.log(rates)
    seconds = math.exp(np.interp(x, log_rates, np.log(curve.seconds)))
    return ((seconds, float(np.interp(x, log_rates, qualities))),)


def mean_trace(records: Iterable[Record], n_steps: int = 120) -> list[tuple[float, float]]:
    """(seconds, estimated PSNR in dB) on the way, means over records at equal fractions of their traces' time.

    It begins where all traces have, and not before 1 % of the time.

    Raises:
      RecordError: No record has a trace of two entries.
    """
    # What comes before the first step can take a little less than the compilation that was subtracted.
    timed = [[entry[:2] for entry in record.trace if entry[0] > 0] for record in records]
    traces = [np.array(entries).T for entries in timed if len(entries) > 1]
    if not traces:
        raise RecordError("no record has a trace")
    fractions = np.geomspace(max(0.01, *(seconds[0] / seconds[-1] for seconds, _ in traces)), 1, n_steps)
    seconds = fractions * np.mean([seconds[-1] for seconds, _ in traces])
    psnr = np.mean([np.interp(fractions, seconds / seconds[-1], quality) for seconds, quality in traces], axis=0)
    return list(zip(seconds.tolist(), psnr.tolist(), strict=True))


def gains(
    records: Iterable[Record], first: str, other: str, metric: Metric = "psnr_db"
) -> tuple[dict[str, float], float]:
    """What a codec has beyond another at equal points, such as sizes.

    Returns:
      Difference in quality by picture, means over the points that both have measured, and by how much the bytes
      differ, in percent.

    Raises:
      RecordError: They have no point of a picture in common.
    """
    found: dict[str, dict[tuple[str, float], Record]] = {first: {}, other: {}}
    for record in measured(records):
        if record.codec in found:
            found[record.codec][record.picture, record.point] = record
    pairs = [(record, found[other][key]) for key, record in found[first].items() if key in found[other]]
    if not pairs:
        raise RecordError(f"{first} and {other} have no point of a picture in common")
    by_picture: dict[str, list[float]] = {}
    for one, two in pairs:
        difference = mean_quality([two], metric) - mean_quality([one], metric)
        by_picture.setdefault(one.picture, []).append(difference)
    n_bytes = statistics.fmean(two.n_bytes / one.n_bytes for one, two in pairs)
    return {picture: statistics.fmean(values) for picture, values in by_picture.items()}, 100 * (n_bytes - 1)


def _bd_rate(
    records: Sequence[Record], anchor: str, codec: str, metric: Metric, pictures: Sequence[str]
) -> float | None:
    """BD-rate of two mean curves; None where they overlap too little, do not rise or lack the metric."""
    try:
        curves = [mean_curve(records, name, metric, pictures=pictures).points for name in (anchor, codec)]
        return bd_rate(*curves)
    except (OverlapError, ConfigError, RecordError):
        return None
