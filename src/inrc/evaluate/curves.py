"""Turns records into curves and BD-rates: of means over pictures, and of each picture by itself."""

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
"""Quality on the vertical axis of a curve: a field of `Record`, or MS-SSIM on the scale of `ms_ssim_db`."""

Points = tuple[tuple[float, float], ...]
"""(bits per pixel, quality) with rising rates."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Rate and quality of one codec.

    Attributes:
      codec: name of the codec.
      points: (bpp, quality) with rising bpp.
      seconds: time of encoding at each point, without compilation.
      n_pictures: number of pictures that the points are means over.
    """

    codec: str
    points: Points
    seconds: tuple[float, ...]
    n_pictures: int


@dataclasses.dataclass(frozen=True)
class BdRow:
    """BD-rates of a codec against the anchor, in percent; negative where the codec needs fewer bytes.

    Attributes:
      codec: name of the codec.
      of_means: BD-rate of the mean curves; None where they overlap too little.
      by_picture: BD-rate of the curves of every single picture, where they overlap enough.
      n_pictures: number of pictures on which both codecs were measured.
    """

    codec: str
    of_means: float | None
    by_picture: Mapping[str, float]
    n_pictures: int

    @property
    def mean_of_pictures(self) -> float | None:
        """Mean of `by_picture`; None where the curves of no picture overlap enough."""
        return statistics.fmean(self.by_picture.values()) if self.by_picture else None


def measured(records: Iterable[Record]) -> list[Record]:
    """Returns the records that did not fail."""
    return [record for record in records if not record.failure]


def codecs(records: Iterable[Record]) -> list[str]:
    """Returns the names of the codecs, in the order of their first records."""
    return list(dict.fromkeys(record.codec for record in records))


def labels(records: Iterable[Record]) -> dict[str, str]:
    """Returns names for readers: "JPEG 4:4:4" for "jpeg_444", where the settings tell the format of a codec."""
    formats = {
        record.codec: " ".join(
            str(record.settings[name]) for name in ("format", "subsampling") if name in record.settings
        )
        for record in records
    }
    counts = Counter(formats.values())
    return {codec: label if label and counts[label] == 1 else codec for codec, label in formats.items()}


def common_pictures(records: Sequence[Record], names: Iterable[str] | None = None) -> list[str]:
    """Returns the pictures on which every codec (of `names`, or all) was measured at all of its points, sorted."""
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
    """Returns `common_pictures` of all codecs.

    Raises:
      RecordError: No picture has been measured by all codecs at all of their points.
    """
    pictures = common_pictures(records)
    if not pictures:
        names = ", ".join(codecs(measured(records))) or "no codec"
        raise RecordError(f"no picture was measured at every point of all codecs ({names}); leave out some codecs")
    return pictures


def mean_quality(records: Iterable[Record], metric: Metric) -> float:
    """Returns the mean over records; "ms_ssim_db" is that of the mean MS-SSIM, as in published curves."""
    if metric == "ms_ssim_db":
        return ms_ssim_db(mean_quality(records, "ms_ssim"))
    return statistics.fmean(getattr(record, metric) for record in records)


def ms_ssim_db(ms_ssim: float) -> float:
    """Returns MS-SSIM in dB, -10 log10(1 - MS-SSIM), whose equal steps are about equally visible; infinite at 1."""
    return math.inf if ms_ssim >= 1 else -10 * math.log10(1 - ms_ssim)


def mean_curve(
    records: Iterable[Record], codec: str, metric: Metric = "psnr_db", *, pictures: Iterable[str] | None = None
) -> Curve:
    """Returns the curve of a codec's means over pictures, without points whose mean quality is infinite or unknown.

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
    with_metric = []
    for name in codecs(measured(records)) if names is None else names:
        with contextlib.suppress(RecordError):
            with_metric.append(mean_curve(records, name, metric, pictures=pictures))
    return with_metric


def psnr_of_mean_mse(records: Iterable[Record]) -> float:
    """Returns PSNR in dB of the mean squared error over pictures, which some papers give instead of the mean PSNR."""
    mse = statistics.fmean(record.mse for record in records)
    return math.inf if mse == 0 else -10 * math.log10(mse)


def bd_table(records: Sequence[Record], anchor: str, metric: Metric = "psnr_db") -> list[BdRow]:
    """Returns the BD-rates of all codecs against one of them, each over the pictures on which both were measured.

    Raises:
      RecordError: The anchor has not been measured.
    """
    good = measured(records)
    if anchor not in codecs(good):
        raise RecordError(
            f"there is no record of {anchor}; there are records of {', '.join(codecs(good)) or 'no codec'}"
        )
    rows = []
    for codec in codecs(good):
        pictures = common_pictures(good, (anchor, codec))
        if codec == anchor or not pictures:
            continue
        by_picture = {picture: _bd_rate(good, anchor, codec, metric, (picture,)) for picture in pictures}
        known = {picture: value for picture, value in by_picture.items() if value is not None}
        rows.append(BdRow(codec, _bd_rate(good, anchor, codec, metric, pictures), known, len(pictures)))
    return rows


def common_rate(all_curves: Sequence[Curve], preferred: Sequence[Curve]) -> float:
    """Returns the middle, on a log scale, of the rates that all curves share.

    Where they share no rate, the rates are those that the preferred curves share, or else those of the first curve.
    """
    low, high = 0.0, math.inf
    for chosen in (all_curves, preferred, (*preferred, *all_curves)[:1]):
        if chosen:
            low = max(curve.points[0][0] for curve in chosen)
            high = min(curve.points[-1][0] for curve in chosen)
            if low <= high:
                break
    return math.sqrt(low * high)


def at_rate(curve: Curve, bpp: float) -> tuple[tuple[float, float], ...]:
    """Returns (seconds, quality) of a curve at a rate.

    Quality and the logarithm of the seconds are interpolated over the logarithm of the rate. Where all points lie
    within 10 % of the rate, as when points are efforts, they are returned as measured; a single point must lie within
    5 %.

    Returns:
      One pair, or one for every point with rising seconds; none where the curve does not reach the rate.
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
    """Returns (seconds, estimated PSNR in dB) during the fit: means over records at equal fractions of their time.

    The mean starts where all traces have started, but not before 1 % of the time.

    Args:
      records: the records to average.
      n_steps: the number of fractions.

    Raises:
      RecordError: No record has a trace of two entries.
    """
    # The seconds before the first step can be a little fewer than the compilation that is subtracted from them.
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
    """Compares the quality of two codecs at equal points, such as sizes.

    Args:
      records: records of any codecs.
      first: the codec that is subtracted.
      other: the codec that it is subtracted from.
      metric: the quality.

    Returns:
      (gain by picture, difference in bytes in percent): gains are means over the points that both codecs have.

    Raises:
      RecordError: The codecs have no point of a picture in common.
    """
    records_of: dict[str, dict[tuple[str, float], Record]] = {first: {}, other: {}}
    for record in measured(records):
        if record.codec in records_of:
            records_of[record.codec][record.picture, record.point] = record
    pairs = [(record, records_of[other][key]) for key, record in records_of[first].items() if key in records_of[other]]
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
    """Returns the BD-rate of two mean curves; None where they overlap too little, do not rise or lack the metric."""
    try:
        curves = [mean_curve(records, name, metric, pictures=pictures).points for name in (anchor, codec)]
        return bd_rate(*curves)
    except (OverlapError, ConfigError, RecordError):
        return None
